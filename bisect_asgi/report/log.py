"""The event log: one JSON line for each event, on the disk before the next event happens.

The first line names the schema, because a log of another version would be misread without an error: an
unknown field is ignored, and after a renaming the new field gets its default.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bisect_asgi.core import codec
from bisect_asgi.core.errors import Unavailable, UsageError, not_writable
from bisect_asgi.core.events import Event, is_live_only

SCHEMA = "bisect-asgi.log/2"


class EventLog:
    """A sink that writes a run's events into a file.

    Raises:
        Unavailable: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Only the user may read the log: output of probes may contain secrets.
            self._stream = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
        except OSError as error:
            raise self._failed(error) from error

    def __call__(self, event: Event) -> None:
        """Write one event, unless it is for live progress only."""
        if is_live_only(event):
            return
        try:
            if self._stream.tell() == 0:
                self._stream.write(codec.to_json({"schema": SCHEMA}) + b"\n")
            self._stream.write(codec.event_to_json(event) + b"\n")
            self._stream.flush()
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a failed write has already raised its error
            self._stream.close()

    def _failed(self, error: OSError) -> Unavailable:
        return not_writable("the event log", self.path, error)


def read(path: Path) -> Iterator[Event]:
    """Yield the events of a log, except a last line that was cut off.

    Raises:
        UsageError: the file cannot be read, is a log of another version, or is no event log.
    """
    try:
        first, *lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(
            f"the event log cannot be read: `{path}` ({error.strerror})", hint="`bisect-asgi` prints its path"
        ) from error
    if first:
        _check_schema(first, path, is_last=not lines)
    for number, line in enumerate(lines, start=2):
        if not line:
            continue
        try:
            yield codec.event_from_json(line)
        except codec.Unreadable as error:
            if number == len(lines) + 1:
                return
            raise UsageError(f"line {number} of `{path}` is no event: {error}", hint=_ANOTHER_FILE) from error


_ANOTHER_FILE = "pass the path that `bisect-asgi` printed, or none for the newest log"


def _check_schema(line: bytes, path: Path, *, is_last: bool) -> None:
    try:
        header = codec.from_json(line, dict[str, object])
    except codec.Unreadable as error:
        if is_last:  # The command was killed while it wrote this line.
            return
        raise UsageError(f"`{path}` is no event log: {error}", hint=_ANOTHER_FILE) from error
    schema = str(header.get("schema", "bisect-asgi.log/1" if "event" in header else ""))
    if schema == SCHEMA:
        return
    if not schema.startswith(SCHEMA.partition("/")[0]):
        reason = f"its schema is `{schema}`" if schema else "its first line names no schema"
        raise UsageError(f"`{path}` is no event log: {reason}", hint=_ANOTHER_FILE)
    raise UsageError(
        f"`{path}` is an event log of another version: its schema is `{schema}`, not `{SCHEMA}`",
        hint="show it with the version that wrote it, or run the same command again",
    )


Sink = Callable[[Event], object]


class Broadcast:
    """Calls every sink with each event, one event at a time: workers emit events from threads."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Call all sinks with one event."""
        with self._lock:
            for sink in self._sinks:
                sink(event)
