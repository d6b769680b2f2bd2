"""Live progress on a terminal: finished trials as lines; below them the progress and the running trials."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from bisect_asgi.core import events
from bisect_asgi.core.text import elapsed
from bisect_asgi.report.progress.fitting import cut, fit
from bisect_asgi.report.progress.status import MARKS, Styled, hanging, joined, place, stretches
from bisect_asgi.report.progress.wording import Progress, TrialLine, Words

_MOST_RUNNING = 6
_REFRESHES_PER_S = 8
_NAMES = 7
"""The width of the names of facts."""


class TerminalSink:
    """A sink that keeps the terminal up to date; a context manager.

    Args:
        console: where to print; its file should be the standard error.
        title: the name of the probe, if the command runs several; else "".
        verbose: also print the output of probes.
        clock: returns seconds.
    """

    def __init__(
        self,
        console: Console,
        *,
        title: str = "",
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._title = title
        self._verbose = verbose
        self._clock = clock
        self._begun_s = clock()
        self._progress = Progress()
        self._since: dict[tuple[int, int], float] = {}
        """The moments when trials began their present activity, by stage and key."""
        self._spinner = Spinner("dots")
        self._live = Live(
            self, console=console, refresh_per_second=_REFRESHES_PER_S, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> TerminalSink:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, event: events.Event) -> None:
        """Print the lines about one event, and redraw the display."""
        stage, inner = event.stage if isinstance(event, events.StageEvent) else 0, events.unstaged(event)
        if isinstance(inner, (events.TrialStarted, events.TrialProgressed)):
            self._since[stage, inner.key] = self._clock()  # first: another thread may draw it now
        words = self._progress.take(event)
        for number, line in self._progress.repeated(event, words):
            self._print(self._trial(line, "  " if number else ""))
        for text in self._lines(words, inner, "  " if stage else ""):
            self._print(text)

    def _print(self, line: Text) -> None:
        self._live.console.print(line, highlight=False, no_wrap=True, overflow="ignore", crop=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.status(options.max_width):
            line.no_wrap, line.overflow = True, "ignore"
            yield line

    def _lines(self, words: Words, event: events.Event, indent: str) -> Iterator[Text]:
        width = self._console.width
        for name, fact in _facts(words, event):
            yield from hanging((f"{name:<{_NAMES}}", "cyan"), fact, "", width, indent)
        match event:
            case events.Note(text=text):
                yield from hanging(("note: ", "yellow"), text, "yellow", width, indent)
            case events.Explained():
                for sentence in words.explained(event):
                    yield from hanging(("", ""), sentence, "bold", width, indent)
            case events.RulingsChanged():
                yield from (self._trial(line, indent) for line in words.finished())
                yield from (
                    Text(cut(indent + line, width), style="yellow") for line in words.different_failures()
                )
            case events.OutputSeen(key=key, text=text) if self._verbose:
                for line in text.splitlines():
                    yield Text(cut(f"{indent}  {words.label(key)} │ {line}", width), style="dim")
            case _:
                pass

    def _trial(self, line: TrialLine, indent: str) -> Text:
        mark, style = MARKS[line.outcome]
        start = f"{indent}{mark} "
        return Text.assemble((start, style), line.fit(self._console.width - cell_len(start)))

    def status(self, width: int) -> Iterator[Text]:
        """Yield the display below the lines: where the run is, the range that is left, and what runs."""
        yield joined(self._head(), width)
        if self._progress.shown.candidates:
            if left := place(self._progress, self._progress.shown, width - 2):
                yield joined([("  ", ""), *left], width)
            if again := self._progress.shown.repeating:
                yield Text(cut(f"  again: {again}", width), style="dim")
        running = self._progress.running()
        for work in running[:_MOST_RUNNING]:
            took_s = self._clock() - self._since[work.stage, work.key]
            doing = f" {work.activity or 'waiting'} {elapsed(took_s)}"
            yield joined([("  ▸ ", "cyan"), (fit(work.label, doing, "", "", width - 4), "")], width)
        if more := running[_MOST_RUNNING:]:
            yield Text(cut(f"    and {len(more)} more", width), style="dim")

    def _head(self) -> Iterator[Styled]:
        """Yield the spinner, the stretches of the run with the current one marked, and the time."""
        yield f"{self._spinner.render(self._clock())} ", ""
        if self._title:
            yield f"{self._title}  ", "bold"
        yield from stretches(self._progress, self._progress.shown)
        yield f"  {elapsed(self._clock() - self._begun_s)}", ""


def _facts(words: Words, event: events.Event) -> Iterator[Styled]:
    """Yield labeled lines about the search."""
    match event:
        case events.InterpreterChosen(interpreter=interpreter, reason=reason):
            yield "Python", f"{interpreter.version}: {reason}"
        case events.CandidatesListed():
            yield from (("Range" if words.axis.is_ordered else "Runs", line) for line in words.listed(event))
        case events.EndsSampled():
            yield from (("Threshold", line) for line in words.sampled(event))
        case _:
            pass
