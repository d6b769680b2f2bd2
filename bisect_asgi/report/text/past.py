"""The list of past runs as text: one line for each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePath

from rich.console import Console

from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.text import duration
from bisect_asgi.report.past import PastRun
from bisect_asgi.report.text.columns import Cell, Column, lay_out
from bisect_asgi.report.text.tables import console_of, write

_WIDTH_OF_FILES = 120


def render(runs: Sequence[PastRun], console: Console | None = None) -> None:
    """Print the list, to the standard output unless a console is given."""
    out = console_of(console, width=_WIDTH_OF_FILES)
    columns = [
        Column(name="Run", cells=tuple(Cell(run.id, style="cyan") for run in runs), least=7),
        Column(name="Started", cells=tuple(_when(run.started) for run in runs), least=11),
        Column(name="Package", cells=tuple(Cell(_package(run)) for run in runs)),
        Column(
            name="Probe", cells=tuple(Cell(run.probe, PurePath(run.probe).name) for run in runs), is_path=True
        ),
        Column(name="Result", cells=tuple(_answer(run) for run in runs), least=24),
        Column(
            name="Time",
            cells=tuple(Cell(duration(run.elapsed_s) if run.elapsed_s else "") for run in runs),
            is_right=True,
            least=11,
        ),
    ]
    write(lay_out(columns, width=out.width), out)


def _when(started: datetime | None) -> Cell:
    """Return the moment in local time; short, without the year."""
    if started is None:
        return Cell("-")
    local = started.astimezone()
    return Cell(f"{local:%Y-%m-%d %H:%M}", f"{local:%m-%d %H:%M}")


def _package(run: PastRun) -> str:
    over = "" if run.over in ("", "releases", "locks") else f" over {run.over}"
    return f"{run.package or run.over}{over if run.package else ''}"


def _answer(run: PastRun) -> Cell:
    if run.problem:
        return Cell("unreadable", style="dim")  # `bisect-asgi report` shows the reason
    if run.kind is None:
        return Cell("running", style="dim")
    return Cell(run.answer, style="green" if run.kind is ResultKind.FOUND else "yellow")
