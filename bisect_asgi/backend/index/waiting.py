"""Wait for a call no longer than it may take, whatever it waits for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import wait
from typing import TypeVar

from bisect_asgi.backend.background import in_background

T = TypeVar("T")


def within(limit_s: float, call: Callable[[], T]) -> T:
    """Return what a call returns, or raise what it raises.

    A connection's time-outs limit single steps only, and some steps have none: the look-up of a host's
    address, or headers that arrive byte by byte. After the limit, the call continues in its thread, and its
    result is ignored.

    Raises:
        TimeLimitReached: the call has not ended in time.
    """
    future = in_background(call, name="request")
    if not wait([future], timeout=limit_s).done:
        raise TimeLimitReached
    return future.result()


class TimeLimitReached(Exception):
    """The call has not ended in time."""
