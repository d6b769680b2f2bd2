"""Releases that cannot be asked, runs that tell nothing, and failures of another kind."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from support.builders import (
    ALL,
    ASSERTION,
    IMPORT_ERROR,
    TYPE_ERROR,
    broken,
    failed,
    passed,
    untestable,
)
from support.flaky_searches import SEEDS
from support.noisy_world import NoisyWorld, by_limit, flaky, steps

from bisect_asgi.core import answers, events
from bisect_asgi.core.answers.result import ResultContext
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.model import Observation
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.search import Open

pytestmark = pytest.mark.simulation


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
        assert finished.message == f"no result for app {number}: no space left on device"
        assert finished.hint


def test_a_search_that_cannot_go_on_for_no_reason_that_is_known_is_no_crash() -> None:
    case = ResultContext(
        axis=AxisWords(subject="app"), probe="leak.py", labels=("1", "2"), expectation=Expectation()
    )

    answer = answers.result_of(case, Open(low=None, high=None), Judgement())

    assert answer.kind is ResultKind.INCONCLUSIVE
    assert answer.message == "no result for some releases, and the change may be in one of them"
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
    assert finished.message == f"no result for app {number}: no space left on device"
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
def test_a_release_that_always_fails_otherwise_is_the_first_that_fails(fields: dict[str, object]) -> None:
    made_up = accidental(6, {5: 100})

    finished = made_up.bisect(**fields)

    assert finished.kind is ResultKind.FOUND
    assert made_up.boundary == (4, 5)
    assert [made_up.listed[each.first] for each in finished.failures] == ["5", "6"]
    # Thrice the same is no accident any more.
    assert made_up.made["5"] >= 3


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
