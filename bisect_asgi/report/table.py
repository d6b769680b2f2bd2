"""The report as a small table of HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from bisect_asgi.core.text import date, printable
from bisect_asgi.report.document import Report
from bisect_asgi.report.rows import Row

_TITLES = ("", "uploaded", "verdict", "known", "runs", "details")


def html_table(report: Report) -> str:
    """Return the headline, and a table of the candidates that were run; all text is escaped."""
    shown = [row for row in report.rows if row.was_run]
    if not shown:
        return f"<p>{_text(report.headline)}</p>"
    titles = "".join(f'<th scope="col">{_text(title)}</th>' for title in _titles(report))
    left = len(report.rows) - len(shown)
    rest = f"<p>{_text(report.plan.axis.counted(left))} not run</p>" if left else ""
    body = "".join(map(_row, shown))
    return (
        f"<p><strong>{_text(report.headline)}</strong></p>"
        f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>{rest}"
    )


def _titles(report: Report) -> Iterator[str]:
    yield report.plan.axis.noun
    yield from _TITLES[1:]


def _row(row: Row) -> str:
    cells = (
        date(row.uploaded) if row.uploaded else "",
        row.verdict,
        str(row.how),
        f"{row.passed} passed, {row.failed} failed" if row.runs else "",
        row.signature.shown if row.signature else "",
    )
    data = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{_text(row.version)}</th>{data}</tr>'


def _text(text: str) -> str:
    return escape(printable(text))
