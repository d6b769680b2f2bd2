"""The report of a suite as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.plan.suites import Agreement
from bisect_asgi.core.text import duration, listing, plural
from bisect_asgi.report.suite import SuiteReport, SuiteRow, exit_codes, history
from bisect_asgi.report.text import full
from bisect_asgi.report.text import timings as timings_section
from bisect_asgi.report.text.tables import console_of, write

_WIDTH_OF_FILES = 160
_GAP = 2
"""The blanks between two columns."""


def render(
    report: SuiteReport, console: Console | None = None, *, whole: bool = False, timings: bool = False
) -> None:
    """Print the table, and why some probes have no result, to the standard output unless a console is given.

    Args:
        report: the document.
        console: where to print it.
        whole: with the whole report of each probe.
        timings: with a section about the time of each probe.
    """
    out = console_of(console, width=_WIDTH_OF_FILES)
    write(_parts(report, out.width, whole=whole, timings_width=out.width if timings else 0), out)


def _parts(report: SuiteReport, width: int, *, whole: bool, timings_width: int) -> Iterator[RenderableType]:
    for across in report.across:
        # A search over lock files has no package.
        about = [across.package, f"with {across.probe}" if _has_several(report) else ""]
        yield Text(": ".join(filter(None, [" ".join(about).strip(), across.headline])), style="bold")
        yield ""
    columns = _columns(report)
    if _width(columns) <= width:
        yield _table(columns)
    else:
        yield from _blocks(report)
    for (problem, hint), rows in _problems(report).items():
        yield ""
        yield Text(f"{_names(rows, report)}: {problem}")
        if hint:
            yield Text(f"  hint: {hint}", style="dim")
    for row in report.probes if whole else ():
        if row.report and row.report.rows:
            yield ""
            yield Rule(Text(row.name), align="left")
            yield from full.parts(row.report, plot_width=0, timings_width=0)
    for row in report.probes if timings_width else ():
        if row.report:
            yield ""
            yield from timings_section.parts(
                row.report.timings, width=timings_width, title=f"Timings of {row.name}"
            )
    yield ""
    yield Text(_summary(report), style="bold")


def _problems(report: SuiteReport) -> dict[tuple[str, str | None], list[SuiteRow]]:
    """Return the reasons why rows have no result, each with its hint and the names of its rows.

    "No change" on one Python counts as a result if there is a change on another.
    """
    found = {row.number for row in report.probes if row.python and row.exit_code is ExitCode.FOUND}
    problems: dict[tuple[str, str | None], list[SuiteRow]] = {}
    for row in report.probes:
        is_result = row.number in found and row.exit_code is ExitCode.NOT_REPRODUCED
        if row.problem and not is_result and row.exit_code is not ExitCode.INTERRUPTED:
            problems.setdefault((row.problem, row.hint), []).append(row)
    return problems


def _names(rows: Sequence[SuiteRow], report: SuiteReport) -> str:
    if _has_several(report):
        return listing((row.name for row in rows), most=99)
    return f"Python {listing((row.python for row in rows), most=99)}"


def _columns(report: SuiteReport) -> dict[str, list[Text]]:
    """Return the columns of the table by title; empty ones are omitted."""
    rows, has_several = report.probes, _has_several(report)
    columns = {
        "Probe": [Text(row.probe) for row in rows if has_several],
        "Package": [Text(row.package) for row in rows if has_several],
        "Python": [Text(row.python) for row in rows if report.across],
        "Result": [Text(row.answer, style=_style(row)) for row in rows],
        "History": [Text(_history(row)) for row in rows if report.across],
        "Cause": [Text(row.why) for row in rows],
        "Claim": [Text(_claim(row), style=_claim_style(row)) for row in rows if any(r.claim for r in rows)],
        "Runs": [Text(str(row.runs) if row.report else "") for row in rows],
        "Time": [Text(duration(row.elapsed_s) if row.report else "") for row in rows],
    }
    return {name: cells for name, cells in columns.items() if cells}


def _width(columns: Mapping[str, Sequence[Text]]) -> int:
    """Return the width of the table if nothing in it is broken."""
    widths = [max(len(title), *(text.cell_len for text in cells)) for title, cells in columns.items()]
    return sum(widths) + _GAP * (len(widths) - 1)


def _table(columns: Mapping[str, Sequence[Text]]) -> Table:
    """Return a row for each probe on each Python."""
    table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="bold")
    for name in columns:
        is_number, is_name = name in ("Runs", "Time"), name in ("Package", "Python")
        table.add_column(
            name,
            justify="right" if is_number else "left",
            no_wrap=is_number or is_name,
            overflow="ellipsis" if is_number or is_name else "fold",
        )
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*cells)
    return table


def _blocks(report: SuiteReport) -> Iterator[RenderableType]:
    """Yield a few lines for each probe on each Python, where the table is too wide."""
    for number, row in enumerate(report.probes):
        if number:
            yield ""
        about = f" ({row.package})" if row.package and row.package not in row.name else ""
        yield Text.assemble((row.name, "bold"), about)
        answer = Text.assemble((row.answer, _style(row)), ", " if row.why else "", row.why)
        told = [Text(_history(row)), Text(_claim(row), style=_claim_style(row))]
        counted = f"{plural(row.runs, 'run')}, {duration(row.elapsed_s)}" if row.report else ""
        for line in filter(None, [answer, *told, Text(counted)]):
            yield Padding(line, (0, 0, 0, 2))


def _has_several(report: SuiteReport) -> bool:
    """Return whether the rows are of several probes, not of one on several Pythons."""
    return not report.across or len({row.number for row in report.probes}) > 1


def _history(row: SuiteRow) -> str:
    """Return the row's history; empty if that is its result, or its probe is run on one Python."""
    told = history(row) if row.python else row.answer
    return "" if told == row.answer else told


def _claim(row: SuiteRow) -> str:
    return f"{row.claim}: {row.agreement}" if row.agreement else row.claim


def _claim_style(row: SuiteRow) -> str:
    return {Agreement.AGREES: "green", Agreement.DISAGREES: "red"}.get(
        row.agreement or Agreement.INCONCLUSIVE, ""
    )


def _style(row: SuiteRow) -> str:
    return "green" if row.exit_code is ExitCode.FOUND else "yellow"


def _summary(report: SuiteReport) -> str:
    """Return `4 of 5 probes have their answer, 1 claim disagrees, 1 min 48 s`."""
    if not _has_several(report):
        return f"{plural(len(report.probes), 'Python')}, {duration(report.elapsed_s)}"
    codes = exit_codes(report.probes)
    found, total = codes.count(ExitCode.FOUND), len(codes)
    have = "has its result" if total == 1 else "have their result"
    parts = [f"{found} of {plural(total, 'probe')} {have}"]
    if wrong := sum(row.agreement is Agreement.DISAGREES for row in report.probes):
        parts.append(f"{plural(wrong, 'claim')} disagree{'s' if wrong == 1 else ''}")
    return ", ".join([*parts, duration(report.elapsed_s)])
