"""Events in, report out: what is known of every candidate and of the run as a whole."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bisect_asgi import events
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
    rows = tuple(_row(key, state, finished, plan) for key in range(len(state.listed.candidates)))
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
        elapsed_s=finished.elapsed_s,
        rows=rows,
        left_out=state.listed.left_out,
    )
    return _completed(report, finished.message)


def _completed(report: Report, message: str) -> Report:
    from dataclasses import replace

    first = report.row(report.first)
    headline = message
    if report.kind is AnswerKind.FOUND and first:
        headline = f"{report.plan.project} {first.version} is the first {first.verdict} release"
    sides = [row for row in (report.row(report.last), first) if row]
    commands = tuple((row.version, reproduce(report, row)) for row in sides)
    return replace(report, headline=headline, reproduce=commands)


def _row(key: int, state: _State, finished: events.RunFinished, plan: events.RunStarted) -> Row:
    candidate = state.listed.candidates[key]
    trials = state.trials.get(key, [])
    ruling = dict(state.judged.rulings).get(key) if state.judged else None
    how, verdict = _verdict(key, ruling, bool(trials), state, finished, plan)
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
    key: int,
    ruling: Ruling | None,
    was_run: bool,
    state: _State,
    finished: events.RunFinished,
    plan: events.RunStarted,
) -> tuple[How, str]:
    """How the candidate's verdict is known, and the word for it."""
    new_is = state.judged.new_is if state.judged else None
    if ruling:
        if ruling.verdict is Verdict.SKIP:
            return How.RUN, "skip"
        return How.RUN, word(plan, ruling.outcome)
    if was_run or finished.low is None or finished.high is None or new_is is None:
        return How.UNKNOWN, ""
    old_is = Outcome.PASSED if new_is is Outcome.FAILED else Outcome.FAILED
    if key < finished.low:
        return How.INFERRED, word(plan, old_is)
    return (How.INFERRED, word(plan, new_is)) if key > finished.high else (How.UNKNOWN, "")


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
