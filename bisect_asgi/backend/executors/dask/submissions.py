"""Follow each call of a cluster to exactly one end, whatever happens to it.

A call is *under way* from its submission until it is settled: with its outcome, with an error if it is lost,
or cancelled. Meanwhile it may be given to the scheduler several times, because a worker may decline it, its
workers may die or leave, or its outcome may get lost.

If a worker dies, dask runs its calls on another one, and gives up after a few deaths. But if a call is bound
to certain workers that are gone, or if there are no workers, it would wait in dask for ever. Therefore `look`
and `look_after_calls` run every few seconds.

Several threads take part: those that submit and cancel, the one that checks the cluster, and dask's. The
calls under way and their tasks change only under one lock. Futures are settled outside of it, because their
callbacks may run any code.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack
from functools import partial
from time import monotonic
from typing import Any

import distributed

from bisect_asgi.backend.executors.dask import calls
from bisect_asgi.backend.executors.dask.calls import Declined, Packed, Raised, Returned, Sent
from bisect_asgi.backend.executors.dask.client import SchedulerClient
from bisect_asgi.backend.executors.dask.workers import Workers
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Lost, Unavailable
from bisect_asgi.core.records import Struct, field

_MOST_DEATHS = 3


class Submission(Struct, eq=False, kw_only=True):
    """A call that is under way."""

    identity: str
    packed: Packed
    payload: bytes
    unpack: Callable[[object], object]
    future: Future[Any]
    holds: ExitStack = field(default_factory=ExitStack)
    """The callbacks on the tokens among its arguments."""
    task: Any = None
    """The future that dask returned for it."""
    only: frozenset[str] = frozenset()
    """The workers that may run it; empty for all."""
    deaths: int = 0
    stranded_since: float | None = None


class Submissions:
    """The calls that are under way."""

    def __init__(self, client: SchedulerClient, workers: Workers) -> None:
        self._client = client
        self._workers = workers
        # Reentrant, because the handler of an interrupt may cancel a call that its own thread is submitting.
        self._guard = threading.RLock()
        self._under_way: dict[str, Submission] = {}

    def futures(self) -> list[Future[Any]]:
        """Return the futures of all calls under way."""
        with self._guard:
            return [call.future for call in self._under_way.values()]

    def begin(self, call: Submission, tokens: Iterable[CancelToken]) -> None:
        """Run a call, until it is done or its future or any of its tokens is cancelled."""
        with self._guard:
            self._under_way[call.identity] = call
        for token in tokens:
            call.holds.enter_context(token.on_cancel(partial(self._end, call, Cancelled())))
        call.future.add_done_callback(partial(self._let_go, call))
        self._launch(call)

    def look(self) -> bool:
        """Look which workers there are; if the scheduler does not answer, return False and fail all calls."""
        answers = self._workers.look()
        if not answers:
            self._fail_all()
        return answers

    def look_after_calls(self) -> None:
        """Move the calls of lost workers, and fail calls for which no worker came in time."""
        there = self._workers.addresses()
        with self._guard:
            given = [call for call in self._under_way.values() if call.task is not None]
            alone = [call for call in self._under_way.values() if call.task is None]
            moved = [(call, call.task) for call in given if call.only and not call.only & there]
        if not there:
            alone += given  # no worker may run them any more, so they would wait in dask for ever
        for call, task in moved:
            self._again(call, task)
        for call in alone:
            self._look_after(call)
        with self._guard:
            for call in self._under_way.values():
                if call.task is not None and there:
                    call.stranded_since = None

    # To the scheduler.

    def _launch(self, call: Submission) -> None:
        """Give a call to dask, or fail it; without any worker for it, leave it for `look_after_calls`."""
        try:
            task = self._give(call)
        except Unavailable as error:
            self._end(call, error)
        except Exception:  # dask's client has given up
            self._client.lose()
            self._fail_all()
            self._end(call, self._client.lost())
        else:
            if task is not None:
                task.add_done_callback(partial(self._arrived, call))

    def _give(self, call: Submission) -> Any:
        """Submit the call and return its task, or None if it has ended or no suitable worker is there now."""
        with self._guard:
            if call.identity not in self._under_way:
                return None
            if self._client.is_lost:
                raise self._client.lost()
            only = self._takers(call)
            if only is None:
                call.stranded_since = call.stranded_since or monotonic()
                return None
            call.only, call.stranded_since = only, None
            sent = Sent(call.identity, calls.own_kind(), call.payload)
            call.task = self._client.submit(sent, only)
            return call.task

    def _takers(self, call: Submission) -> frozenset[str] | None:
        """Return the workers that may run the call (empty for all), or None if one may come later."""
        try:
            return self._workers.takers(call.packed)
        except Unavailable:
            if not call.deaths:
                raise
            return None  # the worker that could run it died, and may be started again

    def _again(self, call: Submission, task: Any) -> None:
        """Give a call to dask once more after its task was lost, unless that was too often."""
        if not self._take_back(call, task):
            return  # another thread has noticed it before
        call.deaths += 1
        if call.deaths > _MOST_DEATHS:
            self._end(call, _lost())
        else:
            self._launch(call)

    def _look_after(self, call: Submission) -> None:
        """Fail a call that has been without a worker for too long, or try again to find one."""
        if call.stranded_since is None:
            call.stranded_since = monotonic()
        if monotonic() - call.stranded_since > self._workers.patience_s:
            self._end(call, self._workers.deserted(call.packed))
        elif call.task is None:
            self._launch(call)

    # From the scheduler.

    def _arrived(self, call: Submission, task: Any) -> None:
        """Take the outcome of a task; called in a thread of dask's."""
        with self._guard:
            if call.identity not in self._under_way or call.task is not task:
                return
        try:
            result = self._client.result(task)
        except distributed.KilledWorker:
            self._end(call, _lost())
        except (Exception, CancelledError):
            # The scheduler is gone, or a worker that holds the result, or a worker without our results.
            self.look()
            self._again(call, task)
        else:
            self._take(call, task, result)

    def _take(self, call: Submission, task: Any, result: object) -> None:
        match result:
            case Returned(value=value):
                try:
                    self._end(call, None, call.unpack(value))
                except Exception as error:
                    self._end(call, error)
            case Raised(error=error):
                self._end(call, error)
            case Declined() as declined:
                self._workers.exclude(declined, call.packed)
                if self._take_back(call, task):
                    self._launch(call)

    # The end of a call.

    def _end(self, call: Submission, error: Exception | None, value: object = None) -> None:
        """Settle a call in whatever state it is; only the first end counts."""
        if self._drop(call):
            set_outcome(call.future, error=error, value=value)

    def _let_go(self, call: Submission, future: Future[Any]) -> None:
        """Stop a call after its future was canceled."""
        if future.cancelled() and self._drop(call):
            future.set_running_or_notify_cancel()  # without this, `concurrent.futures.wait` never returns

    def _drop(self, call: Submission) -> bool:
        """Stop a call and forget it; return whether it was under way."""
        with self._guard:
            if self._under_way.pop(call.identity, None) is None:
                return False
            task, call.task = call.task, None
        if task is not None:
            if not task.done():
                self._client.stop(call.identity)
            self._client.release(task)
        call.holds.close()
        return True

    def _take_back(self, call: Submission, task: Any) -> bool:
        """Release a call's task; return False if it was no longer the call's."""
        with self._guard:
            if task is None or call.task is not task:
                return False
            call.task = None
            self._client.release(task)
        return True

    def _fail_all(self) -> None:
        """Fail all calls if the scheduler is lost."""
        if not self._client.is_lost:
            return
        with self._guard:
            under_way = list(self._under_way.values())
        for call in under_way:
            self._end(call, self._client.lost())


def set_outcome(future: Future[Any], *, error: BaseException | None, value: object = None) -> None:
    """Set a future's result or exception, unless it was cancelled."""
    if future.set_running_or_notify_cancel():
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)


def _lost() -> Lost:
    return Lost(f"the workers that ran it died, {_MOST_DEATHS + 1} times")
