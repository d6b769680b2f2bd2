"""The event log: one JSON line for each event, on the disk before the next one happens."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from bisect_asgi.core import codec
from bisect_asgi.core.errors import Unavailable, UsageError, not_writable
from bisect_asgi.core.events import Event, OutputSeen, TrialProgressed, unstaged


class EventLog:
    """Writes a run's events; a sink like any other.

    Raises:
        Unavailable: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("ab")
        except OSError as error:
            raise self._failed(error) from error

    def __call__(self, event: Event) -> None:
        """Write one event; what is only for watching is left out."""
        if isinstance(unstaged(event), (OutputSeen, TrialProgressed)):
            return
        try:
            self._stream.write(codec.event_to_json(event) + b"\n")
            self._stream.flush()
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # what could not be written has been told already
            self._stream.close()

    def _failed(self, error: OSError) -> Unavailable:
        return not_writable("the event log", self.path, error)


def read(path: Path) -> Iterator[Event]:
    """Yield the events of a log; a last line that was cut off is passed over.

    Raises:
        UsageError: the file cannot be read, or is no event log.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(
            f"the event log cannot be read: `{path}` ({error.strerror})", hint="`bisect-asgi` prints its path"
        ) from error
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            yield codec.event_from_json(line)
        except codec.Unreadable as error:
            if number == len(lines):
                return
            raise UsageError(
                f"line {number} of `{path}` is no event: {error}", hint="was it written by this version?"
            ) from error


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
