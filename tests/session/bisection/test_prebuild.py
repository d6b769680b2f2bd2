"""Environments are built ahead as far as trials leave the processors idle."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from support.builders import a_plan, failed, passed, probe, target
from support.services import FakeTrials, InlineExecutor, fake_services

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Unavailable
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.metrics.criteria import Criteria
from bisect_asgi.core.model import (
    Candidate,
    EnvironmentSpec,
    Observation,
    SamplingMode,
    Step,
    Trial,
    TrialRequest,
    Verdict,
)
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import Bisection, Boundary
from bisect_asgi.session.axes.base import SearchSpace
from bisect_asgi.session.bisection import Search
from bisect_asgi.session.bisection.engine import Engine, SearchSpec
from bisect_asgi.session.bisection.prebuild import Prebuilder, idle_places, trials_abreast, waiting_share

SPEC = EnvironmentSpec(interpreter=target().interpreter, requirements=("demo",))
STEPS = {Step.LINK: 0.5}
QUICK = replace(passed(), cpu_s=0.25)


def request(key: int) -> TrialRequest:
    return TrialRequest(key=key, label=str(key), spec=SPEC, probe=probe())


class Told(list[events.Event]):
    """The events, and a clock that counts its readings."""

    now = 0.0

    def clock(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def told() -> Told:
    return Told()


def test_what_is_built_ahead_is_told_with_what_it_took(told: Told) -> None:
    prebuilder = Prebuilder(lambda *_: STEPS, InlineExecutor(), emit=told.append, clock=told.clock)

    prebuilder.start([request(3)])
    prebuilder.settle(lambda _: True)

    assert told == [
        events.PreparationStarted(key=3, at_s=1.0),
        events.PreparationEnded(key=3, at_s=2.0, steps=STEPS),
    ]
    assert prebuilder.begun == {3}
    assert prebuilder.building == 0


@pytest.mark.parametrize("error", [Unavailable("no index"), Cancelled()])
def test_what_fails_is_left_to_its_trial(told: Told, error: Exception) -> None:
    def fail(request: TrialRequest, token: CancelToken) -> dict[Step, float]:
        raise error

    prebuilder = Prebuilder(fail, InlineExecutor(), emit=told.append, clock=told.clock)
    prebuilder.start([request(3)])
    prebuilder.settle(lambda _: True)

    assert told[-1] == events.PreparationEnded(key=3, at_s=2.0, steps={})


@contextmanager
def hanging() -> Iterator[tuple[ThreadPoolExecutor, list[int]]]:
    """An executor, and which preparations were cancelled."""
    with ThreadPoolExecutor() as pool:
        yield pool, []


def test_what_is_not_wanted_any_more_is_stopped_and_may_be_wanted_again(told: Told) -> None:
    with hanging() as (pool, cancelled):
        running = threading.Event()

        def hang(request: TrialRequest, token: CancelToken) -> dict[Step, float]:
            stopped = threading.Event()
            with token.on_cancel(stopped.set):
                running.set()
                assert stopped.wait(30)
            cancelled.append(request.key)
            raise Cancelled

        prebuilder = Prebuilder(hang, pool, emit=told.append, clock=told.clock)
        prebuilder.start([request(3)])
        assert running.wait(30)
        prebuilder.settle(lambda key: key == 3)
        assert prebuilder.building == 1
        prebuilder.settle(lambda key: key != 3)

    assert cancelled == [3]
    assert prebuilder.begun == set()
    assert isinstance(told[-1], events.PreparationEnded)
    assert told[-1].is_cancelled


# --- How much is idle


def trial(steps: dict[Step, float], *runs: Observation, remembered: int = 0) -> Trial:
    return Trial(key=0, label="1.0", observations=runs, remembered=remembered, steps=steps)


@pytest.mark.parametrize(
    ("trials", "share"),
    [
        pytest.param([], 0.0, id="nothing-is-known"),
        pytest.param([trial({})], 0.0, id="all-was-remembered"),
        pytest.param([trial({Step.RUN: 5.0}, replace(passed(), cpu_s=0.5))], 0.9, id="sleeps"),
        pytest.param([trial({Step.RUN: 5.0}, replace(passed(), cpu_s=5.0))], 0.0, id="computes"),
        pytest.param([trial({Step.RUN: 5.0}, replace(passed(), cpu_s=9.0))], 0.0, id="in-several-threads"),
        pytest.param([trial({Step.DOWNLOAD: 3.0, Step.LINK: 1.0})], 0.375, id="downloads"),
        pytest.param([trial({Step.WAIT: 9.0, Step.LINK: 1.0})], 0.0, id="waits-for-its-turn"),
        pytest.param([trial({Step.BUILD: 4.0, Step.RESOLVE: 1.0})], 0.1, id="builds"),
        pytest.param(
            [trial({Step.RUN: 1.0}, replace(passed(), cpu_s=9.0), QUICK, remembered=1)],
            0.75,
            id="what-is-remembered-took-nothing-now",
        ),
    ],
)  # fmt: skip
def test_how_much_of_trials_is_waiting(trials: list[Trial], share: float) -> None:
    assert waiting_share(2, trials) == pytest.approx(share)


def ran(cpu_s: float, other_load: float | None, *, wall_s: float = 5.0) -> Trial:
    run = replace(passed(), cpu_s=cpu_s, wall_s=wall_s, other_load=other_load)
    return trial({Step.RUN: wall_s}, run)


@pytest.mark.parametrize(
    ("cores", "cpu_s", "other_load", "share"),
    [
        pytest.param(2, 1.0, None, 0.8, id="nobody-counts"),
        pytest.param(2, 1.0, 0.0, 0.8, id="alone"),
        pytest.param(2, 1.0, 1.0, 0.8, id="one-core-was-free"),
        pytest.param(2, 1.0, 1.8, 0.0, id="no-core-was-free"),
        pytest.param(2, 1.0, 1.2, 0.44, id="none-was-free-for-a-while"),
        pytest.param(4, 1.0, 1.8, 0.8, id="there-are-more-cores"),
        pytest.param(4, 1.0, 3.8, 0.0, id="and-they-were-taken-too"),
        pytest.param(1, 1.0, 0.9, 0.0, id="the-only-one"),
        pytest.param(2, 0.05, 1.98, 0.9018, id="sleeps-on-a-busy-machine"),
        pytest.param(2, 6.0, 1.9, 0.0, id="computes-in-several-threads"),
        pytest.param(2, 1.0, 7.0, 0.0, id="a-kernel-that-counts-wrong"),
    ],
)
def test_the_load_of_other_programs_is_no_waiting_of_the_probe(
    cores: int, cpu_s: float, other_load: float | None, share: float
) -> None:
    assert waiting_share(cores, [ran(cpu_s, other_load)]) == pytest.approx(share)


def test_what_other_programs_took_when_a_remembered_run_was_made_does_not_matter() -> None:
    busy = ran(1.0, 1.9).observations
    trials = [trial({Step.RUN: 5.0}, *busy, replace(passed(), cpu_s=1.0, wall_s=5.0), remembered=1)]

    assert waiting_share(2, trials) == pytest.approx(0.8)


@pytest.mark.parametrize(("other_load", "width"), [(0.0, 16), (0.9, 16), (1.9, 2)])
def test_on_a_busy_machine_a_probe_that_computes_is_not_taken_for_one_that_waits(
    other_load: float, width: int
) -> None:
    assert trials_abreast(2, [ran(1.0, other_load, wall_s=9.0)] * 3) == width


SLEEPS = trial({Step.RUN: 5.0}, replace(passed(), cpu_s=0.1))
WAITS = trial({Step.RESOLVE: 2.0, Step.RUN: 3.0}, replace(passed(), cpu_s=1.0))
COMPUTES = trial({Step.RUN: 5.0}, replace(passed(), cpu_s=5.0))


@pytest.mark.parametrize(
    ("trials", "least", "most"),
    [
        pytest.param([], 2, 2, id="nothing-is-known"),
        pytest.param([COMPUTES] * 2, 2, 2, id="computes"),
        pytest.param([COMPUTES, SLEEPS], 2, 2, id="half-of-it-computes"),
        pytest.param([WAITS] * 2, 4, 4, id="it-is-not-the-probe-alone"),
        pytest.param([SLEEPS] * 2, 8, 16, id="sleeps"),
    ],
)
def test_more_trials_than_cores_run_where_they_wait(trials: list[Trial], least: int, most: int) -> None:
    assert least <= trials_abreast(2, trials) <= most


@pytest.mark.parametrize(
    ("trials", "places"),
    [
        pytest.param([], 2, id="nothing-is-known"),
        pytest.param([COMPUTES] * 2, 0, id="computes"),
        pytest.param([SLEEPS] * 2, 4, id="sleeps"),
    ],
)
def test_as_much_is_built_ahead_as_trials_leave_idle(trials: list[Trial], places: int) -> None:
    assert idle_places(2, trials) == places


# --- In the engine


class Lab:
    """An engine with two jobs whose trials' steps are given, and what it has prepared."""

    def __init__(self, size: int, first_bad: int, steps: dict[Step, float], cpu_s: float) -> None:
        self.size, self.first_bad, self.steps, self.cpu_s = size, first_bad, steps, cpu_s
        self.order: list[tuple[str, int]] = []
        self.in_flight = self.most_in_flight = 0
        self.events = Told()
        spec = SearchSpec(
            candidates=tuple(Candidate(label=str(key), spec=SPEC) for key in range(size)),
            probe=probe(),
            expectation=Expectation(good=0, bad=size - 1),
            criteria=Criteria(),
        )
        prebuilder = Prebuilder(
            self.prepare, InlineExecutor(), emit=self.events.append, clock=self.events.clock
        )
        self.engine = Engine(
            spec,
            run_trial=self.run_trial,
            executor=InlineExecutor(),
            jobs=2,
            most=4,
            emit=self.take,
            prebuilder=prebuilder,
        )

    def take(self, event: events.Event) -> None:
        if isinstance(event, events.TrialStarted):
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if isinstance(event, (events.TrialFinished, events.TrialCancelled)):
            self.in_flight -= 1

    def prepare(self, request: TrialRequest, token: CancelToken) -> dict[Step, float]:
        self.order.append(("prepared", request.key))
        return STEPS

    def run_trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        self.order.append(("run", request.key))
        run = replace(failed() if request.key >= self.first_bad else passed(), cpu_s=self.cpu_s)
        return Trial(key=request.key, label=request.label, observations=(run,), steps=self.steps)

    def search(self) -> object:
        def told(verdicts: Mapping[int, Verdict]) -> Bisection:
            return Bisection.replay(self.size, verdicts)

        return self.engine.search(told, looks_ahead=True)

    def prepared(self) -> set[int]:
        return {key for what, key in self.order if what == "prepared"}

    def run(self) -> list[int]:
        return [key for what, key in self.order if what == "run"]


def test_where_trials_wait_what_may_come_is_built_ahead_and_more_run_side_by_side() -> None:
    lab = Lab(100, 61, {Step.RUN: 5.0}, cpu_s=0.1)

    assert lab.search() == Boundary(low=60, high=61)
    assert lab.most_in_flight == 4
    # Here all in flight come back at once, so that what was foreseen for each alone helps only at the end.
    foreseen = {key for key in lab.run() if ("prepared", key) in lab.order[: lab.order.index(("run", key))]}
    assert foreseen & {60, 61}


def test_where_trials_compute_nothing_is_built_ahead_once_that_is_known() -> None:
    lab = Lab(100, 61, {Step.RUN: 5.0}, cpu_s=5.0)

    assert lab.search() == Boundary(low=60, high=61)
    assert lab.most_in_flight == 2
    first_known = min(place for place, (what, _) in enumerate(lab.order) if what == "run") + 2
    assert not [key for what, key in lab.order[first_known + 2 :] if what == "prepared"]


def test_what_is_known_already_is_not_built_ahead() -> None:
    lab = Lab(100, 61, {Step.RUN: 5.0}, cpu_s=0.1)
    lab.search()

    assert lab.prepared().isdisjoint({0, 99})
    assert len([key for what, key in lab.order if what == "prepared"]) == len(lab.prepared())


@pytest.mark.parametrize("sampling", [None, SamplingMode()], ids=["passes-or-fails", "measured"])
def test_samples_have_the_machine_to_themselves(sampling: SamplingMode | None) -> None:
    begun: list[int] = []

    def prepare(request: TrialRequest, token: CancelToken) -> dict[Step, float]:
        begun.append(request.key)
        return {}

    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        run = replace(failed() if request.key >= 7 else passed(), cpu_s=0.01)
        return Trial(key=request.key, label=request.label, observations=(run,), steps={Step.RUN: 5.0})

    plan = replace(a_plan(), sampling=sampling, most_jobs=8)
    space = SearchSpace(
        choice=None,
        candidates=tuple(Candidate(label=str(key), spec=SPEC) for key in range(9)),
        expectation=Expectation(good=0, bad=8),
    )
    there = fake_services(trials=FakeTrials(run_trial, prepare=prepare, builders=InlineExecutor()))
    search = Search(plan, space, there, lambda _: None)

    search.engine.search(lambda verdicts: Bisection.replay(9, verdicts), looks_ahead=True)

    assert bool(begun) is (sampling is None)
