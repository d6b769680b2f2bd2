"""Progress as plain lines for pipes, files and CI, without control codes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from bisect_asgi.core import events
from bisect_asgi.core.text import duration, listing
from bisect_asgi.report.progress.wording import Progress, Words
from bisect_asgi.report.suite import SuiteRow


class PlainSink:
    """A sink that writes a line for each step of a run.

    Args:
        write: takes one line, without its end.
        verbose: also write the output of probes.
    """

    def __init__(self, write: Callable[[str], None], *, verbose: bool = False) -> None:
        self._write = write
        self._verbose = verbose
        self._progress = Progress()

    def __call__(self, event: events.Event) -> None:
        """Write the lines about one event; those of a stage are indented."""
        words = self._progress.take(event)
        indent = "  " if isinstance(event, events.StageEvent) else ""
        for line in self._lines(words, events.unstaged(event)):
            self._write(indent + line)

    def _lines(self, words: Words, event: events.Event) -> list[str]:
        match event:
            case events.InterpreterChosen(interpreter=interpreter, reason=reason):
                return [f"python {interpreter.version}: {reason}"]
            case events.CandidatesListed():
                return words.listed()
            case events.Note(text=text):
                return [f"note: {text}"]
            case events.EndsSampled():
                return words.sampled(event)
            case events.Explained():
                return list(words.explained(event))
            case events.RulingsChanged():
                lines = [line for _, line in words.finished()]
                return lines + words.different_failures() + words.narrowed()
            case events.OutputSeen(key=key, text=text) if self._verbose:
                return [f"  {words.label(key)} | {line}" for line in text.splitlines()]
            case _:
                return []


class Board:
    """Writes the progress of a suite; may be called from several threads.

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

    def ended(self, row: SuiteRow) -> None:
        """Take in that a probe has ended, or could not be started."""
        with self._lock:
            if row.name in self._running:
                self._running.remove(row.name)
            self._ended += 1
            name = f"{row.package} with {row.name}" if row.package and not row.python else row.name
            why = f", {row.why}" if row.why else f": {row.problem}" if row.problem else ""
            took = f", {duration(row.elapsed_s)}" if row.report else ""
            still = f"; running: {listing(self._running)}" if self._running else ""
            self._write(f"[{self._ended}/{self._total}] {name}: {row.answer}{why}{took}{still}")
