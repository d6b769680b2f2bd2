"""The table of a search's candidates, and other parts that several sections of the text report have."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.table import Table
from rich.text import Text

from bisect_asgi.core.text import date, duration
from bisect_asgi.report.document import Report
from bisect_asgi.report.rows import How, Row
from bisect_asgi.report.text import metrics as measured


class Pasted(Text):
    """A line that somebody will paste: it is not broken into several."""


def facts(lines: Iterable[tuple[str, str]]) -> Table:
    """Named lines, one below the other."""
    found = Table.grid(padding=(0, 3))
    found.add_column(style="cyan", no_wrap=True)
    found.add_column(overflow="fold")
    for name, fact in lines:
        found.add_row(name, Text(fact))
    return found


def table(report: Report) -> Table:
    """Every release that was run; neighbours that were not, or cannot be tested for one reason, together."""
    found = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    found.add_column(report.plan.axis.title, overflow="fold")
    is_dated = any(row.uploaded and date(row.uploaded) not in row.version for row in report.rows)
    for name in (
        *([report.plan.axis.dated] if is_dated else []),
        "Verdict",
        "Runs",
    ):
        found.add_column(name, no_wrap=True)
    found.add_column("Time", justify="right", no_wrap=True)
    found.add_column("What was seen", overflow="fold")
    key = _kind if report.plan.axis.is_ordered else _label
    for _, group in groupby(report.rows, key=key):
        rows = list(group)
        how = "dim" if rows[0].how is not How.RUN else _style(rows[0], report)
        cells = _cells(rows[0], report) if len(rows) == 1 else _stretch(rows, report)
        if not is_dated:
            cells = (cells[0], *cells[2:])
        found.add_row(*map(Text, cells), style=how)  # as text: what a probe says is no markup
    return found


def _kind(row: Row) -> tuple[str, ...]:
    """What neighbours have in common that are shown as one line."""
    if row.how is not How.RUN:
        return row.how, row.verdict
    if row.verdict == "skip" and row.signature and not row.fails_differently:
        return row.how, row.verdict, row.signature.text
    return row.how, row.version


def _label(row: Row) -> tuple[str, ...]:
    return (row.version,)


def _cells(row: Row, report: Report) -> tuple[str, ...]:
    time = duration(sum(run.wall_s for run in row.observations)) if row.runs else ""
    verdict = row.verdict or ("" if row.samples else "?")
    return row.version, date(row.uploaded), verdict, f"{row.runs or ''}", time, _seen(row, report)


def _stretch(rows: list[Row], report: Report) -> tuple[str, ...]:
    seen = f"{report.plan.axis.counted(len(rows))}: {_seen(rows[0], report)}"
    return f"{rows[0].version} … {rows[-1].version}", "", rows[0].verdict or "?", "", "", seen


def _seen(row: Row, report: Report) -> str:
    match row.how:
        case How.INFERRED:
            return "inferred"
        case How.UNKNOWN:
            broken = [run.signature.shown for run in row.observations if run.signature]
            return f"nothing was learnt: {broken[-1]}" if broken else "not looked at"
        case How.RUN:
            if row.samples:
                return measured.seen(row, report)
            seen = row.signature.shown if row.signature else ""
            # With noise each run counts; and where it is too much to tell, that is what was seen.
            if (report.belief or row.is_flaky) and row.verdict != "skip":
                told = f"failed {row.failed} of {row.passed + row.failed}"
                return f"{told}: {seen}" if row.failed and seen else told
            return f"{seen} (a different failure)" if row.fails_differently else seen


def _style(row: Row, report: Report) -> str:
    return {report.plan.term_old: "green", report.plan.term_new: "red"}.get(row.verdict, "yellow")
