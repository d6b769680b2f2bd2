"""Decide what the candidates' observations mean.

Nothing here runs a probe or reads a clock: the judge sees all that was observed so far and answers with
a ruling for each candidate. It is a pure function of the observations, so a ruling may change when more
is seen, and replaying a log gives the same rulings.

Two things are learnt, not assumed:

*Which end is good.* The newest candidate that can be tested tells; where the user named an end, their
words tell, and that end is checked against them.

*What the bug looks like.* A release may fail for other reasons than the one that is looked for: it no
longer installs, its imports fail on a newer Python, its API differs. The *reference* is the failure of the
bad end; a candidate that fails differently is a SKIP and says so. Where the bad end is the one that the
user named, or the newest release, its signature is what the user sees. Where the newest release passes
and nobody named a bad one, failures turn up on the way back in history, and the oldest releases
fail for many reasons; the reference is then the one that speaks most plainly about the probe's question
(`signature.plainness`), and among equals the one nearest to the good side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bisect_asgi.model import FailureKind, Observation, Outcome, Phase, Ruling, Signature, Verdict
from bisect_asgi.signature import plainness

Observed = Mapping[int, Sequence[Observation]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A passing run is bad when the metric lies beyond one of these."""

    metric: str
    above: float | None = None
    below: float | None = None

    def is_crossed(self, value: float) -> bool:
        """Tell whether the value is on the bad side; the limit itself is on the good one."""
        return (self.above is not None and value > self.above) or (
            self.below is not None and value < self.below
        )

    def signature(self, value: float) -> Signature:
        """The failure of crossing it."""
        bound = f"above {self.above:g}" if self.above is not None else f"below {self.below:g}"
        return Signature(
            kind=FailureKind.METRIC,
            phase=Phase.CHECK,
            text=f"{self.metric} {bound}",
            shown=f"{self.metric} = {value:g}, {bound}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the user said about which failures count."""

    any_failure: bool = False
    match: str | None = None
    """A regular expression; a run whose output it is found in is bad, another failure is a different one."""
    limit: Limit | None = None
    """What a measured run must not cross."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What is known of the ends before anything is run."""

    good: int | None = None
    """The candidate that the user says passes."""
    bad: int | None = None
    """The candidate that the user says fails."""

    @property
    def named(self) -> tuple[int, ...]:
        """The candidates that the user named."""
        return tuple(key for key in (self.good, self.bad) if key is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything that the observations say so far."""

    rulings: dict[int, Ruling] = field(default_factory=dict)
    """For each candidate that has a verdict. Those without wait until it is known which end is good."""
    new_is: Outcome | None = None
    """What the newer end does: FAILED (a regression) or PASSED (a fix); None: not known yet."""
    reference: tuple[Signature, ...] = ()
    """The failures that count as the bug."""

    @property
    def verdicts(self) -> dict[int, Verdict]:
        """What the search is told."""
        return {key: ruling.verdict for key, ruling in self.rulings.items()}


def judge(observed: Observed, *, size: int, expectation: Expectation, rules: Rules) -> Judgement:
    """Rule on every candidate of `size` that was observed.

    Raises:
        re.error: `rules.match` is no regular expression.
    """
    observed = {key: [_measured(run, rules.limit) for run in runs] for key, runs in observed.items() if runs}
    outcomes = {key: _outcome(runs, rules) for key, runs in observed.items()}
    outcomes = {key: outcome for key, outcome in outcomes.items() if outcome is not Outcome.BROKEN}
    new_is = _new_is(outcomes, size, expectation)
    if new_is is None:
        skips = {k: _skip(observed[k], o) for k, o in outcomes.items() if o is Outcome.UNTESTABLE}
        return Judgement(rulings=skips)
    reference = _reference(observed, outcomes, new_is, expectation, rules)
    rulings = {
        key: _rule(observed[key], outcome, new_is, reference, rules) for key, outcome in outcomes.items()
    }
    return Judgement(rulings=rulings, new_is=new_is, reference=reference)


def _measured(run: Observation, limit: Limit | None) -> Observation:
    """The run as the limit sees it: beyond it a passing one failed, without the metric it says nothing."""
    if limit is None or run.outcome is not Outcome.PASSED:
        return run
    value = run.metrics.get(limit.metric)
    if value is None:
        missing = Signature(
            kind=FailureKind.METRIC, phase=Phase.CHECK, text="no metric", shown=f"no metric `{limit.metric}`"
        )
        return replace(run, outcome=Outcome.UNTESTABLE, signature=missing)
    if not limit.is_crossed(value):
        return run
    return replace(run, outcome=Outcome.FAILED, signature=limit.signature(value))


def _outcome(runs: Sequence[Observation], rules: Rules) -> Outcome:
    """One candidate's runs together. A single failure makes it failed: a good candidate never fails."""
    seen = {_run_outcome(run, rules) for run in runs}
    for outcome in (Outcome.FAILED, Outcome.PASSED, Outcome.UNTESTABLE):
        if outcome in seen:
            return outcome
    return Outcome.BROKEN


def _run_outcome(run: Observation, rules: Rules) -> Outcome:
    if rules.match is None or run.outcome not in (Outcome.PASSED, Outcome.FAILED):
        return run.outcome
    return Outcome.FAILED if _matches(run, rules.match) else run.outcome


def _matches(run: Observation, pattern: str) -> bool:
    shown = run.signature.shown if run.signature else ""
    return re.search(pattern, run.output_tail + "\n" + shown, re.MULTILINE) is not None


def _new_is(outcomes: Mapping[int, Outcome], size: int, expectation: Expectation) -> Outcome | None:
    """What the newer end does, by the user's words or by the newest candidate that can be tested.

    One named end alone stands for a regression: it was good there, or it broke on the way there.
    """
    match expectation.good, expectation.bad:
        case int(good), int(bad):
            return Outcome.FAILED if good < bad else Outcome.PASSED
        case None, None:
            return _newest_outcome(outcomes, size)
    return Outcome.FAILED


def _newest_outcome(outcomes: Mapping[int, Outcome], size: int) -> Outcome | None:
    """The outcome of the newest candidate that can be tested; None while the newest of all is not run yet."""
    if size - 1 not in outcomes:
        return None
    tested = [key for key, outcome in outcomes.items() if outcome is not Outcome.UNTESTABLE]
    return outcomes[max(tested)] if tested else None


def _reference(
    observed: Observed,
    outcomes: Mapping[int, Outcome],
    new_is: Outcome,
    expectation: Expectation,
    rules: Rules,
) -> tuple[Signature, ...]:
    """The signatures that count as the bug: the bad end's, or the plainest when nobody named that end."""
    failing = sorted(key for key, outcome in outcomes.items() if outcome is Outcome.FAILED)
    if not failing or rules.any_failure or rules.match is not None:
        return ()
    if expectation.bad is not None:
        key = expectation.bad
    elif new_is is Outcome.FAILED:
        key = failing[-1]
    else:
        key = max(failing, key=lambda k: (_plainest(observed[k]), k))
    return _failures(observed.get(key, ()))


def _plainest(runs: Sequence[Observation]) -> int:
    return max(map(plainness, _failures(runs)), default=0)


def _failures(runs: Sequence[Observation]) -> tuple[Signature, ...]:
    """The different failures among `runs`, in the order in which they were seen."""
    distinct: list[Signature] = []
    for run in runs:
        signature = run.signature
        if run.outcome is not Outcome.FAILED or signature is None:
            continue
        if not any(signature.is_same_failure(other) for other in distinct):
            distinct.append(signature)
    return tuple(distinct)


def _rule(
    runs: Sequence[Observation],
    outcome: Outcome,
    new_is: Outcome,
    reference: tuple[Signature, ...],
    rules: Rules,
) -> Ruling:
    if outcome is Outcome.UNTESTABLE:
        return _skip(runs, outcome)
    signature = next(iter(_failures(runs)), None)
    passed = sum(_run_outcome(run, rules) is Outcome.PASSED for run in runs)
    failed = sum(_run_outcome(run, rules) is Outcome.FAILED for run in runs)
    different = outcome is Outcome.FAILED and _is_different(runs, reference, rules)
    side = Verdict.NEW if outcome is new_is else Verdict.OLD
    return Ruling(
        verdict=Verdict.SKIP if different else side,
        outcome=outcome,
        signature=signature,
        different=different,
        passed=passed,
        failed=failed,
    )


def _is_different(runs: Sequence[Observation], reference: tuple[Signature, ...], rules: Rules) -> bool:
    """Tell whether none of the failures is the one that is looked for."""
    if rules.match is not None:
        return not any(_matches(run, rules.match) for run in runs)
    if not reference:
        return False
    return not any(sign.is_same_failure(known) for sign in _failures(runs) for known in reference)


def _skip(runs: Sequence[Observation], outcome: Outcome) -> Ruling:
    signature = next((run.signature for run in runs if run.signature), None)
    return Ruling(verdict=Verdict.SKIP, outcome=outcome, signature=signature)
