"""Find a threshold for a metric, if the user gave none, by samples of both ends.

The outermost candidates that can be measured are sampled until they are clearly apart, as
`core.metrics.stats` decides, and the threshold is set midway between them. If the user gives the threshold as
a percentage, it is set at that distance from the good end. Times are compared as ratios: next to each sample
the good end is run as a baseline, so that a slower machine slows down both.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from statistics import median

from bisect_asgi.core import events
from bisect_asgi.core.answers.result import Result, of_never_ran
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.metrics import stats as sampling
from bisect_asgi.core.metrics import unit_of
from bisect_asgi.core.metrics.criteria import RATIO, TIMES, Threshold, ThresholdSearch, values
from bisect_asgi.core.metrics.quantities import show
from bisect_asgi.core.metrics.stats import LOOKS, Comparison, rank_sum
from bisect_asgi.core.model import Outcome
from bisect_asgi.core.never_ran import naming
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.text import plural
from bisect_asgi.session.bisection import Search

_TRIES = 3
"""The failed samples in a row after which a candidate is given up: one run may fail by chance."""


class SampledEnds(Struct, frozen=True, kw_only=True):
    """The outermost candidates that can be measured, and which of them is good."""

    low: int
    high: int
    good: int | None
    """The good one of the two; None: the samples decide."""


class ThresholdFinder:
    """Samples both ends of a search, and sets the threshold.

    Args:
        search: the search that needs a threshold.
        threshold_search: what is measured, and what the user says about its threshold.
    """

    def __init__(self, search: Search, threshold_search: ThresholdSearch) -> None:
        self._search = search
        self._engine = search.engine
        self._threshold_search = threshold_search
        self._metric = threshold_search.metric
        self._unit = ""
        self._vain: Counter[int] = Counter()
        self.reference: int | None = None
        """The candidate that is run next to each sample; None: samples stand for themselves."""

    def find_threshold(self) -> Result | None:
        """Sample the ends; set the threshold and which end is good, or return a result if there is none."""
        ends = self.find_ends()
        if isinstance(ends, Result):
            return ends
        if mixed := self._mixed_units(ends):
            return mixed
        self.choose_unit(ends)
        compared = self._compare(ends)
        threshold, good = self._threshold(ends, compared)
        self._emit_ends(ends, threshold)
        if threshold is None:
            return self._indistinct(ends, compared)
        bad = ends.high if good == ends.low else ends.low
        self._search.set_threshold(threshold, ends=Expectation(good=good, bad=bad))
        return None

    def find_ends(self) -> SampledEnds | Result:
        """Go inward from both ends, in growing steps, to candidates that can be measured; return them.

        Returns an answer if there are none.
        """
        low, high = self._outermost()
        return self._unreported(high) or self._inward(low, high)

    def _outermost(self) -> tuple[int, int]:
        """Return the named ends, and the first and the last candidate in the place of those that are not."""
        expected, last = self._search.space.expectation, len(self._search.labels) - 1
        named = sorted(expected.named)
        if len(named) == 1:
            return (named[0], last) if expected.good is not None else (0, named[0])
        return (named[0], named[-1]) if named else (0, last)

    def _inward(self, low: int, high: int) -> SampledEnds | Result:
        """Return the first candidates from these on that can be measured, or an answer if there are none."""
        named = sorted(self._search.space.expectation.named)
        step_low, step_high, unmeasured = 1, 1, [len(self._search.labels) - 1]
        while low < high and not self._search.unreported(self._metric):
            self._engine.repeat([key for key in (low, high) if key not in self._engine.observed], 1)
            if wrong := self._search.unknown_extra():
                return of_never_ran(self._search.context, wrong)
            unmeasured = [key for key in (low, high) if not self.samples(key)]
            if not unmeasured:
                return SampledEnds(low=low, high=high, good=self._good(low, high))
            passing = [key for key in unmeasured if self._passes(key)]
            if len(passing) == 2 or any(key in named for key in passing):
                return self._no_such_metric(passing[0])
            if unanswered := [key for key in unmeasured if key in named or key in self._engine.errors]:
                return self._unmeasured(unanswered[0])
            if len(unmeasured) == 1:  # a step beyond the other end goes halfway to it instead
                most = max(1, (high - low) // 2)
                step_low, step_high = min(step_low, most), min(step_high, most)
            if low in unmeasured:
                low, step_low = low + step_low, step_low * 2
            if high in unmeasured:
                high, step_high = high - step_high, step_high * 2
        return self._unmeasured(unmeasured[-1])

    def _unreported(self, key: int) -> Result | None:
        """Return the answer that the probe does not report the metric, if one run is enough to show that."""
        if self._search.names_metric:
            return None
        self._engine.repeat([key] if key not in self._engine.observed else [], 1)
        wrong = self._search.unreported(self._metric)
        return of_never_ran(self._search.context, wrong) if wrong else None

    def choose_unit(self, ends: SampledEnds) -> None:
        """Have times compared as ratios to a reference; the samples that showed the unit had none."""
        runs = [run for key in (ends.low, ends.high) for run in self._engine.observed[key]]
        self._unit = unit_of(runs, self._metric)
        is_positive = all(value > 0 for key in (ends.low, ends.high) for value in self.samples(key))
        if self._unit in TIMES and is_positive:
            self._unit = RATIO
            self.reference = ends.low if ends.good is None else ends.good
            self._search.sample_beside(self.reference)
        self._search.set_threshold(self._empty)

    @property
    def _empty(self) -> Threshold:
        """The metric and its unit, without a threshold."""
        return Threshold(metric=self._metric, unit=self._unit)

    def sample(self, keys: tuple[int, ...], count: int) -> None:
        """Run candidates until there are `count` samples of each; a failing run, or reference, gives none."""
        while missing := self._missing(keys, count):
            before = {key: len(self.samples(key)) for key in missing}
            self._engine.repeat_each(missing)
            self._vain.update(key for key, known in before.items() if len(self.samples(key)) == known)

    def _missing(self, keys: tuple[int, ...], count: int) -> dict[int, int]:
        """Return how many samples are missing of each candidate that is not given up."""
        hopeful = (key for key in keys if key not in self._engine.errors and self._vain[key] < _TRIES)
        missing = {key: count - len(self.samples(key)) for key in hopeful}
        return {key: more for key, more in missing.items() if more > 0}

    def _compare(self, ends: SampledEnds) -> Comparison:
        """Sample both ends until they are apart or the budget is spent; return how they compare."""
        begun, budget = time.monotonic(), self._search.plan.budget
        keys, effect = (ends.low, ends.high), self._threshold_search.effect
        for count in LOOKS:
            self.sample(keys, count)
            old, new = map(self.samples, keys)
            compared = sampling.apart(old, new, effect=effect) if old and new else _NOTHING
            # If the difference is certain but far too small to count, more samples will not change that.
            is_small = compared.is_shown and compared.relative <= effect / 2 and count > LOOKS[3]
            is_enough = compared.is_apart or is_small or self._is_share or sampling.is_constant(old, new)
            if is_enough or min(len(old), len(new)) < count or self._is_spent(budget, begun):
                break
        return compared

    def _is_spent(self, budget: Budget, begun: float) -> bool:
        # The ends get half of the budget: if they barely differ, the search needs the other half.
        return budget.is_spent(2 * self._engine.made, 2 * (time.monotonic() - begun))

    def _threshold(self, ends: SampledEnds, compared: Comparison) -> tuple[Threshold | None, int]:
        """Return the threshold, or None if there can be none, and which end is good."""
        threshold_search, empty = self._threshold_search, self._empty
        good = ends.low if ends.good is None else ends.good
        level = median(self.samples(good)) if self.samples(good) else 0.0
        if level == 0 and self._is_share:
            return None, good  # a percentage of zero is no distance
        if threshold_search.above is not None:
            return replace(empty, above=level + abs(level) * threshold_search.above), good
        if threshold_search.below is not None:
            return replace(empty, below=level - abs(level) * threshold_search.below), good
        if not compared.is_apart:
            return None, good
        old, new = self.samples(ends.low), self.samples(ends.high)
        are_ratios = self._unit == RATIO and min(median(old), median(new)) > 0
        between = sampling.threshold_between(old, new, are_ratios=are_ratios)
        if ends.good is None:  # more is worse, unless the user says otherwise
            good = ends.low if between.is_new_above else ends.high
        is_worse_above = between.is_new_above == (good == ends.low)
        if is_worse_above:
            return replace(empty, above=between.value), good
        return replace(empty, below=between.value), good

    def _emit_ends(self, ends: SampledEnds, threshold: Threshold | None) -> None:
        self._search.emit(
            events.EndsSampled(
                metric=self._metric,
                unit=self._unit,
                low=ends.low,
                high=ends.high,
                reference=self.reference,
                old=self.samples(ends.low),
                new=self.samples(ends.high),
                p=rank_sum(self.samples(ends.low), self.samples(ends.high)),
                above=threshold.above if threshold else None,
                below=threshold.below if threshold else None,
            )
        )

    def _good(self, low: int, high: int) -> int | None:
        """Return the good end, or None if the samples decide."""
        expected = self._search.space.expectation
        if expected.good is not None:
            return expected.good
        if expected.bad is not None:
            return high if expected.bad == low else low
        return low if self._is_share else None

    @property
    def _is_share(self) -> bool:
        """Whether the user gives the threshold as a percentage of the good end's level."""
        return self._threshold_search.above is not None or self._threshold_search.below is not None

    def samples(self, key: int) -> tuple[float, ...]:
        """Return the samples of a candidate so far, as they are compared."""
        return values(self._engine.observed.get(key, ()), self._search.plan.criteria)

    def _indistinct(self, ends: SampledEnds, compared: Comparison) -> Result:
        """Return the answer that the ends do not differ, with both samples: nothing can be searched for."""
        threshold = self._empty
        if empty := [key for key in (ends.low, ends.high) if not self.samples(key)]:
            return self._unmeasured(empty[0])
        if self._is_share:
            return Result(
                kind=ResultKind.NOT_ASKED,
                message=f"`{self._metric}` is {threshold.show(0.0)} at the good end, "
                "so a percentage threshold is undefined",
                hint="pass a threshold with a unit, or none",
            )
        sides = (self._shown(key, threshold) for key in (ends.low, ends.high))
        is_finite = compared.relative < math.inf
        difference = show(compared.relative, "%") if is_finite else threshold.show(abs(compared.difference))
        is_shown = compared.is_shown
        is_constant = sampling.is_constant(self.samples(ends.low), self.samples(ends.high))
        reason = f"the ends {'differ by less than `--effect`' if is_shown else 'do not differ significantly'}"
        more = "" if is_shown or is_constant else "raise `--budget`, "
        return Result(
            kind=ResultKind.INCONCLUSIVE,
            message=f"{reason}: `{self._metric}` is {' and '.join(sides)}; "
            f"rank test p = {rank_sum(*map(self.samples, (ends.low, ends.high))):.2g}, "
            f"difference {difference}, `--effect` {show(self._threshold_search.effect, '%')}",
            hint=f"{more}lower `--effect`, pass other ends (`--good`, `--bad`), "
            "or pass `--history all` to run every release between them",
        )

    def _shown(self, key: int, threshold: Threshold) -> str:
        """Return the samples of an end in words."""
        samples = self.samples(key)
        return (
            f"{threshold.show(median(samples))} in {self._search.labels[key]} "
            f"(median of {plural(len(samples), 'sample')}, "
            f"{threshold.show(min(samples))} to {threshold.show(max(samples))})"
        )

    def _mixed_units(self, ends: SampledEnds) -> Result | None:
        """Return an answer if the ends report different units, which cannot be compared."""
        metric, observed = self._metric, self._engine.observed
        units = {unit_of(observed[key], metric) for key in (ends.low, ends.high)}
        if len(units) == 1:
            return None
        both = " and ".join(f"in {unit}" if unit else "without a unit" for unit in sorted(units))
        return Result(
            kind=ResultKind.NOT_ASKED,
            message=f"the ends report `{metric}` {both}",
            hint="have the probe report it with one unit on every release",
        )

    def _passes(self, key: int) -> bool:
        return any(run.outcome is Outcome.PASSED for run in self._engine.observed.get(key, ()))

    def _no_such_metric(self, key: int) -> Result:
        """Return the answer that the probe passed and did not report the metric readably."""
        problem = next((f": {run.complaint}" for run in self._engine.observed[key] if run.complaint), "")
        wanted = f"`{self._metric}` on {self._search.labels[key]}{problem}"
        reported = {name for run in self._engine.observed[key] for name in run.metrics}
        return Result(
            kind=ResultKind.NOT_ASKED,
            message=f"the probe reports no metric {wanted}",
            hint=naming(self._metric, sorted(reported)),
        )

    def _unmeasured(self, key: int) -> Result:
        """Return the answer that an end cannot be measured, and why."""
        if wrong := self._search.unreported(self._metric):
            return of_never_ran(self._search.context, wrong)
        label = self._search.labels[key]
        runs = (*self._engine.observed.get(key, ()), *filter(None, [self._engine.errors.get(key)]))
        shown = (run.signature.shown if run.signature else run.complaint for run in runs)
        why = next(filter(None, shown), f"the probe reports no metric `{self._metric}`")
        return Result(
            kind=ResultKind.INCONCLUSIVE,
            message=f"{label} could not be measured: {why}",
            hint="the ends have to pass and to report the metric; name others with `--good` and `--bad`, "
            "another `--metric`, or another `--python`",
        )


_NOTHING = Comparison(
    is_apart=False, is_shown=False, p=1.0, samples=0, old=0.0, new=0.0, difference=0.0, relative=0.0
)
