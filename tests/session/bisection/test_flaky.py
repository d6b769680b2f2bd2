"""Flaky histories that change more than once, or have long untestable stretches."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from support.builders import ALL, ASSERTION, TYPE_ERROR, failed, passed, untestable
from support.noisy_world import NoisyWorld, Shows

from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Observation, Outcome
from bisect_asgi.core.plan import Budget

pytestmark = pytest.mark.simulation

SEEDS = range(12)


def history(text: str, *, bad: float, good: float) -> Shows:
    """Oldest first: `B` fails at the rate `bad`, `.` at the rate `good`, `s` cannot be tested."""

    def shows(number: int, random: Random) -> Observation:
        if text[number - 1] == "s":
            return untestable()
        rate = bad if text[number - 1] == "B" else good
        return failed() if random.random() < rate else passed()

    return shows


def worlds(
    text: str, *, bad: float, good: float, named: dict[str, str] | None = None, **fields: object
) -> list[NoisyWorld]:
    """The same history under several seeds, each with its answer."""
    shows = history(text, bad=bad, good=good)
    made_up = [NoisyWorld(size=len(text), shows=shows, seed=seed) for seed in SEEDS]
    for each in made_up:
        each.bisect(**(named or {}), **fields)
    return made_up


def changes_of(text: str) -> list[tuple[int, int]]:
    tested = [number for number, what in enumerate(text, 1) if what != "s"]
    return [(low, high) for low, high in pairwise(tested) if text[low - 1] != text[high - 1]]


TWICE = [
    pytest.param("B.....BB", 1.0, 0.2, id="the-oldest-is-bad"),
    pytest.param(".BBBBBB.", 0.5, 0.0, id="both-ends-are-good"),
    pytest.param("BBBB..BBBB", 0.9, 0.1, id="bad-good-bad"),
    pytest.param("BB....ssBBBB", 0.9, 0.1, id="with-untestable-ones"),
    pytest.param(".....BBBBB..........", 0.7, 0.1, id="good-bad-good"),
]


@pytest.mark.parametrize(("text", "bad", "good"), TWICE)
def test_no_release_is_called_what_its_own_runs_refute(text: str, bad: float, good: float) -> None:
    for made_up in worlds(text, bad=bad, good=good):
        for row in made_up.report.rows:
            runs = row.passed + row.failed
            assert not (row.verdict == "good" and row.failed == runs >= 8), made_up.seed
            assert not (row.verdict == "bad" and row.passed == runs >= 20), made_up.seed


@pytest.mark.parametrize(("text", "bad", "good"), TWICE)
def test_where_runs_show_several_changes_all_are_found(text: str, bad: float, good: float) -> None:
    told = [made_up for made_up in worlds(text, bad=bad, good=good) if len(made_up.finished.changes) > 1]

    assert len(told) >= 4  # the others saw no flaky release, or none elsewhere
    assert sum(made_up.changes == changes_of(text) for made_up in told) >= 0.95 * len(told)
    for made_up in told:
        assert made_up.report.belief is None  # it would be that of one change
        assert made_up.text().count("\nChange     ") == len(made_up.finished.changes)


@pytest.mark.parametrize(
    ("text", "bad", "good"),
    [
        pytest.param("..........BBBBBBBBBB", 1.0, 0.2, id="always-and-seldom"),
        pytest.param("..........BBBBBBBBBB", 0.5, 0.0, id="half-and-never"),
        pytest.param("...........BBBBBBBBBB", 0.7, 0.3, id="often-and-less-often"),
    ],
)
def test_one_change_is_not_taken_for_several(text: str, bad: float, good: float) -> None:
    found = worlds(text, bad=bad, good=good)

    assert sum(made_up.boundary == changes_of(text)[0] for made_up in found) >= 11
    assert sum(len(made_up.finished.changes) > 1 for made_up in found) <= 1


@pytest.mark.parametrize(("text", "bad", "good"), [*TWICE, ("........BBBBBBBB", 0.5, 0.1)])
@pytest.mark.parametrize("runs", [25, 40, 60, 90])
def test_what_is_found_of_a_flaky_probe_has_the_confidence_that_was_asked_for(
    text: str, bad: float, good: float, runs: int
) -> None:
    for made_up in worlds(text, bad=bad, good=good, budget=Budget(runs=runs)):
        belief = made_up.report.belief
        is_one = made_up.finished.kind is ResultKind.FOUND and belief is not None
        assert not is_one or belief.probability >= belief.confidence


def test_a_budget_that_does_not_suffice_for_several_changes_names_what_shows_them() -> None:
    short = worlds("BBBB..BBBB", bad=0.9, good=0.1, budget=Budget(runs=85))

    told = [note for made_up in short for note in made_up.notes if "changes more than once" in note]
    assert told
    for made_up in short:
        if any("changes more than once" in note for note in made_up.notes):
            assert made_up.finished.kind is ResultKind.INCONCLUSIVE
            assert made_up.report.belief is not None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("s" * 20 + "." * 12 + "B" * 8, {}, id="old-ones"),
        pytest.param("s" * 20 + "." * 12 + "B" * 8, {"bad": "40"}, id="old-ones-bad-end-named"),
    ],
)
def test_a_stretch_that_is_untestable_for_one_reason_is_not_walked(text: str, named: dict[str, str]) -> None:
    for made_up in worlds(text, bad=0.5, good=0.0, named=named):
        tried = {number for number in made_up.made if text[int(number) - 1] == "s"}
        assert len(tried) <= 6, made_up.seed


def test_an_assumed_stretch_inside_the_boundary_is_looked_into() -> None:
    """Two releases for one reason, and between them some that can be tested."""
    text = "." * 10 + "s" * 3 + "...BBBBB" + "s" * 3 + "B" * 10

    found = worlds(text, bad=0.6, good=0.0)

    assert sum(made_up.boundary == (16, 17) for made_up in found) >= 11


@pytest.mark.parametrize("bad", [0.25, 0.5])
def test_a_flaky_named_end_is_run_before_all_others_until_it_has_shown_how_often_it_fails(bad: float) -> None:
    for made_up in worlds("." * 20 + "B" * 10, bad=bad, good=0.0, named={"bad": "30"}):
        runs = [run.outcome for run in made_up.store["30", ""]]
        is_flaky = any(row.is_flaky for row in made_up.report.rows)
        assert runs.count(Outcome.FAILED) >= 3 or len(runs) >= 16 or not is_flaky


@pytest.mark.parametrize(
    ("text", "bad", "good"), [("........BBBBBBBB", 1.0, 0.3), ("BBBBBBBB........", 0.5, 0.0)]
)
def test_the_headline_says_how_often_a_flaky_probe_fails_on_both_sides(
    text: str, bad: float, good: float
) -> None:
    told = 0
    for made_up in worlds(text, bad=bad, good=good):
        belief, headline = made_up.report.belief, made_up.report.headline
        if belief is None or made_up.finished.kind is not ResultKind.FOUND:
            assert "% before" not in headline
            continue
        told += 1
        old, new = belief.old, belief.new
        rates = headline.partition("(fails ")[2]
        after, before = rates.split(f"% from {belief.first} on, ")
        assert int(after) == pytest.approx(100 * new.failed / new.runs, abs=1)
        assert int(before.partition("% before)")[0]) == pytest.approx(100 * old.failed / old.runs, abs=1)
    assert told >= 8


@pytest.mark.parametrize(
    ("text", "bad", "good"),
    [
        *TWICE,
        pytest.param("....BB......", 0.9, 0.0, id="two-releases"),
        pytest.param("..B..BB.BBBB", 1.0, 0.1, id="five"),
        pytest.param(".....BBBBBB", 0.8, 0.1, id="one"),
    ],
)
def test_with_all_every_change_of_a_flaky_history_is_found(text: str, bad: float, good: float) -> None:
    tried = worlds(text, bad=bad, good=good, history=ALL, budget=Budget(runs=1000))

    # Where no release was seen to be flaky, nothing tells that a single run went the other way.
    told = [made_up for made_up in tried if any(row.is_flaky for row in made_up.report.rows)]
    assert len(told) >= 6
    found = [made_up.changes or [made_up.boundary] for made_up in told]
    assert found.count(changes_of(text)) >= 0.9 * len(told)


def test_with_all_a_budget_that_is_too_small_is_told() -> None:
    text = "." * 12 + "B" * 12
    said = {"did not show whether there are other changes": 0, "showed no other state that lasted for": 0}
    for made_up in worlds(text, bad=0.8, good=0.2, history=ALL, budget=Budget(runs=150)):
        notes = [note for note in made_up.report.notes if note.startswith("150 runs ")]
        assert notes or made_up.boundary is None or made_up.runs < 150
        for words in said:
            said[words] += any(words in note for note in notes)

    assert min(said.values()) >= 1


def test_with_all_a_probe_that_fails_as_often_everywhere_has_no_change() -> None:
    for made_up in worlds("." * 8, bad=0.0, good=0.3, history=ALL):
        assert made_up.finished.kind in (ResultKind.NOT_REPRODUCED, ResultKind.INCONCLUSIVE)
        assert made_up.boundary is None


@pytest.mark.parametrize("bad", [1.0, 0.8, 0.5])
def test_a_bug_that_fails_in_two_ways_is_placed_by_more_than_one_run(bad: float) -> None:
    def shows(number: int, random: Random) -> Observation:
        if number < 28 or random.random() >= bad:
            return passed()
        return failed(random.choice([ASSERTION, TYPE_ERROR]))

    for seed in SEEDS:
        made_up = NoisyWorld(size=60, shows=shows, seed=seed)

        made_up.bisect()

        assert made_up.boundary == (27, 28)
        assert min(made_up.made["27"], made_up.made["28"]) >= 3
