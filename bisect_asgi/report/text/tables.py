"""The table of candidates, and other parts that several texts have."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import groupby

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.core.text import date, duration
from bisect_asgi.report.document import Report
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.report.rows import Row, day_of
from bisect_asgi.report.text import metrics


class Pasted(Text):
    """A line to paste into a shell, which is never wrapped."""


def console_of(console: Console | None, *, width: int) -> Console:
    """Return the console, or that of the standard output.

    Args:
        console: None: the standard output.
        width: of the standard output if it is no terminal, and `COLUMNS` says nothing.
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
    """Return named lines, one below the other."""
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
    found.add_column(report.plan.axis.title, overflow="fold")
    is_dated = any(day_of(row.version, row.uploaded) for row in report.rows)
    for name in (
        *([report.plan.axis.dated] if is_dated else []),
        "Verdict",
        "Runs",
    ):
        found.add_column(name, no_wrap=True)
    found.add_column("Time", justify="right", no_wrap=True)
    found.add_column("Details", overflow="fold")
    key = _kind if report.plan.axis.is_ordered else _label
    for _, group in groupby(report.rows, key=key):
        rows = list(group)
        style = _style(rows[0], report) if rows[0].was_run else "dim"
        cells = _cells(rows[0], report) if len(rows) == 1 else _neighbors(rows, report)
        if not is_dated:
            cells = (cells[0], *cells[2:])
        found.add_row(*map(Text, cells), style=style)  # `Text`, because output of a probe is no markup.
    return found


def _kind(row: Row) -> tuple[str, ...]:
    """Return a key that is equal for neighbors that share a line."""
    if not row.was_run:
        return row.how, row.verdict, f"{row.yanked}", row.signature.text if row.signature else ""
    if row.verdict == "skip" and row.signature and not row.fails_differently:
        return row.how, row.verdict, row.signature.text
    return row.how, row.version


def _label(row: Row) -> tuple[str, ...]:
    return (row.version,)


def _cells(row: Row, report: Report) -> tuple[str, ...]:
    time = duration(sum(run.wall_s for run in row.observations)) if row.runs else ""
    verdict = row.verdict or ("" if row.samples else "?")
    return row.version, date(row.uploaded), verdict, f"{row.runs or ''}", time, _seen(row, report)


def _neighbors(rows: list[Row], report: Report) -> tuple[str, ...]:
    seen = f"{report.plan.axis.counted(len(rows))}: {_seen(rows[0], report)}"
    return f"{rows[0].version} … {rows[-1].version}", "", rows[0].verdict or "?", "", "", seen


def _seen(row: Row, report: Report) -> str:
    if row.yanked is None:
        return _seen_of_runs(row, report)
    reason = f"yanked ({row.yanked})" if row.yanked else "yanked"
    return f"{reason}: {seen}" if (seen := _seen_of_runs(row, report)) else reason


def _seen_of_runs(row: Row, report: Report) -> str:
    match row.how:
        case ReleaseState.INFERRED:
            return "inferred"
        case ReleaseState.NOT_RUN:
            broken = [run.signature.shown for run in row.observations if run.signature]
            return f"no result: {broken[-1]}" if broken else "not run"
        case ReleaseState.RUN | ReleaseState.UNTESTABLE:
            if row.samples:
                return metrics.seen(row, report)
            seen = row.signature.shown if row.signature else ""
            # The failure of one run says little about a flaky probe.
            if (report.belief or row.is_flaky) and row.verdict != "skip":
                told = f"failed {row.failed} of {row.passed + row.failed}"
                return f"{told}: {seen}" if row.failed and seen else told
            return f"{seen} (a different failure)" if row.fails_differently else seen


def _style(row: Row, report: Report) -> str:
    return {report.plan.term_old: "green", report.plan.term_new: "red"}.get(row.verdict, "yellow")
