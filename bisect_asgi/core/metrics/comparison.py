"""Compare the samples of two ends: are they apart, and which threshold separates them? Pure.

**When to compare.** The ends are sampled in turns, and compared after 5, 8, 12, … samples each, half as many
again every time. The more often one compares, the more often one finds a difference by chance. So all
comparisons share one error, `ALPHA` = 1 %. Five samples against five without an overlap have
p = 2/252 = 0.0079, the least that is possible with five. This must suffice, because it is what a clear step
shows at once. The remaining 0.0021 are shared equally by the nine other comparisons. By the union bound, the
sum holds for every metric, whatever its distribution. In simulations all comparisons together err in 0.93 %
of searches, so better thresholds could save little. Spending more of the rest on the earlier comparisons
saves one run in ten for a step of two standard deviations, and costs one in five for a step of a half.

**Ranks and medians** are compared, not means: times have long tails, memory comes in pages, and one run in
twenty is disturbed by housekeeping of the machine. None of this moves a median much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from bisect_asgi.core.metrics.stats import rank_sum, relative
from bisect_asgi.core.records import Struct

LOOKS = (5, 8, 12, 18, 27, 40, 60, 90, 135, 200)
"""The numbers of samples of each end after which the two are compared."""

ALPHA = 0.01
_FIRST = 2 / 252
THRESHOLDS = (_FIRST, *[(ALPHA - _FIRST) / (len(LOOKS) - 1)] * (len(LOOKS) - 1))
"""The p value that suffices at each of `LOOKS`. Their sum is `ALPHA`."""


class Comparison(Struct, frozen=True, kw_only=True):
    """Two ends at the first comparison that showed a difference, or else at the last one so far."""

    is_apart: bool
    """Whether the difference is significant and large enough."""
    is_shown: bool
    """Whether the difference is significant, whatever its size."""
    p: float
    """The p value of the rank test, or 1 before the first comparison."""
    samples: int
    """The number of samples of each end that were compared, or 0 before the first comparison."""
    old: float
    """The median of all samples of the older end, not only of those compared."""
    new: float
    """The median of all samples of the newer end."""
    difference: float
    """`new` minus `old`, in units of the metric."""
    relative: float
    """The difference as a fraction of the smaller median: never negative, infinite if that median is 0."""


def apart(old: Sequence[float], new: Sequence[float], *, effect: float) -> Comparison:
    """Return how two ends that were sampled in turns compare.

    They are apart if one of the comparisons (see the top of this module) is significant, and the medians of
    all samples differ by the fraction `effect` or more. Samples between two of `LOOKS` change no test, so
    this may be called after every sample.

    Raises:
        ValueError: one of the ends has no samples.
    """
    if not old or not new:
        raise ValueError("two ends are compared by their samples, and one has none")
    low, high = median(old), median(new)
    fraction = relative(low, high)
    p, samples, is_significant = 1.0, 0, False
    for size, threshold in zip(LOOKS, THRESHOLDS, strict=True):
        if is_significant or size > min(len(old), len(new)):
            break
        p, samples = rank_sum(old[:size], new[:size]), size
        # Five against five without an overlap are exactly at the threshold, so that rounding must not decide.
        is_significant = p <= threshold * (1 + 1e-9)
    return Comparison(
        is_apart=is_significant and fraction >= effect and low != high,
        is_shown=is_significant,
        p=p,
        samples=samples,
        old=low,
        new=high,
        difference=high - low,
        relative=fraction,
    )


def is_constant(old: Sequence[float], new: Sequence[float]) -> bool:
    """Return whether all samples of both ends have one value, so that more samples are not worth their time.

    There are at least as many as the first comparison takes.
    """
    return min(len(old), len(new)) >= LOOKS[0] and len({*old, *new}) == 1


class Threshold(Struct, frozen=True, kw_only=True):
    """A value that separates two sides. A sample equal to it is on neither side."""

    value: float
    is_new_above: bool


def threshold_between(old: Sequence[float], new: Sequence[float], *, are_ratios: bool = False) -> Threshold:
    """Return the threshold midway between the medians of both sides.

    If both sides are equally noisy, it is missed equally often from either. For ratios, midway is the
    geometric mean: their noise multiplies (a run that takes a tenth longer does so at 1 and at 4), so both
    sides are equally noisy on a logarithmic scale. The inverse ratios also have the inverse threshold.

    Raises:
        ValueError: a side has no samples, the medians are equal, or a ratio's median is not positive.
    """
    if not old or not new:
        raise ValueError("a limit is set between samples of both ends")
    low, high = median(old), median(new)
    if low == high:
        raise ValueError("there is no limit between equal medians")
    if are_ratios and min(low, high) <= 0:
        raise ValueError("ratios are above 0")
    # Halving first, because the sum of two large values may be infinite.
    value = math.sqrt(low) * math.sqrt(high) if are_ratios else low / 2 + high / 2
    return Threshold(value=value, is_new_above=high > low)
