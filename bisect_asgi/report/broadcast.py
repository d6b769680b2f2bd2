"""One emitter for several sinks, from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from bisect_asgi.core.events import Event

Sink = Callable[[Event], None]


class Broadcast:
    """Gives each event to every sink, one event at a time: workers tell their progress from threads."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Tell all sinks."""
        with self._lock:
            for sink in self._sinks:
                sink(event)
