"""The rest of a history is looked at by default, and what is said of it is true."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from support.builders import ALL, AUTO, NONE, failed, passed, release, target, untestable, wheel
from support.noisy_world import NoisyWorld
from support.sessions import FakeWorld, a_plan

from bisect_asgi.core.events import Note, ResultKind
from bisect_asgi.core.model import Observation
from bisect_asgi.core.plan import History, HistoryKind
from bisect_asgi.core.releases.affected import ReleaseState

SHOWN = {"B": failed(), ".": passed(), "s": untestable()}


def world(truth: str) -> NoisyWorld:
    """Releases 1, 2, … of which each is bad (B), good (.) or untestable (s)."""

    def shows(number: int, _: Random) -> Observation:
        return SHOWN[truth[number - 1]]

    return NoisyWorld(size=len(truth), shows=shows)


def refuted(made_up: NoisyWorld, truth: str) -> list[int]:
    """The good releases that are said to be affected."""
    texts = [stretch.specifier for stretch in made_up.report.affected]
    affected = [SpecifierSet("" if text == "*" else text) for text in texts]
    good = [str(key + 1) for key, letter in enumerate(truth) if letter == "."]
    return [int(version) for version in good if any(each.contains(version) for each in affected)]


def changes_of(truth: str) -> list[tuple[int, int]]:
    """The numbers of the testable releases on both sides of each change."""
    tested = [key for key, letter in enumerate(truth) if letter != "s"]
    return [(low + 1, high + 1) for low, high in pairwise(tested) if truth[low] != truth[high]]


def two_changes(size: int, random: Random) -> str:
    """A history that changes twice, with some untestable releases."""
    first, second = sorted(random.sample(range(1, size), 2))
    sides = random.choice([".B.", "B.B"])
    letters = sides[0] * first + sides[1] * (second - first) + sides[2] * (size - second)
    return "".join("s" if random.random() < 0.1 else letter for letter in letters)


@pytest.mark.simulation
@pytest.mark.parametrize("size", [12, 30, 60])
def test_of_two_changes_both_are_found_and_no_good_release_is_called_affected(size: int) -> None:
    random = Random(size)
    found = 0
    for _ in range(120):
        truth = two_changes(size, random)
        made_up = world(truth)

        made_up.bisect()

        assert refuted(made_up, truth) == [], truth
        found += changes_of(truth) in (made_up.changes, [made_up.boundary] if made_up.boundary else [])

    assert found >= 114


@pytest.mark.parametrize(
    ("truth", "changes"),
    [
        pytest.param("..Bss", [(2, 3)], id="untestable-above-the-first-bad-one"),
        pytest.param(".......Bss", [(7, 8)], id="after-many-good-ones"),
        pytest.param("..BB..Bsssss", [(2, 3), (4, 5), (6, 7)], id="three-changes"),
        pytest.param("...Bssss", [(3, 4)], id="one-bad-one"),
    ],
)
def test_the_newest_testable_release_is_an_end(truth: str, changes: list[tuple[int, int]]) -> None:
    made_up = world(truth)

    finished = made_up.bisect()

    assert finished.kind is ResultKind.FOUND
    assert made_up.changes == changes
    assert refuted(made_up, truth) == []


def test_nothing_is_said_of_releases_beyond_untestable_ones() -> None:
    made_up = world("..ssssssssB.")

    made_up.bisect()

    (stretch,) = made_up.report.affected
    assert stretch.specifier == ">=11,<12"


@pytest.mark.parametrize(
    ("good", "bad", "truth"),
    [
        pytest.param(None, "4", "..BB..", id="fixed-after-the-bad-end"),
        pytest.param("1", "4", "..BB..", id="after-both-ends"),
    ],
)
def test_what_is_newer_than_the_range_tells_that_it_was_fixed(
    good: str | None, bad: str | None, truth: str
) -> None:
    made_up = world(truth)

    made_up.bisect(good=good, bad=bad)

    report = made_up.report
    assert made_up.finished.boundary is not None
    assert [(change.last, change.first) for change in report.changes] == [("2", "3"), ("4", "5")]
    assert (report.last, report.first) == ("2", "3")
    assert report.headline.startswith("app broke in 3")
    assert report.headline.endswith("was fixed in 5")
    assert [stretch.specifier for stretch in report.affected] == [">=3,<5"]


FIXED = "." * 10 + "B" * 20 + "." * 90
"""Broken in 11, mended in 31; a search that ends at 20 takes about as long as eleven runs."""


def timed(truth: str, run_s: float, monkeypatch: pytest.MonkeyPatch) -> NoisyWorld:
    made_up = replace(world(truth), run_s=run_s)
    made_up.keep_time(monkeypatch)
    return made_up


@pytest.mark.parametrize("run_s", [0.2, 1.0, 2.5, 12.0, 25.0])
def test_a_change_that_shows_is_placed_and_confirmed_when_the_budget_is_over(
    run_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = timed(FIXED, run_s, monkeypatch)
    alone.bisect(bad="20", history=NONE)
    made_up = timed(FIXED, run_s, monkeypatch)

    made_up.bisect(bad="20")

    assert made_up.changes == [(10, 11), (30, 31)]
    assert min(made_up.made[str(number)] for number in (10, 11, 30, 31)) >= 3
    assert made_up.clock_s <= alone.clock_s + max(60.0, alone.clock_s)
    assert [stretch.specifier for stretch in made_up.report.affected] == [">=11,<31"]


def test_no_other_look_begins_after_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = timed(FIXED, 0.2, monkeypatch)
    alone.bisect(bad="20", history=NONE)
    made_up = timed(FIXED, 0.2, monkeypatch)

    made_up.bisect(bad="20")

    looked = [label for label in made_up.made if label not in alone.made]
    assert looked == ["120", "70", "45", "32", "26", "29", "30", "31"]
    # Each took 2.2 s: the last one would not have ended within as long as the search took.
    assert alone.clock_s < 8 * 2.2


@pytest.mark.parametrize(
    ("run_s", "history", "good"),
    [
        pytest.param(20.0, AUTO, "10", id="as-long-as-the-search-took-is-over"),
        pytest.param(1.0, History(kind=HistoryKind.TIME, seconds=12.0), "1", id="the-users-time-is-over"),
    ],
)
def test_a_change_that_is_not_placed_in_time_is_told(
    run_s: float, history: History, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up = timed(FIXED, run_s, monkeypatch)

    made_up.bisect(good=good, bad="20", history=history, confirm=0)

    assert made_up.boundary == (10, 11)
    assert "there may be another change between " in made_up.text()
    assert refuted(made_up, FIXED) == []
    assert made_up.report.affected[0].specifier.startswith(">=11,<=")


def test_a_change_whose_sides_were_not_run_again_in_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = timed("...BBB..", 9.0, monkeypatch)

    made_up.bisect(bad="6", history=History(kind=HistoryKind.TIME, seconds=24.0))

    assert (made_up.made["6"], made_up.made["7"]) == (1, 1)
    assert made_up.changes == [(3, 4)]
    assert "there may be another change between 6 and 7" in made_up.text()


def test_ends_that_are_swapped_do_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = timed("......BBBBBB", 9.0, monkeypatch)

    made_up.bisect(good="12", bad="1", history=History(kind=HistoryKind.TIME, seconds=40.0))

    notes = [event.text for event in made_up.events if isinstance(event, Note)]
    assert "the ends are not as given; looking for a change between them (`--history`)" in notes
    assert not [note for note in notes if note.startswith("there may be")]
    assert made_up.changes == [(6, 7)]  # as the answer, it is placed and confirmed in any time
    assert made_up.report.headline.endswith("12, given as good, is bad; app 1, given as bad, is good")


@pytest.mark.parametrize(
    "truth",
    [
        pytest.param("s" * 30 + "." * 10 + "B" * 12 + "." * 8, id="the-older-half"),
        pytest.param("." * 10 + "s" * 30 + "." * 5 + "B" * 15, id="the-middle"),
        pytest.param("." * 25 + "B" * 5 + "s" * 30, id="the-newer-half"),
    ],
)
def test_few_looks_go_into_a_stretch_that_is_untestable_for_one_reason(
    truth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = timed(truth, 1.0, monkeypatch)
    alone.bisect(history=NONE)
    made_up = timed(truth, 1.0, monkeypatch)

    made_up.bisect()

    looked = [int(label) for label in made_up.made if label not in alone.made]
    untestable_ones = [number for number in looked if truth[number - 1] == "s"]
    assert len(looked) >= 10
    assert len(untestable_ones) <= 2


def test_ends_that_agree_are_no_answer_yet() -> None:
    made_up = world("....BB......")

    finished = made_up.bisect()

    assert finished.kind is ResultKind.FOUND
    assert made_up.changes == [(4, 5), (6, 7)]


def test_a_named_end_that_is_wrong_does_not_hide_what_there_is() -> None:
    made_up = world("....BB......")

    finished = made_up.bisect(good="1", bad="12")

    assert finished.kind is ResultKind.FOUND
    assert made_up.changes == [(4, 5), (6, 7)]


@pytest.mark.parametrize("history", [AUTO, ALL], ids=str)
def test_a_wrong_end_is_named_in_the_headline(history: History) -> None:
    made_up = world("....BB......")

    made_up.bisect(bad="7", history=history)

    assert made_up.changes == [(4, 5), (6, 7)]
    assert made_up.report.headline.endswith("broke in 5 and was fixed in 7; app 7, given as bad, is good")


@pytest.mark.parametrize("history", [AUTO, ALL], ids=str)
def test_an_old_failure_that_nobody_named_is_no_answer(history: History) -> None:
    made_up = world("B...........")

    finished = made_up.bisect(bad="9", history=history)

    assert finished.kind is ResultKind.NOT_REPRODUCED
    assert finished.message.startswith("the bad end passes: ")
    assert finished.hint == "pass another `--python` or `--deps`"
    assert any("if that is the bug, pass `--good 2 --bad 1`" in note for note in made_up.report.notes)


def test_without_a_change_it_is_said_of_how_many_releases() -> None:
    made_up = world("......")

    finished = made_up.bisect()

    assert finished.kind is ResultKind.NOT_REPRODUCED
    assert set(made_up.made) == {"1", "2", "3", "4", "5", "6"}


def test_with_none_only_the_search_runs_anything() -> None:
    made_up = world("." * 20 + "B" * 20)

    made_up.bisect(history=NONE, good="1", bad="40", confirm=0)

    assert made_up.boundary == (20, 21)
    assert made_up.runs <= 8
    states = [row.how for row in made_up.report.rows]
    assert states.count(ReleaseState.RUN) == len(made_up.made)
    assert made_up.report.searched is None  # both ends were run


def test_a_time_that_is_over_at_once_allows_for_no_look() -> None:
    made_up = world("." * 20 + "B" * 20)
    made_up.bisect(history=NONE)
    runs = made_up.runs

    again = world("." * 20 + "B" * 20)
    again.bisect(history=History(kind=HistoryKind.TIME, seconds=0.0))

    assert again.runs == runs


@pytest.mark.parametrize("history", [AUTO, ALL], ids=["auto", "all"])
def test_cheap_trials_are_all_run(history: History) -> None:
    made_up = world("..B...B.....")

    made_up.bisect(history=history)

    assert len(made_up.made) == 12
    assert made_up.report.shortest == 1


def test_the_same_command_again_runs_nothing() -> None:
    made_up = world("..BB....")
    made_up.bisect(bad="4")
    runs = made_up.runs

    made_up.bisect(bad="4")

    assert made_up.runs == runs
    assert made_up.changes == [(2, 3), (4, 5)]


def test_the_same_command_again_does_not_look_for_longer_than_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made_up = timed(FIXED, 1.0, monkeypatch)
    made_up.bisect(bad="20")
    runs, changes = made_up.runs, made_up.changes

    made_up.bisect(bad="20")

    assert (made_up.runs, made_up.changes) == (runs, changes)


def test_the_same_command_again_looks_if_the_first_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = timed(FIXED, 1.0, monkeypatch)
    made_up.bisect(bad="20", history=NONE)

    made_up.bisect(bad="20")

    assert made_up.changes == [(10, 11), (30, 31)]


def test_latest_is_the_newest_release() -> None:
    made_up = world("..BB....")

    finished = made_up.bisect(good="latest", bad="4")

    assert finished.kind is ResultKind.FOUND
    assert made_up.changes[-1] == (4, 5)


def test_a_latest_that_is_bad_is_an_end_like_any_other() -> None:
    made_up = world("....BBBB")

    made_up.bisect(good="1", bad="latest")

    assert made_up.boundary == (4, 5)


@pytest.mark.parametrize(
    ("bad", "history", "noted"),
    [
        pytest.param(("1.3", "1.9"), AUTO, True, id="still-bad"),
        pytest.param(("1.3", "1.4"), AUTO, False, id="fixed-before"),
        pytest.param(("1.3", "1.9"), NONE, False, id="nothing-else-is-asked-for"),
        pytest.param(("0", "0"), AUTO, False, id="nothing-found"),
    ],
)
def test_newer_releases_for_another_python_are_noted_if_the_newest_one_here_is_bad(
    bad: tuple[str, str], history: History, noted: bool
) -> None:
    old = [release(f"1.{minor}", uploaded="2019-01-01") for minor in range(8)]
    new = release("2.0", wheel(requires_python=">=3.9"), uploaded="2022-01-01")
    first, last = map(Version, bad)
    made_up = FakeWorld(
        lambda version, _: failed() if first <= version <= last else passed(),
        [*old, new],
        interpreters=[target("3.6.15"), target("3.9.1")],
    )

    made_up.bisect(a_plan(history=history))

    text = "1 newer release (2.0) cannot be installed on Python 3.6; pass `--python 3.9`"
    assert [each.text for each in made_up.events if isinstance(each, Note) and "newer" in each.text] == (
        [text] if noted else []
    )
