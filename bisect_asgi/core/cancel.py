"""Cancel a trial with all programs that it runs, or widen it, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bisect_asgi.core.errors import Cancelled


class CancelToken:
    """A token that a trial passes to all its processes; canceling it ends them.

    It also tells a trial that runs the probe several times that it may make more of these runs at a time.

    Args:
        may_widen: whether the trial may be told so.
    """

    def __init__(self, *, may_widen: bool = False) -> None:
        self.may_widen = may_widen
        self._lock = threading.Lock()
        self._cancelled = False
        self._stops: list[Callable[[], None]] = []
        self._granted = 0
        self._wideners: list[Callable[[int], None]] = []

    def cancel(self) -> None:
        """End all running programs, and keep further ones from starting."""
        with self._lock:
            self._cancelled = True
            stops = list(self._stops)
        for stop in stops:
            stop()

    def check(self) -> None:
        """Do nothing unless the token is canceled.

        Raises:
            Cancelled: the token is canceled.
        """
        if self._cancelled:
            raise Cancelled

    @contextmanager
    def on_cancel(self, stop: Callable[[], None]) -> Iterator[None]:
        """Call `stop` if the token is canceled within the block, or was before it."""
        with self._lock:
            self._stops.append(stop)
            cancelled = self._cancelled
        if cancelled:
            stop()
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)

    def widen(self, places: int) -> None:
        """Let the trial make so many more runs at a time, because another trial has left its places."""
        with self._lock:
            self._granted += places
            wideners = list(self._wideners)
        for widener in wideners:
            widener(places)

    @contextmanager
    def on_widened(self, widener: Callable[[int], None]) -> Iterator[None]:
        """Call `widener` with each number of places that the trial gets within the block, or got before."""
        with self._lock:
            self._wideners.append(widener)
            granted = self._granted
        if granted:
            widener(granted)
        try:
            yield
        finally:
            with self._lock:
                self._wideners.remove(widener)
