"""Choose the exit code of a command with `--fail-on`, by its results and by those of earlier runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bisect_asgi.core.claims import ClaimVerdict
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.gate import Gate, Shown, gated
from bisect_asgi.core.plan import Claim
from bisect_asgi.core.plan.suites import Agreement
from bisect_asgi.report.document import Report
from bisect_asgi.report.past import PastRun
from bisect_asgi.report.suite import SuiteRow, answer_of, row_of


def code_of_run(report: Report, claim: Claim | None, wanted: frozenset[Gate], log: Path) -> ExitCode:
    """Return the exit code of a search with the log at that path, of a probe with that claim."""
    row = row_of(report.plan.probe or report.plan.command or "", report, claim, log=str(log))
    return code_of_rows([row], wanted)


def code_of_rows(rows: Sequence[SuiteRow], wanted: frozenset[Gate]) -> ExitCode:
    """Return the exit code of several searches."""
    past = _past(rows) if Gate.CHANGED in wanted else []
    return gated([Shown(exit_code=row.exit_code, gates=frozenset(_gates(row, past))) for row in rows], wanted)


def code_of_claims(rows: Sequence[SuiteRow], wanted: frozenset[Gate]) -> ExitCode:
    """Return the exit code of `verify`, whose rows have the verdicts on claims."""
    gates = {
        ClaimVerdict.CONFIRMED: {Gate.FOUND},
        ClaimVerdict.INCOMPLETE: {Gate.FOUND, Gate.INCOMPLETE},
        ClaimVerdict.REFUTED: {Gate.CHANGED},
        ClaimVerdict.INCONCLUSIVE: {Gate.INCOMPLETE},
    }
    of_rows = [(row.exit_code, gates.get(ClaimVerdict(row.answer)) if row.report else None) for row in rows]
    return gated([Shown(exit_code=code, gates=frozenset(of or ())) for code, of in of_rows], wanted)


def _gates(row: SuiteRow, past: Sequence[PastRun]) -> Iterator[Gate]:
    is_found = row.exit_code is ExitCode.FOUND
    if is_found:
        yield Gate.FOUND
    is_cut_short = row.report is not None and row.report.is_unfinished
    if is_cut_short or row.exit_code in (ExitCode.INCONCLUSIVE, ExitCode.GOOD_END_FAILS):
        yield Gate.INCOMPLETE
    if row.agreement is Agreement.DISAGREES or (row.agreement is None and _is_new(row, past)):
        yield Gate.CHANGED


def _is_new(row: SuiteRow, past: Sequence[PastRun]) -> bool:
    """Return whether a result is not that of the last run of the same probe; the first that finds one is."""
    if row.report is None:
        return False
    before = next((run for run in past if _is_alike(run, row)), None)
    if before is None:
        return row.exit_code is ExitCode.FOUND
    return before.answer != answer_of(row.report)


def _is_alike(run: PastRun, row: SuiteRow) -> bool:
    """Return whether an earlier run, which has ended with a result, was of the same probe and package."""
    if row.report is None or run.log == row.log or run.kind is None or not run.kind.is_result:
        return False
    plan = row.report.plan
    is_same = (run.package, run.probe, run.over) == (
        plan.project,
        plan.probe or plan.command or "",
        plan.over,
    )
    return is_same and (not row.python or Path(run.log).stem.endswith(f"-{row.python}"))


def _past(rows: Sequence[SuiteRow]) -> list[PastRun]:
    from bisect_asgi.cli.past_runs import past_runs
    from bisect_asgi.cli.wiring.paths import CachePaths

    own = {Path(row.log) for row in rows if row.log}
    return past_runs([log for log in CachePaths.configured().past_logs() if log not in own])
