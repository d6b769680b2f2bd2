"""Progress as plain lines, for pipes, files and CI: no control codes, nothing is rewritten."""

from __future__ import annotations

from collections.abc import Callable

from bisect_asgi import events
from bisect_asgi.format import date, plural
from bisect_asgi.sinks.words import Words


class PlainSink:
    """Writes a line for each thing that a reader of a CI log wants to know.

    Args:
        write: takes one line, without its end.
        verbose: show what probes write, too.
    """

    def __init__(self, write: Callable[[str], None], *, verbose: bool = False) -> None:
        self._write = write
        self._verbose = verbose
        self._words = Words()

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        self._words.take(event)
        for line in self._lines(event):
            self._write(line)

    def _lines(self, event: events.Event) -> list[str]:
        words = self._words
        match event:
            case events.InterpreterChosen(interpreter=interpreter, reason=reason):
                return [f"python {interpreter.version}: {reason}"]
            case events.CandidatesListed(candidates=listed):
                first, last = listed[0], listed[-1]
                span = f"{first.version} ({date(first.uploaded)}) to {last.version} ({date(last.uploaded)})"
                return [f"{plural(len(listed), 'release')} to look at: {span}"]
            case events.TrialFinished(trial=trial):
                return [words.finished(trial)]
            case events.Judged():
                return words.different_failures() + words.narrowed()
            case events.OutputSeen(key=key, text=text) if self._verbose:
                return [f"  {words.label(key)} | {line}" for line in text.splitlines()]
            case _:
                return []
