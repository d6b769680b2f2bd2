"""The table of candidates, and other parts that several texts have."""

from __future__ import annotations

import os
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from bisect_asgi.report.candidates import columns, lines
from bisect_asgi.report.document import Report
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.report.rows import Row


class Pasted(Text):
    """A line to paste into a shell, which is never wrapped."""


def console_of(console: Console | None, *, width: int) -> Console:
    """Return the given console, else one for the standard output.

    Args:
        console: the console to return; None for the standard output's.
        width: the width in cells if the standard output is no terminal and `COLUMNS` is not set.
    """
    out = console or SafeConsole()
    if console is None and not out.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        out = SafeConsole(width=width)
    return out


def write(parts: Iterable[RenderableType], out: Console) -> None:
    """Print parts without blanks at the ends of lines."""
    with out.capture() as capture:
        for part in parts:
            out.print(part, highlight=False, soft_wrap=isinstance(part, Pasted))
    for line in capture.get().splitlines():
        out.file.write(f"{line.rstrip()}\n")
    out.file.flush()


def facts(lines: Iterable[tuple[str, str]]) -> Table:
    """Return labeled lines, one below the other."""
    found = Table.grid(padding=(0, 3))
    found.add_column(style="cyan", no_wrap=True)
    found.add_column(overflow="fold")
    for name, fact in lines:
        found.add_row(name, Text(fact))
    return found


def table(report: Report) -> Table:
    """Return the table of candidates.

    Neighbors that were not run share a line, and so do neighbors that are untestable for one reason.
    """
    found = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    first, *names, time, details = columns(report)
    found.add_column(first, overflow="fold")
    for name in names:
        found.add_column(name, no_wrap=True)
    found.add_column(time, justify="right", no_wrap=True)
    found.add_column(details, overflow="fold")
    for line in lines(report):
        row = report.rows[line.keys[0]]
        style = _style(row, report) if row.was_run else "dim"
        found.add_row(*map(Text, line.cells), style=style)  # `Text`: rich must read no markup here
    return found


def _style(row: Row, report: Report) -> str:
    return {report.plan.term_old: "green", report.plan.term_new: "red"}.get(row.verdict, "yellow")
