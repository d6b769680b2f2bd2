"""What is known of each candidate, as the rows of a report."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from bisect_asgi.core import events
from bisect_asgi.core.metrics import unit_of
from bisect_asgi.core.metrics.criteria import RATIO, samples
from bisect_asgi.core.model import Distribution, Observation, Outcome, Ruling, Signature, Trial, Verdict
from bisect_asgi.core.records import Struct
from bisect_asgi.core.tally import Rate


class How(StrEnum):
    """How a candidate's verdict is known."""

    RUN = "run"
    INFERRED = "inferred"
    """It lies beyond a release that was run, on the side where nothing changes."""
    UNKNOWN = "unknown"


class Row(Struct, frozen=True, kw_only=True):
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
    fails_differently: bool = False
    """It fails otherwise than the bad end does."""
    step: str = ""
    """Which step of the fall-back resolved its environment."""
    distributions: tuple[Distribution, ...] = ()
    exclude_newer: datetime | None = None
    python: str | None = None
    """The version of its interpreter."""
    source: str | None = None
    """The requirement that stands for what was built from a commit."""
    is_exact: bool = False
    """Requirements were set aside for it: only its exact set can be installed again."""
    build_s: float = 0.0
    run_s: float = 0.0
    hosts: tuple[str, ...] = ()
    """The machines that ran it, where not all of its trials were run on this one; that is the empty name."""
    observations: tuple[Observation, ...] = ()
    samples: tuple[float, ...] = ()
    """Of the metric that decides, as they are compared: ratios where each has a reference's beside it."""

    @property
    def runs(self) -> int:
        """How many runs there were, without warm-ups."""
        return sum(map(_is_run, self.observations)) if self.how is How.RUN else 0

    @property
    def is_flaky(self) -> bool:
        """It both passed and failed."""
        return self.passed > 0 and self.failed > 0


def outcomes_of(rulings: dict[int, Ruling], finished: events.RunFinished, *, size: int) -> dict[int, Outcome]:
    """What every candidate does, as far as it was run or, with a boundary, follows from its neighbours."""
    tested = {key: r.outcome for key, r in rulings.items() if r.verdict is not Verdict.SKIP}
    if finished.boundary is None or not tested:
        return tested
    keys = sorted(tested)
    known = dict(tested)
    for key in set(range(size)) - rulings.keys():
        place = bisect_left(keys, key)
        around = {tested[near] for near in keys[max(0, place - 1) : place + 1]}
        if len(around) == 1:
            known[key] = around.pop()
    return known


def row_of(
    candidate: events.CandidateListed,
    trials: list[Trial],
    ruling: Ruling | None,
    outcome: Outcome | None,
    plan: events.RunStarted,
) -> Row:
    observations = tuple(run for trial in trials for run in trial.observations)
    how, verdict = _verdict(ruling, outcome, observations, plan)
    passed, failed = (ruling.passed, ruling.failed) if ruling else _counted(observations)
    environment = next((t.environment for t in reversed(trials) if t.environment), None)
    shown = ruling.signature if ruling else next((run.signature for run in observations), None)
    return Row(
        version=candidate.version,
        uploaded=candidate.uploaded,
        verdict=verdict,
        how=how,
        passed=passed,
        failed=failed,
        remembered=sum(_is_run(run) for trial in trials for run in trial.observations[: trial.remembered]),
        signature=shown,
        fails_differently=ruling.fails_differently if ruling else False,
        step=environment.step if environment else "",
        distributions=environment.distributions if environment else (),
        exclude_newer=candidate.exclude_newer,
        python=candidate.python,
        is_exact=candidate.is_exact,
        source=candidate.source,
        build_s=sum(trial.build_s for trial in trials),
        run_s=sum(trial.run_s for trial in trials),
        hosts=_hosts(trials),
        observations=observations,
        samples=samples(observations, plan.metric) if plan.metric else (),
    )


def _hosts(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Where trials were run; what an earlier command ran was run nobody knows where."""
    hosts = {trial.host for trial in trials if len(trial.observations) > trial.remembered}
    return tuple(sorted(hosts)) if any(hosts) else ()


def _verdict(
    ruling: Ruling | None, outcome: Outcome | None, runs: Sequence[Observation], plan: events.RunStarted
) -> tuple[How, str]:
    """How the candidate's verdict is known, and the word for it; runs alone may not tell which it is."""
    if ruling:
        return How.RUN, "skip" if ruling.verdict is Verdict.SKIP else word(plan, ruling.outcome)
    if any(_counted(runs)):
        return How.RUN, ""
    if runs or outcome is None:
        return How.UNKNOWN, ""
    return How.INFERRED, word(plan, outcome)


def _is_run(run: Observation) -> bool:
    """Whether it is to be counted: a candidate without an environment was not run."""
    was_started = run.exit_code is not None or run.wall_s > 0
    return was_started and not run.is_warm_up and run.outcome is not Outcome.ERROR


def _counted(runs: Sequence[Observation]) -> tuple[int, int]:
    """How many of them passed, and how many failed, where nobody ruled on them."""
    outcomes = [run.outcome for run in runs if not run.is_warm_up]
    return outcomes.count(Outcome.PASSED), outcomes.count(Outcome.FAILED)


def word(plan: events.RunStarted, outcome: Outcome) -> str:
    """The user's word for an outcome: the one place that translates."""
    if plan.metric and not plan.limit and outcome is Outcome.PASSED:
        return ""  # of what is measured nothing is good or bad before there is a limit
    words = {Outcome.PASSED: plan.term_old, Outcome.FAILED: plan.term_new}
    return words.get(outcome, "skip")


class NamedBelief(Struct, frozen=True, kw_only=True):
    """Where the change is most probably, and how sure that is."""

    last: str
    first: str
    probability: float
    """That the change is exactly there."""
    old: Rate
    """How often everything up to `last` failed, and everything from `first` on."""
    new: Rate
    among: tuple[str, str]
    """The first new candidate is from the first to the last of these, with a probability of `confidence`."""
    confidence: float
    no_change: float
    """Probability that nothing changes at all."""


class ReportedEnds(Struct, frozen=True, kw_only=True):
    """The samples of both ends, and the limit that follows from them."""

    metric: str
    unit: str
    old: str
    """The older end."""
    new: str
    reference: str | None
    """What each sample was measured next to, and is compared with."""
    old_samples: tuple[float, ...]
    new_samples: tuple[float, ...]
    p: float
    """Of a rank test that both are the same."""
    above: float | None
    """What lies above is bad."""
    below: float | None


class NamedLevel(Struct, frozen=True, kw_only=True):
    """Neighbouring candidates of one level."""

    first: str
    last: str
    value: float


def belief_of(belief: events.BeliefUpdated, labels: Sequence[str]) -> NamedBelief:
    """The most probable boundary by its versions."""
    return NamedBelief(
        last=labels[belief.low],
        first=labels[belief.high],
        probability=belief.probability,
        old=belief.old,
        new=belief.new,
        among=(labels[belief.first], labels[belief.last]),
        confidence=belief.confidence,
        no_change=belief.no_change,
    )


def ends_of(sampled: events.EndsSampled, labels: Sequence[str]) -> ReportedEnds:
    """Both ends by their versions."""
    return ReportedEnds(
        metric=sampled.metric,
        unit=sampled.unit,
        old=labels[sampled.low],
        new=labels[sampled.high],
        reference=None if sampled.reference is None else labels[sampled.reference],
        old_samples=sampled.old,
        new_samples=sampled.new,
        p=sampled.p,
        above=sampled.above,
        below=sampled.below,
    )


def levels_of(found: events.LevelsFound, labels: Sequence[str]) -> tuple[NamedLevel, ...]:
    """The levels by their versions."""
    return tuple(
        NamedLevel(first=labels[level.first], last=labels[level.last], value=level.value)
        for level in found.levels
    )


def unit_of_rows(rows: Sequence[Row], metric: str | None) -> str:
    """The unit of the samples of a report's rows."""
    runs = [run for row in rows for run in row.observations]
    if metric is None:
        return ""
    return RATIO if any(run.reference_metrics for run in runs) else unit_of(runs, metric)
