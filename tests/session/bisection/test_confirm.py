"""Probes that do not always answer the same: what is found, how often it is right, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import groupby
from random import Random

import pytest
from support.builders import (
    ALL,
    ASSERTION,
    AUTO,
    IMPORT_ERROR,
    NONE,
    TYPE_ERROR,
    a_plan,
    broken,
    failed,
    passed,
    untestable,
)
from support.noisy_world import NoisyWorld, Shows, by_limit, by_metric, flaky, steps

from bisect_asgi.core import answers, events
from bisect_asgi.core.axis import AxisWords
from bisect_asgi.core.claims import ClaimVerdict
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge import Expectation, Judgement
from bisect_asgi.core.model import Observation, Outcome
from bisect_asgi.core.plan.plan import Budget, Claim
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import Open
from bisect_asgi.core.search.confirmation import chance, wanted_runs
from bisect_asgi.core.tally import Tally
from bisect_asgi.session import bisect as session

pytestmark = pytest.mark.simulation

SEEDS = range(20)

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


def right(tried: list[tuple[NoisyWorld, int]], **fields: object) -> int:
    """In how many of the worlds the boundary that is found is the true one."""
    for made_up, _ in tried:
        made_up.bisect(**fields)
    return sum(made_up.boundary == (first - 1, first) for made_up, first in tried)


def at(first: int, shows: Shows, size: int = 40) -> list[tuple[NoisyWorld, int]]:
    """A world for each seed, all with their change at one release."""
    return [(NoisyWorld(size=size, seed=seed, shows=shows), first) for seed in SEEDS]


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
    told = [
        (it, each) for it, each in zip(tried, finished, strict=True) if each.kind is ResultKind.INCONCLUSIVE
    ]
    assert told
    for made_up, each in told:
        # It fails in one run of five, as the newest one does.
        seen = [run.outcome for (label, _), runs in made_up.store.items() if label == "1" for run in runs]
        assert each.message.startswith("the history may change more than once: `leak.py` fails in ")
        assert f"in {seen.count(Outcome.FAILED)} of {len(seen)} in 1" in each.message


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
    # The intervals are of 95 %: of twenty, three miss in one of forty.
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


# What it costs.


@pytest.mark.parametrize("fields", [{}, {"jobs": 3}], ids=["one-job", "three-jobs"])
def test_the_budget_ends_the_search_with_the_range_that_is_left(fields: dict[str, object]) -> None:
    made_up = NoisyWorld(size=40, shows=flaky(18, 0.05, 0.4), seed=3)

    finished = made_up.bisect(budget=Budget(runs=40), **fields)

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert finished.boundary is None
    assert made_up.runs < 40 + 3
    last = [event for event in made_up.events if isinstance(event, events.BeliefUpdated)][-1]
    among = f"0.99 in one of {made_up.listed[last.first]} to {made_up.listed[last.last]}"
    told = among if last.no_change <= 0.01 else f"{last.no_change:.2f} nowhere"
    most = made_up.listed[last.high]
    assert last.first <= 17 <= last.last
    assert finished.message == (
        f"the probe is flaky, and 40 runs did not tell where it changes: most probably in {most} "
        f"(probability {last.probability:.2f}), with {told}"
    )


def test_a_budget_of_time_ends_the_search() -> None:
    made_up = NoisyWorld(size=40, shows=flaky(18, 0.05, 0.4), seed=3)

    budget = Budget(runs=None, seconds=0.0)

    finished = made_up.bisect(budget=budget)

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert finished.message.startswith(f"the probe is flaky, and {budget} did not ")
    assert made_up.runs < 40


def test_the_same_command_goes_on_from_what_an_earlier_one_ran() -> None:
    made_up = NoisyWorld(size=40, shows=flaky(18, 0.0, 0.5), seed=3)
    made_up.bisect(budget=Budget(runs=20))
    assert made_up.finished.kind is ResultKind.INCONCLUSIVE
    before = made_up.runs

    made_up.bisect()
    after = made_up.runs
    made_up.bisect()

    assert made_up.boundary == (17, 18)
    assert before < after == made_up.runs
    # Runs are counted up: none was made a second time.
    assert made_up.requests == []


@pytest.mark.parametrize("fields", [{}, {"good": "1"}, {"jobs": 3}], ids=["unnamed", "named", "three-jobs"])
@pytest.mark.parametrize("size", [2, 12, 100, 370])
def test_nothing_flaky_costs_no_more_than_a_bisection_and_what_confirms_it(
    size: int, fields: dict[str, object]
) -> None:
    for first in {2, 3, size // 2 + 1, size - 1, size} & set(range(2, size + 1)):
        made_up = NoisyWorld(size=size, shows=flaky(first, 0.0, 1.0))

        made_up.bisect(**fields)

        assert made_up.boundary == (first - 1, first)
        confirmations, spot_checks = 6, 4
        gallop = 0 if "good" in fields else math.ceil(math.log(size, 4)) + 1
        jobs = 3 if fields.get("jobs") else 1
        steps = math.ceil(math.log2(size))
        assert made_up.runs <= (2 + steps) * jobs + gallop + confirmations + spot_checks


def test_confirmations_are_as_many_as_luck_needs() -> None:
    made_up = NoisyWorld(size=40, shows=flaky(18, 0.0, 1.0))

    made_up.bisect(history=NONE)

    again = {label: runs for label, runs in made_up.made.items() if runs > 1}
    assert set(again) == {"17", "18"}
    assert sum(runs - 1 for runs in again.values()) == 6


def test_other_changes_are_looked_for_while_the_boundary_is_made_sure() -> None:
    made_up = NoisyWorld(size=40, shows=flaky(18, 0.0, 1.0))

    made_up.bisect(good="1", bad="40", jobs=12)

    asked = [
        event for event in made_up.events if isinstance(event, events.TrialStarted | events.TrialFinished)
    ]
    batches = [
        {event.key for event in group if isinstance(event, events.TrialStarted)}
        for is_start, group in groupby(asked, lambda event: isinstance(event, events.TrialStarted))
        if is_start
    ]
    assert batches[-1] > {16, 17}


@pytest.mark.parametrize("jobs", [1, 2, 6])
def test_a_change_that_a_look_elsewhere_shows_is_found_whenever_it_is_looked_for(jobs: int) -> None:
    def shows(number: int, _: Random) -> Observation:
        return failed() if number == 19 or number >= 31 else passed()

    made_up = NoisyWorld(size=40, shows=shows)

    made_up.bisect(good="1", bad="40", jobs=jobs, history=AUTO)

    assert made_up.changes == [(18, 19), (19, 20), (30, 31)]


def says_more(made_up: NoisyWorld) -> bool:
    """Whether it was said that the history may change more than once."""
    return any(isinstance(event, events.Note) and "more than once" in event.text for event in made_up.events)


@pytest.mark.parametrize("named", [{}, {"good": "1"}], ids=["unnamed", "good-end-named"])
def test_a_flaky_history_that_changes_twice_is_noticed(named: dict[str, object]) -> None:
    def shows(number: int, random: Random) -> Observation:
        return failed() if random.random() < (0.8 if 10 <= number < 20 else 0.2) else passed()

    tried = at(10, shows, size=30)[:10]
    for made_up, _ in tried:
        made_up.bisect(history=AUTO, **named)

    # Beside a boundary; where there is none, the answer says as much.
    found = [made_up for made_up, _ in tried if made_up.finished.kind is ResultKind.FOUND]
    assert all(made_up.boundary in {(9, 10), (19, 20)} for made_up in found)
    assert sum(map(says_more, found)) >= 0.8 * len(found) > 0


@pytest.mark.parametrize("rates", [(0.0, 0.7), (0.2, 0.8), (0.3, 0.7)])
def test_a_flaky_history_that_changes_once_is_hardly_ever_said_to_change_again(
    rates: tuple[float, float],
) -> None:
    tried = at(10, flaky(10, *rates), size=30)[:10]

    assert right(tried, history=AUTO) >= 9
    assert sum(says_more(made_up) for made_up, _ in tried) <= 1


def test_looking_elsewhere_keeps_to_the_budget() -> None:
    shows = flaky(10, 0.3, 0.7)
    free, kept = NoisyWorld(size=30, shows=shows, seed=1), NoisyWorld(size=30, shows=shows, seed=1)

    free.bisect(history=AUTO)
    budget = free.runs - 20  # less than it takes to look at them
    kept.bisect(history=AUTO, budget=Budget(runs=budget))

    assert kept.boundary == free.boundary == (9, 10)
    assert budget <= kept.runs < budget + 9  # a round that was begun is ended


def test_where_no_end_is_named_luck_has_two_ways_to_mislead() -> None:
    told = {}
    for named in ({}, {"good": "1", "bad": "40"}):
        made_up = NoisyWorld(size=40, shows=flaky(18, 0.0, 1.0))
        made_up.bisect(history=NONE, **named)
        sure = [event for event in made_up.events if isinstance(event, events.Confirmed)][-1]
        tallies = {int(label) - 1: _tally(runs) for (label, _), runs in made_up.store.items()}
        once = chance(tallies, 16, 17)
        assert sure.error_bound == pytest.approx(once if named else 2 * once)
        assert sure.error_bound <= 0.01
        told[bool(named)] = made_up.made["17"] + made_up.made["18"]

    assert told[False] >= told[True]


def _tally(runs: list[Observation]) -> Tally:
    failures = sum(run.outcome is Outcome.FAILED for run in runs)
    return Tally(passed=len(runs) - failures, failed=failures)


def test_who_wants_to_be_surer_confirms_oftener() -> None:
    runs = []
    for confidence in (0.9, 0.99, 0.9999):
        made_up = NoisyWorld(size=40, shows=flaky(18, 0.0, 1.0))
        made_up.bisect(history=NONE, confidence=confidence)
        runs.append(made_up.made["17"] + made_up.made["18"])

    assert runs == sorted(set(runs))


# Histories that change more than once, and runs that go wrong.


@pytest.mark.parametrize("fields", [{}, {"good": "1", "bad": "40"}, {"history": ALL}])
def test_a_history_that_comes_and_goes_is_told_as_such(fields: dict[str, object]) -> None:
    def shows(number: int, _: Random) -> Observation:
        return failed() if 10 <= number < 20 or number >= 31 else passed()

    made_up = NoisyWorld(size=40, shows=shows)

    finished = made_up.bisect(**fields)

    assert finished.kind is ResultKind.FOUND
    assert made_up.changes == [(9, 10), (19, 20), (30, 31)]
    # What contradicts one change was run again before it was believed.
    for number in (9, 10, 19, 20, 30, 31):
        assert made_up.made[str(number)] >= 3
    assert not any(isinstance(event, events.BeliefUpdated) for event in made_up.events)


@pytest.mark.parametrize("fields", [{}, {"good": "1", "bad": "200"}], ids=["unnamed", "named"])
@pytest.mark.parametrize("wrong", [1, 2, 57, 88, 102, 103, 104, 120, 150, 199, 200])
@pytest.mark.parametrize("place", [0, 1])
def test_one_run_that_went_wrong_makes_no_wrong_answer(
    fields: dict[str, object], wrong: int, place: int
) -> None:
    class Unlucky(NoisyWorld):
        def _shown(self, label: str, place_: str) -> Observation:
            run = super()._shown(label, place_)
            if (label, place_) != (str(wrong), str(place)):
                return run
            return passed() if run.outcome is Outcome.FAILED else failed()

    made_up = Unlucky(size=200, shows=flaky(103, 0.0, 1.0))

    made_up.bisect(**fields)

    assert made_up.boundary == (102, 103)


# Claims.

ERROR, FIXED = Claim(version="18", fixed=False), Claim(version="18", fixed=True)


def verdicts(claim: Claim, shows: Shows, **fields: object) -> list[ClaimVerdict]:
    """What becomes of the claim in ten worlds."""
    return [NoisyWorld(size=40, seed=seed, shows=shows).verify(claim, **fields) for seed in range(10)]


@pytest.mark.parametrize(
    ("claim", "shows", "fields"),
    [
        pytest.param(ERROR, flaky(18, 0.05, 0.7), {}, id="flaky"),
        pytest.param(FIXED, flaky(18, 0.7, 0.05), {}, id="flaky-fix"),
        pytest.param(ERROR, steps({1: 1e8, 18: 1.3e8}, noise=0.05), by_metric(), id="memory"),
        pytest.param(FIXED, steps({1: 1.3e8, 18: 1e8}, noise=0.05), by_metric(), id="memory-fix"),
        pytest.param(
            ERROR, steps({1: 1e8, 18: 1.2e8}, noise=0.05), by_limit(above=1.1e8, unit="B"), id="limit"
        ),
        pytest.param(
            ERROR,
            steps({1: 1.0, 18: 1.5}, noise=0.05, unit="s", name="took"),
            by_metric("took"),
            id="time",
        ),
    ],
)
def test_a_true_claim_is_confirmed_although_runs_differ(
    claim: Claim, shows: Shows, fields: dict[str, object]
) -> None:
    found = verdicts(claim, shows, **fields)

    assert found.count(ClaimVerdict.CONFIRMED) >= 9
    assert ClaimVerdict.REFUTED not in found


@pytest.mark.parametrize(
    "claim", [FIXED, Claim(version="10", fixed=False), Claim(version="19", fixed=False)], ids=str
)
@pytest.mark.parametrize(
    ("shows", "fields"),
    [
        pytest.param(flaky(18, 0.05, 0.7), {}, id="flaky"),
        pytest.param(steps({1: 1e8, 18: 1.3e8}, noise=0.05), by_metric(), id="memory"),
    ],
)
def test_a_false_claim_is_not_confirmed_where_runs_differ(
    claim: Claim, shows: Shows, fields: dict[str, object]
) -> None:
    found = verdicts(claim, shows, **fields)

    assert found.count(ClaimVerdict.REFUTED) >= 9
    assert ClaimVerdict.CONFIRMED not in found


def test_all_changes_of_a_flaky_probe_cannot_be_told() -> None:
    made_up = NoisyWorld(size=12, shows=flaky(6, 0.0, 0.6), seed=1)

    finished = made_up.bisect(history=ALL)

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert finished.message.startswith("the probe is flaky: on app ")
    assert finished.hint == "all changes of such a probe cannot be told apart; one can, without `--all`"


# What cannot be asked.


@pytest.mark.parametrize("number", [17, 18])
def test_a_release_beside_the_change_that_cannot_be_asked_leaves_it_open(number: int) -> None:
    def shows(at: int, random: Random) -> Observation:
        return broken() if at == number else flaky(18, 0.0, 0.7)(at, random)

    made_up = NoisyWorld(size=40, shows=shows, seed=1)

    finished = made_up.bisect(good="1", bad="40")

    assert finished.kind in (ResultKind.UNAVAILABLE, ResultKind.INCONCLUSIVE)
    assert finished.message


def test_a_world_in_which_nothing_can_be_tested_is_told() -> None:
    made_up = NoisyWorld(size=5, shows=lambda *_: untestable())

    assert made_up.bisect().kind is ResultKind.INCONCLUSIVE


# Runs that tell nothing, or something else, after the first one.


class Fading(NoisyWorld):
    """A machine on which each release shows what it shows once, and from then on something else."""

    then: Observation = passed()

    def _shown(self, label: str, place: str) -> Observation:
        return super()._shown(label, place) if place == "0" else self.then


FADED = [
    pytest.param(untestable(), id="exits-125"),
    pytest.param(failed(TYPE_ERROR), id="fails-otherwise"),
]


@pytest.mark.parametrize("fields", [{}, {"history": ALL}], ids=["one", "all"])
@pytest.mark.parametrize("named", [{}, {"good": "1", "bad": "12"}], ids=["unnamed", "named"])
@pytest.mark.parametrize("then", FADED)
def test_candidates_that_answer_once_only_are_not_run_for_ever(
    then: Observation, named: dict[str, object], fields: dict[str, object]
) -> None:
    made_up = Fading(size=12, shows=flaky(6, 0.0, 1.0), most=80)
    made_up.then = then

    made_up.bisect(**fields, **named)

    assert made_up.boundary == (5, 6)


@pytest.mark.parametrize("fields", [{}, {"history": ALL}], ids=["one", "all"])
@pytest.mark.parametrize("then", [*FADED, pytest.param(passed(), id="lacks-the-metric")])
def test_candidates_that_are_measured_once_only_are_not_run_for_ever(
    then: Observation, fields: dict[str, object]
) -> None:
    made_up = Fading(size=12, shows=steps({1: 1.0, 6: 10.0}, noise=0.01), most=400)
    made_up.then = then

    made_up.bisect(**fields, **by_limit(above=5.0, unit="B"))

    assert made_up.boundary == (5, 6)


@pytest.mark.parametrize("then", FADED)
def test_one_side_that_answers_once_only_does_not_keep_the_other_from_being_sure(then: Observation) -> None:
    class HalfFading(Fading):
        def _shown(self, label: str, place: str) -> Observation:
            return super()._shown(label, place if label == "5" else "0")

    made_up = HalfFading(size=12, shows=flaky(6, 0.0, 1.0), most=80)
    made_up.then = then

    made_up.bisect()

    assert made_up.boundary == (5, 6)
    assert made_up.made["6"] > 1


# What could not be asked, beside a change of a flaky probe.


@pytest.mark.parametrize("number", [5, 6])
def test_a_flaky_probe_says_that_nothing_was_learnt_of_a_release_beside_the_change(number: int) -> None:
    def shows(at: int, random: Random) -> Observation:
        return broken() if at == number else flaky(6, 0.0, 0.6)(at, random)

    for seed in SEEDS:
        made_up = NoisyWorld(size=12, shows=shows, seed=seed)

        finished = made_up.bisect()

        if finished.kind is ResultKind.INCONCLUSIVE:
            # The budget was not spent on it, and no boundary is told.
            assert finished.boundary is None
            continue
        assert finished.kind is ResultKind.UNAVAILABLE
        assert finished.message == f"nothing was learnt about app {number}: no space left on device"
        assert finished.hint


def test_a_search_that_cannot_go_on_for_no_reason_that_is_known_is_no_crash() -> None:
    case = answers.ResultContext(
        axis=AxisWords(subject="app"), probe="leak.py", labels=("1", "2"), expectation=Expectation()
    )

    answer = answers.result_of(case, Open(low=None, high=None), Judgement())

    assert answer.kind is ResultKind.INCONCLUSIVE
    assert answer.message == "some releases did not answer, and the change may be in one of them"
    assert answer.hint


@pytest.mark.parametrize("number", [5, 6])
@pytest.mark.parametrize("named", [{}, {"good": "1", "bad": "12"}], ids=["unnamed", "named"])
def test_a_boundary_that_cannot_be_made_sure_is_not_told(number: int, named: dict[str, object]) -> None:
    class Breaking(NoisyWorld):
        def _shown(self, label: str, place: str) -> Observation:
            return broken() if label == str(number) and place != "0" else super()._shown(label, place)

    made_up = Breaking(size=12, shows=flaky(6, 0.0, 1.0), most=80)

    finished = made_up.bisect(**named)

    assert finished.kind is ResultKind.UNAVAILABLE
    assert finished.message == f"nothing was learnt about app {number}: no space left on device"
    assert finished.boundary is None
    assert made_up.report.error_bound is None


# Failures of another kind: accidents, and releases that always fail so.


def by_place(first_bad: int, other: dict[int, int]) -> Callable[[str, str], Observation]:
    """What a release shows in each run: so many runs of `other` fail for another reason at first."""

    def shown(label: str, place: str) -> Observation:
        if int(place) < other.get(int(label), 0):
            return failed(IMPORT_ERROR)
        return failed(ASSERTION) if int(label) >= first_bad else passed()

    return shown


def accidental(first_bad: int, other: dict[int, int]) -> NoisyWorld:
    """A world in which runs of `other` go wrong in the beginning, and all is clear otherwise."""

    class Accidental(NoisyWorld):
        def _shown(self, label: str, place: str) -> Observation:
            return by_place(first_bad, other)(label, place)

    return Accidental(size=12, shows=flaky(first_bad, 0.0, 1.0), most=100)


NAMED = [
    pytest.param({}, id="unnamed"),
    pytest.param({"good": "1", "bad": "12"}, id="both-ends-named"),
    pytest.param({"bad": "12"}, id="bad-end-named"),
]


@pytest.mark.parametrize("fields", NAMED)
@pytest.mark.parametrize("other", [{5: 1}, {6: 1}, {5: 1, 6: 1}, {4: 1, 5: 1, 6: 1, 7: 1}, {5: 2}], ids=str)
def test_an_accident_beside_the_boundary_leaves_no_gap(
    other: dict[int, int], fields: dict[str, object]
) -> None:
    made_up = accidental(6, other)

    finished = made_up.bisect(**fields)

    assert made_up.boundary == (5, 6)
    assert finished.kind is ResultKind.FOUND
    assert finished.boundary.skipped == ()


@pytest.mark.parametrize("fields", NAMED)
def test_a_release_that_always_fails_otherwise_is_a_gap(fields: dict[str, object]) -> None:
    made_up = accidental(6, {5: 100})

    finished = made_up.bisect(**fields)

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert made_up.boundary == (4, 6)
    assert [made_up.listed[key] for key in finished.boundary.skipped] == ["5"]
    # Thrice the same is no accident any more.
    assert made_up.made["5"] == 3


def test_an_accident_of_the_only_release_that_is_not_like_all_others_is_run_again() -> None:
    made_up = accidental(2, {1: 1})

    finished = made_up.bisect()

    assert finished.kind is ResultKind.FOUND
    assert made_up.boundary == (1, 2)


# Verdicts where nothing was found.


def test_where_no_change_is_likely_enough_no_release_is_called_by_its_place() -> None:
    told = 0
    for seed in SEEDS:
        made_up = NoisyWorld(size=12, shows=flaky(13, 0.5, 0.5), seed=seed)
        finished = made_up.bisect(budget=Budget(runs=20))
        believed = [event for event in made_up.events if isinstance(event, events.BeliefUpdated)][-1:]
        if finished.kind is not ResultKind.INCONCLUSIVE or not believed or believed[0].no_change <= 0.01:
            continue
        told += 1
        assert {row.verdict for row in made_up.report.rows} == {""}
    assert told >= 10


# How sure a claim is.


def places(made_up: NoisyWorld) -> dict[int, Tally]:
    """What was seen of each release, by its place."""
    return {int(label) - 1: _tally(runs) for (label, _), runs in made_up.store.items()}


@pytest.mark.parametrize(
    ("claim", "shows"),
    [
        pytest.param(Claim(version="6", fixed=False), flaky(6, 0.0, 1.0), id="broken"),
        pytest.param(Claim(version="6", fixed=True), flaky(6, 1.0, 0.0), id="fixed"),
        pytest.param(Claim(version="6", fixed=True), flaky(6, 0.0, 1.0), id="the-wrong-way-round"),
        pytest.param(Claim(version="2", fixed=False), flaky(2, 0.0, 1.0), id="the-second"),
        pytest.param(Claim(version="12", fixed=False), flaky(12, 0.0, 1.0), id="the-last"),
    ],
)
@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.9999])
def test_a_change_that_is_claimed_is_run_until_luck_cannot_explain_it(
    claim: Claim, shows: Shows, confidence: float
) -> None:
    made_up = NoisyWorld(size=12, shows=shows)
    place = int(claim.version) - 1

    verdict = made_up.verify(claim, confidence=confidence)

    is_fix = shows(1, Random(0)).outcome is Outcome.FAILED
    assert verdict is (ClaimVerdict.CONFIRMED if is_fix is claim.fixed else ClaimVerdict.REFUTED)
    tallies = places(made_up)
    assert wanted_runs(tallies, place - 1, place, confidence=confidence) == (0, 0)
    assert chance(tallies, place - 1, place) <= 1 - confidence


@pytest.mark.parametrize("version", ["4", "9"])
def test_a_claim_of_no_change_is_not_refuted_by_one_run(version: str) -> None:
    made_up = NoisyWorld(size=12, shows=flaky(6, 0.0, 1.0))

    assert made_up.verify(Claim(version=version, fixed=False)) is ClaimVerdict.REFUTED

    assert made_up.made[version] == made_up.made[str(int(version) - 1)] == 6


@pytest.mark.parametrize("confirm", [0, 1, 4])
def test_a_claim_is_run_as_often_as_the_user_says(confirm: int) -> None:
    for version in ("6", "9"):
        made_up = NoisyWorld(size=12, shows=flaky(6, 0.0, 1.0))

        made_up.verify(Claim(version=version, fixed=False), confirm=confirm)

        at, before = made_up.made[version], made_up.made[str(int(version) - 1)]
        # What lies beside a change is run as often as any other change is.
        assert at == before == 1 + confirm


def test_true_claims_of_a_flaky_probe_are_hardly_ever_refuted() -> None:
    # At 0.99 two or more of sixty would be wrong in one of eight such sets at the very worst.
    claim = Claim(version="6", fixed=False)
    found = [
        NoisyWorld(size=12, shows=flaky(6, 0.0, 0.5), seed=seed).verify(claim) for seed in range(200, 260)
    ]

    assert found.count(ClaimVerdict.REFUTED) <= 1
    assert found.count(ClaimVerdict.CONFIRMED) >= 55


def test_a_flaky_claim_whose_budget_is_spent_cannot_be_told() -> None:
    told = 0
    for seed in range(8):
        made_up = NoisyWorld(size=12, shows=flaky(6, 0.2, 0.5), seed=seed)
        claim = Claim(version="6", fixed=False)

        finding = session.verify(
            a_plan(budget=Budget(runs=14)), claim, made_up._begin(), made_up.events.append
        )

        if finding.verdict is ClaimVerdict.CANNOT_TELL:
            told += 1
            assert finding.truth == made_up.finished.message
            assert finding.truth.startswith("the probe is flaky, and 14 runs did not ")
            assert made_up.finished.boundary is None
    assert told >= 6


# How sure a boundary is, is told once.


@pytest.mark.parametrize("fields", [{}, {"good": "1", "bad": "40"}, {"jobs": 3}], ids=str)
def test_how_sure_a_boundary_is_is_told_once_when_all_has_been_run(fields: dict[str, object]) -> None:
    made_up = NoisyWorld(size=40, shows=flaky(18, 0.0, 1.0))

    made_up.bisect(**fields)

    (place,) = (n for n, event in enumerate(made_up.events) if isinstance(event, events.Confirmed))
    assert not any(isinstance(event, events.TrialFinished) for event in made_up.events[place:])
    sure = made_up.events[place]
    assert isinstance(sure, events.Confirmed)
    assert sure.runs == made_up.runs
    assert (sure.low, sure.high) == (16, 17)
    assert made_up.report.error_bound == sure.error_bound
    assert 0 < sure.error_bound <= 0.01


@pytest.mark.parametrize("fields", [{}, {"good": "1", "bad": "40"}, {"history": ALL}])
def test_where_several_changes_are_found_nothing_is_said_of_luck(fields: dict[str, object]) -> None:
    def shows(number: int, _: Random) -> Observation:
        return failed() if number >= 30 or 10 <= number <= 16 else passed()

    made_up = NoisyWorld(size=40, shows=shows)

    made_up.bisect(**fields)

    assert made_up.changes == [(9, 10), (16, 17), (29, 30)]
    assert made_up.report.error_bound is None
    assert not any(isinstance(event, events.Confirmed) for event in made_up.events)


def test_where_runs_contradict_each_other_nothing_is_said_of_luck() -> None:
    contradicted = 0
    for made_up, _ in at(20, flaky(20, 0.0, 0.8)):
        made_up.bisect()
        if any(row.passed and row.failed for row in made_up.report.rows):
            contradicted += 1
            assert made_up.report.error_bound is None
    assert contradicted >= 15
