"""A search: what its observations are judged by changes in three ways, and everything follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.builders import a_plan, broken, failed, passed, target
from support.noisy_world import measured
from support.services import FakeTrials, fake_services

from bisect_asgi.core import events
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.metrics.criteria import RATIO, Criteria, Threshold, ThresholdSearch
from bisect_asgi.core.model import (
    Candidate,
    EnvironmentSpec,
    Observation,
    Outcome,
    SamplingMode,
    Trial,
    TrialRequest,
    Verdict,
)
from bisect_asgi.core.records import replace
from bisect_asgi.core.tally import Tally
from bisect_asgi.session.axes.base import SearchSpace
from bisect_asgi.session.bisection import Search

Shown = Callable[[int], Observation]


def candidate(number: int) -> Candidate:
    spec = EnvironmentSpec(interpreter=target().interpreter, requirements=(f"app=={number}",))
    return Candidate(label=str(number), spec=spec)


class Lab:
    """A search among five releases, of which `shown` says what the probe does there."""

    def __init__(self, shown: Shown, *, stored: Shown | None = None, **fields: Any) -> None:
        self.shown, self.stored = shown, stored
        self.requests: list[TrialRequest] = []
        self.recalled: list[TrialRequest] = []
        self.events: list[events.Event] = []
        space = SearchSpace(choice=None, candidates=tuple(map(candidate, range(5))), gallop=True)
        trials = FakeTrials(self.run_trial, recall=self.recall, is_built=lambda request: request.key == 1)
        self.search = Search(a_plan(**fields), space, fake_services(trials=trials), self.events.append)

    def run_trial(self, request: TrialRequest, _: object) -> Trial:
        self.requests.append(request)
        runs = (self.shown(request.key),) * request.runs
        return Trial(key=request.key, label=request.label, observations=runs)

    def recall(self, request: TrialRequest) -> Trial | None:
        self.recalled.append(request)
        if self.stored is None:
            return None
        runs = (self.stored(request.key),)
        return Trial(key=request.key, label=request.label, observations=runs, remembered=1)

    @property
    def verdicts(self) -> dict[int, Verdict]:
        return self.search.judgement().verdicts


BY_SIZE = {"criteria": Criteria(threshold_search=ThresholdSearch(metric="size")), "sampling": SamplingMode()}


def sizes(key: int) -> Observation:
    return measured(100.0 + 10 * key)


@pytest.mark.parametrize(("above", "first_bad"), [(105.0, 1), (125.0, 3), (139.0, 4)])
def test_a_limit_rules_on_what_was_observed_before_it_was_set(above: float, first_bad: int) -> None:
    lab = Lab(sizes, **BY_SIZE)
    lab.search.engine.repeat(range(5), 1)

    lab.search.set_threshold(Threshold(metric="size", above=above), ends=Expectation(good=0, bad=4))

    assert lab.verdicts == {key: Verdict.NEW if key >= first_bad else Verdict.OLD for key in range(5)}
    assert lab.search.plan.criteria.threshold == Threshold(metric="size", above=above)
    assert lab.search.context.limit == f"above {above:g} B"
    assert lab.search.context.metric == "size"


def test_a_limit_without_ends_leaves_it_open_which_end_is_good() -> None:
    lab = Lab(sizes, **BY_SIZE)
    lab.search.engine.repeat(range(5), 1)

    lab.search.set_threshold(Threshold(metric="size", above=125.0))

    assert lab.search.judgement().new_is is Outcome.FAILED  # the newest says so
    assert lab.search.engine.spec.expectation == Expectation()


def test_ends_that_samples_have_shown_are_checked_when_that_is_asked_for() -> None:
    ends = Expectation(good=0, bad=4)
    lab = Lab(sizes, **BY_SIZE)

    lab.search.set_threshold(Threshold(metric="size", above=125.0), ends=ends)
    assert lab.search.space.expectation == lab.search.confirmation.expectation == Expectation()

    lab.search.check_ends()
    assert lab.search.space.expectation == lab.search.confirmation.expectation == ends
    assert lab.search.context.expectation == ends
    assert not lab.search.space.gallop


def test_samples_beside_a_reference_replace_those_without() -> None:
    lab = Lab(sizes, stored=lambda key: replace(sizes(key), reference_metrics={"size": 50.0}), **BY_SIZE)
    lab.search.engine.repeat([0, 4], 2)
    assert not lab.recalled

    lab.search.sample_beside(0)
    lab.search.set_threshold(Threshold(metric="size", unit=RATIO, above=2.5), ends=Expectation(good=0, bad=4))

    assert sum(isinstance(event, events.ObservationsReset) for event in lab.events) == 1
    assert {key: len(runs) for key, runs in lab.search.engine.observed.items()} == dict.fromkeys(range(5), 1)
    assert {request.reference for request in lab.recalled} == {candidate(0).spec}
    assert lab.search.plan.sampling == SamplingMode(reference=candidate(0).spec)
    assert lab.verdicts == {key: Verdict.NEW if key > 2 else Verdict.OLD for key in range(5)}
    lab.search.engine.repeat([1], 1)
    assert lab.requests[-1].reference == candidate(0).spec


def test_a_noise_rules_on_candidates_by_their_place_until_it_is_taken_back() -> None:
    lab = Lab(lambda key: failed() if key in (1, 3, 4) else passed())
    lab.search.engine.repeat(range(5), 1)
    plain = lab.verdicts
    assert not lab.search.is_settled

    lab.search.settle(Noise(new_is=Outcome.FAILED, old=Tally(), new=Tally(), low=2, high=3))
    assert lab.search.is_settled
    assert lab.search.context.is_settled
    assert [lab.verdicts[key] for key in range(5)] == [Verdict.OLD] * 3 + [Verdict.NEW] * 2

    lab.search.settle(None)
    assert lab.verdicts == plain
    assert not lab.search.is_settled


def test_a_limit_that_is_set_leaves_the_noise() -> None:
    lab = Lab(sizes, **BY_SIZE)
    noise = Noise(new_is=Outcome.FAILED, old=Tally(), new=Tally(), low=0, high=1)
    lab.search.settle(noise)

    lab.search.set_threshold(Threshold(metric="size", above=125.0))

    assert lab.search.engine.noise == noise


def test_what_earlier_commands_observed_is_taken_in_and_what_is_built_costs_less() -> None:
    lab = Lab(passed_everywhere, stored=passed_everywhere)

    lab.search.recall()

    assert lab.search.engine.observed.keys() == set(range(5))
    assert not lab.requests
    nothing_stored = Lab(passed_everywhere)
    nothing_stored.search.recall()
    seconds = nothing_stored.search.engine.seconds
    assert seconds(1) < seconds(0) == seconds(2)


def passed_everywhere(_: int) -> Observation:
    return passed()


def test_a_user_who_wants_nothing_remembered_has_nothing_recalled() -> None:
    lab = Lab(passed_everywhere, stored=passed_everywhere, fresh=True)

    lab.search.recall()

    assert not lab.recalled
    assert not lab.search.engine.observed


def test_a_candidate_that_is_added_is_judged_and_named_like_the_others() -> None:
    """Whether the newest end is good is open again: it is another one."""
    lab = Lab(lambda key: failed() if key > 2 else passed())
    lab.search.engine.repeat(range(5), 1)
    assert lab.search.judgement().new_is is Outcome.FAILED

    key = lab.search.add(candidate(5))

    assert (key, list(lab.search.labels)) == (5, ["0", "1", "2", "3", "4", "5"])
    assert lab.search.judgement().new_is is None
    lab.search.engine.repeat([key], 1)
    assert lab.verdicts[key] is Verdict.NEW
    assert lab.search.context.labels[key] == "5"


def test_messages_know_of_which_candidates_there_is_no_result() -> None:
    lab = Lab(lambda key: broken() if key == 3 else passed())

    lab.search.engine.repeat(range(5), 1)

    error = broken().signature
    assert error is not None
    assert lab.search.context.errors == {3: error.shown}
