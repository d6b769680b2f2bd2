"""What requirements say of versions: what has to move together, and what moved another."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core.culprit.ddmin import Mix
from bisect_asgi.core.culprit.mixes import forbids, groups, required
from bisect_asgi.core.model import Move

NAMES = ("app", "beta", "gamma", "delta")

reproducible = settings(derandomize=True, deadline=None, max_examples=200)


def mix(text: str) -> Mix:
    """`mix("a b")` has the names a and b."""
    return frozenset(text.split())


MARKERS = {"python_version": "3.8", "sys_platform": "linux"}


def moved(name: str, old: str | None = "1.0", new: str | None = "2.0") -> Move:
    return Move(name=name, old=old, new=new)


@pytest.mark.parametrize(
    ("old", "new", "grouped"),
    [
        pytest.param({}, {}, ["alpha", "beta", "gamma"], id="nothing-is-required"),
        pytest.param(
            {"alpha": ["beta==1.0"]},
            {"alpha": ["beta==2.0"]},
            ["alpha", "beta", "gamma"],
            id="the-one-is-pinned-and-the-other-does-not-care",
        ),
        pytest.param(
            {"alpha": ["beta==1.0"], "beta": ["alpha<2"]},
            {"alpha": ["beta==2.0"], "beta": ["alpha>=2"]},
            ["alpha beta", "gamma"],
            id="each-pins-the-other",
        ),
        pytest.param(
            {"beta": ["alpha<2"]},
            {"alpha": ["beta>=2"]},
            ["alpha beta", "gamma"],
            id="the-new-one-needs-what-the-old-other-forbids",
        ),
        pytest.param(
            {"alpha": ["beta<2"], "beta": ["gamma<2"], "gamma": ["beta<2"]},
            {"beta": ["alpha>=2"], "gamma": ["alpha>=1"]},
            ["alpha beta gamma"],
            id="groups-that-share-one-are-one",
        ),
        pytest.param(
            {"alpha": ["gamma<2"], "gamma": ["alpha<2"]}, {}, ["alpha gamma", "beta"], id="not-neighbours"
        ),
        pytest.param(
            {},
            {"alpha": ["Beta==2.0; python_version >= '3.9'"], "beta": ["alpha==2.0"]},
            ["alpha", "beta", "gamma"],
            id="a-marker-that-does-not-hold",
        ),
        pytest.param(
            {},
            {"alpha": ["beta==2.0; extra == 'fast'"], "beta": ["alpha==2.0"]},
            ["alpha", "beta", "gamma"],
            id="of-an-extra",
        ),
        pytest.param(
            {},
            {"alpha": ["beta ??", "beta==2.0; sys_platform == 'linux'"], "beta": ["ALPHA==2.0"]},
            ["alpha beta", "gamma"],
            id="what-cannot-be-read-is-passed-over",
        ),
    ],
)
def test_what_forbids_each_others_other_version_is_moved_together(
    old: dict[str, list[str]], new: dict[str, list[str]], grouped: list[str]
) -> None:
    found = groups(
        [moved("alpha"), moved("beta"), moved("gamma")], old, new, package=None, environment=MARKERS
    )

    assert set(found) == {mix(text) for text in grouped}
    assert len(found) == len(grouped)


def test_the_package_is_moved_alone_whatever_it_requires() -> None:
    pins = {"alpha": ["beta==2.0"], "beta": ["alpha==2.0"]}

    found = groups([moved("alpha"), moved("beta")], {}, pins, package="alpha", environment=MARKERS)

    assert found == (mix("alpha"), mix("beta"))


def test_what_was_added_is_moved_together_with_what_requires_it_and_is_required_by_it() -> None:
    requires = {"alpha": ["beta"], "beta": ["alpha>=2"]}

    found = groups([moved("alpha"), moved("beta", old=None)], {}, requires, package=None, environment=MARKERS)

    assert found == (mix("alpha beta"),)


needs = st.dictionaries(
    st.sampled_from(NAMES),
    st.lists(
        st.builds("{}{}".format, st.sampled_from(NAMES), st.sampled_from(["", "<2", ">=2", "==1.0", " ??"])),
        max_size=4,
    ),
)


@reproducible
@given(
    st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
    needs,
    needs,
    st.sampled_from([None, *NAMES]),
)
def test_each_distribution_is_in_one_group(
    names: list[str], old: dict[str, list[str]], new: dict[str, list[str]], package: str | None
) -> None:
    found = groups([moved(name) for name in names], old, new, package=package, environment=MARKERS)

    assert sorted(chain.from_iterable(found)) == sorted(names)
    assert all(group == {package} for group in found if package in group)


@pytest.mark.parametrize(
    ("requirements", "version", "is_forbidden"),
    [
        pytest.param([], "1.0", False, id="nothing-is-said"),
        pytest.param(["beta<2"], "2.0", True, id="not-admitted"),
        pytest.param(["beta<2"], "1.0", False, id="admitted"),
        pytest.param(["beta"], "1.0", False, id="any-version"),
        pytest.param(["beta"], None, True, id="absent-and-required"),
        pytest.param(["gamma"], None, False, id="absent-and-not-required"),
        pytest.param(["beta_x<2", "gamma<2"], "2.0", False, id="others"),
        pytest.param(["BETA<2"], "2.0", True, id="another-spelling"),
        pytest.param(["beta[fast]<2"], "2.0", True, id="with-an-extra-of-its-own"),
        pytest.param(["beta>=1"], "2.0rc1", False, id="pre-releases-count"),
        pytest.param(["beta>=1", "beta<2"], "2.0", True, id="any-of-them-forbids"),
        pytest.param(["beta<2; python_version < '3.8'"], "2.0", False, id="marker-does-not-hold"),
        pytest.param(["beta<2; python_version >= '3.8'"], "2.0", True, id="marker-holds"),
        pytest.param(["beta<2; extra == 'fast'"], "2.0", False, id="of-an-extra"),
        pytest.param(["beta=<2"], "2.0", False, id="malformed"),
        pytest.param(
            ["beta<2; sys_platform ~= 'lin'"], "2.0", True, id="a-marker-that-has-no-meaning-is-taken-to-hold"
        ),
        pytest.param(["beta<2; 'dev' in dependency_groups"], "2.0", True, id="a-marker-of-lock-files"),
        pytest.param(
            ["beta<2; os_name == 'none' or extra == 'fast'"], "2.0", False, id="neither-of-two-holds"
        ),
        pytest.param(["", "beta<2"], "2.0", True, id="malformed-and-another"),
    ],
)
def test_requirements_forbid_what_they_do_not_admit(
    requirements: list[str], version: str | None, is_forbidden: bool
) -> None:
    assert forbids(requirements, "beta", version, MARKERS) is is_forbidden


@pytest.mark.parametrize(
    ("requirements", "move", "said"),
    [
        pytest.param([], moved("beta"), "", id="nothing-is-said"),
        pytest.param(["gamma>=2"], moved("beta"), "", id="others"),
        pytest.param(["beta==2.0"], moved("beta"), "==2.0", id="a-pin"),
        pytest.param(["Beta[fast] >= 2 ; python_version > '3'"], moved("beta"), ">=2", id="a-range"),
        pytest.param(["beta>=1"], moved("beta"), "", id="the-old-one-would-do"),
        pytest.param(["beta>=2; sys_platform == 'win32'"], moved("beta"), "", id="marker-does-not-hold"),
        pytest.param(["beta>=1", "beta>=2"], moved("beta"), ">=2", id="the-one-that-does-not-admit-the-old"),
        pytest.param(["beta ??", "beta>=2"], moved("beta"), ">=2", id="malformed-and-another"),
        pytest.param(["beta>=2"], moved("beta", old=None), ">=2", id="added"),
        pytest.param(["beta"], moved("beta", old=None), "any version", id="added-at-any-version"),
        pytest.param([], moved("beta", old=None), "", id="added-for-something-else"),
        pytest.param(["beta<1"], moved("beta", new=None), "", id="removed"),
    ],
)
def test_a_requirement_is_told_where_it_moved_what_it_is_about(
    requirements: list[str], move: Move, said: str
) -> None:
    assert required(requirements, move, MARKERS) == said


@pytest.mark.parametrize("specifier", [">=2.0,<3", "<3,>=2.0", " <3 , >=2.0 "])
def test_a_requirement_is_told_in_one_spelling(specifier: str) -> None:
    assert required([f"beta{specifier}"], moved("beta"), MARKERS) == "<3,>=2.0"
