"""The report of a suite as text."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.plan.suites import Agreement
from bisect_asgi.core.text import duration, plural
from bisect_asgi.report.suite import SuiteReport, SuiteRow
from bisect_asgi.report.text import timings as timings_section
from bisect_asgi.report.text.tables import write

_WIDTH_OF_FILES = 160


def render(report: SuiteReport, console: Console | None = None, *, timings: bool = False) -> None:
    """Print the table, and why some probes have no result, to the standard output unless a console is given.

    Args:
        report: the document.
        console: where to print it.
        timings: with a section about the time of each probe.
    """
    write(lambda width: _parts(report, timings_width=width if timings else 0), console, width=_WIDTH_OF_FILES)


def _parts(report: SuiteReport, *, timings_width: int) -> Iterator[RenderableType]:
    yield _table(report)
    for row in report.probes:
        if row.problem and row.exit_code is not ExitCode.INTERRUPTED:
            yield ""
            yield Text(f"{row.probe}: {row.problem}")
            if row.hint:
                yield Text(f"  hint: {row.hint}", style="dim")
    for row in report.probes if timings_width else ():
        if row.report:
            yield ""
            yield from timings_section.parts(
                row.report.timings, width=timings_width, title=f"Timings of {row.probe}"
            )
    yield ""
    yield Text(_summary(report), style="bold")


def _table(report: SuiteReport) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Probe", overflow="fold")
    table.add_column("Package", no_wrap=True)
    table.add_column("Answer", overflow="fold")
    table.add_column("Why", overflow="fold")
    has_claims = any(row.claim for row in report.probes)
    if has_claims:
        table.add_column("Claim", overflow="fold")
    for name in ("Runs", "Time"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in report.probes:
        claim = [Text(_claim(row), style=_claim_style(row))] if has_claims else []
        runs, time = (str(row.runs), duration(row.elapsed_s)) if row.report else ("", "")
        cells = [Text(row.probe), Text(row.package), Text(row.answer, style=_style(row)), Text(row.why)]
        table.add_row(*cells, *claim, runs, time)
    return table


def _claim(row: SuiteRow) -> str:
    return f"{row.claim}: {row.agreement}" if row.agreement else row.claim


def _claim_style(row: SuiteRow) -> str:
    return {Agreement.AGREES: "green", Agreement.DISAGREES: "red"}.get(
        row.agreement or Agreement.CANNOT_TELL, ""
    )


def _style(row: SuiteRow) -> str:
    return "green" if row.exit_code is ExitCode.FOUND else "yellow"


def _summary(report: SuiteReport) -> str:
    """Return `4 of 5 probes have their answer, 1 claim disagrees, 1 min 48 s`."""
    found = sum(row.exit_code is ExitCode.FOUND for row in report.probes)
    total = len(report.probes)
    have = "has its answer" if total == 1 else "have their answer"
    parts = [f"{found} of {plural(total, 'probe')} {have}"]
    if wrong := sum(row.agreement is Agreement.DISAGREES for row in report.probes):
        parts.append(f"{plural(wrong, 'claim')} disagree{'s' if wrong == 1 else ''}")
    return ", ".join([*parts, duration(report.elapsed_s)])
