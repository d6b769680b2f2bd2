"""The candidates of a report as lines of a table, in words; neighbors with equal lines share one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.core.text import date, duration
from bisect_asgi.report.document import Report
from bisect_asgi.report.metrics import seen as seen_samples
from bisect_asgi.report.rows import Row, day_of


class Line(Struct, frozen=True, kw_only=True):
    """One candidate, or neighbors that were not run or are untestable for one reason."""

    keys: tuple[int, ...]
    cells: tuple[str, ...]
    """As many as there are `columns`."""


def columns(report: Report) -> tuple[str, ...]:
    """Return the titles of the columns."""
    dated = (report.plan.axis.dated,) if _is_dated(report) else ()
    return (report.plan.axis.title, *dated, "Verdict", "Runs", "Time", "Details")


def lines(report: Report) -> Iterator[Line]:
    """Yield the lines, oldest first."""
    kind, is_dated = _kind if report.plan.axis.is_ordered else _label, _is_dated(report)
    for _, group in groupby(enumerate(report.rows), key=lambda pair: kind(pair[1])):
        keys, rows = zip(*group, strict=True)
        cells = _cells(rows[0], report) if len(rows) == 1 else _neighbors(rows, report)
        yield Line(keys=keys, cells=cells if is_dated else (cells[0], *cells[2:]))


def _is_dated(report: Report) -> bool:
    return any(day_of(row.version, row.uploaded) for row in report.rows)


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


def _neighbors(rows: tuple[Row, ...], report: Report) -> tuple[str, ...]:
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
                return seen_samples(row, report)
            seen = row.signature.shown if row.signature else ""
            # A flaky probe needs its failure count: the failure of one run says little about it.
            if (report.belief or row.is_flaky) and row.verdict != "skip":
                told = f"failed {row.failed} of {row.passed + row.failed}"
                return f"{told}: {seen}" if row.failed and seen else told
            return f"{seen} (a different failure)" if row.fails_differently else seen
