"""What came of each probe of a suite, as rows: the answer, what carries it, whether a claim agrees."""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.core import codec
from bisect_asgi.core.errors import BisectError, ExitCode
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.plan.plan import Claim
from bisect_asgi.core.plan.suites import Agreement, agreement, worst
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import plural
from bisect_asgi.report import culprit as reasons
from bisect_asgi.report.document import Report

SCHEMA = "bisect-asgi.suite/2"

_WORDS = {
    ResultKind.NOT_REPRODUCED: "not reproduced",
    ResultKind.GOOD_END_FAILS: "good end fails",
    ResultKind.INCONCLUSIVE: "cannot tell",
    ResultKind.UNAVAILABLE: "unavailable",
    ResultKind.INTERRUPTED: "interrupted",
    ResultKind.NOT_ASKED: "not asked",
}


class SuiteRow(Struct, frozen=True, kw_only=True):
    """One probe of a suite."""

    probe: str
    """The script's path as it was given, or the command."""
    package: str = ""
    exit_code: ExitCode
    """What a command of its own would have had."""
    answer: str
    """`0.68.2 → 0.69.0 (bad)`, or in two words why there is none."""
    why: str = ""
    """What carries the change: `it requires starlette 0.15.0`."""
    claim: str = ""
    """What the probe claims: `broken in 0.69.0`."""
    agreement: Agreement | None = None
    """Whether what was found is what it claims; null: it claims nothing, or nothing was found."""
    runs: int = 0
    elapsed_s: float = 0.0
    problem: str = ""
    """Why there is no answer."""
    hint: str | None = None
    log: str = ""
    report: Report | None = None
    """Null where the probe could not be read, or was not begun."""


class SuiteReport(Struct, frozen=True, kw_only=True):
    """A suite's run as a document; the fields of its JSON."""

    schema: str = SCHEMA
    exit_code: ExitCode
    elapsed_s: float
    probes: tuple[SuiteRow, ...]


def suite_report(rows: Sequence[SuiteRow], *, elapsed_s: float, is_interrupted: bool) -> SuiteReport:
    """Join the rows; the exit code is that of the worst."""
    codes = [row.exit_code for row in rows] + [ExitCode.INTERRUPTED] * is_interrupted
    return SuiteReport(exit_code=worst(codes), elapsed_s=elapsed_s, probes=tuple(rows))


def render_json(report: SuiteReport) -> str:
    """Return the document as one line."""
    return codec.to_json(report).decode()


def row_of(name: str, report: Report, claim: Claim | None, *, log: str = "") -> SuiteRow:
    """The row of a probe whose session ended, however it did."""
    is_found = report.kind is ResultKind.FOUND
    return SuiteRow(
        probe=name,
        package=report.plan.project,
        exit_code=report.exit_code,
        answer=_answer(report),
        why=reasons.because(report.why).removeprefix(", ").removeprefix("because "),
        claim=str(claim) if claim else "",
        agreement=_agreement(claim, report) if claim and is_found else None,
        runs=report.runs,
        elapsed_s=report.elapsed_s,
        problem="" if is_found else report.headline,
        hint=None if is_found else report.hint,
        log=log,
        report=report,
    )


def row_of_error(name: str, error: BisectError, *, package: str = "") -> SuiteRow:
    """The row of a probe that could not be asked."""
    is_usage = error.exit_code is ExitCode.USAGE
    word = _WORDS[ResultKind.NOT_ASKED if is_usage else ResultKind.UNAVAILABLE]
    code = ExitCode(error.exit_code)
    return SuiteRow(
        probe=name, package=package, exit_code=code, answer=word, problem=str(error), hint=error.hint
    )


def row_of_bug(name: str, error: Exception, *, package: str) -> SuiteRow:
    """The row of a probe at which bisect-asgi itself failed."""
    problem = f"a bug of bisect-asgi: {type(error).__name__}: {error}"
    return SuiteRow(
        probe=name, package=package, exit_code=ExitCode.BUG, answer="a bug of bisect-asgi", problem=problem
    )


def row_not_begun(name: str, package: str) -> SuiteRow:
    """The row of a probe whose turn had not come when the suite was interrupted."""
    word = _WORDS[ResultKind.INTERRUPTED]
    return SuiteRow(probe=name, package=package, exit_code=ExitCode.INTERRUPTED, answer=word)


def _answer(report: Report) -> str:
    if report.kind is ResultKind.FOUND or (report.kind is ResultKind.INTERRUPTED and report.first):
        found = _found(report)
        return found if report.kind is ResultKind.FOUND else f"interrupted behind {found}"
    return _WORDS[report.kind]


def _found(report: Report) -> str:
    if report.last is None or report.first is None:  # levels of a metric, or none that can be named
        return report.headline
    newest = report.changes[-1] if report.changes else None
    more = f", {plural(len(report.changes) - 1, 'older change')}" if len(report.changes) > 1 else ""
    verdict = f" ({newest.verdict})" if newest and newest.verdict else ""
    gap = f", {len(report.gap)} between untestable" if report.gap else ""
    return f"{report.last} → {report.first}{verdict}{gap}{more}"


def _agreement(claim: Claim, report: Report) -> Agreement | None:
    """Return whether a claim agrees; None if the candidates are no releases of the claim's package."""
    plan = report.plan
    if not plan.axis.has_versions or plan.axis.subject != plan.project:
        return None
    return agreement(claim, report.changes, good=report.plan.term_old)
