"""Live progress on a terminal: finished trials as lines; below them running trials and the range left."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bisect_asgi.core import events
from bisect_asgi.core.model import Outcome
from bisect_asgi.core.text import duration
from bisect_asgi.report.progress.wording import Progress, Words, left

_BAR_WIDTH = 40
_REFRESHES_PER_S = 8


class TerminalSink:
    """A sink that keeps the terminal up to date; a context manager.

    Args:
        console: where to print; its file should be the standard error.
        verbose: also print the output of probes.
    """

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._progress = Progress()
        self._shown = self._progress.run
        """The words for the search that asked for a trial last."""
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
        """Print the lines about one event, and draw the display anew."""
        stage, inner = event.stage if isinstance(event, events.StageEvent) else 0, events.unstaged(event)
        if isinstance(inner, (events.TrialStarted, events.TrialProgressed)):
            self._since[stage, inner.key] = time.monotonic()  # Another thread may draw the trial next.
        words = self._progress.take(event)
        if isinstance(inner, events.TrialStarted):
            self._shown = words
        for line in self._lines(words, inner):
            self._live.console.print(Text.assemble("  " if stage else "", line), highlight=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Group(*self._status())

    def _lines(self, words: Words, event: events.Event) -> Iterator[Text]:
        for name, line in _facts(words, event):
            yield Text.assemble((f"{name:<7}", "cyan"), line)
        match event:
            case events.Note(text=text):
                yield Text(f"note: {text}", style="yellow")
            case events.Explained():
                yield from (Text(line, style="bold") for line in words.explained(event))
            case events.RulingsChanged():
                for outcome, line in words.finished():
                    mark, style = _MARKS[outcome]
                    yield Text.assemble((f"{mark} ", style), line)
                yield from (Text(line, style="yellow") for line in words.different_failures())
            case events.OutputSeen(key=key, text=text) if self._verbose:
                for line in text.splitlines():
                    yield Text(f"  {words.label(key)} │ {line}", style="dim")
            case _:
                pass

    def _status(self) -> Iterator[RenderableType]:
        """Yield the display below the lines: running trials, and the range that is left."""
        words = self._shown
        if words.plan is None or not words.candidates:
            yield Group(_beside(self._spinner, Text("asking the index")))
            return
        for work in self._progress.running():
            took_s = time.monotonic() - self._since[work.stage, work.key]
            what = f"{work.label} {work.activity or 'waiting'}"
            yield _beside(self._spinner, Text(f"{what} {duration(took_s)}"))
        judged, belief = words.known.judged, words.known.belief
        if belief is not None:
            yield Text(words.likeliest(belief))
        elif judged is not None and judged.low is not None and judged.high is not None:
            yield _range(words, judged, judged.low, judged.high)
        elif judged is not None and judged.left and (settled := words.settled(judged)):
            yield Text(settled)


def _facts(words: Words, event: events.Event) -> Iterator[tuple[str, str]]:
    """Yield named lines about the search."""
    match event:
        case events.InterpreterChosen(interpreter=interpreter, reason=reason):
            yield "Python", f"{interpreter.version}: {reason}"
        case events.CandidatesListed():
            yield from (("Range", line) for line in words.listed())
        case events.EndsSampled():
            yield from (("Limit", line) for line in words.sampled(event))
        case _:
            pass


_MARKS = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.FAILED: ("✗", "red"),
    Outcome.UNTESTABLE: ("?", "yellow"),
    Outcome.ERROR: ("!", "magenta"),
}


def _range(words: Words, judged: events.RulingsChanged, low: int, high: int) -> Text:
    """Return the range as `0.60.0 ━━━━━━╌╌╌╌╌╌╌━━━━ 0.110.0   12 releases left, about 4 more steps`."""
    size = max(1, len(words.candidates) - 1)
    start, end = round(_BAR_WIDTH * low / size), round(_BAR_WIDTH * high / size)
    new_is = judged.new_is or Outcome.FAILED
    old_is = Outcome.PASSED if new_is is Outcome.FAILED else Outcome.FAILED
    return Text.assemble(
        f"{words.label(low)} ",
        ("━" * max(1, start), _MARKS[old_is][1]),
        ("╌" * (end - start), "dim"),
        ("━" * max(1, _BAR_WIDTH - end), _MARKS[new_is][1]),
        f" {words.label(high)}   {left(judged.left, words.axis) if judged.left else 'confirming'}",
    )


def _beside(mark: RenderableType, text: Text) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(mark, text)
    return grid
