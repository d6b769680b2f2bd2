"""What becomes of a cluster's calls, with a scheduler that does what it is told and nothing else."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from time import monotonic
from typing import Any

import distributed
import pytest
from support import remote_calls

from bisect_asgi.backend.executors.dask import calls
from bisect_asgi.backend.executors.dask.calls import Declined, Facts, Packed, Raised, Returned
from bisect_asgi.backend.executors.dask.client import SchedulerClient
from bisect_asgi.backend.executors.dask.submissions import Submission, Submissions
from bisect_asgi.backend.executors.dask.workers import Workers
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Lost, Unavailable

PATIENCE_S = 10.0


class Task:
    """dask's future of a call; it is over when a test says so."""

    def __init__(self, workers: list[str] | None) -> None:
        self.workers = workers
        self.is_released = False
        self._result: Callable[[], bytes] | None = None
        self._done: list[Callable[[Task], None]] = []

    def done(self) -> bool:
        return self._result is not None

    def result(self, timeout: float) -> bytes:
        assert self._result is not None, "nothing has come"
        return self._result()

    def add_done_callback(self, called: Callable[[Task], None]) -> None:
        self._done.append(called)

    def release(self) -> None:
        self.is_released = True

    def comes_back(self, result: object) -> None:
        """End with what a worker sent."""
        self._end(lambda: pickle.dumps(result))

    def comes_to_nothing(self, error: Exception) -> None:
        """End with an exception of dask's own."""

        def fail() -> bytes:
            raise error

        self._end(fail)

    def _end(self, result: Callable[[], bytes]) -> None:
        self._result = result
        for called in self._done:
            called(self)


class Client:
    """As much of a dask client as a link uses; a worker is where its address says."""

    def __init__(self) -> None:
        self.there: dict[str, int] = {}
        self.tasks: list[Task] = []
        self.stopped: list[str] = []
        self.has_stopped = threading.Event()
        self.answers = True
        self.scheduler = self

    def ncores(self) -> None:
        raise AssertionError("only handed on")

    def sync(self, what: object, **_: object) -> dict[str, int]:
        if not self.answers:
            raise OSError("connection refused")
        return dict(self.there)

    def run(self, what: object, *given: Any, workers: list[str] | None = None, on_error: str) -> Any:
        if what is calls.stop:
            self.stopped += given[0]
            self.has_stopped.set()
            return None
        return {address: Facts(kind=calls.own_kind(), host=address) for address in workers or ()}

    def submit(self, *_: object, workers: list[str] | None, **__: object) -> Task:
        if not self.answers:
            raise OSError("connection refused")
        self.tasks.append(Task(workers))
        return self.tasks[-1]

    def close(self, timeout: float) -> None:
        pass


class World:
    """A cluster without machines; nobody looks but who calls `look`."""

    def __init__(self, *workers: str, patience_s: float = PATIENCE_S) -> None:
        self.client = Client()
        self.link = SchedulerClient(self.client, "tcp://there:1")  # type: ignore[arg-type]
        self.workers = Workers(self.link, patience_s=patience_s)
        self.submissions = Submissions(self.link, self.workers)
        self.are(*workers)

    @property
    def task(self) -> Task:
        """The last that was given to the scheduler."""
        return self.client.tasks[-1]

    def are(self, *workers: str) -> None:
        """Have these workers there, and see it."""
        self.client.there = dict.fromkeys(workers, 1)
        self.submissions.look()

    def submit(self, *tokens: CancelToken, bound: bool = False) -> Future[object]:
        """A call that doubles what comes back; `bound`: to one host."""
        packed = Packed(call=remote_calls.host, need="x", fits=remote_calls.host if bound else None)
        call = Submission(
            identity=f"call {len(self.client.tasks)}",
            packed=packed,
            payload=b"",
            unpack=lambda result: 2 * result,  # type: ignore[operator]
            future=Future(),
        )
        self.submissions.begin(call, tokens)
        return call.future


@pytest.fixture
def world() -> Iterator[World]:
    made = World("a", "b")
    yield made
    made.link.close()


def test_what_comes_back_is_unpacked(world: World) -> None:
    future = world.submit()

    world.task.comes_back(Returned(value=21))

    assert future.result(0) == 42
    assert world.task.workers is None  # any of them
    assert world.task.is_released


def test_what_was_raised_and_what_cannot_be_unpacked_is_raised(world: World) -> None:
    raised, odd = world.submit(), world.submit()
    first, second = world.client.tasks

    first.comes_back(Raised(error=ValueError("no")))
    second.comes_back(Returned(value=object))

    assert isinstance(raised.exception(0), ValueError)
    assert isinstance(odd.exception(0), TypeError)


def test_a_call_that_is_declined_goes_to_who_is_left_until_nobody_is(world: World) -> None:
    future = world.submit()

    world.task.comes_back(Declined(worker="a", reason="has none", hint="install it", forever=False))
    assert world.task.workers == ["b"]
    assert not future.done()
    world.task.comes_back(Declined(worker="b", reason="neither", hint=None, forever=False))

    with pytest.raises(Unavailable, match=r"^no worker of the cluster can do this: `a a` has none.*neither"):
        future.result(0)


def test_a_call_is_given_again_until_its_workers_have_died_too_often(world: World) -> None:
    future = world.submit()

    for _ in range(3):
        world.task.comes_to_nothing(RuntimeError("the worker that held it is gone"))
        assert not future.done()
    world.task.comes_to_nothing(RuntimeError("the worker that held it is gone"))

    with pytest.raises(Lost, match=r"died, 4 times$"):
        future.result(0)
    assert [task.is_released for task in world.client.tasks] == [True] * 4


def test_what_dask_gave_up_is_lost_at_once(world: World) -> None:
    future = world.submit()

    world.task.comes_to_nothing(distributed.KilledWorker("task", "a", 3))

    with pytest.raises(Lost):
        future.result(0)


def test_a_call_whose_workers_are_gone_is_moved(world: World) -> None:
    future = world.submit()
    world.task.comes_back(Declined(worker="a", reason="has none", hint=None, forever=False))
    bound = world.task
    assert bound.workers == ["b"]

    world.are("a", "c")
    world.submissions.look_after_calls()

    assert bound.is_released
    assert world.task.workers == ["c"]
    bound.comes_back(Returned(value=1))  # too late: it is another task's call now
    assert not future.done()
    world.task.comes_back(Returned(value=2))
    assert future.result(0) == 4


@pytest.mark.parametrize("comes_back", [True, False])
def test_the_only_worker_that_can_do_a_call_is_waited_for_when_it_dies(comes_back: bool) -> None:
    world = World("a", "b", patience_s=PATIENCE_S if comes_back else 0.0)
    future = world.submit()
    world.task.comes_back(Declined(worker="a", reason="has none", hint=None, forever=False))

    world.client.there = {"a": 1}
    world.task.comes_to_nothing(RuntimeError("the worker that held it is gone"))
    assert not future.done()

    if comes_back:
        world.are("a", "c")
        world.submissions.look_after_calls()
        assert world.task.workers == ["c"]
        world.task.comes_back(Returned(value=1))
        assert future.result(0) == 2
    else:
        world.submissions.look_after_calls()
        with pytest.raises(Unavailable, match=r"^no worker of the cluster can do this: `a a` has none$"):
            future.result(0)
    world.link.close()


def test_a_call_that_breaks_while_it_is_moved_is_given_once(world: World) -> None:
    world.submit()
    world.task.comes_back(Declined(worker="a", reason="has none", hint=None, forever=False))

    def is_moved_first() -> bytes:
        world.are("a", "c")
        world.submissions.look_after_calls()
        raise RuntimeError("the worker that held it is gone")

    world.task._end(is_moved_first)

    assert [task.workers for task in world.client.tasks] == [None, ["b"], ["c"]]


def test_a_call_waits_for_workers_that_come_later(world: World) -> None:
    world.are()
    future = world.submit()
    assert not world.client.tasks

    world.are("c")
    world.submissions.look_after_calls()
    world.task.comes_back(Returned(value=1))

    assert future.result(0) == 2


@pytest.mark.parametrize(
    "workers", [pytest.param([], id="never-given"), pytest.param(["a"], id="given-and-deserted")]
)
def test_without_workers_a_call_ends_when_patience_does(workers: list[str]) -> None:
    world = World(*workers, patience_s=0.0)
    future = world.submit()
    assert len(world.client.tasks) == len(workers)

    world.are()
    deadline = monotonic() + PATIENCE_S
    while not future.done() and monotonic() < deadline:  # patience counts from when the call was seen alone
        world.submissions.look_after_calls()

    with pytest.raises(Unavailable, match=r"^all workers of the cluster are gone$"):
        future.result(0)
    world.link.close()


def test_a_call_that_is_over_is_not_held_by_its_token(world: World) -> None:
    token = CancelToken()
    over = weakref.ref(world.submit(token))
    world.task.comes_back(Returned(value=1))

    world.client.tasks.clear()
    gc.collect()

    assert over() is None


def test_a_cancelled_future_stops_its_call_wherever_it_runs(world: World) -> None:
    future = world.submit()

    future.cancel()

    assert world.task.is_released
    assert wait_for([future], timeout=0).done == {future}
    assert world.client.has_stopped.wait(PATIENCE_S)
    assert world.client.stopped == ["call 0"]
    world.task.comes_back(Returned(value=1))
    assert future.cancelled()


def test_a_call_ends_with_its_token_and_only_once(world: World) -> None:
    token = CancelToken()
    future = world.submit(token)

    token.cancel()
    world.task.comes_back(Returned(value=1))

    assert isinstance(future.exception(0), Cancelled)


def test_a_call_whose_token_was_cancelled_before_is_not_given(world: World) -> None:
    token = CancelToken()
    token.cancel()

    future = world.submit(token)

    assert isinstance(future.exception(0), Cancelled)
    assert not world.client.tasks


def test_everything_ends_with_the_scheduler(world: World) -> None:
    under_way = world.submit()
    world.client.answers = False

    refused = world.submit()
    world.client.answers = True  # but it has forgotten what it was given
    late = world.submit()

    for future in (under_way, refused, late):
        with pytest.raises(Unavailable, match=r"^the cluster's scheduler does not answer: `tcp://there:1`$"):
            future.result(0)
    assert not world.submissions.look()
    assert world.submissions.futures() == []


def test_silence_while_closing_is_no_loss(world: World) -> None:
    world.link.closing.set()
    world.client.answers = False

    assert not world.submissions.look()
    assert not world.link.is_lost
