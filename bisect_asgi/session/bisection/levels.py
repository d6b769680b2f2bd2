"""Find all changes of a metric: sample every candidate, and fit levels or a creep to the samples.

A metric may step up and down again, or grow a little with each release without any step. If the user gives a
threshold, a candidate is on the side where its median is, whatever single samples show, and the levels are
reported as well. Without a threshold, each step between two levels is a change. A threshold is then set at
the newest step. It makes candidates good or bad, so that the culprit of that step can be searched.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median

from bisect_asgi.core import events
from bisect_asgi.core.answers.history import result_of_all
from bisect_asgi.core.answers.result import Result
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.metrics.changepoints import Creep, Levels, LevelStep, find_levels, lone
from bisect_asgi.core.metrics.criteria import RATIO, Threshold, ThresholdSearch
from bisect_asgi.core.metrics.quantities import show
from bisect_asgi.core.metrics.stats import median_is_there, rank_sum, threshold_between
from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import AllBoundaries, Boundary
from bisect_asgi.core.tally import Tally
from bisect_asgi.core.text import listing, plural
from bisect_asgi.session.bisection import Search
from bisect_asgi.session.bisection.thresholds import ThresholdFinder

SAMPLES = 5
"""Samples of each candidate."""
_MOST_SAMPLES = 20
"""Samples of a candidate beside a change whose median is close to the threshold."""


class LevelSearch:
    """Finds all levels of a metric.

    Args:
        search: the search whose candidates are sampled.
        threshold_search: what is measured.
        sampler: takes the samples, and knows their unit.
    """

    def __init__(
        self, search: Search, threshold_search: ThresholdSearch, *, sampler: ThresholdFinder
    ) -> None:
        self._search = search
        self._engine = search.engine
        self._threshold_search = threshold_search
        self._sampler = sampler
        self._context = search.context

    def find(self) -> Result:
        """Sample every candidate, and return at which ones the metric steps."""
        ends = self._sampler.find_ends()
        if isinstance(ends, Result):
            return ends
        self._sampler.choose_unit(ends)
        found, samples = self._levels()
        if not found.changes:
            return self._creeps(found.creep, samples) if found.creep else self._is_level(found, samples)
        self._judge_by(found.changes[-1], samples, ends.good)
        changes = tuple(
            Boundary(low=each.low, high=each.high, skipped=tuple(range(each.low + 1, each.high)))
            for each in found.changes
        )
        state = AllBoundaries(changes=changes, shortest=1)
        return result_of_all(self._search.context, state, self._search.judgement())

    def place(self) -> None:
        """Sample every candidate, and rule on each by its median; there is a threshold already."""
        _, samples = self._levels()
        if samples:
            samples = self._sample_sides(samples)
            is_worse = self._threshold.is_crossed(median(samples[max(samples)]))
            self._search.settle(self._placed(samples, self._threshold, is_worse))
            self._engine.emit_rulings()

    def _sample_sides(self, samples: dict[int, tuple[float, ...]]) -> dict[int, tuple[float, ...]]:
        """Sample both sides of each change until their medians are certain enough, or the budget is spent."""
        begun, budget = time.monotonic(), self._search.plan.budget
        for count in range(SAMPLES + 1, _MOST_SAMPLES + 1):
            beyond = {key: self._threshold.is_crossed(median(own)) for key, own in samples.items()}
            sides = {key for pair in pairwise(beyond) if beyond[pair[0]] != beyond[pair[1]] for key in pair}
            unsure = tuple(key for key in sorted(sides) if not self._is_sure(samples[key], beyond[key]))
            if not unsure or budget.is_spent(self._engine.made, time.monotonic() - begun):
                break
            self._sampler.sample(unsure, count)
            samples = samples | {key: self._sampler.samples(key) for key in unsure}
        return samples

    def _is_sure(self, samples: Sequence[float], is_beyond: bool) -> bool:
        """Return whether a median is on its side so certainly that those of two are as asked."""
        there = sum(self._threshold.is_crossed(value) == is_beyond for value in samples)
        return median_is_there(there, len(samples) - there) ** 2 >= self._search.plan.confidence

    def _levels(self) -> tuple[Levels, dict[int, tuple[float, ...]]]:
        """Return all levels, and the samples of each candidate."""
        self._sample_all()
        samples = {key: own for key in sorted(self._engine.observed) if (own := self._sampler.samples(key))}
        found = find_levels(samples, effect=self._threshold_search.effect)
        self._emit_levels(found)
        return found, samples

    def _sample_all(self) -> None:
        """Sample in rounds, so that the machine being slow for a while does not look like a level."""
        begun, budget = time.monotonic(), self._search.plan.budget
        for count in range(1, SAMPLES + 1):
            self._sampler.sample(tuple(range(len(self._search.labels))), count)
            if budget.is_spent(self._engine.made, time.monotonic() - begun) and count < SAMPLES:
                each = f"{plural(count, 'sample')} of each {self._context.axis.noun}"
                self._search.emit(events.Note(text=f"the budget of {budget} allows for {each}"))
                return

    def _emit_levels(self, found: Levels) -> None:
        begin = {change.high: change.probability for change in found.changes}
        levels = tuple(
            events.MetricLevel(
                first=level.first, last=level.last, value=level.value, probability=begin.get(level.first)
            )
            for level in found.levels
        )
        self._search.emit(
            events.LevelsFound(
                metric=self._threshold_search.metric,
                unit=self._threshold.unit,
                levels=levels,
                penalty=found.penalty,
                creep=found.creep.total if found.creep else None,
                steps=tuple((each.old, each.new) for each in found.changes) if found.creep else (),
            )
        )

    @property
    def _threshold(self) -> Threshold:
        return self._search.plan.criteria.threshold or Threshold(metric=self._threshold_search.metric)

    def _judge_by(self, change: LevelStep, samples: Mapping[int, Sequence[float]], good: int | None) -> None:
        """Set the threshold at the newest step: more is worse, unless the named good end shows otherwise."""
        are_ratios = self._threshold.unit == RATIO and min(change.old, change.new) > 0
        between = threshold_between([change.old], [change.new], are_ratios=are_ratios)
        is_worse = between.is_new_above if good is None else good <= change.low
        is_bad_above = between.is_new_above == is_worse
        threshold = replace(
            self._threshold,
            above=between.value if is_bad_above else None,
            below=None if is_bad_above else between.value,
        )
        ends = (change.low, change.high) if is_worse else (change.high, change.low)
        self._search.set_threshold(threshold, ends=Expectation(good=ends[0], bad=ends[1]))
        self._search.settle(self._placed(samples, threshold, is_worse))
        self._emit_step(change, samples, threshold)
        self._engine.emit_rulings()

    def _emit_step(
        self, change: LevelStep, samples: Mapping[int, Sequence[float]], threshold: Threshold
    ) -> None:
        old, new = samples[change.low], samples[change.high]
        self._search.emit(
            events.EndsSampled(
                metric=threshold.metric,
                unit=threshold.unit,
                low=change.low,
                high=change.high,
                reference=self._sampler.reference,
                old=tuple(old),
                new=tuple(new),
                p=rank_sum(old, new),
                above=threshold.above,
                below=threshold.below,
            )
        )

    def _placed(self, samples: Mapping[int, Sequence[float]], threshold: Threshold, is_worse: bool) -> Noise:
        """Return the noise that puts each candidate on the side of the threshold where its median is."""
        bad, good = (Verdict.NEW, Verdict.OLD) if is_worse else (Verdict.OLD, Verdict.NEW)
        return Noise(
            new_is=Outcome.FAILED if is_worse else Outcome.PASSED,
            old=Tally(),
            new=Tally(),
            placed={key: bad if threshold.is_crossed(median(own)) else good for key, own in samples.items()},
        )

    def _creeps(self, creep: Creep, samples: Mapping[int, Sequence[float]]) -> Result:
        """Report a gradual trend: there is no single first bad candidate."""
        threshold, first, last = self._threshold, min(samples), max(samples)
        total, each = threshold.show(creep.total), threshold.show(creep.per_candidate)
        return Result(
            kind=ResultKind.INCONCLUSIVE,
            message=f"`{threshold.metric}` drifts by {total} from {self._search.labels[first]} to "
            f"{self._search.labels[last]}, about {each} a {self._context.axis.noun}, "
            "and no step stands out of it",
            hint="pass `--plot` to see the trend, or `--bad-above` to find where it crosses a threshold",
        )

    def _is_level(self, found: Levels, samples: Mapping[int, Sequence[float]]) -> Result:
        """Report that there is one level."""
        threshold, missing = self._threshold, len(self._search.labels) - len(samples)
        if different := lone(samples, effect=self._threshold_search.effect):
            return self._is_level_but_for(different, found, samples)
        value = threshold.show(found.levels[0].value) if found.levels else "not measured"
        medians = sorted({median(own) for own in samples.values()})
        span = f" ({threshold.show(medians[0])} to {threshold.show(medians[-1])})" if len(medians) > 1 else ""
        return Result(
            kind=ResultKind.NOT_REPRODUCED,
            message=f"`{threshold.metric}` is {value}{span} on every {self._context.each} that was measured: "
            f"no step of {show(self._threshold_search.effect, '%')} or more stands out of the noise"
            + (f"; {plural(missing, 'other')} could not be measured" if missing else ""),
            hint="pass `--plot` to see the samples, or a smaller `--effect` to find smaller steps",
        )

    def _is_level_but_for(
        self, keys: Sequence[int], found: Levels, samples: Mapping[int, Sequence[float]]
    ) -> Result:
        """Report candidates that differ from all others, which are on one level."""
        threshold, labels = self._threshold, self._search.labels
        beside = max((key for key in samples if key < keys[-1]), default=min(samples.keys() - {keys[-1]}))
        different = listing(f"{threshold.show(median(samples[key]))} in {labels[key]}" for key in keys)
        most = (
            f"{threshold.show(found.levels[0].value)} on most {self._context.axis.nouns} that were measured"
        )
        return Result(
            kind=ResultKind.INCONCLUSIVE,
            message=f"`{threshold.metric}` is {most}, but {different}: a step, or samples that went wrong",
            hint=f"pass `--good {labels[beside]} --bad {labels[keys[-1]]}` to compare both "
            "with more samples, or `--plot` to see all",
        )
