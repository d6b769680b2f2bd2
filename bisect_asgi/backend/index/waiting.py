"""Wait for a call no longer than it may take, whatever it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


def within(limit_s: float, call: Callable[[], T]) -> T:
    """Return what a call returns, or raise what it raises.

    The time-outs of a connection are those of single steps, and some steps have none: the address of a host,
    or headers that come byte by byte. The call goes on in its thread, and nobody waits for it any more.

    Raises:
        TimeLimitReached: it has not ended in time.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="request", daemon=True).start()
    if not wait([future], timeout=limit_s).done:
        raise TimeLimitReached
    return future.result()


class TimeLimitReached(Exception):
    """The call has not ended in time."""
