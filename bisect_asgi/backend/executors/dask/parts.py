"""One future for a call that is made in parts, which several workers run at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from bisect_asgi.backend.executors.dask.submissions import set_outcome
from bisect_asgi.core.errors import Cancelled


def joined(parts: Sequence[Future[Any]], join: Callable[[Sequence[Any]], Any]) -> Future[Any]:
    """Return a future with what `join` makes of the results of all parts, in their order.

    The first part that fails cancels the others, and the future raises its error. Cancelling the future
    cancels all parts.
    """
    whole: Future[Any] = Future()
    guard = threading.Lock()
    left, is_over = len(parts), False

    def ended(part: Future[Any]) -> None:
        nonlocal left, is_over
        has_failed = part.cancelled() or part.exception() is not None
        with guard:
            left -= 1
            if is_over or not (has_failed or left == 0):
                return
            is_over = True
        if not has_failed:
            _settle(whole, parts, join)
            return
        for other in parts:
            other.cancel()
        set_outcome(whole, error=Cancelled() if part.cancelled() else part.exception())

    def let_go(future: Future[Any]) -> None:
        if future.cancelled():
            for part in parts:
                part.cancel()

    whole.add_done_callback(let_go)
    for part in parts:
        part.add_done_callback(ended)
    return whole


def _settle(whole: Future[Any], parts: Sequence[Future[Any]], join: Callable[[Sequence[Any]], Any]) -> None:
    try:
        value = join([part.result() for part in parts])
    except Exception as error:
        set_outcome(whole, error=error)
    else:
        set_outcome(whole, error=None, value=value)
