"""A search whose time is over ends as if it were interrupted, and what it knows by then is its result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest
from support.builders import a_plan
from support.noisy_world import NoisyWorld, flaky

from bisect_asgi import session
from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, ExitCode, TimeIsUp
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Trial, TrialRequest
from bisect_asgi.core.plan import History, HistoryKind
from bisect_asgi.core.records import replace
from bisect_asgi.session import batch
from bisect_asgi.session.batch import limited

PATIENCE_S = 30.0
LOOK = History(kind=HistoryKind.TIME, seconds=1000.0)


class Timers:
    """Timers that end when a test says so, in the place of threads that wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cancelled = 0
        self.daemon = False

    def __call__(self, seconds: float, call: Callable[..., None], arguments: list[object]) -> Timers:
        self.seconds.append(seconds)
        self.end = lambda: call(*arguments)
        return self

    def start(self) -> None:
        pass

    def cancel(self) -> None:
        self.cancelled += 1


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    made = Timers()
    monkeypatch.setattr(batch.threading, "Timer", made)
    return made


@pytest.fixture
def workers() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def bisect(made_up: NoisyWorld, workers: Executor, timers: Timers, *, last: int) -> events.RunFinished:
    """Bisect; while the trial of number `last` goes on, the time is over."""
    stopped = threading.Event()

    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        trial = made_up.run_trial(request, token)
        if len(made_up.requests) == last:
            with token.on_cancel(stopped.set):
                timers.end()
                assert stopped.wait(PATIENCE_S)
            raise Cancelled
        return trial

    there = made_up._begin()
    there.trials.run = run_trial  # type: ignore[method-assign]
    kind = session.bisect(
        a_plan(good="1", bad="40", history=LOOK, time_limit_s=7.0),
        replace(there, executor=workers),
        made_up.events.append,
    )
    assert kind is made_up.finished.kind
    assert (timers.seconds, timers.cancelled) == ([7.0], 1)
    return made_up.finished


def world() -> NoisyWorld:
    return NoisyWorld(size=40, shows=flaky(18, 0.0, 1.0))


@pytest.mark.parametrize(
    ("last", "headline"),
    [
        pytest.param(1, "the time limit was reached", id="nothing-is-known"),
        pytest.param(2, "the time limit was reached: app 1 is good", id="one-end"),
        pytest.param(
            4,
            "the time limit was reached: the change is between app 1 (good) and 20 (bad), 18 releases left",
            id="in-the-search",
        ),
        pytest.param(
            9,
            "the time limit was reached: the change is between app 17 (good) and 18 (bad)",
            id="while-it-is-confirmed",
        ),
    ],
)
def test_before_the_boundary_is_sure_the_result_is_where_the_change_is(
    timers: Timers, workers: Executor, last: int, headline: str
) -> None:
    made_up = world()

    finished = bisect(made_up, workers, timers, last=last)

    assert (finished.kind, finished.kind.exit_code) == (ResultKind.OUT_OF_TIME, ExitCode.INCONCLUSIVE)
    assert made_up.report.headline == headline
    assert finished.hint
    assert "--time-limit" in finished.hint


def test_a_boundary_that_is_sure_is_the_result_and_what_is_missing_is_said(
    timers: Timers, workers: Executor
) -> None:
    made_up = world()

    finished = bisect(made_up, workers, timers, last=12)

    assert (finished.kind, finished.kind.exit_code) == (ResultKind.FOUND, ExitCode.FOUND)
    assert made_up.boundary == (17, 18)
    assert made_up.report.headline == (
        "app broke in 18; the rest of the history was not finished within the time limit"
    )


def test_a_search_that_ends_in_time_is_as_without_a_limit(timers: Timers, workers: Executor) -> None:
    with limited(workers, 5.0) as executor:
        assert executor.submit(int, "3").result(PATIENCE_S) == 3

    assert (timers.seconds, timers.cancelled) == ([5.0], 1)
    assert timers.daemon


def test_nothing_is_begun_once_the_time_is_over(timers: Timers, workers: Executor) -> None:
    with limited(workers, 5.0) as executor:
        timers.end()
        with pytest.raises(TimeIsUp):
            executor.submit(int, "3")


def test_without_a_limit_nothing_stands_between(timers: Timers, workers: Executor) -> None:
    with limited(workers, None) as executor:
        assert executor is workers

    assert timers.seconds == []
