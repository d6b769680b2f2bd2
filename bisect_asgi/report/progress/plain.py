"""Progress as plain lines for pipes, files and CI, without control codes."""

from __future__ import annotations

from collections.abc import Callable

from bisect_asgi.core import events
from bisect_asgi.report.progress.wording import Progress, Words


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
        for stage, line in self._progress.repeated(event, words):
            self._write(("  " if stage else "") + line.text)
        indent = "  " if isinstance(event, events.StageEvent) else ""
        for text in self._lines(words, events.unstaged(event)):
            self._write(indent + text)

    def _lines(self, words: Words, event: events.Event) -> list[str]:
        match event:
            case events.InterpreterChosen(interpreter=interpreter, reason=reason):
                return [f"python {interpreter.version}: {reason}"]
            case events.CandidatesListed():
                return words.listed(event)
            case events.Note(text=text):
                return [f"note: {text}"]
            case events.EndsSampled():
                return words.sampled(event)
            case events.Explained():
                return list(words.explained(event))
            case events.RulingsChanged():
                lines = [line.text for line in words.finished()]
                return lines + words.different_failures() + words.narrowed()
            case events.OutputSeen(key=key, text=text) if self._verbose:
                return [f"  {words.label(key)} | {line}" for line in text.splitlines()]
            case _:
                return []
