"""The rows of a report, one for each candidate, and other parts of events with labels in place of keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile

from bisect_asgi.core import events
from bisect_asgi.core.metrics import unit_of
from bisect_asgi.core.metrics.criteria import RATIO, samples
from bisect_asgi.core.model import Distribution, Observation, Outcome, Ruling, Signature, Trial, Verdict
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.affected import ReleaseState, states
from bisect_asgi.core.tally import Rate
from bisect_asgi.core.text import date


class Row(Struct, frozen=True, kw_only=True):
    """One candidate."""

    version: str
    """Its label."""
    uploaded: datetime | None
    verdict: str
    """`good` or `bad`, or the user's word; `skip`; empty if not known."""
    how: ReleaseState
    passed: int = 0
    """Number of runs that passed."""
    failed: int = 0
    """Number of runs that failed, as the bad end does if the verdict is not `skip`."""
    remembered: int = 0
    """Number of runs that an earlier command had made."""
    signature: Signature | None = None
    """Its failure, or why it is untestable."""
    fails_differently: bool = False
    """It fails, but not as the bad end does."""
    step: str = ""
    """How its environment was resolved."""
    distributions: tuple[Distribution, ...] = ()
    """What its environment has installed."""
    exclude_newer: datetime | None = None
    """Its dependencies were resolved as if nothing newer were uploaded."""
    python: str | None = None
    """The version of its interpreter."""
    source: str | None = None
    """The requirement that builds it again, if it was built from a commit."""
    yanked: str | None = None
    """Why it was yanked, which may be empty, and run all the same; None for a candidate."""
    is_exact: bool = False
    """It ignores version requirements, so only its exact set can be installed again."""
    build_s: float = 0.0
    """Seconds that building its environment took."""
    run_s: float = 0.0
    """Seconds that its runs took."""
    hosts: tuple[str, ...] = ()
    """Hosts that ran its trials, with "" for this machine; empty if no new run was on another host."""
    observations: tuple[Observation, ...] = ()
    """All its runs, warm-ups included."""
    samples: tuple[float, ...] = ()
    """The values of the metric that are compared: ratios if the samples have a reference."""

    @property
    def was_run(self) -> bool:
        """Whether a run, or the attempt to build its environment, decided its verdict."""
        return self.how in (ReleaseState.RUN, ReleaseState.UNTESTABLE)

    @property
    def runs(self) -> int:
        """Number of runs, without warm-ups."""
        return sum(map(_is_run, self.observations)) if self.was_run else 0

    @property
    def is_flaky(self) -> bool:
        """The candidate both passed and failed."""
        return self.passed > 0 and self.failed > 0


def states_of(rulings: Mapping[int, Ruling], *, size: int) -> list[tuple[ReleaseState, Outcome | None]]:
    """Return how each candidate is known, and its outcome, if it was run or follows from its neighbors."""
    bad = {
        key: None if ruling.verdict is Verdict.SKIP else ruling.outcome is Outcome.FAILED
        for key, ruling in rulings.items()
    }
    outcomes = {True: Outcome.FAILED, False: Outcome.PASSED, None: None}
    return [(state, outcomes[is_bad]) for state, is_bad in states(size, bad)]


def row_of(
    candidate: events.CandidateListed,
    trials: list[Trial],
    ruling: Ruling | None,
    known: tuple[ReleaseState, Outcome | None],
    plan: events.RunStarted,
) -> Row:
    """Return the row of a candidate.

    Args:
        candidate: the candidate as listed.
        trials: its trials, in the order in which they ended.
        ruling: None if it was not run, or its runs had no result.
        outcome: its behavior, run or inferred.
        plan: the plan of the run, with the threshold that the search set.
    """
    observations = tuple(run for trial in trials for run in trial.observations)
    how, verdict = _verdict(ruling, known, observations, plan)
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
        yanked=candidate.yanked,
        is_exact=candidate.is_exact,
        source=candidate.source,
        build_s=sum(trial.build_s for trial in trials),
        run_s=sum(trial.run_s for trial in trials),
        hosts=_hosts(trials),
        observations=observations,
        samples=samples(observations, plan.metric) if plan.metric else (),
    )


def changed_before(rows: Sequence[Row], first: str | None) -> tuple[list[str], str]:
    """Return the yanked releases just before `first` that were run and have its verdict, and that verdict.

    They are no candidates, so `first` stays the boundary, although the oldest of them already has the change.
    """
    place = next((at for at, row in enumerate(rows) if row.version == first), 0)
    verdict = rows[place].verdict if rows else ""
    before = takewhile(
        lambda row: row.yanked is not None and row.how is ReleaseState.RUN and row.verdict == verdict,
        reversed(rows[:place]),
    )
    return [row.version for row in before][::-1], verdict


def _hosts(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Return the hosts of new runs, sorted, or nothing if all are this machine.

    Cached runs do not count, because the store does not have their host.
    """
    hosts = {trial.host for trial in trials if len(trial.observations) > trial.remembered}
    return tuple(sorted(hosts)) if any(hosts) else ()


def _verdict(
    ruling: Ruling | None,
    known: tuple[ReleaseState, Outcome | None],
    runs: Sequence[Observation],
    plan: events.RunStarted,
) -> tuple[ReleaseState, str]:
    """Return how the candidate's verdict is known, and the word for it; runs alone may not decide it."""
    state, outcome = known
    if ruling:
        return state, "skip" if state is ReleaseState.UNTESTABLE else word(plan, ruling.outcome)
    if any(_counted(runs)):
        return ReleaseState.RUN, ""
    if runs or outcome is None:
        return ReleaseState.NOT_RUN, ""
    return state, word(plan, outcome)


def _is_run(run: Observation) -> bool:
    """Return whether the run counts: a candidate without an environment has a reason, but no run."""
    was_started = run.exit_code is not None or run.wall_s > 0
    return was_started and not run.is_warm_up and run.outcome is not Outcome.ERROR


def _counted(runs: Sequence[Observation]) -> tuple[int, int]:
    """Return how many of the runs passed and failed."""
    outcomes = [run.outcome for run in runs if not run.is_warm_up]
    return outcomes.count(Outcome.PASSED), outcomes.count(Outcome.FAILED)


def day_of(label: str, uploaded: datetime | None) -> str:
    """Return the day of the upload; empty if it is not known, or the label has it."""
    day = date(uploaded)
    return "" if uploaded is None or day in label else day


def word(plan: events.RunStarted, outcome: Outcome) -> str:
    """Return the user's word for an outcome; empty for a sample as long as no threshold is known."""
    if plan.metric and not plan.limit and outcome is Outcome.PASSED:
        return ""
    words = {Outcome.PASSED: plan.term_old, Outcome.FAILED: plan.term_new}
    return words.get(outcome, "skip")


class NamedBelief(Struct, frozen=True, kw_only=True):
    """The most probable boundary of a flaky probe, and how probable it is."""

    last: str
    """The last candidate before the boundary."""
    first: str
    """The first candidate after the boundary."""
    probability: float
    """The probability that the change is exactly there."""
    old: Rate
    """The failure rate of all candidates up to `last`."""
    new: Rate
    """The failure rate of all candidates from `first` on."""
    among: tuple[str, str]
    """The first new candidate is one of these, or lies between them, with a probability of `confidence`."""
    confidence: float
    no_change: float
    """The probability that there is no change at all."""


class ReportedEnds(Struct, frozen=True, kw_only=True):
    """The samples of both ends of a metric, and the threshold between them."""

    metric: str
    unit: str
    old: str
    """The older end."""
    new: str
    """The newer end."""
    reference: str | None
    """The candidate that each sample is compared with; None if samples are no ratios."""
    old_samples: tuple[float, ...]
    new_samples: tuple[float, ...]
    p: float
    """The p-value of a rank test that both ends are the same."""
    above: float | None
    """Values above are bad."""
    below: float | None
    """Values below are bad."""


class NamedLevel(Struct, frozen=True, kw_only=True):
    """Neighboring candidates with one level of a metric."""

    first: str
    last: str
    value: float
    """The median."""
    probability: float | None = None
    """That it begins exactly at `first`; null for the oldest level."""


def belief_of(belief: events.BeliefUpdated, labels: Sequence[str]) -> NamedBelief:
    """Return the belief with labels."""
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
    """Return the samples of both ends with labels."""
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
    """Return the levels with labels."""
    return tuple(
        NamedLevel(
            first=labels[level.first],
            last=labels[level.last],
            value=level.value,
            probability=level.probability,
        )
        for level in found.levels
    )


def unit_of_rows(rows: Sequence[Row], metric: str | None) -> str:
    """Return the unit of the rows' samples; empty if nothing is measured, or the values have no unit."""
    runs = [run for row in rows for run in row.observations]
    if metric is None:
        return ""
    return RATIO if any(run.reference_metrics for run in runs) else unit_of(runs, metric)
