"""Which releases are candidates, in which order, and why the others are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from support.builders import LINUX_38, day, file, release, sdist, target, wheel

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Excluded, Move, Release
from bisect_asgi.core.releases.selection import (
    Demand,
    ReleaseFilter,
    ReleaseRange,
    Selection,
    between,
    outermost,
    select,
    upgrades,
)

PYTHON_38 = target("3.8.20", LINUX_38)


def yanked(version: str, *reasons: str | None) -> Release:
    """A release of one file for each of `reasons`."""
    return release(version, *(file(f"fastapi-{version}-{i}.tar.gz", yanked=r) for i, r in enumerate(reasons)))


def versions(selection: Selection) -> list[str]:
    """The versions of the candidates."""
    return [kept.version for kept in selection.kept]


@pytest.mark.parametrize(
    ("excluded", "wanted", "reason"),
    [
        pytest.param(release("2004-final"), ReleaseFilter(), "its version is not PEP 440", id="version"),
        pytest.param(
            release("0.59.0"),
            ReleaseFilter(within=SpecifierSet(">=0.60")),
            "not in `--releases >=0.60`",
            id="range",
        ),
        pytest.param(
            release("1.0rc1"), ReleaseFilter(), "pre-release (include with `--pre`)", id="pre-release"
        ),
        pytest.param(
            release("1.0.dev3"), ReleaseFilter(), "pre-release (include with `--pre`)", id="development"
        ),
        pytest.param(
            yanked("1.0", "broken metadata", "broken metadata"),
            ReleaseFilter(),
            "yanked: broken metadata (include with `--yanked`)",
            id="yanked",
        ),
        pytest.param(
            yanked("1.0", ""), ReleaseFilter(), "yanked (include with `--yanked`)", id="yanked-without-reason"
        ),
        pytest.param(
            release("1.0", wheel(requires_python=">=3.9"), sdist(requires_python=">=3.9")),
            ReleaseFilter(),
            "requires Python >=3.9, not 3.8",
            id="python",
        ),
        pytest.param(
            release("1.0", wheel(tag="cp39-cp39-manylinux_2_17_x86_64")),
            ReleaseFilter(),
            "no wheel for Python 3.8 on this platform, and no sdist",
            id="tags",
        ),
        pytest.param(
            release("1.0", file("fastapi-1.0-py3.egg"), file("fastapi-1.0.win32.exe")),
            ReleaseFilter(),
            "no wheel and no sdist (only .egg and .exe)",
            id="kinds-of-files",
        ),
    ],
)
def test_each_release_that_is_left_out_has_its_reason(
    excluded: Release, wanted: ReleaseFilter, reason: str
) -> None:
    selection = select([release("0.60"), excluded], wanted, PYTHON_38)

    assert versions(selection) == ["0.60"]
    assert selection.excluded == (Excluded(version=excluded.version, uploaded=None, reason=reason),)


def test_a_release_without_files_is_left_out() -> None:
    empty = Release(project="fastapi", version="1.0", uploaded=day("2021-10-07"), files=())

    selection = select([empty], ReleaseFilter(yanked=False), PYTHON_38)

    assert selection.excluded == (Excluded(version="1.0", uploaded=day("2021-10-07"), reason="no files"),)


@pytest.mark.parametrize(
    ("candidate", "wanted"),
    [
        pytest.param(release("1.0rc1"), ReleaseFilter(pre=True), id="pre-releases-wanted"),
        pytest.param(yanked("1.0", "bad"), ReleaseFilter(yanked=True), id="yanked-wanted"),
        pytest.param(yanked("1.0", "bad", None), ReleaseFilter(), id="one-file-not-yanked"),
        pytest.param(release("1.0.post1"), ReleaseFilter(), id="post-release"),
        pytest.param(release("1.0+ubuntu1"), ReleaseFilter(), id="local-version"),
        pytest.param(
            release("0.60rc1"), ReleaseFilter(pre=True, within=SpecifierSet(">=0.59")), id="pre-in-range"
        ),
        pytest.param(release("1.0", sdist()), ReleaseFilter(), id="sdist-only"),
        pytest.param(release("1.0", file("fastapi-1.0.zip")), ReleaseFilter(), id="zip-only"),
        pytest.param(
            release("1.0", wheel(tag="cp38-cp38-manylinux_2_17_x86_64")), ReleaseFilter(), id="platform-wheel"
        ),
        pytest.param(
            release("1.0", wheel(tag="py2.py3-none-any")), ReleaseFilter(), id="wheel-of-several-tags"
        ),
        pytest.param(
            release("1.0", wheel(tag="cp39-cp39-win32"), sdist()),
            ReleaseFilter(),
            id="sdist-beside-foreign-wheel",
        ),
        pytest.param(
            release("1.0", wheel(requires_python=">=3.6,<4")), ReleaseFilter(), id="python-admitted"
        ),
        pytest.param(
            release("1.0", wheel(requires_python=">=3.9"), sdist(requires_python=">=3.6")),
            ReleaseFilter(),
            id="one-file-admits-python",
        ),
        pytest.param(
            release("1.0", wheel(requires_python=">=3.6.*")), ReleaseFilter(), id="unreadable-python"
        ),
        pytest.param(release("1.0", wheel(requires_python="")), ReleaseFilter(), id="empty-python"),
    ],
)
def test_these_releases_are_candidates(candidate: Release, wanted: ReleaseFilter) -> None:
    selection = select([candidate], wanted, PYTHON_38)

    assert selection == Selection(kept=(candidate,), excluded=())


@pytest.mark.parametrize(
    "named",
    [
        pytest.param(release("1.0rc1"), id="pre-release"),
        pytest.param(yanked("1.0", "bad"), id="yanked"),
        pytest.param(release("0.59.0"), id="out-of-range"),
    ],
)
def test_what_the_user_names_comes_in_whatever_the_switches_say(named: Release) -> None:
    wanted = ReleaseFilter(within=SpecifierSet(">=0.60,<0.99"), named=(named.version,))

    selection = select([named, release("0.61")], wanted, PYTHON_38)

    assert named in selection.kept


def test_what_the_user_names_is_still_left_out_where_it_cannot_be_installed() -> None:
    named = release("1.0rc1", wheel(requires_python=">=3.9"))

    selection = select([named], ReleaseFilter(named=("1.0rc1",)), PYTHON_38)

    assert [out.reason for out in selection.excluded] == ["requires Python >=3.9, not 3.8"]


def test_without_an_interpreter_any_python_will_do() -> None:
    selection = select([release("1.0", wheel(requires_python=">=3.99"))], ReleaseFilter(), None)

    assert versions(selection) == ["1.0"]


def test_candidates_are_ordered_by_version_and_not_as_text() -> None:
    listed = ["1!0.1", "0.10", "0.9", "0.9.post1", "0.10rc1", "0.9+local", "0.10.dev1"]

    selection = select([release(version) for version in listed], ReleaseFilter(pre=True), PYTHON_38)

    assert versions(selection) == ["0.9", "0.9+local", "0.9.post1", "0.10.dev1", "0.10rc1", "0.10", "1!0.1"]


def test_candidates_can_be_ordered_by_upload_those_without_a_date_first() -> None:
    listed = [
        release("2.0", uploaded="2021-03-01"),
        release("1.9.1", uploaded="2021-04-01"),
        release("1.9", uploaded="2021-03-01"),
        release("3.0"),
        release("0.1"),
    ]

    by_version = select(listed, ReleaseFilter(), PYTHON_38)
    by_upload = select(listed, ReleaseFilter(by_upload=True), PYTHON_38)

    assert versions(by_version) == ["0.1", "1.9", "1.9.1", "2.0", "3.0"]
    assert versions(by_upload) == ["0.1", "3.0", "1.9", "2.0", "1.9.1"]


@pytest.mark.parametrize("text", ["0.60.0", "0.60", "v0.60"])
def test_a_release_is_found_by_any_spelling_of_its_version(text: str) -> None:
    selection = select([release("0.61"), release("0.60.0"), release("0.59")], ReleaseFilter(), PYTHON_38)

    assert selection.position(text, option="--good") == 1


KEPT = (release("0.58"), release("0.59"), release("0.62"), release("0.63"))

SKIPPED = (
    Excluded(version="2004-final", uploaded=None, reason="its version is not PEP 440"),
    Excluded(version="0.60.0", uploaded=None, reason="requires Python >=3.9, not 3.8"),
)


@pytest.mark.parametrize(
    ("kept", "version", "message", "hint"),
    [
        pytest.param(
            KEPT,
            "0.60",
            "`--bad 0.60` is excluded: requires Python >=3.9, not 3.8",
            "pass `--bad 0.59` or `--bad 0.62`",
            id="left-out",
        ),
        pytest.param(
            KEPT,
            "0.61",
            "there is no release `0.61` of fastapi (`--bad`)",
            "pass `--bad 0.59` or `--bad 0.62`",
            id="unknown",
        ),
        pytest.param(
            KEPT, "0.1", "there is no release `0.1` of fastapi (`--bad`)", "pass `--bad 0.58`", id="below-all"
        ),
        pytest.param(
            KEPT, "7", "there is no release `7` of fastapi (`--bad`)", "pass `--bad 0.63`", id="above-all"
        ),
        pytest.param(
            (),
            "7",
            "there is no release `7` (`--bad`)",
            "widen `--releases`: no release is left",
            id="nothing",
        ),
    ],
)
def test_a_named_release_that_is_no_candidate_is_refused_with_its_neighbours(
    kept: tuple[Release, ...], version: str, message: str, hint: str
) -> None:
    selection = Selection(kept=kept, excluded=SKIPPED)

    with pytest.raises(UsageError) as caught:
        selection.position(version, option="--bad")

    assert (str(caught.value), caught.value.hint) == (message, hint)


places = st.none() | st.integers(0, 9)


@pytest.mark.parametrize(
    ("good", "bad", "ends"),
    [
        pytest.param(None, None, (0, 9), id="none"),
        pytest.param(3, None, (3, 9), id="good"),
        pytest.param(0, None, (0, 9), id="good-is-the-first"),
        pytest.param(None, 3, (0, 3), id="bad"),
        pytest.param(None, 0, (0, 0), id="bad-is-the-first"),
        pytest.param(3, 7, (3, 7), id="a-regression"),
        pytest.param(7, 3, (3, 7), id="a-fix"),
        pytest.param(0, 0, (0, 0), id="one-place"),
    ],
)
def test_a_range_is_from_the_good_end_up_to_the_bad_one(
    good: int | None, bad: int | None, ends: tuple[int, int]
) -> None:
    assert outermost(good, bad, 10) == ends


@settings(derandomize=True, deadline=None)
@given(places, places)
def test_a_range_has_the_named_ends_and_no_more_than_there_is(good: int | None, bad: int | None) -> None:
    start, end = outermost(good, bad, 10)

    assert 0 <= start <= end <= 9
    assert {good, bad} - {None} <= {start, end}


@pytest.mark.parametrize(
    ("good", "bad", "cut"),
    [
        pytest.param(None, None, ReleaseRange(releases=KEPT), id="no-end"),
        pytest.param("0.59", "0.62.0", ReleaseRange(releases=KEPT[1:3], good=0, bad=1), id="both"),
        pytest.param(
            "0.62", "0.59", ReleaseRange(releases=KEPT[1:3], good=1, bad=0), id="the-other-way-round"
        ),
        pytest.param("0.59", None, ReleaseRange(releases=KEPT[1:], good=0), id="good"),
        pytest.param(None, "0.62", ReleaseRange(releases=KEPT[:3], bad=2), id="bad"),
    ],
)
def test_a_selection_is_cut_to_the_ends_that_the_user_named(
    good: str | None, bad: str | None, cut: ReleaseRange
) -> None:
    found = Selection(kept=KEPT, excluded=()).between(
        Version(good) if good else None, Version(bad) if bad else None
    )

    assert found == cut
    assert [Version(end.version) for end in found.ends] == [Version(end) for end in (good, bad) if end]


def outs(*excluded: str) -> list[Excluded]:
    return [Excluded(version=version, uploaded=None, reason="yanked") for version in excluded]


@pytest.mark.parametrize(
    ("low", "high", "lying"),
    [
        pytest.param("0.59", "0.62", ("0.60", "0.61.post1"), id="final-releases-alone"),
        pytest.param("0.62", "0.59", ("0.60", "0.61.post1"), id="in-either-order"),
        pytest.param("0.60", "0.61", (), id="the-two-themselves-do-not-count"),
        pytest.param("0.9", "0.63", ("0.60", "0.61.post1", "0.62"), id="by-version-and-not-as-text"),
        pytest.param("2022-01-10T12:00", "0.62", (), id="no-release"),
    ],
)
def test_of_what_was_left_out_some_lies_between_two_releases(
    low: str, high: str, lying: tuple[str, ...]
) -> None:
    excluded = outs("2004-final", "0.60", "0.61rc1", "0.61.dev2", "0.61.post1", "0.62")

    assert between(excluded, low, high) == lying


STEPS = [
    release(version, project="beta")
    for version in ("2004-final", "0.9", "1.0", "1.1", "1.2rc1", "1.2", "2.0", "2.1")
]


@pytest.mark.parametrize(
    ("move", "kept"),
    [
        pytest.param(
            Move(name="beta", old="1.0", new="2.0"), ["1.0", "1.1", "1.2", "2.0"], id="both-ends-are-in"
        ),
        pytest.param(Move(name="beta", old="1.2rc1", new="2.0"), ["1.2rc1", "1.2", "2.0"], id="pre-release"),
        pytest.param(Move(name="beta", old="1.0.0", new="1.1.0"), ["1.0", "1.1"], id="another-spelling"),
        pytest.param(Move(name="beta", old="2.0", new="1.0"), [], id="it-went-back"),
        pytest.param(Move(name="beta", old="1.0", new="1.0.0"), [], id="it-stayed"),
        pytest.param(Move(name="beta", old=None, new="2.0"), [], id="added"),
        pytest.param(Move(name="beta", old="1.0", new=None), [], id="removed"),
        pytest.param(Move(name="beta", old="2004-final", new="2.0"), [], id="no-version"),
        pytest.param(Move(name="beta", old="1.1", new="2-final"), [], id="no-new-version"),
    ],
)
def test_the_releases_that_a_distribution_moved_over_are_those_from_its_old_to_its_new_one(
    move: Move, kept: list[str]
) -> None:
    assert versions(upgrades(move, STEPS, PYTHON_38)) == kept


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("1.0.5", "2.0", id="old"),
        pytest.param("1.0", "2.0.5", id="new"),
        pytest.param("1.1+local1", "2.0", id="old-at-a-local-version"),
        pytest.param("1.0", "1.2+local1", id="new-at-a-local-version"),
    ],
)
def test_a_distribution_whose_own_release_is_not_listed_moved_over_none_that_is(old: str, new: str) -> None:
    """What was seen of the two sides is later taken for what the first and the last release showed."""
    assert versions(upgrades(Move(name="beta", old=old, new=new), STEPS, PYTHON_38)) == []


def test_pre_releases_and_yanked_ones_between_come_in_when_they_are_wanted() -> None:
    move, gone = Move(name="beta", old="1.0", new="2.0"), yanked("1.3", "broken")

    found = upgrades(move, [*STEPS, gone], PYTHON_38, pre=True, yanked=True)

    assert versions(found) == ["1.0", "1.1", "1.2rc1", "1.2", "1.3", "2.0"]
    assert found.excluded == ()


def test_a_pinned_release_is_one_of_those_moved_over_although_it_was_yanked() -> None:
    gone = yanked("1.0", "broken")

    found = upgrades(Move(name="beta", old="1.0", new="2.0"), [gone, release("2.0")], PYTHON_38)

    assert versions(found) == ["1.0", "2.0"]


def test_of_what_was_left_out_only_what_lies_between_is_told() -> None:
    gone, foreign = yanked("1.1.1", ""), release("1.1.2", wheel(requires_python=">=3.9"))

    found = upgrades(Move(name="beta", old="1.0", new="1.2"), [*STEPS, gone, foreign], PYTHON_38)

    assert {out.version: out.reason for out in found.excluded} == {
        "1.2rc1": "pre-release (include with `--pre`)",
        "1.1.1": "yanked (include with `--yanked`)",
        "1.1.2": "requires Python >=3.9, not 3.8",
    }


def test_a_release_without_an_upload_time_is_left_out_where_dates_are_needed() -> None:
    listed = [release("1.0", uploaded="2021-01-01"), release("1.1")]

    selection = select(listed, ReleaseFilter(dated=True), None)

    assert [kept.version for kept in selection.kept] == ["1.0"]
    assert [(out.version, "no upload time" in out.reason) for out in selection.excluded] == [("1.1", True)]
    assert len(select(listed, ReleaseFilter(), None).kept) == 2
    assert len(select(listed, ReleaseFilter(dated=True, named=("1.1",)), None).kept) == 2


def test_a_release_that_something_of_the_users_excludes_is_no_candidate_even_if_it_is_named() -> None:
    demands = tuple(
        Demand(of=of, name="fastapi", specifier=text) for of, text in (("`a`", ">=0.5"), ("`b`", "<0.69"))
    )
    wanted = ReleaseFilter(named=("0.69.0",), demands=demands)

    selection = select([release("0.68.0"), release("0.69.0")], wanted, None)

    assert [each.version for each in selection.kept] == ["0.68.0"]
    assert [out.reason for out in selection.excluded] == ["`b` requires fastapi<0.69"]
    with pytest.raises(UsageError, match=r"^`--bad 0\.69\.0` is excluded: `b` requires fastapi<0\.69$"):
        selection.position("0.69.0", option="--bad")
