"""Which interpreter suits a range of releases best."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.builders import LINUX_38, day, release, sdist, target, wheel

from bisect_asgi.core.model import Distribution, Release
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.core.releases.interpreters import InterpreterChoice, Needs, first_released, rank

OLD_ONLY = [release(f"0.{i}", wheel(requires_python="<3.9"), uploaded="2020-06-01") for i in range(3)]
NEW_ONLY = [release(f"1.{i}", wheel(requires_python=">=3.9"), uploaded="2022-06-01") for i in range(4)]
BOTH = [release("0.9", uploaded="2022-01-01")]


def best_interpreter(
    interpreters: Sequence[TargetPython], releases: Sequence[Release], *, required: Sequence[Release] = ()
) -> InterpreterChoice | None:
    """The best one, with nothing known of what the ends need."""
    ranking = rank(interpreters, releases, required=required)
    return ranking.choice() if ranking else None


@pytest.mark.parametrize(
    ("interpreters", "releases", "chosen", "reason"),
    [
        pytest.param(
            ["3.8.20", "3.9.20"],
            OLD_ONLY + NEW_ONLY,
            "3.9.20",
            "can install 4 of 7 releases",
            id="the-one-that-installs-most",
        ),
        pytest.param(["3.9.20", "3.8.20"], BOTH, "3.9.20", "can install 1 of 1 release", id="tie-newer"),
        pytest.param(
            ["3.8.9", "3.8.20", "3.8.10"], BOTH, "3.8.20", "can install 1 of 1 release", id="tie-newer-patch"
        ),
        pytest.param(
            ["3.14.0rc2", "3.14.1"],
            [release("1.0", uploaded="2026-01-01")],
            "3.14.1",
            "can install 1 of 1 release",
            id="tie-release-over-its-pre-release",
        ),
        pytest.param(["3.8", "3.8.1"], BOTH, "3.8.1", "can install 1 of 1 release", id="tie-no-patch-named"),
        pytest.param(
            ["3.11.4", "3.8.20"],
            [*OLD_ONLY, release("2.0", wheel(requires_python=">=3.10"), uploaded="2023-01-01")],
            "3.8.20",
            "can install 3 of 4 releases",
            id="range-mostly-old",
        ),
        pytest.param(["3.12.1"], OLD_ONLY, "3.12.1", "can install 0 of 3 releases", id="nothing-installs"),
    ],
)
def test_the_interpreter_that_suits_most_releases_is_chosen(
    interpreters: list[str], releases: list[Release], chosen: str, reason: str
) -> None:
    choice = best_interpreter([target(version) for version in interpreters], releases)

    assert choice is not None
    assert (choice.interpreter.version, choice.reason) == (chosen, reason)


@pytest.mark.parametrize(
    ("recent", "chosen"),
    [
        pytest.param(2, "3.7.17", id="six-against-five"),
        pytest.param(3, "3.8.20", id="six-against-six-so-the-newer"),
        pytest.param(4, "3.8.20", id="six-against-seven"),
    ],
)
def test_releases_older_than_the_interpreter_count_half(recent: int, chosen: str) -> None:
    # Python 3.7 installs the six early ones; 3.8 came after them and installs all.
    early = [release(f"0.{i}", sdist(), uploaded="2019-01-01") for i in range(6)]
    late = [release(f"1.{i}", wheel(requires_python=">=3.8"), uploaded="2022-01-01") for i in range(recent)]

    choice = best_interpreter([target("3.8.20"), target("3.7.17")], early + late)

    assert choice is not None
    assert choice.interpreter.version == chosen


def test_the_reason_says_how_many_releases_are_older_than_the_interpreter() -> None:
    releases = [
        release("0.1", uploaded="2019-10-13"),
        release("0.2", uploaded="2019-10-14"),
        release("0.3"),
    ]

    choice = best_interpreter([target("3.8.20")], releases)

    assert choice is not None
    assert choice.reason == "can install 3 of 3 releases (1 of them predates this Python)"


def test_an_interpreter_that_cannot_install_what_is_required_is_not_chosen() -> None:
    python_38, python_39 = target("3.8.20"), target("3.9.20")

    choice = best_interpreter([python_38, python_39], OLD_ONLY + NEW_ONLY, required=OLD_ONLY[:1] + BOTH)

    assert choice is not None
    assert choice.target == python_38


@pytest.mark.parametrize(
    "interpreters",
    [
        pytest.param([], id="there-are-none"),
        pytest.param([target("3.8.20"), target("3.9.20")], id="each-lacks-one"),
    ],
)
def test_there_is_no_choice_where_no_interpreter_installs_all_that_is_required(
    interpreters: list[TargetPython],
) -> None:
    assert best_interpreter(interpreters, OLD_ONLY + NEW_ONLY, required=OLD_ONLY[:1] + NEW_ONLY[:1]) is None


def test_interpreters_of_one_version_at_two_places_are_told_apart() -> None:
    plain, linux = target("3.8.20", path="/opt/a"), target("3.8.20", LINUX_38, path="/opt/b")

    choice = best_interpreter([plain, linux], [release("1.0", wheel(tag="cp38-cp38-manylinux_2_17_x86_64"))])

    assert choice is not None
    assert choice.interpreter.path == "/opt/b"


@pytest.mark.parametrize(
    ("minor", "date"),
    [
        pytest.param((3, 6), "2016-12-23", id="3.6"),
        pytest.param((3, 7), "2018-06-27", id="3.7"),
        pytest.param((3, 8), "2019-10-14", id="3.8"),
        pytest.param((3, 9), "2020-10-05", id="3.9"),
        pytest.param((3, 13), "2024-10-05", id="one-each-october"),
    ],
)
def test_the_age_of_each_python_is_known(minor: tuple[int, int], date: str) -> None:
    assert first_released(minor) == day(date)


# What the ends need.

THREE = [target("3.8.20"), target("3.9.20"), target("3.10.13")]
"""They install all of `RECENT`, which came after them all, so that the newest is the best by its score."""
RECENT = [release(f"2.{i}", uploaded="2023-01-01") for i in range(6)]


def needs(name: str, **installed: str | None) -> Needs:
    """What an end gets on Python 3.8, 3.9 and 3.10: `p39="engine==1 pump==2"`; None: no wheels."""
    found = {}
    for each in THREE:
        text = installed[f"p{each.interpreter.short.replace('.', '')}"]
        pins = None if text is None else [pin.split("==") for pin in text.split()]
        found[each.interpreter.path] = pins and [Distribution(name=n, version=v) for n, v in pins]
    return Needs(name=name, installed=found)


@pytest.mark.parametrize(
    ("ends", "chosen", "reason"),
    [
        pytest.param([], "3.10.13", "can install 6 of 6 releases", id="nothing-is-known-of-them"),
        pytest.param(
            [needs("app 2.0", p38="pump==1", p39="pump==1", p310="pump==1")],
            "3.10.13",
            "can install 6 of 6 releases",
            id="all-alike",
        ),
        pytest.param(
            [needs("app 2.0", p38="pump==1", p39="pump==1", p310=None)],
            "3.9.20",
            "can install 6 of 6 releases; on Python 3.10, some dependencies of app 2.0 have no wheels",
            id="no-wheels-on-the-newest",
        ),
        pytest.param(
            [needs("app 2.5", p38="pump==2.9", p39="pump==2.10", p310="engine==1 pump==2.9")],
            "3.9.20",
            "can install 6 of 6 releases; on Python 3.10, app 2.5 gets older dependencies, such as pump 2.9",
            id="older-dependencies",
        ),
        pytest.param(
            [needs("app 2.0", p38="", p39="", p310=None), needs("app 2.5", p38="pump==2", p39="", p310="")],
            "3.9.20",
            "can install 6 of 6 releases; on Python 3.10, some dependencies of app 2.0 have no wheels",
            id="what-only-one-of-them-needs-is-no-older",
        ),
        pytest.param(
            [
                needs("app 2.0", p38="pump==1", p39="pump==1", p310=None),
                needs("app 2.5", p38="pump==1 engine==1", p39="pump==1 engine==2", p310="pump==2 engine==2"),
            ],
            "3.9.20",
            "can install 6 of 6 releases; on Python 3.10, some dependencies of app 2.0 have no wheels",
            id="wheels-count-more-than-age",
        ),
        pytest.param(
            [
                needs("app 2.0", p38=None, p39=None, p310=None),
                needs("app 2.5", p38="a==1", p39="a==2", p310="a==1"),
            ],
            "3.9.20",
            "can install 6 of 6 releases; on Python 3.10, app 2.5 gets older dependencies, such as a 1",
            id="wheels-nowhere-and-older-dependencies",
        ),
        pytest.param(
            [needs("app 2.0", p38=None, p39=None, p310=None)],
            "3.10.13",
            "can install 6 of 6 releases",
            id="wheels-nowhere",
        ),
        pytest.param(
            [needs("app 2.0", p38="local==", p39="local==", p310="local==")],
            "3.10.13",
            "can install 6 of 6 releases",
            id="no-version",
        ),
    ],
)
def test_interpreters_that_suit_nearly_as_well_are_told_apart_by_what_the_ends_get(
    ends: list[Needs], chosen: str, reason: str
) -> None:
    ranking = rank(THREE, RECENT)
    assert ranking is not None

    choice = ranking.choice(ends)

    assert (choice.interpreter.version, choice.reason) == (chosen, reason)


def test_only_interpreters_that_score_nearly_as_much_as_the_best_are_in_question() -> None:
    # Python 3.8 installs one of five: too few, whatever it would get at the ends.
    ranking = rank(THREE, NEW_ONLY + RECENT[:1], required=RECENT[:1])

    assert ranking is not None
    assert [each.interpreter.short for each in ranking.in_question] == ["3.10", "3.9"]
    assert [each.interpreter.short for each in ranking.choice().others] == ["3.9", "3.8"]


def test_of_a_minor_version_the_best_interpreter_counts() -> None:
    ranking = rank([target("3.9.1"), target("3.9.20"), target("3.8.20")], RECENT)

    assert ranking is not None
    assert [each.interpreter.version for each in ranking.in_question] == ["3.9.20", "3.8.20"]


def test_an_interpreter_that_installs_what_is_wished_is_preferred_to_one_that_suits_better() -> None:
    # Python 3.8 installs eight of nine, 3.9 all but those three that need an older one.
    releases = OLD_ONLY[:3] + RECENT[:5] + NEW_ONLY[:1]

    ranking = rank([target("3.8.20"), target("3.9.20")], releases, wished=NEW_ONLY[:1])

    assert ranking is not None
    assert [each.interpreter.short for each in ranking.in_question] == ["3.9"]
