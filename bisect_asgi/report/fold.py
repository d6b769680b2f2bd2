"""Events in, report out: what is known of every candidate and of the run as a whole."""

from __future__ import annotations

import shlex
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from bisect_asgi import events
from bisect_asgi.affected import specifiers
from bisect_asgi.errors import ExitCode, UsageError
from bisect_asgi.events import AnswerKind
from bisect_asgi.model import (
    Distribution,
    Interpreter,
    LeftOut,
    Observation,
    Outcome,
    Ruling,
    Signature,
    Trial,
    Verdict,
)

SCHEMA = "bisect-asgi.report/1"


class How(StrEnum):
    """How a candidate's verdict is known."""

    RUN = "run"
    INFERRED = "inferred"
    """It lies beyond a release that was run, on the side where nothing changes."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One candidate."""

    version: str
    uploaded: datetime | None
    verdict: str
    """`good`, `bad` (or the user's words for them), `skip`; empty: not known."""
    how: How
    passed: int = 0
    failed: int = 0
    remembered: int = 0
    """Runs that an earlier command had made."""
    signature: Signature | None = None
    different: bool = False
    """It fails otherwise than the bad end does."""
    step: str = ""
    """Which step of the fall-back resolved its environment."""
    distributions: tuple[Distribution, ...] = ()
    not_after: datetime | None = None
    build_s: float = 0.0
    run_s: float = 0.0
    observations: tuple[Observation, ...] = ()

    @property
    def runs(self) -> int:
        """How many runs there were."""
        return len(self.observations) if self.how is How.RUN else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedChange:
    """The last release before a change, the first after it, and the latter's verdict."""

    last: str
    first: str
    verdict: str
    gap: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run as a document; the fields of the JSON report."""

    schema: str = SCHEMA
    exit_code: ExitCode
    kind: AnswerKind
    headline: str
    """The answer as one sentence."""
    hint: str | None
    plan: events.RunStarted
    interpreter: Interpreter | None
    interpreter_reason: str
    last: str | None = None
    """The last release that answers as the older ones do."""
    first: str | None = None
    """The first one that does not."""
    gap: tuple[str, ...] = ()
    """Untestable releases between the two."""
    contradictions: tuple[str, ...] = ()
    """Older releases that answer as the newer ones do: the history changes more than once."""
    changes: tuple[ReportedChange, ...] = ()
    """Every change that is known of, oldest first."""
    shortest: int | None = None
    """Any state that lasted for at least so many releases has been seen; null: only one was looked for."""
    affected: tuple[str, ...] = ()
    """The bad releases as version specifiers, as far as they are known."""
    elapsed_s: float = 0.0
    rows: tuple[Row, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    reproduce: tuple[tuple[str, str], ...] = ()
    """A version of either side, and the command that runs the probe on it with uv alone."""

    def row(self, version: str | None) -> Row | None:
        """The row of a version."""
        return next((row for row in self.rows if row.version == version), None)


@dataclass(slots=True)
class _State:
    """What has been seen of the log so far."""

    plan: events.RunStarted | None = None
    interpreter: events.InterpreterChosen | None = None
    listed: events.CandidatesListed = field(
        default_factory=lambda: events.CandidatesListed(candidates=(), left_out=())
    )
    trials: dict[int, list[Trial]] = field(default_factory=dict)
    judged: events.Judged | None = None
    finished: events.RunFinished | None = None


def fold(log: Iterable[events.Event]) -> Report:
    """Return the report of a log; of one that was cut off, what was known by then.

    Raises:
        UsageError: the log does not begin as a run's does.
    """
    state = _State()
    for event in log:
        match event:
            case events.RunStarted():
                state.plan = event
            case events.InterpreterChosen():
                state.interpreter = event
            case events.CandidatesListed():
                state.listed = event
            case events.TrialFinished(trial=trial):
                state.trials.setdefault(trial.key, []).append(trial)
            case events.Judged():
                state.judged = event
            case events.RunFinished():
                state.finished = event
            case _:
                pass
    if state.plan is None:
        raise UsageError("this is no event log of a run", hint="logs begin with the event `RunStarted`")
    return _report(state, state.plan)


def _report(state: _State, plan: events.RunStarted) -> Report:
    finished = state.finished or events.RunFinished(
        kind=AnswerKind.INTERRUPTED, elapsed_s=0.0, message="the log ends before the run does"
    )
    rulings = dict(state.judged.rulings) if state.judged else {}
    outcomes = _outcomes(rulings, finished, size=len(state.listed.candidates))
    rows = tuple(
        _row(candidate, state.trials.get(key, []), rulings.get(key), outcomes.get(key), plan)
        for key, candidate in enumerate(state.listed.candidates)
    )
    versions = [row.version for row in rows]
    last = versions[finished.low] if finished.low is not None else None
    first = versions[finished.high] if finished.high is not None else None
    chosen = state.interpreter
    report = Report(
        exit_code=finished.kind.exit_code,
        kind=finished.kind,
        headline="",
        hint=finished.hint,
        plan=plan,
        interpreter=chosen.interpreter if chosen else None,
        interpreter_reason=chosen.reason if chosen else "",
        last=last,
        first=first,
        gap=tuple(versions[key] for key in finished.skipped),
        contradictions=tuple(versions[key] for key in finished.contradictions),
        changes=_changes(finished, rows),
        shortest=finished.shortest,
        elapsed_s=finished.elapsed_s,
        rows=rows,
        left_out=state.listed.left_out,
    )
    return _completed(report, finished.message)


def _completed(report: Report, message: str) -> Report:
    """Add what follows from the rows: the sentence, the commands, the affected releases."""
    first = report.row(report.first)
    headline = message
    if report.kind is AnswerKind.FOUND and first:
        headline = f"{report.plan.project} {first.version} is the first {first.verdict} release"
        if len(report.changes) > 1:
            headline += f", and the newest of {len(report.changes)} changes"
    sides = [row for row in (report.row(report.last), first) if row]
    commands = tuple((row.version, reproduce(report, row)) for row in sides)
    return replace(report, headline=headline, reproduce=commands, affected=_affected(report))


def _affected(report: Report) -> tuple[str, ...]:
    """The bad releases as specifiers; untestable ones between bad ones count as bad."""
    if report.first is None or report.plan.order != "version":
        return ()
    sides = ["" if row.verdict == "skip" else row.verdict for row in report.rows]
    before = _last_known(sides)
    after = _last_known(sides[::-1])[::-1]
    bad = report.plan.term_new
    flags = [
        side == bad or (not side and older == newer == bad)
        for side, older, newer in zip(sides, before, after, strict=True)
    ]
    return specifiers([row.version for row in report.rows], flags)


def _last_known(words: Sequence[str]) -> list[str]:
    """For each place the last word up to it that is not empty."""
    known, found = "", []
    for word_ in words:
        known = word_ or known
        found.append(known)
    return found


def _changes(finished: events.RunFinished, rows: tuple[Row, ...]) -> tuple[ReportedChange, ...]:
    changes = finished.changes
    if not changes and finished.low is not None and finished.high is not None:
        changes = (events.Change(low=finished.low, high=finished.high, skipped=finished.skipped),)
    return tuple(
        ReportedChange(
            last=rows[change.low].version,
            first=rows[change.high].version,
            verdict=rows[change.high].verdict,
            gap=tuple(rows[key].version for key in change.skipped),
        )
        for change in changes
    )


def _outcomes(rulings: dict[int, Ruling], finished: events.RunFinished, *, size: int) -> dict[int, Outcome]:
    """What every candidate does, as far as it was run or, with a boundary, follows from its neighbours."""
    tested = {key: r.outcome for key, r in rulings.items() if r.verdict is not Verdict.SKIP}
    if finished.low is None or not tested:
        return tested
    keys = sorted(tested)
    known = dict(tested)
    for key in set(range(size)) - rulings.keys():
        place = bisect_left(keys, key)
        around = {tested[near] for near in keys[max(0, place - 1) : place + 1]}
        if len(around) == 1:
            known[key] = around.pop()
    return known


def _row(
    candidate: events.CandidateListed,
    trials: list[Trial],
    ruling: Ruling | None,
    outcome: Outcome | None,
    plan: events.RunStarted,
) -> Row:
    how, verdict = _verdict(ruling, outcome, bool(trials), plan)
    environment = next((t.environment for t in reversed(trials) if t.environment), None)
    observations = tuple(run for trial in trials for run in trial.observations)
    shown = ruling.signature if ruling else next((run.signature for run in observations), None)
    return Row(
        version=candidate.version,
        uploaded=candidate.uploaded,
        verdict=verdict,
        how=how,
        passed=ruling.passed if ruling else 0,
        failed=ruling.failed if ruling else 0,
        remembered=sum(trial.remembered for trial in trials),
        signature=shown,
        different=ruling.different if ruling else False,
        step=environment.step if environment else "",
        distributions=environment.distributions if environment else (),
        not_after=candidate.not_after,
        build_s=sum(trial.build_s for trial in trials),
        run_s=sum(trial.run_s for trial in trials),
        observations=observations,
    )


def _verdict(
    ruling: Ruling | None, outcome: Outcome | None, was_run: bool, plan: events.RunStarted
) -> tuple[How, str]:
    """How the candidate's verdict is known, and the word for it."""
    if ruling:
        return How.RUN, "skip" if ruling.verdict is Verdict.SKIP else word(plan, ruling.outcome)
    if was_run or outcome is None:
        return How.UNKNOWN, ""
    return How.INFERRED, word(plan, outcome)


def word(plan: events.RunStarted, outcome: Outcome) -> str:
    """The user's word for an outcome: the one place that translates."""
    words = {Outcome.PASSED: plan.term_old, Outcome.FAILED: plan.term_new}
    return words.get(outcome, "skip")


def reproduce(report: Report, row: Row) -> str:
    """The command that runs the probe on one release by hand.

    With uv alone and exactly what was installed; a served probe needs `bisect-asgi check`.
    """
    if not row.distributions or report.interpreter is None:
        return ""
    plan = report.plan
    if plan.served:  # needs the driver: uv alone cannot
        options = " ".join(plan.check_options)
        release = shlex.quote(plan.requirement.format(version=row.version))
        return f"bisect-asgi check {release} --python {report.interpreter.short} {options}".rstrip()
    pins = [f"--with {shlex.quote(str(distribution))}" for distribution in row.distributions]
    # `python FILE`, not `FILE`: uv would add what the script's own metadata asks for today.
    target = f"sh -c {shlex.quote(plan.command)}" if plan.command else f"python {shlex.quote(plan.probe)}"
    python = f"--python {report.interpreter.short}"
    return f"uv run --isolated --no-project {python} {' '.join(pins)} {target}"
