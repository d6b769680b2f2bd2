"""Make the page of a suite: a table of all probes, and for each what its own report says first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from bisect_asgi.core.claims import ClaimVerdict
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.plan.suites import Agreement
from bisect_asgi.core.records import replace
from bisect_asgi.core.text import duration, listing, plural
from bisect_asgi.report.document import Report
from bisect_asgi.report.facts import facts_of
from bisect_asgi.report.headline import brief
from bisect_asgi.report.page import Entry, Fact, Page, SuitePage
from bisect_asgi.report.page.fold import footer_of, page_of
from bisect_asgi.report.suite import SuiteReport, SuiteRow, cause_of

_Column = Callable[[SuiteRow], str]
_SEARCHED: Mapping[str, _Column] = {
    "Package": lambda row: row.package,
    "Python": lambda row: row.python,
    "Result": lambda row: row.answer,
    "Cause": lambda row: row.why,
    "Claim": lambda row: f"{row.claim}: {row.agreement}" if row.agreement else row.claim,
    "Runs": lambda row: f"{row.runs}" if row.report else "",
    "Time": lambda row: duration(row.elapsed_s) if row.elapsed_s else "",
}
"""The columns of a suite behind the probe."""
_VERIFIED: Mapping[str, _Column] = {
    "Package": lambda row: row.package,
    "Claim": lambda row: row.claim,
    "Verdict": lambda row: row.answer,
    "Releases show": lambda row: row.why,
    "Cause": cause_of,
    "Source": lambda row: row.source,
    "Runs": _SEARCHED["Runs"],
    "Time": _SEARCHED["Time"],
}
"""The same if claims were verified."""
_ALWAYS = ("Package", "Result", "Verdict")
_KINDS = {
    ClaimVerdict.CONFIRMED: "good",
    ClaimVerdict.INCOMPLETE: "skip",
    ClaimVerdict.REFUTED: "bad",
    ClaimVerdict.INCONCLUSIVE: "skip",
}


def suite_page(report: SuiteReport) -> SuitePage:
    """Return the page of a suite, or of claims that were verified."""
    is_verified = any(row.verdict for row in report.probes)
    columns = {
        title: cell
        for title, cell in (_VERIFIED if is_verified else _SEARCHED).items()
        if title in _ALWAYS or any(map(cell, report.probes))
    }
    made = next((footer_of(row.report) for row in report.probes if row.report), "")
    return SuitePage(
        title=f"{_verdicts(report) if is_verified else _results(report)}, {duration(report.elapsed_s)}",
        header=("Probe", *columns),
        entries=tuple(_entries(report, columns)),
        footer=made,
    )


def _results(report: SuiteReport) -> str:
    answered = sum(row.exit_code is ExitCode.FOUND for row in report.probes)
    return f"{answered} of {plural(len(report.probes), 'probe')} with a result"


def _verdicts(report: SuiteReport) -> str:
    """Return `5 claims: 3 confirmed and 2 incomplete`."""
    counted = Counter(row.answer for row in report.probes)
    order = sorted(counted, key=[*ClaimVerdict, *counted].index)
    told = listing((f"{counted[each]} {each}" for each in order), most=len(order))
    return f"{plural(len(report.probes), 'claim')}: {told}"


def _entries(report: SuiteReport, columns: Mapping[str, _Column]) -> Iterator[Entry]:
    taken: dict[str, int] = {}
    for row in report.probes:
        yield Entry(
            name=row.name,
            anchor=_anchor(row, taken),
            kind=_kind(row),
            cells=tuple(cell(row) for cell in columns.values()),
            title=brief(row.report) if row.report else row.problem or row.why or row.answer,
            facts=(*_claims(row), *_facts(row)),
            report=row.report,
        )


def page_of_row(row: SuiteRow, report: Report, *, probe: str = "") -> Page:
    """Return the page of a row's report, with its claim; `probe` is the text of its probe."""
    page = page_of(report, probe=probe)
    return replace(page, facts=(*_claims(row), *page.facts))


def _anchor(row: SuiteRow, taken: dict[str, int]) -> str:
    """Return a name that no other row has, and that can stand in an address and name a file."""
    stem = re.sub(r"[^a-z0-9.]+", "-", row.name.lower().removesuffix(".py")).strip("-.") or "probe"
    taken[stem] = taken.get(stem, 0) + 1
    return stem if taken[stem] == 1 else f"{stem}-{taken[stem]}"


def _kind(row: SuiteRow) -> str:
    if row.verdict:
        return _KINDS[row.verdict]
    if row.exit_code is ExitCode.FOUND:
        return "good" if row.agreement in (None, Agreement.AGREES) else "bad"
    return "bad" if row.exit_code is ExitCode.NOT_REPRODUCED and row.claim else "skip"


def _claims(row: SuiteRow) -> Iterator[Fact]:
    """Yield the claim and what became of it."""
    if row.claim:
        by = f" ({row.source})" if row.source else ""
        yield Fact("Claim", f"{row.package} {row.claim}{by}")
    if row.verdict:
        yield Fact("Verdict", f"{row.verdict}: {row.why}" if row.why else f"{row.verdict}")
    elif row.agreement:
        yield Fact("Verdict", f"{row.agreement}")


def _facts(row: SuiteRow) -> Iterator[Fact]:
    told: Mapping[str, str] = {"Problem": row.problem, "Hint": row.hint or ""}
    yield from (Fact(label, value) for label, value in told.items() if value)
    yield from (Fact(fact.label, fact.value) for fact in (facts_of(row.report) if row.report else ()))
