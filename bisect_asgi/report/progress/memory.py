"""The run's events in memory, for the report at its end."""

from __future__ import annotations

from bisect_asgi.core.events import Event, OutputSeen, unstaged


class Memory:
    """Keeps all events but the probes' output, which the observations have the tail of."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep one event."""
        if not isinstance(unstaged(event), OutputSeen):
            self.events.append(event)
