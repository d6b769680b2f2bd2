"""Make the page of a suite: a table of all probes, and for each what its own report says first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.plan.suites import Agreement
from bisect_asgi.core.text import duration, plural
from bisect_asgi.report.facts import facts_of
from bisect_asgi.report.headline import brief
from bisect_asgi.report.page import Entry, Fact, SuitePage
from bisect_asgi.report.suite import SuiteReport, SuiteRow


def suite_page(report: SuiteReport) -> SuitePage:
    """Return the page of a suite."""
    answered = sum(row.exit_code is ExitCode.FOUND for row in report.probes)
    title = f"{answered} of {plural(len(report.probes), 'probe')} with a result, {duration(report.elapsed_s)}"
    return SuitePage(title=title, entries=tuple(_entries(report)))


def _entries(report: SuiteReport) -> Iterator[Entry]:
    taken: dict[str, int] = {}
    for row in report.probes:
        yield Entry(
            name=row.name,
            anchor=_anchor(row, taken),
            kind=_kind(row),
            cells=_cells(row),
            title=brief(row.report) if row.report else row.problem or row.why or row.answer,
            facts=tuple(_facts(row)),
            report=row.report,
        )


def _anchor(row: SuiteRow, taken: dict[str, int]) -> str:
    """Return a name that no other row has, and that can stand in an address and name a file."""
    stem = re.sub(r"[^a-z0-9.]+", "-", row.name.lower().removesuffix(".py")).strip("-.") or "probe"
    taken[stem] = taken.get(stem, 0) + 1
    return stem if taken[stem] == 1 else f"{stem}-{taken[stem]}"


def _kind(row: SuiteRow) -> str:
    if row.exit_code is ExitCode.FOUND:
        return "good" if row.agreement in (None, Agreement.AGREES) else "bad"
    return "bad" if row.exit_code is ExitCode.NOT_REPRODUCED and row.claim else "skip"


def _cells(row: SuiteRow) -> tuple[str, ...]:
    claim = f"{row.claim}: {row.agreement}" if row.agreement else row.claim
    runs = f"{row.runs}" if row.report else ""
    return (row.package, row.python, row.answer, row.why, claim, runs, duration(row.elapsed_s))


def _facts(row: SuiteRow) -> Iterator[Fact]:
    told: Mapping[str, str] = {"Problem": row.problem, "Hint": row.hint or ""}
    yield from (Fact(label, value) for label, value in told.items() if value)
    yield from (Fact(fact.label, fact.value) for fact in (facts_of(row.report) if row.report else ()))
