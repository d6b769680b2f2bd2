"""Turn the observations of all candidates into a ruling for each candidate.

The judge is a pure function of all observations so far: it runs no probe and reads no clock. Replaying a
log therefore gives the same rulings, and a ruling may change when more runs are observed.

The judge derives two things from the runs instead of assuming them:

*Which end is good.* If the user named an end, it has the outcome that they gave it, and the search checks
that end. If not, the outcome of the newest testable candidate decides between a regression and a fix.

*What the bug looks like.* A release may fail for a reason that is not the bug: its imports fail on a newer
Python, or its API differs. The *reference* is the failure of the bad end, and a candidate that fails
differently is a SKIP. If the bad end is named by the user, or is the newest release, its failure is the one
that the user sees. If the newest release passes and no bad end is named, the search meets failures while it
goes back in time, and old releases fail for many reasons. The reference is then the failure that concerns
the probe most directly (`signature.plainness`), and among equals the one of the newest candidate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bisect_asgi.core import metrics
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.judge.signature import plainness
from bisect_asgi.core.metrics.criteria import RATIO, Criteria, Threshold
from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, Ruling, Signature, Verdict
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.core.tally import Tally

Observed = Mapping[int, Sequence[Observation]]


class Expectation(Struct, frozen=True, kw_only=True):
    """The verdicts that the user expects of the ends."""

    good: int | None = None
    """The candidate that should pass."""
    bad: int | None = None
    """The candidate that should fail."""

    @property
    def named(self) -> tuple[int, ...]:
        """The ends that the user named."""
        return tuple(key for key in (self.good, self.bad) if key is not None)

    @property
    def outcomes(self) -> dict[int, Outcome]:
        """The outcome that each of them is expected to have."""
        return {key: Outcome.PASSED if key == self.good else Outcome.FAILED for key in self.named}


class Judgement(Struct, frozen=True, kw_only=True):
    """The rulings on all candidates, and the facts on which they are based."""

    rulings: dict[int, Ruling] = field(default_factory=dict)
    """The rulings by candidate. Until `new_is` is known, only untestable candidates have one."""
    new_is: Outcome | None = None
    """The outcome of the newer end: FAILED (a regression), PASSED (a fix), or None if not known yet."""
    reference: tuple[Signature, ...] = ()
    """The failures that count as the bug."""
    learnt_from: int | None = None
    """The candidate that the reference was taken from, or None if failures are not compared."""

    @property
    def verdicts(self) -> dict[int, Verdict]:
        """The verdicts by candidate, as the search takes them."""
        return {key: ruling.verdict for key, ruling in self.rulings.items()}

    @property
    def tallies(self) -> dict[int, Tally]:
        """The counts of passed and failed runs of each candidate that is not skipped."""
        return {
            key: Tally(passed=ruling.passed, failed=ruling.failed)
            for key, ruling in self.rulings.items()
            if ruling.verdict is not Verdict.SKIP
        }

    @property
    def skip_reasons(self) -> dict[int, str]:
        """Why each candidate is skipped that is; "" if its run gave no reason."""
        return {
            key: ruling.signature.text if ruling.signature else ""
            for key, ruling in self.rulings.items()
            if ruling.verdict is Verdict.SKIP
        }

    @property
    def is_flaky(self) -> bool:
        """Whether any candidate both passed and failed."""
        return any(ruling.is_flaky for ruling in self.rulings.values())

    def contradicts(self, expectation: Expectation) -> bool:
        """Return whether an end is not as the user says, so that the search need not continue."""
        wanted = expectation.outcomes
        rulings = {key: self.rulings[key] for key in wanted if key in self.rulings}
        return any(
            not ruling.is_flaky and ruling.outcome is not wanted[key] for key, ruling in rulings.items()
        )

    def wrong_ends(self, expectation: Expectation) -> list[int]:
        """Return the ends named by the user that were tested and have the opposite outcome."""
        rulings = {key: self.rulings[key] for key in expectation.named if key in self.rulings}
        return [
            key
            for key, ruling in rulings.items()
            if ruling.verdict is not Verdict.SKIP and ruling.outcome is not expectation.outcomes[key]
        ]


def judge(
    observed: Observed,
    *,
    size: int,
    expectation: Expectation,
    criteria: Criteria,
    noise: Noise | None = None,
) -> Judgement:
    """Return the rulings on all observed candidates of a range of `size`.

    Candidates newer than the range may have been run, too. They show neither what the ends of the range are,
    nor what the bug looks like.

    With `noise`, a candidate is on the side where the search has placed it, or which its runs fit better.

    Raises:
        re.error: `criteria.match` is not a regular expression.
    """
    samples = {key: [run for run in runs if not run.is_warm_up] for key, runs in observed.items()}
    counted = {key: [_limited(run, criteria) for run in runs] for key, runs in samples.items() if runs}
    observed = {key: [_measured(run, criteria) for run in runs] for key, runs in counted.items()}
    outcomes = {key: _outcome(runs, criteria) for key, runs in observed.items()}
    outcomes = {key: outcome for key, outcome in outcomes.items() if outcome is not Outcome.ERROR}
    new_is = noise.new_is if noise else _new_is(outcomes, size, expectation)
    if new_is is None:
        skips = {k: _skip(observed[k], o) for k, o in outcomes.items() if o is Outcome.UNTESTABLE}
        return Judgement(rulings=skips)
    inside = {key: outcome for key, outcome in outcomes.items() if key < size}
    learnt_from = _failing_end(observed, inside, new_is, expectation, criteria)
    own = () if learnt_from is None else _failures(observed.get(learnt_from, ()))
    reference = (*own, *criteria.also) if own else ()
    rulings = {
        key: _rule(observed[key], outcome, new_is, reference, criteria) for key, outcome in outcomes.items()
    }
    if noise:
        on_sides = {key: _on_its_side(key, ruling, noise) for key, ruling in rulings.items()}
        rulings = {key: ruling for key, ruling in on_sides.items() if ruling is not None}
    return Judgement(rulings=rulings, new_is=new_is, reference=reference, learnt_from=learnt_from)


def _on_its_side(key: int, ruling: Ruling, noise: Noise) -> Ruling | None:
    """Return the ruling with the verdict that `noise` gives it, or None if its runs do not decide yet."""
    if ruling.verdict is Verdict.SKIP:
        return ruling
    verdict = noise.side(key, Tally(passed=ruling.passed, failed=ruling.failed))
    if verdict is None:
        return None
    is_new = verdict is Verdict.NEW
    return replace(ruling, verdict=verdict, outcome=noise.new_is if is_new else noise.old_is)


def _limited(run: Observation, criteria: Criteria) -> Observation:
    """Return the run; as failed, if a limit has ended it and the user wants that to count.

    A limit protects the machine. A run that exceeds it may have the bug, or fail for any other reason.
    """
    if run.signature is None or run.signature.kind is not FailureKind.LIMIT:
        return run
    is_asked = criteria.any_failure or (criteria.match is not None and _matches(run, criteria.match))
    return replace(run, outcome=Outcome.FAILED) if is_asked else run


def _measured(run: Observation, criteria: Criteria) -> Observation:
    """Return the run as the metric judges it, or unchanged if no metric decides.

    A run that passed becomes failed beyond the threshold, and untestable if its metric cannot be compared. A
    run that failed is untestable, because it has no value of the metric to judge by, unless every failure
    counts.
    """
    threshold = criteria.threshold
    if criteria.metric is None:
        return run
    if run.outcome is Outcome.FAILED and not criteria.any_failure:
        return replace(run, outcome=Outcome.UNTESTABLE)
    if run.outcome is not Outcome.PASSED:
        return run
    value = threshold.value(run) if threshold else metrics.measured(run, criteria.metric)
    if problem := _problem(run, value, criteria.metric, threshold):
        signature = Signature(kind=FailureKind.METRIC, phase=Phase.CHECK, text=problem, shown=problem)
        return replace(run, outcome=Outcome.UNTESTABLE, signature=signature)
    if threshold is None or value is None or not threshold.is_crossed(value):
        return run
    with_unit = replace(threshold, unit=threshold.unit or metrics.unit_of(run, threshold.metric))
    return replace(run, outcome=Outcome.FAILED, signature=with_unit.signature(value))


def _problem(run: Observation, value: float | None, metric: str, threshold: Threshold | None) -> str:
    """Return why `value` cannot be compared with the threshold, or "" if it can."""
    if metrics.measured(run, metric) is None:
        return run.complaint or f"no metric `{metric}`"
    if value is None:
        return f"the baseline's run has no `{metric}` to compare with"
    unit, its_unit = metrics.unit_of(run, metric), threshold.unit if threshold else ""
    if its_unit in ("", RATIO, unit):  # a threshold without a unit is in the metric's base unit
        return ""
    return f"`{metric}` is {f'in {unit}' if unit else 'without a unit'}, and its threshold is in {its_unit}"


def _outcome(runs: Sequence[Observation], criteria: Criteria) -> Outcome:
    """Return the outcome of a candidate: failed if any run failed, else passed if any run passed.

    One failure is enough, because a good release is expected never to fail. ERROR says nothing about the
    candidate, and is the outcome only if there is no other.
    """
    outcomes = {_run_outcome(run, criteria) for run in runs}
    for outcome in (Outcome.FAILED, Outcome.PASSED, Outcome.UNTESTABLE):
        if outcome in outcomes:
            return outcome
    return Outcome.ERROR


def _run_outcome(run: Observation, criteria: Criteria) -> Outcome:
    """Return the run's outcome, or FAILED for a run that passed but printed what `match` looks for."""
    if criteria.match is None or run.outcome not in (Outcome.PASSED, Outcome.FAILED):
        return run.outcome
    return Outcome.FAILED if _matches(run, criteria.match) else run.outcome


def _matches(run: Observation, pattern: str) -> bool:
    shown = run.signature.shown if run.signature else ""
    return re.search(pattern, run.output_tail + "\n" + shown, re.MULTILINE) is not None


def _new_is(outcomes: Mapping[int, Outcome], size: int, expectation: Expectation) -> Outcome | None:
    """Return the outcome of the newer end, or None if it is not known yet.

    If the user names one end only, it is a regression: either the probe passed at that end and fails in newer
    releases, or it fails at that end and passed in older ones.
    """
    match expectation.good, expectation.bad:
        case int(good), int(bad):
            return Outcome.FAILED if good < bad else Outcome.PASSED
        case None, None:
            return _newest_outcome(outcomes, size)
    return Outcome.FAILED


def _newest_outcome(outcomes: Mapping[int, Outcome], size: int) -> Outcome | None:
    """Return the outcome of the newest testable candidate, or None until the newest of all has been run."""
    if size - 1 not in outcomes:
        return None
    tested = [key for key in outcomes if key < size and outcomes[key] is not Outcome.UNTESTABLE]
    return outcomes[max(tested)] if tested else None


def _failing_end(
    observed: Observed,
    outcomes: Mapping[int, Outcome],
    new_is: Outcome,
    expectation: Expectation,
    criteria: Criteria,
) -> int | None:
    """Return the candidate whose failures are the reference, or None if failures are not compared."""
    failing = sorted(key for key, outcome in outcomes.items() if outcome is Outcome.FAILED)
    if not failing or criteria.any_failure or criteria.match is not None:
        return None
    if expectation.bad is not None:
        return expectation.bad
    if new_is is Outcome.FAILED:
        return failing[-1]
    return max(failing, key=lambda key: (_plainness(observed[key]), key))


def _plainness(runs: Sequence[Observation]) -> int:
    return max(map(plainness, _failures(runs)), default=0)


def _failures(runs: Sequence[Observation]) -> tuple[Signature, ...]:
    """Return the different failures among `runs`, in the order of the runs."""
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
    criteria: Criteria,
) -> Ruling:
    if outcome is Outcome.UNTESTABLE:
        return _skip(runs, outcome)
    passed = sum(_run_outcome(run, criteria) is Outcome.PASSED for run in runs)
    failing = [run for run in runs if _run_outcome(run, criteria) is Outcome.FAILED]
    counted = [run for run in failing if _is_the_bug(run, reference, criteria)]
    # A different failure says nothing about the bug. It makes the candidate a skip only if no run says more.
    different = bool(failing) and not counted and not passed
    if not different:
        outcome = Outcome.FAILED if counted else Outcome.PASSED
    side = Verdict.NEW if outcome is new_is else Verdict.OLD
    # A run that was cut off shows a shorter time than the one that proves the hang.
    shown = sorted(counted or failing, key=lambda run: run.cut_s is not None)
    return Ruling(
        verdict=Verdict.SKIP if different else side,
        outcome=outcome,
        signature=next(iter(_failures(shown)), None),
        fails_differently=different,
        passed=passed,
        failed=len(failing if different else counted),
    )


def _is_the_bug(run: Observation, reference: tuple[Signature, ...], criteria: Criteria) -> bool:
    """Return whether a failing run shows the bug, and not a different failure."""
    if criteria.match is not None:
        return _matches(run, criteria.match)
    signature = run.signature
    return not reference or (
        signature is not None and any(signature.is_same_failure(known) for known in reference)
    )


def _skip(runs: Sequence[Observation], outcome: Outcome) -> Ruling:
    signature = next((run.signature for run in runs if run.signature), None)
    return Ruling(verdict=Verdict.SKIP, outcome=outcome, signature=signature)
