"""Which runs are bad: those with the failure in question, or those with a metric beyond a threshold."""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.core import metrics
from bisect_asgi.core.metrics.quantities import show
from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, Signature
from bisect_asgi.core.records import Struct

DEFAULT_EFFECT = 0.01
TIMES = ("s", "1/s")
"""The units of metrics that depend on the load of the machine."""
RATIO = "×"
"""The unit of values that are ratios to the reference, which is measured right before or after."""


class Threshold(Struct, frozen=True, kw_only=True):
    """A metric with the value beyond which a run is bad, although it passed."""

    metric: str
    above: float | None = None
    below: float | None = None
    unit: str = ""
    """The unit of the threshold and of values as shown, or `×` if values are ratios to the reference."""

    def value(self, run: Observation) -> float | None:
        """Return the value that is compared, or None if the run has no such metric, or no reference."""
        value = metrics.measured(run, self.metric)
        if self.unit != RATIO or value is None:
            return value
        reference = run.reference_metrics.get(self.metric)
        return value / reference if reference else None

    def is_crossed(self, value: float) -> bool:
        """Return whether the value is on the bad side. The threshold itself is on the good side."""
        return (self.above is not None and value > self.above) or (
            self.below is not None and value < self.below
        )

    def signature(self, value: float) -> Signature:
        """Return the failure of a run with this value."""
        return Signature(
            kind=FailureKind.METRIC,
            phase=Phase.CHECK,
            text=f"{self.metric} {self.bound}",
            shown=f"{self.metric} = {self.show(value)}, {self.bound}",
        )

    @property
    def bound(self) -> str:
        """The threshold as text, such as `above 1.2 s`."""
        return f"{'below' if self.above is None else 'above'} {self.show(self.at)}"

    @property
    def at(self) -> float:
        """The value beyond which a run is bad."""
        return self.above if self.above is not None else self.below or 0.0

    def show(self, value: float) -> str:
        """Return a value with its unit: `1.21 s`, `1.3 × the baseline's`."""
        return f"{value:.3g} × the baseline's" if self.unit == RATIO else show(value, self.unit)


class ThresholdSearch(Struct, frozen=True, kw_only=True):
    """A metric whose threshold is derived from samples of the ends."""

    metric: str
    above: float | None = None
    """The fraction of the good end's median by which a bad value is above it."""
    below: float | None = None
    """The fraction by which a bad value is below it. Without both, it is midway between the ends."""
    effect: float = DEFAULT_EFFECT
    """The smallest difference between two ends that counts, as a fraction of the smaller."""


class Criteria(Struct, frozen=True, kw_only=True):
    """The user's criteria for which runs are bad. Without any, those that fail as the bad end does."""

    any_failure: bool = False
    """Whether every failure is bad."""
    match: str | None = None
    """A regular expression. A run is bad if its output matches; any other failure is a different one."""
    also: tuple[Signature, ...] = ()
    """Failures that are bad although the bad end fails differently; see `core.chains`."""
    threshold: Threshold | None = None
    """The threshold of a metric that a good run does not cross."""
    threshold_search: ThresholdSearch | None = None
    """The metric that decides, if its threshold is not known yet."""

    @property
    def metric(self) -> str | None:
        """The metric that decides, or None if passing and failing do."""
        measured = self.threshold or self.threshold_search
        return measured.metric if measured else None


def values(runs: Sequence[Observation], criteria: Criteria) -> tuple[float, ...]:
    """Return the samples of the metric that decides, as they are compared, in the order of the runs."""
    threshold = criteria.threshold or (
        Threshold(metric=criteria.threshold_search.metric) if criteria.threshold_search else None
    )
    return _values(runs, threshold) if threshold else ()


def samples(runs: Sequence[Observation], metric: str) -> tuple[float, ...]:
    """Return the samples of a metric, as ratios if a reference was measured with them."""
    is_ratio = any(run.reference_metrics for run in runs)
    return _values(runs, Threshold(metric=metric, unit=RATIO if is_ratio else ""))


def _values(runs: Sequence[Observation], threshold: Threshold) -> tuple[float, ...]:
    """Return the values to compare with a threshold, of all runs that passed and are not warm-ups."""
    compared = (threshold.value(run) for run in runs if run.outcome is Outcome.PASSED and not run.is_warm_up)
    return tuple(value for value in compared if value is not None)
