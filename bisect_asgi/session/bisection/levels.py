"""All changes of a metric: every release is sampled, and levels or a creep say what the samples come to.

A metric may step twice, up and down again, or never step and grow by a little with each release. With a
limit of the user's, a release is on the side where its median is, whatever single samples say, and its
levels are told beside. Without one, each step between two levels is a change; a limit is then set at the
newest, so that the reason for it can be looked for, and releases are called good or bad by that one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median

from bisect_asgi.core import answers, events
from bisect_asgi.core.answers import Result, ResultContext
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.metrics.changepoints import Levels, LevelStep, find_levels
from bisect_asgi.core.metrics.comparison import threshold_between
from bisect_asgi.core.metrics.criteria import RATIO, Limit, LimitSearch
from bisect_asgi.core.metrics.quantities import show
from bisect_asgi.core.metrics.stats import rank_sum
from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.plan.plan import Plan
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import AllBoundaries, Boundary
from bisect_asgi.core.tally import Tally
from bisect_asgi.core.text import plural
from bisect_asgi.session.bisection.engine import Engine
from bisect_asgi.session.bisection.limits import LimitFinder

SAMPLES = 5
"""Of each release."""


class LevelSearch:
    """Finds all levels of a metric.

    Args:
        sampler: knows the metric's unit and takes samples.
        case: what messages need to know of the search.
    """

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        limit_search: LimitSearch,
        *,
        sampler: LimitFinder,
        case: ResultContext,
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._aim = limit_search
        self._sampler = sampler
        self._case = case

    def find(self) -> Result:
        """Sample every release, and say at which ones the metric steps."""
        ends = self._sampler.find_ends()
        if isinstance(ends, Result):
            return ends
        self._sampler.choose_unit(ends)
        found, samples = self._levels()
        if not found.changes:
            return self._creeps(found, samples) if found.creep else self._is_level(found, samples)
        self._judge_by(found.changes[-1], samples, ends.good)
        changes = tuple(
            Boundary(low=each.low, high=each.high, skipped=tuple(range(each.low + 1, each.high)))
            for each in found.changes
        )
        return answers.result_of_all(
            self._case, AllBoundaries(changes=changes, shortest=1), self._engine.judgement()
        )

    def place(self) -> None:
        """Sample every release, tell the levels, and place each by its median: a limit is known."""
        _, samples = self._levels()
        if samples:
            is_worse = self._limit.is_crossed(median(samples[max(samples)]))
            self._engine.noise = self._placed(samples, self._limit, is_worse)
            self._engine.tell()

    def _levels(self) -> tuple[Levels, dict[int, tuple[float, ...]]]:
        """All levels, and the samples that they are of."""
        self._sample_all()
        samples = {key: own for key in sorted(self._engine.observed) if (own := self._sampler.samples(key))}
        found = find_levels(samples, effect=self._aim.effect)
        self._tell(found)
        return found, samples

    def _sample_all(self) -> None:
        """Sample in rounds, so that what slows the machine down for a while does not make a level."""
        begun, budget = time.monotonic(), self._plan.budget
        for count in range(1, SAMPLES + 1):
            self._sampler.sample(tuple(range(len(self._case.labels))), count)
            if budget.is_spent(self._engine.made, time.monotonic() - begun) and count < SAMPLES:
                each = f"{plural(count, 'sample')} of each {self._case.axis.noun}"
                told = f"the budget of {budget} allows for {each}"
                self._engine.emit(events.Note(text=told))
                return

    def _tell(self, found: Levels) -> None:
        levels = tuple(
            events.MetricLevel(first=level.first, last=level.last, value=level.value)
            for level in found.levels
        )
        self._engine.emit(
            events.LevelsFound(
                metric=self._aim.metric,
                unit=self._limit.unit,
                levels=levels,
                penalty=found.penalty,
                creep=found.creep.total if found.creep else None,
                steps=tuple((each.old, each.new) for each in found.changes) if found.creep else (),
            )
        )

    @property
    def _limit(self) -> Limit:
        return self._engine.question.criteria.limit or Limit(metric=self._aim.metric)

    def _judge_by(self, change: LevelStep, samples: Mapping[int, Sequence[float]], good: int | None) -> None:
        """Call releases good and bad by the newest step: more is worse, unless an end says otherwise."""
        are_ratios = self._limit.unit == RATIO and min(change.old, change.new) > 0
        between = threshold_between([change.old], [change.new], are_ratios=are_ratios)
        is_worse = between.is_new_above if good is None else good <= change.low
        is_bad_above = between.is_new_above == is_worse
        limit = replace(
            self._limit,
            above=between.value if is_bad_above else None,
            below=None if is_bad_above else between.value,
        )
        ends = (change.low, change.high) if is_worse else (change.high, change.low)
        question = self._engine.question
        self._engine.question = replace(
            question,
            criteria=replace(question.criteria, limit=limit),
            expectation=Expectation(good=ends[0], bad=ends[1]),
        )
        self._engine.noise = self._placed(samples, limit, is_worse)
        self._tell_step(change, samples, limit)
        self._engine.tell()

    def _tell_step(self, change: LevelStep, samples: Mapping[int, Sequence[float]], limit: Limit) -> None:
        old, new = samples[change.low], samples[change.high]
        self._engine.emit(
            events.EndsSampled(
                metric=limit.metric,
                unit=limit.unit,
                low=change.low,
                high=change.high,
                reference=self._sampler.reference,
                old=tuple(old),
                new=tuple(new),
                p=rank_sum(old, new),
                above=limit.above,
                below=limit.below,
            )
        )

    def _placed(self, samples: Mapping[int, Sequence[float]], limit: Limit, is_worse: bool) -> Noise:
        """Each release is on the side of the limit where its median is, whatever single samples say."""
        bad, good = (Verdict.NEW, Verdict.OLD) if is_worse else (Verdict.OLD, Verdict.NEW)
        return Noise(
            new_is=Outcome.FAILED if is_worse else Outcome.PASSED,
            old=Tally(),
            new=Tally(),
            placed={key: bad if limit.is_crossed(median(own)) else good for key, own in samples.items()},
        )

    def _creeps(self, found: Levels, samples: Mapping[int, Sequence[float]]) -> Result:
        """A change in every release is nobody's."""
        creep, limit = found.creep, self._limit
        if creep is None:
            return self._is_level(found, samples)
        first, last = min(samples), max(samples)
        total, each = limit.show(creep.total), limit.show(creep.per_candidate)
        return Result(
            kind=ResultKind.INCONCLUSIVE,
            message=f"`{limit.metric}` creeps by {total} from {self._case.labels[first]} to "
            f"{self._case.labels[last]}, about {each} a {self._case.axis.noun}, "
            "and no step stands out of it",
            hint="there is no first bad one; `--plot` shows it, "
            "`--bad-above` finds where it crosses a limit of your own",
        )

    def _is_level(self, found: Levels, samples: Mapping[int, Sequence[float]]) -> Result:
        limit, missing = self._limit, len(self._case.labels) - len(samples)
        value = f"{limit.show(found.levels[0].value)}" if found.levels else "not measured"
        return Result(
            kind=ResultKind.NOT_REPRODUCED,
            message=f"`{limit.metric}` is {value} on every {self._case.each} that was measured: no step of "
            f"{show(self._aim.effect, '%')} or more stands out of the noise"
            + (f"; {plural(missing, 'other')} could not be measured" if missing else ""),
            hint="`--plot` shows the samples; a smaller `--effect` lets smaller steps count",
        )
