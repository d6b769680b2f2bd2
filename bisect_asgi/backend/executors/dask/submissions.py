"""What becomes of the calls that a cluster was given: each comes to exactly one end, whatever happens to it.

A call is *under way* from its submission until it is settled: with what came back, with why it is lost, or
cancelled. Meanwhile it may be given to the scheduler several times. A worker may decline it; its workers may
die or go away; what comes back may be lost on the way. dask runs the calls of a worker that died again
elsewhere, and gives up after a few times; what is bound to some workers, or finds none at all, it would have
wait for ever. Therefore `look` and `tend` are called every few seconds.

All of this happens in several threads: of those who submit and cancel, of the one that watches, of dask. What
is under way, and the task that a call has, change under one guard; futures, which call others back, are
settled outside it.
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
    """On the tokens among its arguments."""
    task: Any = None
    """dask's future of it."""
    only: frozenset[str] = frozenset()
    """The workers that it was given to; empty: any."""
    deaths: int = 0
    stranded_since: float | None = None


class Submissions:
    """The calls that are under way."""

    def __init__(self, link: SchedulerClient, workers: Workers) -> None:
        self._link = link
        self._workers = workers
        # One that its own thread may take again: an interrupt's handler may cancel what this one submits.
        self._guard = threading.RLock()
        self._under_way: dict[str, Submission] = {}

    def futures(self) -> list[Future[Any]]:
        """Those of all calls that are under way."""
        with self._guard:
            return [call.future for call in self._under_way.values()]

    def begin(self, call: Submission, tokens: Iterable[CancelToken]) -> None:
        """Have a call done; it ends with its future, or with any of its tokens."""
        with self._guard:
            self._under_way[call.identity] = call
        for token in tokens:
            call.holds.enter_context(token.on_cancel(partial(self._end, call, Cancelled())))
        call.future.add_done_callback(partial(self._let_go, call))
        self._launch(call)

    def look(self) -> bool:
        """See who is there; tell whether the scheduler answers. Without it everything is at its end."""
        answers = self._workers.look()
        if not answers:
            self._fail_all()
        return answers

    def tend(self) -> None:
        """Move calls whose workers are gone, and end those for which nobody comes any more."""
        there = self._workers.there()
        with self._guard:
            given = [call for call in self._under_way.values() if call.task is not None]
            alone = [call for call in self._under_way.values() if call.task is None]
            moved = [(call, call.task) for call in given if call.only and not call.only & there]
        if not there:
            alone += given  # dask has them wait for ever
        for call, task in moved:
            self._again(call, task)
        for call in alone:
            self._look_after(call)
        with self._guard:
            for call in self._under_way.values():
                if call.task is not None and there:
                    call.stranded_since = None

    # Giving.

    def _launch(self, call: Submission) -> None:
        """Give a call to dask; or fail it; or leave it to who tends, where nobody is there for it."""
        try:
            task = self._give(call)
        except Unavailable as error:
            self._end(call, error)
        except Exception:  # of a client that has given up
            self._link.lose()
            self._fail_all()
            self._end(call, self._link.gone())
        else:
            if task is not None:
                task.add_done_callback(partial(self._arrived, call))

    def _give(self, call: Submission) -> Any:
        """Its task; None: it is not under way any more, or nobody is there for it."""
        with self._guard:
            if call.identity not in self._under_way:
                return None
            if self._link.is_lost:
                raise self._link.gone()
            only = self._takers(call)
            if only is None:
                call.stranded_since = call.stranded_since or monotonic()
                return None
            call.only, call.stranded_since = only, None
            sent = Sent(call.identity, calls.own_kind(), call.payload)
            call.task = self._link.submit(sent, only)
            return call.task

    def _takers(self, call: Submission) -> frozenset[str] | None:
        """The workers that it is restricted to; None: nobody is there for it, and somebody may come."""
        try:
            return self._workers.takers(call.packed)
        except Unavailable:
            if not call.deaths:
                raise
            return None  # who did it is gone, and may be started anew

    def _again(self, call: Submission, task: Any) -> None:
        """Give a call to dask once more whose task came to nothing, unless that was too often."""
        if not self._take_back(call, task):
            return  # who tends and what comes back may both have seen it
        call.deaths += 1
        if call.deaths > _MOST_DEATHS:
            self._end(call, _lost())
        else:
            self._launch(call)

    def _look_after(self, call: Submission) -> None:
        """End a call that has been alone for too long, or try whether somebody is there for it now."""
        if call.stranded_since is None:
            call.stranded_since = monotonic()
        if monotonic() - call.stranded_since > self._workers.patience_s:
            self._end(call, self._workers.deserted(call.packed))
        elif call.task is None:
            self._launch(call)

    # Coming back.

    def _arrived(self, call: Submission, task: Any) -> None:
        """Take what came back; called from a thread of dask's."""
        with self._guard:
            if call.identity not in self._under_way or call.task is not task:
                return
        try:
            result = self._link.result(task)
        except distributed.KilledWorker:
            self._end(call, _lost())
        except (Exception, CancelledError):
            # The scheduler is gone, or a worker that holds the result; or one that has nothing of ours.
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
                self._workers.leave_out(declined, call.packed)
                if self._take_back(call, task):
                    self._launch(call)

    # Ending.

    def _end(self, call: Submission, error: Exception | None, value: object = None) -> None:
        """Settle a call, whatever it is doing; only the first end counts."""
        if self._drop(call):
            settle(call.future, error=error, value=value)

    def _let_go(self, call: Submission, future: Future[Any]) -> None:
        """Stop a call whose future was cancelled."""
        if future.cancelled() and self._drop(call):
            future.set_running_or_notify_cancel()  # or who waits for it would go on waiting

    def _drop(self, call: Submission) -> bool:
        """Let go of a call, stopping it where it is; tell whether it was under way."""
        with self._guard:
            if self._under_way.pop(call.identity, None) is None:
                return False
            task, call.task = call.task, None
        if task is not None:
            if not task.done():
                self._link.stop(call.identity)
            self._link.release(task)
        call.holds.close()
        return True

    def _take_back(self, call: Submission, task: Any) -> bool:
        """Have nothing more to do with a call's task; tell whether it was still the call's."""
        with self._guard:
            if task is None or call.task is not task:
                return False
            call.task = None
            self._link.release(task)
        return True

    def _fail_all(self) -> None:
        """End everything, if the scheduler is gone."""
        if not self._link.is_lost:
            return
        with self._guard:
            under_way = list(self._under_way.values())
        for call in under_way:
            self._end(call, self._link.gone())


def settle(future: Future[Any], *, error: Exception | None, value: object = None) -> None:
    """Give a future its end, unless somebody has cancelled it."""
    if future.set_running_or_notify_cancel():
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)


def _lost() -> Lost:
    return Lost(f"the workers that ran it died, {_MOST_DEATHS + 1} times")
