"""Live progress on a terminal: what is building and running, what the range has shrunk to, what is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bisect_asgi import events
from bisect_asgi.format import duration, plural
from bisect_asgi.model import Outcome
from bisect_asgi.sinks.words import Words, left

_BAR_WIDTH = 40
_REFRESHES_PER_S = 8


class TerminalSink:
    """Shows finished trials as lines, and below them what goes on; use as a context manager.

    Args:
        console: where to; its file should be the standard error.
        verbose: show what probes write, too.
    """

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._words = Words()
        self._running: dict[int, tuple[events.Activity | None, float]] = {}
        self._spinner = Spinner("dots")
        self._live = Live(
            self, console=console, refresh_per_second=_REFRESHES_PER_S, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> TerminalSink:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        self._words.take(event)
        match event:
            case events.TrialStarted(key=key):
                self._running[key] = (None, time.monotonic())
            case events.TrialProgressed(key=key, activity=activity):
                if key in self._running:  # a cancelled trial may still say something
                    self._running[key] = (activity, time.monotonic())
            case events.TrialCancelled(key=key):
                self._running.pop(key, None)
            case events.TrialFinished(trial=trial):
                self._running.pop(trial.key, None)
            case _:
                pass
        for line in self._lines(event):
            self._live.console.print(line, highlight=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Group(*self._status())

    def _lines(self, event: events.Event) -> Iterator[Text]:
        words = self._words
        match event:
            case events.InterpreterChosen(interpreter=interpreter, reason=reason):
                yield Text.assemble(("Python ", "cyan"), f"{interpreter.version}: {reason}")
            case events.CandidatesListed(candidates=listed):
                span = f"{listed[0].version} to {listed[-1].version}"
                yield Text.assemble(("Range  ", "cyan"), f"{span}, {plural(len(listed), 'release')}")
            case events.TrialFinished(trial=trial):
                outcome = trial.observations[-1].outcome
                mark, style = _MARKS[outcome]
                yield Text.assemble((f"{mark} ", style), words.finished(trial))
            case events.Judged():
                for line in words.different_failures():
                    yield Text(line, style="yellow")
            case events.OutputSeen(key=key, text=text) if self._verbose:
                for line in text.splitlines():
                    yield Text(f"  {words.label(key)} │ {line}", style="dim")
            case _:
                pass

    def _status(self) -> Iterator[RenderableType]:
        """What goes on, redrawn eight times a second."""
        if self._words.plan is None or not self._words.candidates:
            yield Group(_beside(self._spinner, Text("asking the index")))
            return
        for key, (activity, since) in sorted(self._running.items()):
            what = f"{self._words.label(key)} {activity or 'waiting'} {duration(time.monotonic() - since)}"
            yield _beside(self._spinner, Text(what))
        judged = self._words.judged
        if judged is not None and judged.low is not None and judged.high is not None:
            yield self._range(judged, judged.low, judged.high)
        elif judged is not None and (settled := self._words.settled(judged)):
            yield Text(settled)

    def _range(self, judged: events.Judged, low: int, high: int) -> Text:
        """`0.60.0 ━━━━━━━━╸      ╺━━━━ 0.110.0   12 releases left, about 4 more steps`."""
        size = max(1, len(self._words.candidates) - 1)
        start, end = round(_BAR_WIDTH * low / size), round(_BAR_WIDTH * high / size)
        new_is = judged.new_is or Outcome.FAILED
        old_is = Outcome.PASSED if new_is is Outcome.FAILED else Outcome.FAILED
        return Text.assemble(
            f"{self._words.label(low)} ",
            ("━" * max(1, start), _MARKS[old_is][1]),
            ("╌" * (end - start), "dim"),
            ("━" * max(1, _BAR_WIDTH - end), _MARKS[new_is][1]),
            f" {self._words.label(high)}   {left(judged.left) if judged.left else 'confirming'}",
        )


def standard_error() -> Console:
    """The console that progress is shown on."""
    return Console(stderr=True)


_MARKS = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.FAILED: ("✗", "red"),
    Outcome.UNTESTABLE: ("?", "yellow"),
    Outcome.BROKEN: ("!", "magenta"),
}


def _beside(mark: RenderableType, text: Text) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(mark, text)
    return grid
