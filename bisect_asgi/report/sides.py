"""The two sides of the boundary, with the runs behind them."""

from __future__ import annotations

from collections.abc import Iterator

from bisect_asgi.core.text import plural
from bisect_asgi.report import metrics
from bisect_asgi.report.document import Report
from bisect_asgi.report.rows import Row, day_of


def sides(report: Report) -> Iterator[tuple[str, str]]:
    """Yield `Last good` and `First bad`, each with its release, its day and its runs."""
    last, first = report.row(report.last), report.row(report.first)
    if last and first:
        for which, row in (("Last", last), ("First", first)):
            day = day_of(row.version, row.uploaded)
            dated = f"{row.version} ({day})" if day else row.version
            yield f"{which} {row.verdict}".rstrip(), f"{dated}: {_runs(row, report)}"


def _runs(row: Row, report: Report) -> str:
    runs = row.passed + row.failed
    if row.samples:
        return metrics.evidence(row, report)
    if not row.failed:
        return f"passed {row.passed} of {plural(runs, 'run')}"
    how = f": {row.signature.shown}" if row.signature else ""
    return f"failed {row.failed} of {plural(runs, 'run')}{how}"
