"""Extras that are asked for and not there."""

from __future__ import annotations

import pytest

from bisect_asgi.core import extras
from bisect_asgi.core.extras import Extra
from bisect_asgi.core.model import Declared

ALL = Extra(package="demo", name="all")


@pytest.mark.parametrize(
    ("requires", "provides", "has"),
    [
        pytest.param([], [], (), id="none"),
        pytest.param([], ["Test", "my_Docs"], ("my-docs", "test"), id="declared-in-another-spelling"),
        pytest.param(["a; extra == 'x'", 'b; extra=="y.z"'], ["x"], ("x", "y-z"), id="by-a-marker"),
    ],
)
def test_the_extras_of_metadata_have_their_normalized_names(
    requires: list[str], provides: list[str], has: tuple[str, ...]
) -> None:
    assert extras.declared(requires, provides) == Declared(requires=tuple(requires), extras=has)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param(["demo", "dep==1"], [], id="none"),
        pytest.param(["Demo[All]==1.0"], [("demo", "all")], id="one"),
        pytest.param(["my_dep[b,a]>1", "my-dep[b]"], [("my-dep", "a"), ("my-dep", "b")], id="several"),
        pytest.param(["demo[x] @ file:///srv/demo"], [("demo", "x")], id="of-an-address"),
        pytest.param(["demo==1.0 ; python_version in '[3]'"], [], id="brackets-in-a-marker"),
    ],
)
def test_the_extras_are_those_of_all_requirements(lines: list[str], found: list[tuple[str, str]]) -> None:
    assert extras.wanted(lines) == tuple(Extra(package=package, name=name) for package, name in found)


def test_a_package_that_is_not_installed_lacks_nothing() -> None:
    assert extras.is_lacking(ALL, {"demo": Declared(extras=("all",))}) is False
    assert extras.is_lacking(ALL, {"demo": Declared(extras=("some",))}) is True
    assert extras.is_lacking(ALL, {"dep": Declared()}) is None


@pytest.mark.parametrize(
    ("others", "hint"),
    [
        pytest.param({"full", "al"}, "pass `demo[al]`", id="a-near-name"),
        pytest.param(
            {"test", "docs"}, "pass an extra of `demo`: `docs` and `test`; or drop `[all]`", id="others"
        ),
        pytest.param(
            set("uvwxyz"),
            "pass an extra of `demo`: `u`, `v`, `w`, `x` and 2 more; or drop `[all]`",
            id="many-others",
        ),
        pytest.param(set(), "drop `[all]`: `demo` has no extras", id="none"),
    ],
)
def test_what_no_release_has_is_told_with_what_there_is(others: set[str], hint: str) -> None:
    found = extras.unknown(ALL, {4, 2}, others)

    assert (found.keys, found.subject, found.what) == ((2, 4), "demo", "has no extra `all`")
    assert (found.reason, found.hint) == ("", hint)


@pytest.mark.parametrize(
    ("lacking", "where"),
    [
        pytest.param("--++", "up to 1.1", id="older"),
        pytest.param("++-", "from 1.2 on", id="newer"),
        pytest.param("+--+", "in 1.1 and 1.2", id="in-between"),
        pytest.param("-+-", "in 1.0 and 1.2", id="around"),
        pytest.param("-", "in 1.0", id="the-only-one"),
        pytest.param("--", "in 1.0 and 1.1", id="all"),
    ],
)
def test_a_note_names_the_releases_that_lack_it(lacking: str, where: str) -> None:
    answers = {f"1.{minor}": sign == "-" for minor, sign in enumerate(lacking)}

    assert extras.missing_in(ALL, answers) == f"`demo` has no extra `all` {where}: runs were made without it"


@pytest.mark.parametrize("answers", [{}, {"1.0": False, "1.1": False}])
def test_there_is_no_note_if_none_lacks_it(answers: dict[str, bool]) -> None:
    assert extras.missing_in(ALL, answers) == ""
