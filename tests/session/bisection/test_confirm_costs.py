"""What it costs to be sure, and what the runs it costs are spent on."""

from __future__ import annotations

import math
from random import Random

import pytest
from support.builders import (
    ALL,
    AUTO,
    NONE,
    failed,
    passed,
)
from support.flaky_searches import at, right, tally
from support.noisy_world import NoisyWorld, flaky

from bisect_asgi.core import events
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Observation, Outcome
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.search.confirmation import chance

pytestmark = pytest.mark.simulation


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
        f"the probe is flaky, and 40 runs did not locate the change: most probably in {most} "
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

        made_up.bisect(history=NONE, **fields)

        assert made_up.boundary == (first - 1, first)
        confirmations = 6
        gallop = 0 if "good" in fields else math.ceil(math.log(size, 4)) + 1
        jobs = 3 if fields.get("jobs") else 1
        steps = math.ceil(math.log2(size))
        assert made_up.runs <= (2 + steps) * jobs + gallop + confirmations


def test_confirmations_are_as_many_as_luck_needs() -> None:
    made_up = NoisyWorld(size=40, shows=flaky(18, 0.0, 1.0))

    made_up.bisect(history=NONE)

    again = {label: runs for label, runs in made_up.made.items() if runs > 1}
    assert set(again) == {"17", "18"}
    assert sum(runs - 1 for runs in again.values()) == 6


@pytest.mark.parametrize("jobs", [1, 2, 6])
def test_a_change_that_a_look_elsewhere_shows_is_found_whenever_it_is_looked_for(jobs: int) -> None:
    def shows(number: int, _: Random) -> Observation:
        return failed() if number == 19 or number >= 31 else passed()

    made_up = NoisyWorld(size=40, shows=shows)

    made_up.bisect(good="1", bad="40", jobs=jobs, history=AUTO)

    assert made_up.changes == [(18, 19), (19, 20), (30, 31)]


def says_more(made_up: NoisyWorld) -> bool:
    """Whether it was said that the history changes more than once, or may do so."""
    if len(made_up.finished.changes) > 1:
        return True
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

    assert free.boundary == (9, 10)
    assert kept.boundary is None  # what was looked at leaves less than the asked confidence
    assert budget <= kept.runs < budget + 9  # a round that was begun is ended


def test_where_no_end_is_named_luck_has_two_ways_to_mislead() -> None:
    told = {}
    for named in ({}, {"good": "1", "bad": "40"}):
        made_up = NoisyWorld(size=40, shows=flaky(18, 0.0, 1.0))
        made_up.bisect(history=NONE, **named)
        sure = [event for event in made_up.events if isinstance(event, events.Confirmed)][-1]
        tallies = {int(label) - 1: tally(runs) for (label, _), runs in made_up.store.items()}
        once = chance(tallies, 16, 17)
        assert sure.error_bound == pytest.approx(once if named else 2 * once)
        assert sure.error_bound <= 0.01
        told[bool(named)] = made_up.made["17"] + made_up.made["18"]

    assert told[False] >= told[True]


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
