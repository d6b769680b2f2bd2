"""Warn about samples that measure badly: outliers, drift, growth, a busy machine. Pure.

Like hyperfine, it names the likely cause and a remedy. The tests use ranks and medians: times have long
tails, memory comes in pages, and one run in twenty is disturbed by housekeeping of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import assert_never

from bisect_asgi.core.metrics.stats import LOOKS, deviations, mad, relative, theil_sen, trend
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import listing, plural

OUTLIER = 10.0
"""The modified z-score from which a sample is an outlier: hyperfine's threshold, see `Outliers`."""

FEWEST = 10
"""The least number of samples before any of them is called an outlier."""

TREND = 0.005
"""The error rate of the warning of drift, and of that of growth: together 1% of searches."""

RELEVANT = 0.02
"""The smallest fraction of the median that is warned about: less does not move a threshold noticeably."""

BUSY = 0.25
"""The fraction of the machine's cores that other programs must use before a measurement is suspect."""


class Outliers(Struct, frozen=True, kw_only=True):
    """Samples far from their candidate's median, by the modified z-score (Iglewicz and Hoaglin, 1993).

    Iglewicz and Hoaglin propose a threshold of 3.5, which one normal sample in 2000 exceeds. This warning
    takes that of hyperfine, 10 (14.826 for the unscaled deviation), and like it needs 10 samples. The
    deviation is the larger of that of the candidate and that of all candidates, because the deviation of five
    samples is often small by chance.
    """

    outliers: int
    samples: int
    label: str
    """The candidate with the farthest outlier."""
    farthest: float
    """The value of that outlier."""
    median: float
    """The median of that candidate."""


class Drift(Struct, frozen=True, kw_only=True):
    """A trend in time of the reference (test of Mann and Kendall, slope of Theil and Sen)."""

    samples: int
    start: float
    """The first value of the trend: the median minus half of the change."""
    end: float
    """The last value of the trend: the median plus half of the change."""


class Growing(Struct, frozen=True, kw_only=True):
    """Candidates whose samples rise from run to run."""

    labels: tuple[str, ...]
    """The candidates, the one that grows by the greatest fraction first: from `start` to `end`."""
    start: float
    end: float


class Busy(Struct, frozen=True, kw_only=True):
    """Other programs that used the machine: `used` of its `cores`, as the median over all runs."""

    used: float
    cores: int


DataWarning = Outliers | Drift | Growing | Busy


def data_warnings(
    samples: Mapping[str, Sequence[float]],
    *,
    reference: Sequence[float] = (),
    other_load: Sequence[float] = (),
    cores: int = 1,
) -> tuple[DataWarning, ...]:
    """Return the warnings about the samples of one search, at most one of each kind.

    Args:
        samples: the samples by candidate label, in the order in which they were taken.
        reference: the samples of the baseline, in that order.
        other_load: the number of cores that other programs used, for each run.
    """
    growing = _growing({label: values for label, values in samples.items() if len(values) >= LOOKS[0]})
    checked = (_outliers(samples), _drift(reference), growing, _busy(other_load, cores))
    return tuple(warning for warning in checked if warning is not None)


def sentence(warning: DataWarning, *, show: Callable[[float], str]) -> str:
    """Return the warning as text, with `show` for values."""
    match warning:
        case Outliers(outliers=outliers, samples=samples):
            return (
                f"{plural(outliers, 'outlier')} among {plural(samples, 'sample')}, the farthest "
                f"{show(warning.farthest)} at {warning.label}, whose median is {show(warning.median)}: "
                "something else ran at that time; close other programs, or allow more runs"
            )
        case Drift(samples=samples, start=start, end=end):
            return (
                f"the reference {'rose' if end > start else 'fell'} from {show(start)} to {show(end)} in "
                f"{plural(samples, 'sample')}: the machine itself changed, by heat or load; what is not "
                "compared with the reference is off by as much, so measure again when the machine is at rest"
            )
        case Growing(labels=labels, start=start, end=end):
            return (
                f"samples rise one after another at {listing(labels)}, from {show(start)} to {show(end)} at "
                f"{labels[0]}: something is kept from run to run and grows, such as a cache; have the probe "
                "clear it before it measures"
            )
        case Busy(used=used, cores=cores):
            return (
                f"other programs kept {used:.1f} of {plural(cores, 'core')} busy in half of the runs or "
                "more: times are longer and noisier than on a machine at rest; close them, or have the probe "
                "measure more at once"
            )
        case _ as never:
            assert_never(never)


def _outliers(samples: Mapping[str, Sequence[float]]) -> Outliers | None:
    if sum(map(len, samples.values())) < FEWEST:
        return None
    pooled = 1.4826 * median([0.0, *(rest for values in samples.values() for rest in deviations(values))])
    far = [
        (relative(middle, value), label, value, middle)
        for label, values in samples.items()
        if values
        for middle, scale in [(median(values), max(mad(values), pooled))]
        for value in values
        if abs(value - middle) > OUTLIER * scale and relative(middle, value) >= RELEVANT
    ]
    if not far:
        return None
    _, label, farthest, middle = max(far)
    return Outliers(
        outliers=len(far),
        samples=sum(map(len, samples.values())),
        label=label,
        farthest=farthest,
        median=middle,
    )


def _drift(reference: Sequence[float]) -> Drift | None:
    _, p = trend([reference])
    if p >= TREND:
        return None
    start, end = _course(reference)
    is_relevant = relative(start, end) >= RELEVANT
    return Drift(samples=len(reference), start=start, end=end) if is_relevant else None


def _growing(samples: Mapping[str, Sequence[float]]) -> Growing | None:
    """Return the candidates whose samples rise, or None if none do.

    First all candidates are tested together (Hirsch, Slack and Smith, 1982), with half of the error rate. If
    most of them grow, and together significantly, all that grow are returned. If not, each is tested alone,
    with its share of the other half.
    """
    grows = {label: growth for label, values in samples.items() if (growth := _growth(values)) >= RELEVANT}
    if not (2 * len(grows) > len(samples) and _is_rising(samples.values(), TREND / 2)):
        share = TREND / 2 / len(samples) if samples else 0.0
        grows = {label: growth for label, growth in grows.items() if _is_rising([samples[label]], share)}
    if not grows:
        return None
    labels = sorted(grows, key=lambda label: -grows[label])
    start, end = _course(samples[labels[0]])
    return Growing(labels=tuple(labels), start=start, end=end)


def _is_rising(series: Iterable[Sequence[float]], threshold: float) -> bool:
    score, p = trend(series)
    return score > 0 and p / 2 < threshold


def _growth(values: Sequence[float]) -> float:
    start, end = _course(values)
    return math.copysign(relative(start, end), end - start)


def _course(values: Sequence[float]) -> tuple[float, float]:
    """Return the first and the last value of the trend in `values`."""
    half, middle = theil_sen(values) * (len(values) - 1) / 2, median(values)
    return middle - half, middle + half


def _busy(other_load: Sequence[float], cores: int) -> Busy | None:
    used = median(other_load) if other_load else 0.0
    return Busy(used=used, cores=cores) if used >= BUSY * cores else None
