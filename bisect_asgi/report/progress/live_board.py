"""The progress of several probes on a terminal: a line for each that has ended; below them those that run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from bisect_asgi.core import events
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.text import elapsed, plural
from bisect_asgi.report.progress.board import told
from bisect_asgi.report.progress.fitting import fit
from bisect_asgi.report.progress.status import joined, place
from bisect_asgi.report.progress.wording import Progress
from bisect_asgi.report.suite import SuiteRow

_REFRESHES_PER_S = 8
_MARKS = {ExitCode.FOUND: ("✓", "green"), ExitCode.NOT_REPRODUCED: ("○", "yellow")}
_NO_RESULT = ("!", "magenta")


class LiveBoard:
    """Shows the progress of several probes; a context manager that may be called from several threads.

    Args:
        console: where to print; its file should be the standard error.
        total: the number of probes.
        clock: returns seconds.
    """

    def __init__(self, console: Console, *, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._total = total
        self._ended = 0
        self._clock = clock
        self._begun_s = clock()
        self._running: dict[str, tuple[Progress, float]] = {}
        """The probes that run, each with the moment when it began."""
        self._lock = threading.Lock()
        self._spinner = Spinner("dots")
        self._live = Live(
            self, console=console, refresh_per_second=_REFRESHES_PER_S, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> LiveBoard:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begun(self, name: str) -> None:
        """Take in that a probe was started."""
        with self._lock:
            self._running[name] = (Progress(), self._clock())

    def sink(self, name: str) -> Callable[[events.Event], None]:
        """Return the sink of one probe's events."""
        progress, _ = self._running[name]

        def take(event: events.Event) -> None:
            progress.take(event)

        return take

    def ended(self, row: SuiteRow) -> None:
        """Take in that a probe has ended, or could not be started."""
        with self._lock:
            self._running.pop(row.name, None)
            self._ended += 1
            mark, style = _MARKS.get(row.exit_code, _NO_RESULT)
            line = fit(*told(row), self._console.width - cell_len(mark) - 1)
        text = Text.assemble((f"{mark} ", style), line)
        self._live.console.print(text, highlight=False, no_wrap=True, overflow="ignore", crop=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.status(options.max_width):
            line.no_wrap, line.overflow = True, "ignore"
            yield line

    def status(self, width: int) -> Iterator[Text]:
        """Yield the display below the lines: the number of finished probes, and progress of the others."""
        now = self._clock()
        done = f"{self._ended} of {plural(self._total, 'probe')}  {elapsed(now - self._begun_s)}"
        yield joined([(f"{self._spinner.render(now)} ", ""), (done, "bold")], width)
        with self._lock:
            running = list(self._running.items())
        for name, (progress, begun_s) in running:
            tail = f"  {elapsed(now - begun_s)}"
            at = "".join(text for text, _ in place(progress, progress.shown, 0))
            stretch = progress.stretches.current if progress.shown.candidates else "asking the index"
            yield Text(f"  {fit(name, f'  {stretch}', f': {at}' if at else '', tail, width - 2)}")
