"""What the user said about which runs are bad: failures, or a metric, whose limit may have to be found."""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.core.metrics import readings as metrics
from bisect_asgi.core.metrics.quantities import show
from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, Signature
from bisect_asgi.core.records import Struct

DEFAULT_EFFECT = 0.01
TIMES = ("s", "1/s")
"""Units of metrics that a busy machine changes."""
RATIO = "×"
"""The unit of values that are ratios to the reference's, measured next to them in time."""


class Limit(Struct, frozen=True, kw_only=True):
    """A passing run is bad when the metric lies beyond one of these."""

    metric: str
    above: float | None = None
    below: float | None = None
    unit: str = ""
    """Of the limit, in which values are shown; `×`: values are ratios to the reference's."""

    def value(self, run: Observation) -> float | None:
        """What is compared; None: the run has no such metric, or nothing to be compared with."""
        value = metrics.measured(run, self.metric)
        if self.unit != RATIO or value is None:
            return value
        reference = run.reference_metrics.get(self.metric)
        return value / reference if reference else None

    def is_crossed(self, value: float) -> bool:
        """Tell whether the value is on the bad side; the limit itself is on the good one."""
        return (self.above is not None and value > self.above) or (
            self.below is not None and value < self.below
        )

    def signature(self, value: float) -> Signature:
        """The failure of crossing it."""
        return Signature(
            kind=FailureKind.METRIC,
            phase=Phase.CHECK,
            text=f"{self.metric} {self.bound}",
            shown=f"{self.metric} = {self.show(value)}, {self.bound}",
        )

    @property
    def bound(self) -> str:
        """The limit in words: `above 1.2 s`."""
        if self.above is not None:
            return f"above {self.show(self.above)}"
        return f"below {self.show(self.below or 0.0)}"

    def show(self, value: float) -> str:
        """A value as people read it: `1.21 s`, `1.3 × the reference's`."""
        return f"{value:.3g} × the reference's" if self.unit == RATIO else show(value, self.unit)


class LimitSearch(Struct, frozen=True, kw_only=True):
    """A metric whose limit is set when the ends have been sampled."""

    metric: str
    above: float | None = None
    """Bad is what lies above the good end by more than this share of it."""
    below: float | None = None
    """Bad is what lies below it by more than this share. Neither: the limit is set between the two ends."""
    effect: float = DEFAULT_EFFECT
    """The smallest difference between two ends, as a share of the smaller, that counts as one."""


class Criteria(Struct, frozen=True, kw_only=True):
    """What the user said about which failures count."""

    any_failure: bool = False
    match: str | None = None
    """A regular expression; a run whose output it is found in is bad, another failure is a different one."""
    limit: Limit | None = None
    """What a measured run must not cross."""
    limit_search: LimitSearch | None = None
    """What is measured, where the limit has to be found."""

    @property
    def metric(self) -> str | None:
        """The metric that decides; None: passing and failing do."""
        measured = self.limit or self.limit_search
        return measured.metric if measured else None


def values(runs: Sequence[Observation], criteria: Criteria) -> tuple[float, ...]:
    """The samples of the metric that decides, as they are compared, in the order of the runs."""
    judged = criteria.limit or (Limit(metric=criteria.limit_search.metric) if criteria.limit_search else None)
    return _values(runs, judged) if judged else ()


def samples(runs: Sequence[Observation], metric: str) -> tuple[float, ...]:
    """The samples of a metric, as ratios where each was taken with a reference's beside it."""
    is_ratio = any(run.reference_metrics for run in runs)
    return _values(runs, Limit(metric=metric, unit=RATIO if is_ratio else ""))


def _values(runs: Sequence[Observation], limit: Limit) -> tuple[float, ...]:
    """What a limit is compared with, of all runs that passed and are no warm-ups."""
    found = (limit.value(run) for run in runs if run.outcome is Outcome.PASSED and not run.is_warm_up)
    return tuple(value for value in found if value is not None)
