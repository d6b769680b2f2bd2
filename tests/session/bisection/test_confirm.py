"""Probes that do not always answer the same: what is found, how often it is right, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from support.builders import (
    ASSERTION,
    AUTO,
    IMPORT_ERROR,
    TYPE_ERROR,
    failed,
    passed,
)
from support.flaky_searches import SEEDS, at, right
from support.noisy_world import NoisyWorld, Shows, flaky

from bisect_asgi.core import events
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Observation, Outcome
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.records import replace

pytestmark = pytest.mark.simulation


# Rates of failing below and above the change, and how many of twenty answers have to be right. Of answers
# given at 0.99 one in five searches of twenty has a wrong one, and one in sixty has two; a rate that shows in
# three runs of ten also has searches that see nothing, or that the budget does not suffice for.
RATES = [
    pytest.param(0.0, 0.7, 18, id="never-and-seven-in-ten"),
    pytest.param(0.05, 0.9, 18, id="one-in-twenty-and-nine-in-ten"),
    pytest.param(0.0, 0.3, 17, id="never-and-three-in-ten"),
]


def worlds(shows: Callable[[int], Shows], size: int) -> list[tuple[NoisyWorld, int]]:
    """A world for each seed, with a change at a random release."""
    firsts = [Random(f"{seed} {size}").randrange(2, size + 1) for seed in SEEDS]
    pairs = zip(SEEDS, firsts, strict=True)
    return [(NoisyWorld(size=size, seed=seed, shows=shows(first)), first) for seed, first in pairs]


# The boundary is right.


@pytest.mark.parametrize("size", [12, 30, 100])
@pytest.mark.parametrize(("good", "bad", "least"), RATES)
def test_a_flaky_probes_boundary_is_found(good: float, bad: float, least: int, size: int) -> None:
    tried = worlds(lambda first: flaky(first, good, bad), size)

    assert right(tried) >= least
    wrong = [made_up for made_up, first in tried if made_up.boundary not in (None, (first - 1, first))]
    assert len(wrong) <= 2


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"good": "1", "bad": "40"}, id="both-ends-named"),
        pytest.param({"good": "3"}, id="good-end-named"),
        pytest.param({"bad": "38"}, id="bad-end-named"),
        pytest.param({"jobs": 3}, id="three-at-once"),
        pytest.param({"good": "1", "bad": "40", "confidence": 0.9999}, id="very-sure"),
    ],
)
def test_it_is_found_however_it_is_asked_for(fields: dict[str, object]) -> None:
    assert right(at(18, flaky(18, 0.0, 0.5)), **fields) >= 19


@pytest.mark.parametrize("fields", [{}, {"good": "40", "bad": "1"}], ids=["unnamed", "named"])
def test_a_fix_of_a_flaky_bug_is_found(fields: dict[str, object]) -> None:
    tried = at(18, flaky(18, 0.7, 0.0))

    assert right(tried, **fields) >= 19
    for made_up, _ in tried:
        rulings = [event for event in made_up.events if isinstance(event, events.RulingsChanged)][-1]
        assert rulings.new_is is Outcome.PASSED


def test_untestable_releases_are_gone_round() -> None:
    tried = at(18, flaky(18, 0.0, 0.7, skips=(3, 4, 11, 16, 25, 26, 39)))

    assert right(tried) >= 19
    assert all(
        made_up.made[str(number)] <= 1 for made_up, _ in tried for number in (3, 4, 11, 16, 25, 26, 39)
    )


def test_untestable_releases_beside_the_change_leave_it_open_between_them() -> None:
    tried = at(18, flaky(18, 0.0, 0.7, skips=(16, 17)))

    right(tried)

    found = [made_up for made_up, _ in tried if made_up.boundary == (15, 18)]
    assert len(found) >= 18
    for made_up in found:
        assert made_up.finished.kind is ResultKind.INCONCLUSIVE
        assert [made_up.listed[key] for key in made_up.finished.boundary.skipped] == ["16", "17"]
        assert made_up.finished.message.startswith("the change is in one of 16, 17 and 18:")


def test_failures_for_another_reason_do_not_count() -> None:
    def shows(number: int, random: Random) -> Observation:
        chance = random.random()
        if chance < 0.1:
            return failed(IMPORT_ERROR)
        return failed(ASSERTION) if number >= 25 and chance < 0.8 else passed()

    assert right(at(25, shows), good="1", bad="40") >= 18


def test_old_releases_that_fail_otherwise_are_no_part_of_it() -> None:
    def shows(number: int, random: Random) -> Observation:
        if number < 10:
            return failed(IMPORT_ERROR)
        return failed(ASSERTION) if number >= 25 and random.random() < 0.7 else passed()

    assert right(at(25, shows), bad="40") >= 19


def test_a_bug_that_shows_in_two_ways_is_one_bug() -> None:
    def shows(number: int, random: Random) -> Observation:
        is_failing = number >= 25 and random.random() < 0.7
        return failed(random.choice((ASSERTION, TYPE_ERROR))) if is_failing else passed()

    assert right(at(25, shows), good="1", bad="40") >= 19


def test_the_second_way_in_which_the_bad_end_fails_is_learnt_before_a_release_is_left_untestable() -> None:
    def shows(number: int, random: Random) -> Observation:
        rare = TYPE_ERROR if random.random() < 0.3 else ASSERTION
        return failed(rare) if number >= 25 else passed()

    assert right(at(25, shows), good="1", bad="40") == 20


def test_an_end_is_not_said_to_fail_because_the_history_changes_twice() -> None:
    def shows(number: int, random: Random) -> Observation:
        return failed(ASSERTION) if random.random() < (0.8 if 10 <= number < 20 else 0.2) else passed()

    tried = [made_up for made_up, _ in at(10, shows, size=30)[:10]]
    finished = [made_up.bisect(good="1", bad="30", history=AUTO) for made_up in tried]

    kinds = [each.kind for each in finished]
    assert kinds.count(ResultKind.GOOD_END_FAILS) <= 1
    told = [made_up for made_up in tried if len(made_up.finished.changes) > 1]
    assert len(told) >= 7
    for made_up in told:
        assert made_up.changes == [(9, 10), (19, 20)]
        # It fails in one run of five, as the oldest one does.
        seen = [run.outcome for (label, _), runs in made_up.store.items() if label == "30" for run in runs]
        counted = f"{seen.count(Outcome.FAILED)} of {len(seen)} runs"
        assert made_up.notes == [f"the bad end, 30, failed {counted}, as rarely as the good releases"]


@pytest.mark.parametrize("seed", range(8))
def test_ends_that_are_named_the_wrong_way_round_are_told_as_that(seed: int) -> None:
    made_up = NoisyWorld(size=30, seed=seed, shows=flaky(15, 0.8, 0.2))

    finished = made_up.bisect(good="1", bad="30")

    told = {ResultKind.GOOD_END_FAILS: "the good end fails", ResultKind.NOT_REPRODUCED: "the bad end passes"}
    assert finished.message.startswith(told[finished.kind])


def test_what_is_found_is_told_with_its_probability_and_the_rates_of_both_sides() -> None:
    made_up = NoisyWorld(size=30, shows=flaky(12, 0.0, 0.7), seed=1)

    made_up.bisect()

    last = [event for event in made_up.events if isinstance(event, events.BeliefUpdated)][-1]
    assert (made_up.listed[last.low], made_up.listed[last.high]) == ("11", "12")
    assert last.probability >= last.confidence == 0.99
    seen = {int(label): runs for (label, _), runs in made_up.store.items()}
    below = [run for number, runs in seen.items() if number < 12 for run in runs]
    above = [run for number, runs in seen.items() if number >= 12 for run in runs]
    assert (last.old.failed, last.old.runs) == (0, len(below))
    assert last.new.runs == len(above)
    assert last.new.failed == sum(run.outcome is Outcome.FAILED for run in above)


@pytest.mark.parametrize(("good", "bad", "least"), RATES)
def test_the_true_rate_lies_in_the_interval_that_is_told(good: float, bad: float, least: int) -> None:
    # The intervals are of 95%: of twenty, three miss in one of forty.
    held = told = 0
    for made_up, _ in at(12, flaky(12, good, bad), size=30):
        made_up.bisect()
        believed = [event for event in made_up.events if isinstance(event, events.BeliefUpdated)]
        if believed and made_up.boundary == (11, 12):
            told += 1
            held += believed[-1].new.low < bad < believed[-1].new.high

    assert told >= 10
    assert held >= told - 3


# Ends that are not as they should be.


def test_a_flaky_bad_end_that_passes_at_first_is_run_again() -> None:
    def shows(number: int, random: Random) -> Observation:
        return flaky(18, 0.0, 0.7)(number, random)

    tried = [pair for pair in at(18, shows) if _passes_at_first(pair[0], 40)]
    assert len(tried) >= 4

    assert right(tried, good="1", bad="40") == len(tried)


def _passes_at_first(made_up: NoisyWorld, number: int) -> bool:
    return made_up._shown(str(number), "0").outcome is Outcome.PASSED


def test_a_bad_end_that_does_not_fail_once_in_six_runs_is_said_to_pass() -> None:
    made_up = NoisyWorld(size=40, shows=flaky(41, 0.0, 0.7))

    finished = made_up.bisect(good="1", bad="40")

    assert finished.kind is ResultKind.NOT_REPRODUCED
    assert finished.message == "the bad end passes: `leak.py` succeeded on app 40 (6 of 6 runs)"
    assert made_up.made["40"] == 6


@pytest.mark.parametrize(
    ("seconds", "runs"),
    [
        pytest.param(1.0, 6, id="quick"),
        pytest.param(6.5, 4, id="as-often-as-fits-in-half-a-minute"),
        pytest.param(60.0, 3, id="slow"),
    ],
)
def test_a_slow_probes_end_is_run_less_often(seconds: float, runs: int) -> None:
    class Slow(NoisyWorld):
        def run_trial(self, request, token):  # type: ignore[no-untyped-def]
            trial = super().run_trial(request, token)
            return replace(trial, run_s=seconds * len(trial.observations))

    made_up = Slow(size=40, shows=flaky(41, 0.0, 0.7))

    made_up.bisect(good="1", bad="40")

    assert made_up.made["40"] == runs


def test_a_good_end_that_fails_as_often_as_the_bad_one_is_no_answer() -> None:
    made_up = NoisyWorld(size=12, shows=lambda *_: failed())

    finished = made_up.bisect(good="1", bad="12")

    assert finished.kind is ResultKind.GOOD_END_FAILS


def test_a_probe_that_passes_everywhere_is_not_reproduced() -> None:
    made_up = NoisyWorld(size=40, shows=lambda *_: passed())

    assert made_up.bisect().kind is ResultKind.NOT_REPRODUCED
    # Both ends are run again before it is said.
    assert made_up.made["1"] == made_up.made["40"] == 6


def test_a_probe_that_fails_as_often_everywhere_has_no_change() -> None:
    tried = at(0, flaky(41, 0.3, 0.3), size=12)

    right(tried, budget=Budget(runs=100))

    kinds = [made_up.finished.kind for made_up, _ in tried]
    assert kinds.count(ResultKind.FOUND) <= 2


def test_no_change_is_told_where_it_is_the_probable_answer() -> None:
    made_up = NoisyWorld(size=3, shows=flaky(4, 0.5, 0.5), seed=3)

    finished = made_up.bisect(confidence=0.8)

    assert finished.kind is ResultKind.NOT_REPRODUCED
    seen = [run.outcome for runs in made_up.store.values() for run in runs]
    failures = seen.count(Outcome.FAILED)
    assert finished.message == (
        f"`leak.py` fails as often everywhere: {failures} of {len(seen)} runs, from 1 to 3"
    )
