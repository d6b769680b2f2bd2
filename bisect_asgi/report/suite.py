"""The report of a suite: a row for each probe with its result, its culprit, and whether its claim agrees."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from bisect_asgi.core import codec
from bisect_asgi.core.claims import ClaimVerdict, Finding
from bisect_asgi.core.errors import BisectError, ExitCode
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.plan import Claim
from bisect_asgi.core.plan.suites import Agreement, agreement, worst, worst_across
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.affected import AffectedStretch, ReleaseState
from bisect_asgi.core.text import listing, plural
from bisect_asgi.report.culprit import because
from bisect_asgi.report.document import Report

SCHEMA = "bisect-asgi.suite/2"

_WORDS = {
    ResultKind.NOT_REPRODUCED: "not reproduced",
    ResultKind.GOOD_END_FAILS: "good end fails",
    ResultKind.INCONCLUSIVE: "inconclusive",
    ResultKind.UNAVAILABLE: "unavailable",
    ResultKind.INTERRUPTED: "interrupted",
    ResultKind.OUT_OF_TIME: "out of time",
    ResultKind.NOT_ASKED: "not run",
}


class SuiteRow(Struct, frozen=True, kw_only=True):
    """One probe of a suite, on one Python."""

    number: int = 1
    """The place of its probe in the suite."""
    probe: str
    """The script's path as given, or the command."""
    package: str = ""
    """Empty if the probe could not be read."""
    python: str = ""
    """The version of its Python, if the probe is run on several; each has a row."""
    exit_code: ExitCode
    """The exit code that a command for this probe alone would have."""
    answer: str
    """`0.68.2 → 0.69.0 (bad)`, or in two words why there is no result."""
    why: str = ""
    """The culprit: `it requires starlette 0.15.0`."""
    claim: str = ""
    """The probe's claim: `broken in 0.69.0`."""
    source: str = ""
    """Where the claim was made."""
    verdict: ClaimVerdict | None = None
    """The verdict on the claim; null if it was not verified, but compared with the result of a search."""
    agreement: Agreement | None = None
    """Whether the result agrees with the claim; null if there is no claim or no result."""
    runs: int = 0
    """Number of runs that the result rests on."""
    elapsed_s: float = 0.0
    problem: str = ""
    """Why there is no result."""
    hint: str | None = None
    """What to do about it."""
    log: str = ""
    """The path of its event log."""
    report: Report | None = None
    """Null if the probe could not be read, or was not started."""

    @property
    def name(self) -> str:
        """The probe, with its Python if it is run on several."""
        return f"{self.probe} on Python {self.python}" if self.python else self.probe

    @property
    def is_interrupted(self) -> bool:
        """Whether an interrupt ended its session, or kept it from beginning."""
        return self.exit_code is ExitCode.INTERRUPTED


class PythonsAlike(Struct, frozen=True, kw_only=True):
    """Pythons on which a probe has the same history."""

    pythons: tuple[str, ...]
    history: str
    """In a few words: `bad from 0.69.0 to 0.84.0`."""


class AcrossPythons(Struct, frozen=True, kw_only=True):
    """A probe's histories on several Pythons."""

    probe: str
    package: str
    headline: str
    """All of them as one sentence."""
    histories: tuple[PythonsAlike, ...]
    """The different ones, that of the oldest Python first."""


class SuiteReport(Struct, frozen=True, kw_only=True):
    """A run of a suite as a document; the fields of its JSON report."""

    schema: str = SCHEMA
    exit_code: ExitCode
    """The most severe of all rows."""
    elapsed_s: float
    probes: tuple[SuiteRow, ...]
    """The rows, in the order in which the probes were given."""
    across: tuple[AcrossPythons, ...] = ()
    """For each probe that is run on several Pythons, what they have in common."""


def suite_report(rows: Sequence[SuiteRow], *, elapsed_s: float, is_interrupted: bool) -> SuiteReport:
    """Return the report with these rows."""
    return SuiteReport(
        exit_code=worst([*exit_codes(rows), *[ExitCode.INTERRUPTED] * is_interrupted]),
        elapsed_s=elapsed_s,
        probes=tuple(rows),
        across=tuple(across_pythons(own) for own in _by_probe(rows) if own[0].python),
    )


def exit_codes(rows: Sequence[SuiteRow]) -> list[ExitCode]:
    """Return the exit code of each probe, whether it has one row or one for each of several Pythons."""
    return [worst_across([row.exit_code for row in own]) for own in _by_probe(rows)]


def _by_probe(rows: Sequence[SuiteRow]) -> list[list[SuiteRow]]:
    return [list(own) for _, own in groupby(rows, key=lambda row: row.number)]


def across_pythons(rows: Sequence[SuiteRow]) -> AcrossPythons:
    """Return what the rows of one probe on several Pythons have in common."""
    alike: dict[str, list[str]] = {}
    for row in rows:
        alike.setdefault(history(row), []).append(row.python)
    told = (f"Python {listing(_short(pythons), most=99)}: {text}" for text, pythons in alike.items())
    return AcrossPythons(
        probe=rows[0].probe,
        package=rows[0].package,
        headline="; ".join(told),
        histories=tuple(PythonsAlike(pythons=tuple(own), history=text) for text, own in alike.items()),
    )


def _short(pythons: Sequence[str]) -> list[str]:
    """Return the minor versions, or whole versions if two of them are of one."""
    shorts = [".".join(python.split(".")[:2]) for python in pythons]
    return shorts if len(set(shorts)) == len(shorts) else list(pythons)


def history(row: SuiteRow) -> str:
    """Return a history in a few words: `bad from 0.69.0 to 0.84.0`."""
    report = row.report
    if report is None or row.exit_code is ExitCode.USAGE:
        return row.answer
    if report.affected:
        oldest = report.searched[0] if report.searched else ""
        stretches = (_stretch(each, oldest) for each in report.affected)
        return f"{report.plan.term_new} {listing(stretches, most=99)}"
    run = {each.verdict for each in report.rows if each.how is ReleaseState.RUN}
    is_over = row.exit_code in (ExitCode.NOT_REPRODUCED, ExitCode.GOOD_END_FAILS)
    return f"{run.pop()} on every {report.plan.axis.noun} run" if is_over and len(run) == 1 else row.answer


def _stretch(stretch: AffectedStretch, oldest: str) -> str:
    """Return `from 0.69.0 to 0.84.0` if the next release was run and is good, else no more than was run.

    `oldest` is the oldest release that was run, if older ones exist: a stretch does not begin there.
    """
    first, last = stretch.run[0], stretch.run[-1]
    if "<" not in stretch.specifier:
        return f"from {first} on"
    if "<=" in stretch.specifier:
        return f"from {first} to at least {last}"
    if first == oldest:
        return f"up to {last} (oldest run: {first})"
    return f"in {first}" if first == last else f"from {first} to {last}"


def render_json(report: SuiteReport) -> str:
    """Return the document as one line of JSON."""
    return codec.to_json(report).decode()


def row_of(name: str, report: Report, claim: Claim | None, *, log: str = "") -> SuiteRow:
    """Return the row of a probe whose session ended, with or without a result."""
    is_found = report.kind is ResultKind.FOUND
    return SuiteRow(
        probe=name,
        package=report.plan.project,
        exit_code=report.exit_code,
        answer=answer_of(report),
        why=_why(report, report.first),
        claim=str(claim) if claim else "",
        source=claim.source if claim else "",
        agreement=_agreement(claim, report) if claim and is_found else None,
        runs=report.runs,
        elapsed_s=report.elapsed_s,
        problem="" if is_found else report.headline,
        hint=None if is_found else report.hint,
        log=log,
        report=report,
    )


def row_of_error(name: str, error: BisectError, *, package: str = "", claim: str = "") -> SuiteRow:
    """Return the row of a probe whose session could not begin, or did not end."""
    is_usage = error.exit_code is ExitCode.USAGE
    word = _WORDS[ResultKind.NOT_ASKED if is_usage else ResultKind.UNAVAILABLE]
    code = ExitCode(error.exit_code)
    return SuiteRow(
        probe=name,
        package=package,
        exit_code=code,
        answer=word,
        claim=claim,
        problem=str(error),
        hint=error.hint,
    )


def row_of_bug(name: str, error: Exception, *, package: str) -> SuiteRow:
    """Return the row of a probe at which bisect-asgi itself failed."""
    problem = f"a bug of bisect-asgi: {type(error).__name__}: {error}"
    return SuiteRow(
        probe=name, package=package, exit_code=ExitCode.BUG, answer="a bug of bisect-asgi", problem=problem
    )


def row_of_finding(name: str, finding: Finding, report: Report, *, log: str = "") -> SuiteRow:
    """Return the row of a probe whose claim was judged, with the report of the releases run for it."""
    return SuiteRow(
        probe=name,
        package=report.plan.project,
        exit_code=finding.verdict.exit_code,
        answer=finding.verdict,
        why=finding.truth,
        claim=str(finding.claim),
        source=finding.claim.source,
        verdict=finding.verdict,
        runs=report.runs,
        elapsed_s=report.elapsed_s,
        log=log,
        report=report,
    )


def cause_of(row: SuiteRow) -> str:
    """Return the culprit of the claimed change: `it requires starlette 0.15.0`; empty if it is not known."""
    return _why(row.report, row.claim.rpartition(" ")[2]) if row.report else ""


def _why(report: Report, first: str | None) -> str:
    return because(report.why_of(first)).removeprefix(", ").removeprefix("because ")


def row_interrupted(name: str, package: str) -> SuiteRow:
    """Return the row of a probe whose session an interrupt ended, or kept from beginning."""
    word = _WORDS[ResultKind.INTERRUPTED]
    return SuiteRow(probe=name, package=package, exit_code=ExitCode.INTERRUPTED, answer=word)


def answer_of(report: Report) -> str:
    """Return the result in a few words: `0.68.2 → 0.69.0 (bad)`, or in two words why there is none."""
    if report.kind is ResultKind.FOUND or (report.kind is ResultKind.INTERRUPTED and report.first):
        found = _found(report)
        return found if report.kind is ResultKind.FOUND else f"interrupted after {found}"
    return _WORDS[report.kind]


def _found(report: Report) -> str:
    if report.last is None or report.first is None:  # then the result is levels of a metric
        return report.headline
    more = f", {plural(len(report.changes) - 1, 'other change')}" if len(report.changes) > 1 else ""
    told = next((change.verdict for change in report.changes if change.first == report.first), "")
    verdict = f" ({told})" if told else ""
    gap = f", {len(report.gap)} between untestable" if report.gap else ""
    return f"{report.last} → {report.first}{verdict}{gap}{more}"


def _agreement(claim: Claim, report: Report) -> Agreement | None:
    """Return whether a claim agrees; None if the candidates are no releases of the claim's package."""
    plan = report.plan
    if not plan.axis.has_versions or plan.axis.subject != plan.project:
        return None
    return agreement(claim, report.changes, good=report.plan.term_old)
