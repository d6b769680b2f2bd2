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

from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.judge.signature import plainness
from bisect_asgi.core.metrics import readings as metrics
from bisect_asgi.core.metrics.criteria import RATIO, Criteria, Limit
from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, Ruling, Signature, Verdict
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.core.tally import Tally

Observed = Mapping[int, Sequence[Observation]]


class Expectation(Struct, frozen=True, kw_only=True):
    """What is known of the ends before anything is run."""

    good: int | None = None
    """The candidate that the user says passes."""
    bad: int | None = None
    """The candidate that the user says fails."""

    @property
    def named(self) -> tuple[int, ...]:
        """The candidates that the user named."""
        return tuple(key for key in (self.good, self.bad) if key is not None)


class Judgement(Struct, frozen=True, kw_only=True):
    """Everything that the observations say so far."""

    rulings: dict[int, Ruling] = field(default_factory=dict)
    """For each candidate that has a verdict. Those without wait until it is known which end is good."""
    new_is: Outcome | None = None
    """What the newer end does: FAILED (a regression) or PASSED (a fix); None: not known yet."""
    reference: tuple[Signature, ...] = ()
    """The failures that count as the bug."""
    learnt_from: int | None = None
    """The candidate whose failures those are; None: nothing is compared."""

    @property
    def verdicts(self) -> dict[int, Verdict]:
        """What the search is told."""
        return {key: ruling.verdict for key, ruling in self.rulings.items()}

    @property
    def tallies(self) -> dict[int, Tally]:
        """How often each candidate passed and failed; those that cannot be tested have no tally."""
        return {
            key: Tally(passed=ruling.passed, failed=ruling.failed)
            for key, ruling in self.rulings.items()
            if ruling.verdict is not Verdict.SKIP
        }

    @property
    def is_flaky(self) -> bool:
        """A candidate both passed and failed."""
        return any(ruling.is_flaky for ruling in self.rulings.values())


def judge(
    observed: Observed,
    *,
    size: int,
    expectation: Expectation,
    criteria: Criteria,
    noise: Noise | None = None,
) -> Judgement:
    """Rule on every candidate of `size` that was observed.

    Args:
        noise: what is known of a probe that does not always answer the same; a candidate that both passed
            and failed is then on the side where the search has placed it, or where its runs belong.

    Raises:
        re.error: `rules.match` is no regular expression.
    """
    samples = {key: [run for run in runs if not run.is_warm_up] for key, runs in observed.items()}
    observed = {key: [_measured(run, criteria) for run in runs] for key, runs in samples.items() if runs}
    outcomes = {key: _outcome(runs, criteria) for key, runs in observed.items()}
    outcomes = {key: outcome for key, outcome in outcomes.items() if outcome is not Outcome.ERROR}
    new_is = noise.new_is if noise else _new_is(outcomes, size, expectation)
    if new_is is None:
        skips = {k: _skip(observed[k], o) for k, o in outcomes.items() if o is Outcome.UNTESTABLE}
        return Judgement(rulings=skips)
    learnt_from = _failing_end(observed, outcomes, new_is, expectation, criteria)
    reference = () if learnt_from is None else _failures(observed.get(learnt_from, ()))
    rulings = {
        key: _rule(observed[key], outcome, new_is, reference, criteria) for key, outcome in outcomes.items()
    }
    if noise:
        placed = {key: _placed(key, ruling, noise) for key, ruling in rulings.items()}
        rulings = {key: ruling for key, ruling in placed.items() if ruling is not None}
    return Judgement(rulings=rulings, new_is=new_is, reference=reference, learnt_from=learnt_from)


def _placed(key: int, ruling: Ruling, noise: Noise) -> Ruling | None:
    """The ruling on the side where the candidate belongs; None: its runs do not tell yet."""
    if ruling.verdict is Verdict.SKIP:
        return ruling
    verdict = noise.side(key, Tally(passed=ruling.passed, failed=ruling.failed))
    if verdict is None:
        return None
    is_new = verdict is Verdict.NEW
    return replace(ruling, verdict=verdict, outcome=noise.new_is if is_new else noise.old_is)


def _measured(run: Observation, criteria: Criteria) -> Observation:
    """The run as the limit sees it: beyond it a passing one failed, without the metric it says nothing."""
    limit = criteria.limit
    if criteria.metric is None:
        return run
    if run.outcome is Outcome.FAILED and not criteria.any_failure:
        return replace(run, outcome=Outcome.UNTESTABLE)  # it says nothing about the metric
    if run.outcome is not Outcome.PASSED:
        return run
    value = limit.value(run) if limit else metrics.measured(run, criteria.metric)
    if problem := _problem(run, value, criteria.metric, limit):
        sign = Signature(kind=FailureKind.METRIC, phase=Phase.CHECK, text=problem, shown=problem)
        return replace(run, outcome=Outcome.UNTESTABLE, signature=sign)
    if limit is None or value is None or not limit.is_crossed(value):
        return run
    shown = replace(limit, unit=limit.unit or metrics.unit_of(run, limit.metric))
    return replace(run, outcome=Outcome.FAILED, signature=shown.signature(value))


def _problem(run: Observation, value: float | None, metric: str, limit: Limit | None) -> str:
    """Why a sample tells nothing; empty: it does."""
    if metrics.measured(run, metric) is None:
        return run.complaint or f"no metric `{metric}`"
    if value is None:
        return f"the reference's run has no `{metric}` to compare with"
    unit, wanted = metrics.unit_of(run, metric), limit.unit if limit else ""
    if wanted in ("", RATIO, unit):  # a plain limit counts in the metric's base unit
        return ""
    return f"`{metric}` is {f'in {unit}' if unit else 'without a unit'}, and its limit is in {wanted}"


def _outcome(runs: Sequence[Observation], criteria: Criteria) -> Outcome:
    """One candidate's runs together. A single failure makes it failed: a good candidate never fails."""
    seen = {_run_outcome(run, criteria) for run in runs}
    for outcome in (Outcome.FAILED, Outcome.PASSED, Outcome.UNTESTABLE):
        if outcome in seen:
            return outcome
    return Outcome.ERROR


def _run_outcome(run: Observation, criteria: Criteria) -> Outcome:
    if criteria.match is None or run.outcome not in (Outcome.PASSED, Outcome.FAILED):
        return run.outcome
    return Outcome.FAILED if _matches(run, criteria.match) else run.outcome


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


def _failing_end(
    observed: Observed,
    outcomes: Mapping[int, Outcome],
    new_is: Outcome,
    expectation: Expectation,
    criteria: Criteria,
) -> int | None:
    """The candidate whose failures count as the bug: the bad end, or the plainest when nobody named that."""
    failing = sorted(key for key, outcome in outcomes.items() if outcome is Outcome.FAILED)
    if not failing or criteria.any_failure or criteria.match is not None:
        return None
    if expectation.bad is not None:
        return expectation.bad
    if new_is is Outcome.FAILED:
        return failing[-1]
    return max(failing, key=lambda k: (_plainest(observed[k]), k))


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
    criteria: Criteria,
) -> Ruling:
    if outcome is Outcome.UNTESTABLE:
        return _skip(runs, outcome)
    passed = sum(_run_outcome(run, criteria) is Outcome.PASSED for run in runs)
    failing = [run for run in runs if _run_outcome(run, criteria) is Outcome.FAILED]
    counted = [run for run in failing if _is_the_bug(run, reference, criteria)]
    # Runs that fail otherwise say nothing: beside others they do not count, alone they are a skip.
    different = bool(failing) and not counted and not passed
    if not different:
        outcome = Outcome.FAILED if counted else Outcome.PASSED
    side = Verdict.NEW if outcome is new_is else Verdict.OLD
    return Ruling(
        verdict=Verdict.SKIP if different else side,
        outcome=outcome,
        signature=next(iter(_failures(counted or failing)), None),
        fails_differently=different,
        passed=passed,
        failed=len(failing if different else counted),
    )


def _is_the_bug(run: Observation, reference: tuple[Signature, ...], criteria: Criteria) -> bool:
    """Tell whether a failing run fails as what is looked for."""
    if criteria.match is not None:
        return _matches(run, criteria.match)
    signature = run.signature
    return not reference or (
        signature is not None and any(signature.is_same_failure(known) for known in reference)
    )


def _skip(runs: Sequence[Observation], outcome: Outcome) -> Ruling:
    signature = next((run.signature for run in runs if run.signature), None)
    return Ruling(verdict=Verdict.SKIP, outcome=outcome, signature=signature)
