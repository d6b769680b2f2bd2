"""A suite's progress: a line for each probe that has ended, and which ones are running."""

from __future__ import annotations

import threading
from collections.abc import Callable

from bisect_asgi.core.text import duration, listing
from bisect_asgi.report.suite import SuiteRow


class Board:
    """Writes lines; told from several threads.

    Args:
        write: takes one line, without its end.
        total: how many probes there are.
    """

    def __init__(self, write: Callable[[str], None], *, total: int) -> None:
        self._write = write
        self._total = total
        self._ended = 0
        self._running: list[str] = []
        self._lock = threading.Lock()

    def begun(self, name: str) -> None:
        """A probe's session has begun."""
        with self._lock:
            self._running.append(name)
            if self._ended == 0:
                self._write(f"running: {name}")

    def ended(self, row: SuiteRow) -> None:
        """A probe's session has ended, or could not begin."""
        with self._lock:
            if row.probe in self._running:
                self._running.remove(row.probe)
            self._ended += 1
            name = f"{row.package} with {row.probe}" if row.package else row.probe
            why = f", {row.why}" if row.why else f": {row.problem}" if row.problem else ""
            took = f", {duration(row.elapsed_s)}" if row.report else ""
            still = f"; running: {listing(self._running)}" if self._running else ""
            self._write(f"[{self._ended}/{self._total}] {name}: {row.answer}{why}{took}{still}")
