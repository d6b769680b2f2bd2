"""Cancel a trial from any thread, and with it every program that it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bisect_asgi.core.errors import Cancelled


class CancelToken:
    """A trial's hold on the programs that it runs: cancelling it ends them, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._stops: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """End what runs, and let nothing more start."""
        with self._lock:
            self._cancelled = True
            stops = list(self._stops)
        for stop in stops:
            stop()

    def check(self) -> None:
        """Go on if nobody cancelled.

        Raises:
            Cancelled: somebody did.
        """
        if self._cancelled:
            raise Cancelled

    @contextmanager
    def on_cancel(self, stop: Callable[[], None]) -> Iterator[None]:
        """Call `stop` if the token is cancelled meanwhile, or was already."""
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
