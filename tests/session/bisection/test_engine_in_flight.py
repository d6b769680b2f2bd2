"""Trials in flight: cancelled, interrupted, lost, and back together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from itertools import groupby

import pytest
from support.builders import failed, passed
from support.engines import History, Lab, broke_at, request_for, rulings_of, trial

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Lost, Unavailable
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.model import Observation, Trial, TrialRequest, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import AllChanges, Boundary
from bisect_asgi.session.bisection.engine import Engine

PATIENCE_S = 20.0


class Stubborn:
    """Answers at once, but for some candidates, which do not end until they are cancelled."""

    def __init__(self, history: History, *, stubborn: Callable[[int], bool]) -> None:
        self._history = history
        self._stubborn = stubborn
        self._lock = threading.Lock()
        self.started: set[int] = set()
        self.cancelled: set[int] = set()
        self.one_hangs = threading.Event()

    def __call__(self, request: TrialRequest, token: CancelToken) -> Trial:
        if not self._stubborn(request.key):
            return trial(request, self._history(request.key))
        over = threading.Event()
        with self._lock:
            self.started.add(request.key)
        self.one_hangs.set()
        with token.on_cancel(over.set):
            assert over.wait(PATIENCE_S), f"candidate {request.key} was never cancelled"
        with self._lock:
            self.cancelled.add(request.key)
        raise Cancelled


def test_trials_that_cannot_change_the_answer_any_more_are_cancelled() -> None:
    stubborn = Stubborn(broke_at(9), stubborn=lambda key: 0 < key < 6)
    with ThreadPoolExecutor(max_workers=4) as pool:
        lab = Lab(
            13,
            broke_at(9),
            executor=pool,
            jobs=4,
            run_trial=stubborn,
            expectation=Expectation(good=0, bad=12),
        )
        state = lab.search()

    assert state == Boundary(low=8, high=9)
    assert stubborn.started
    assert stubborn.cancelled == stubborn.started
    told = {event.key for event in lab.events if isinstance(event, events.TrialCancelled)}
    assert stubborn.started <= told
    assert all(0 < key < 6 for key in told & stubborn.started)
    assert told.isdisjoint(lab.engine.observed)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Unavailable("the index did not answer"), id="unavailable"),
        pytest.param(KeyboardInterrupt(), id="interrupted"),
        pytest.param(RuntimeError("a bug"), id="bug"),
    ],
)
def test_an_error_ends_everything_that_is_in_flight(error: BaseException) -> None:
    hanging = Stubborn(broke_at(5), stubborn=lambda key: key == 9)

    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        if request.key == 0:
            assert hanging.one_hangs.wait(PATIENCE_S)
            raise error
        return hanging(request, token)

    with ThreadPoolExecutor(max_workers=2) as pool:
        lab = Lab(
            10,
            broke_at(5),
            executor=pool,
            jobs=2,
            run_trial=run_trial,
            expectation=Expectation(good=0, bad=9),
        )
        with pytest.raises(type(error)):
            lab.search()

    assert hanging.cancelled == {9}
    assert [event.key for event in lab.events if isinstance(event, events.TrialCancelled)] == [9]


def test_an_error_while_repeating_ends_everything_that_is_in_flight() -> None:
    hanging = Stubborn(broke_at(1), stubborn=lambda key: key == 1)

    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        if request.key == 0:
            assert hanging.one_hangs.wait(PATIENCE_S)
            raise Unavailable("the index did not answer")
        return hanging(request, token)

    with ThreadPoolExecutor(max_workers=2) as pool:
        lab = Lab(2, broke_at(1), executor=pool, jobs=2, run_trial=run_trial)
        with pytest.raises(Unavailable):
            lab.engine.repeat([0, 1], 1)

    assert hanging.cancelled == {1}


def test_no_more_trials_are_in_flight_than_there_are_jobs() -> None:
    with ThreadPoolExecutor(max_workers=16) as pool:
        lab = Lab(64, broke_at(30), executor=pool, jobs=3)
        state = lab.search()

    assert state == Boundary(low=29, high=30)
    in_flight = [0]
    for event in lab.events:
        started = isinstance(event, events.TrialStarted)
        ended = isinstance(event, (events.TrialFinished, events.TrialCancelled))
        in_flight.append(in_flight[-1] + started - ended)
    assert max(in_flight) == 3


@pytest.mark.parametrize(("run_s", "is_built_beside"), [(0.05, False), (5.0, True)])
def test_nothing_is_built_beside_a_short_run_in_an_environment_that_was_kept(
    run_s: float, is_built_beside: bool
) -> None:
    """The environments with even keys were kept, and two trials are under way at a time."""

    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        build_s = float(request.key % 2)
        return replace(trial(request, broke_at(25)(request.key)), build_s=build_s, run_s=run_s)

    lab = Lab(64, broke_at(25), jobs=2, run_trial=run_trial)
    lab.engine.recall(lambda _: None, lambda request: request.key % 2 == 0)

    assert lab.search() == Boundary(low=24, high=25)
    groups = groupby(lab.events, key=lambda event: isinstance(event, events.TrialStarted))
    rounds = [
        [event.key % 2 for event in group if isinstance(event, events.TrialStarted)] for _, group in groups
    ]
    # In the first round it is not known yet how short a run is.
    assert ([0, 1] in rounds[2:]) is is_built_beside


def test_an_interrupt_while_a_trial_is_being_given_away_stops_it() -> None:
    """It runs already, and is not yet known to be in flight."""
    given: list[CancelToken] = []

    class Interrupted(Executor):
        def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
            given.append(args[1])
            raise KeyboardInterrupt

    lab = Lab(3, broke_at(2), executor=Interrupted())

    with pytest.raises(KeyboardInterrupt):
        lab.engine.repeat([0], 1)

    with pytest.raises(Cancelled):
        given[0].check()


def test_a_trial_whose_workers_died_tells_nothing_and_ends_nothing() -> None:
    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        if request.key == 4:
            raise Lost("four workers died while they ran it")
        return trial(request, broke_at(7)(request.key))

    lab = Lab(9, broke_at(7), run_trial=run_trial, expectation=Expectation(good=0, bad=8))

    assert lab.search() == Boundary(low=6, high=7)
    assert 4 not in lab.engine.observed
    sign = lab.engine.errors[4].signature
    assert sign is not None
    assert "four workers died" in sign.shown
    # It was asked by several, one after the other.
    assert [e.key for e in lab.events if isinstance(e, events.TrialStarted)].count(4) == 1


# --- Trials that come back together


ENDINGS = [
    pytest.param(Unavailable("the index did not answer"), id="unavailable"),
    pytest.param(KeyboardInterrupt(), id="interrupt"),
    pytest.param(Cancelled(), id="cancelled"),
    pytest.param(RuntimeError("a bug of ours"), id="bug"),
]


RUNS = [
    pytest.param(lambda engine: engine.repeat([0, 1, 2], 1), id="repeat"),
    pytest.param(
        lambda engine: engine.search(lambda verdicts: AllChanges.replay(3, verdicts, first=(0, 1, 2))),
        id="search",
    ),
]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("failing", [{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 1, 2}], ids=str)
@pytest.mark.parametrize("error", ENDINGS)
def test_trials_that_come_back_with_one_that_raises_are_taken_in_before_it_ends_the_search(
    error: BaseException, failing: set[int], run: Callable[[Engine], object]
) -> None:
    def run_trial(request: TrialRequest, _: CancelToken) -> Trial:
        if request.key in failing:
            raise error
        return trial(request, passed())

    lab = Lab(3, broke_at(9), jobs=3, run_trial=run_trial, expectation=Expectation(good=0))

    with pytest.raises(type(error)) as raised:
        run(lab.engine)

    others = [key for key in range(3) if key not in failing]
    finished = [event.trial.key for event in lab.events if isinstance(event, events.TrialFinished)]
    assert raised.value is error
    assert finished == others
    assert list(lab.engine.observed) == others
    assert list(rulings_of(lab.events)) == others
    assert not any(isinstance(event, events.TrialCancelled) for event in lab.events)


@pytest.mark.parametrize("lost", range(3))
def test_a_trial_whose_workers_died_keeps_its_place_among_those_that_come_back_with_it(lost: int) -> None:
    def run_trial(request: TrialRequest, _: CancelToken) -> Trial:
        if request.key == lost:
            raise Lost("four workers died while they ran it")
        return trial(request, passed())

    lab = Lab(3, broke_at(9), jobs=3, run_trial=run_trial)

    lab.engine.repeat([0, 1, 2], 1)

    assert [event.trial.key for event in lab.events if isinstance(event, events.TrialFinished)] == [0, 1, 2]
    assert lab.engine.errors.keys() == {lost}


def test_trials_that_are_back_when_an_interrupt_comes_are_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is still running: it is the only one that is cancelled."""
    given: dict[int, Future[Trial]] = {}

    class ByHand(Executor):
        def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
            given[args[0].key] = Future()
            return given[args[0].key]

    def interrupted(*_: object, **__: object) -> None:
        given[2].set_result(trial(request_for(lab, 2), failed()))
        raise KeyboardInterrupt

    lab = Lab(3, broke_at(9), jobs=3, executor=ByHand())
    monkeypatch.setattr("bisect_asgi.session.bisection.engine.wait", interrupted)

    with pytest.raises(KeyboardInterrupt):
        lab.engine.repeat([1, 2], 1)

    assert lab.engine.observed.keys() == {2}
    assert [event.key for event in lab.events if isinstance(event, events.TrialCancelled)] == [1]


@pytest.mark.parametrize(
    ("newest", "canceled"),
    [pytest.param(failed(), [1], id="inside-the-change"), pytest.param(passed(), [1, 3], id="no-change")],
)
def test_of_trials_that_a_search_hands_on_the_next_has_what_is_relevant_to_it(
    newest: Observation, canceled: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[int, Future[Trial]] = {}
    now_s = 0.0

    class ByHand(Executor):
        def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
            given[args[0].key] = Future()
            return given[args[0].key]

    def wait(*_: object, **__: object) -> None:
        nonlocal now_s
        if now_s:
            given[3].set_result(trial(request_for(lab, 3), passed()))
        now_s = 9.0

    def replay(verdicts: Mapping[int, Verdict], places_only: bool) -> AllChanges:
        return AllChanges.replay(5, verdicts, first=(1, 3), places_only=places_only)

    lab = Lab(5, broke_at(9), jobs=2, executor=ByHand(), clock=lambda: now_s)
    for key, seen in ((0, passed()), (2, passed()), (4, newest)):
        lab.engine.seed(key, trial(request_for(lab, key), seen))
    monkeypatch.setattr("bisect_asgi.session.bisection.engine.wait", wait)

    lab.engine.search(partial(replay, places_only=False), until_s=5.0, hands_on=True)
    lab.engine.search(partial(replay, places_only=True))

    assert list(given) == [1, 3]
    assert [event.key for event in lab.events if isinstance(event, events.TrialCancelled)] == canceled
    assert (3 in lab.engine.observed) is (3 not in canceled)


def test_events_of_trials_are_dated_by_the_clock() -> None:
    lab = Lab(2, broke_at(1), clock=iter(range(100)).__next__)

    lab.search()

    dated = [
        event.at_s for event in lab.events if isinstance(event, (events.TrialStarted, events.TrialFinished))
    ]
    assert dated == [0, 1, 2, 3]
