"""Run several sessions in parallel, which share their workers and stop together.

An interrupt reaches the main thread only, while sessions run in threads of their own. So each session has an
executor of its own, which passes calls on to the shared one and can be *interrupted*. Everything that the
session waits for then ends with a `KeyboardInterrupt`, as if the session ran in the main thread. It cancels
its trials and emits its last event as always. A session whose time is limited ends in the same way
(`limited`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, InvalidStateError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from typing import Any, ParamSpec, TypeVar

from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import TimeIsUp

P = ParamSpec("P")
T = TypeVar("T")
K = TypeVar("K")


class Interruptible(Executor):
    """One session's executor, which passes calls on to a shared one; closing it leaves that open."""

    def __init__(self, shared: Executor) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._flights: dict[Future[Any], tuple[Future[Any], list[CancelToken]]] = {}
        self._interrupt: type[KeyboardInterrupt] | None = None

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Pass a call to the shared executor; cancel tokens among its arguments can stop it.

        Raises:
            KeyboardInterrupt: the session was interrupted, or its time is over.
        """
        outer: Future[T] = Future()
        with self._lock:
            if self._interrupt:
                raise self._interrupt
            inner = self._shared.submit(call, *args, **kwargs)
            tokens = [argument for argument in args if isinstance(argument, CancelToken)]
            self._flights[outer] = (inner, tokens)
        inner.add_done_callback(lambda done: _pass_on(done, outer))
        outer.add_done_callback(self._forget)
        return outer

    def interrupt(self, error: type[KeyboardInterrupt] = KeyboardInterrupt) -> None:
        """Stop everything that the session waits for, and let it start nothing more; safe from any thread.

        All calls that it waits for, and all that it starts later, raise `error`.
        """
        with self._lock:
            self._interrupt = error
            flights = list(self._flights.items())
        for outer, (inner, tokens) in flights:
            with suppress(InvalidStateError):  # it is done
                outer.set_exception(error())
            inner.cancel()
            for token in tokens:
                token.cancel()

    def _forget(self, outer: Future[T]) -> None:
        with self._lock:
            inner, _ = self._flights.pop(outer)
        if outer.cancelled():
            inner.cancel()


def _pass_on(inner: Future[T], outer: Future[T]) -> None:
    """Pass on the result of a call, unless nobody waits for it any more."""
    with suppress(InvalidStateError):
        if inner.cancelled():
            if outer.cancel():
                outer.set_running_or_notify_cancel()  # otherwise a thread that waits for it would not wake up
        elif error := inner.exception():
            outer.set_exception(error)
        else:
            outer.set_result(inner.result())


@contextmanager
def limited(shared: Executor, limit_s: float | None) -> Iterator[Executor]:
    """Yield the executor of a session, which `TimeIsUp` interrupts after so many seconds; None: never."""
    if limit_s is None:
        yield shared
        return
    executor = Interruptible(shared)
    timer = threading.Timer(limit_s, executor.interrupt, [TimeIsUp])
    timer.daemon = True
    timer.start()
    try:
        yield executor
    finally:
        timer.cancel()


def side_by_side(
    cases: Sequence[K], session: Callable[[K, Executor], T], *, shared: Executor, at_once: int
) -> tuple[dict[int, T], bool]:
    """Run a session for each case, `at_once` of them at a time; an interrupt ends those that run.

    Returns:
        The results by the place of their case, without cases that an interrupt kept from beginning; and
        whether there was an interrupt.
    """
    executors = [Interruptible(shared) for _ in cases]
    is_interrupted = False
    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="session") as pool:
        futures: list[Future[T]] = []
        try:
            for case, executor in zip(cases, executors, strict=True):
                futures.append(pool.submit(session, case, executor))
            for future in as_completed(futures):
                future.result()
        except KeyboardInterrupt:
            is_interrupted = True
            for future in futures:
                future.cancel()
            for executor in executors:
                executor.interrupt()
    # The pool has waited for the sessions that ran.
    results = {place: future.result() for place, future in enumerate(futures) if not future.cancelled()}
    return results, is_interrupted
