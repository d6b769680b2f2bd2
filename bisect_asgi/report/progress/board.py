"""The progress of several probes in one command, as plain lines."""

from __future__ import annotations

import threading
from collections.abc import Callable

from bisect_asgi.core import events
from bisect_asgi.core.text import duration, listing
from bisect_asgi.report.suite import SuiteRow


class Board:
    """Writes the progress of several probes; may be called from several threads.

    Args:
        write: takes one line, without its end.
        total: the number of probes.
    """

    def __init__(self, write: Callable[[str], None], *, total: int) -> None:
        self._write = write
        self._total = total
        self._ended = 0
        self._running: list[str] = []
        self._lock = threading.Lock()

    def begun(self, name: str) -> None:
        """Take in that a probe was started."""
        with self._lock:
            self._running.append(name)
            if self._ended == 0:
                self._write(f"running: {name}")

    def sink(self, name: str) -> Callable[[events.Event], None]:  # noqa: ARG002 (a live board shows it)
        """Return the sink of one probe's events: plain lines are about whole probes."""
        return lambda _: None

    def ended(self, row: SuiteRow) -> None:
        """Take in that a probe has ended, or could not be started."""
        with self._lock:
            if row.name in self._running:
                self._running.remove(row.name)
            self._ended += 1
            still = f"; running: {listing(self._running)}" if self._running else ""
            self._write(f"[{self._ended}/{self._total}] {''.join(told(row))}{still}")


def told(row: SuiteRow) -> tuple[str, str, str, str]:
    """Return the line about a probe that has ended: the probe, its result, the reason, and the time."""
    name = f"{row.package} with {row.name}" if row.package and not row.python else row.name
    reason = f", {row.why}" if row.why else f": {row.problem}" if row.problem else ""
    return name, f": {row.answer}", reason, f", {duration(row.elapsed_s)}" if row.report else ""
