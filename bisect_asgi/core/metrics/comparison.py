"""What can be said about samples of a metric: two ends are apart, the limit is here. Pure.

**When to look.** The ends are sampled in turns and looked at after 5, 8, 12, … samples each, half as many
again every time. Looking often finds differences that are not there, so all looks share one error, `ALPHA` =
1 %. Five against five without an overlap has p = 2/252 = 0.0079, the least that five can have; it has to
suffice, because it is what a clear step shows at once. The 0.0021 that are left are shared alike by the nine
other looks. By the union bound the sum holds for every metric, whatever its distribution. Simulated, the
looks together err in 0.93 % of searches, so cleverer thresholds could save little; spending more of the rest
on the earlier looks saves one run of ten at two standard deviations and costs one in five at a half.

**Tests see ranks and medians.** Times have long tails, memory comes in pages, and one run in twenty meets the
machine's housekeeping: none of this moves a median much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from bisect_asgi.core.metrics.stats import rank_sum, relative
from bisect_asgi.core.records import Struct

LOOKS = (5, 8, 12, 18, 27, 40, 60, 90, 135, 200)
"""After how many samples of each end the two are compared."""

ALPHA = 0.01
_FIRST = 2 / 252
THRESHOLDS = (_FIRST, *[(ALPHA - _FIRST) / (len(LOOKS) - 1)] * (len(LOOKS) - 1))
"""The p value that suffices at each of `LOOKS`; together `ALPHA`."""


class Comparison(Struct, frozen=True, kw_only=True):
    """Two ends' samples at the look that told them apart, or else at the last there were samples for."""

    is_apart: bool
    is_shown: bool
    """The rank test has told them apart, whatever the size of the difference."""
    p: float
    """Of the rank test; 1 before the first look."""
    samples: int
    """How many of each end were compared; 0 before the first look."""
    old: float
    """Median of all samples of the end, not only of those compared."""
    new: float
    difference: float
    """`new` less `old`, in units of the metric."""
    relative: float
    """The difference as a fraction of the smaller median, never negative; infinite beside a median of 0."""


def apart(old: Sequence[float], new: Sequence[float], *, effect: float) -> Comparison:
    """Tell whether two ends, sampled in turns, are clearly apart.

    They are where one of the looks shows it (see the top of this module) and the medians of all samples
    differ by the fraction `effect` or more. Of samples between two looks nothing is asked, so it does no harm
    to call this after every sample.

    Raises:
        ValueError: one of the ends has no samples.
    """
    if not old or not new:
        raise ValueError("two ends are compared by their samples, and one has none")
    low, high = median(old), median(new)
    fraction = relative(low, high)
    p, samples, has_shown = 1.0, 0, False
    for size, threshold in zip(LOOKS, THRESHOLDS, strict=True):
        if has_shown or size > min(len(old), len(new)):
            break
        p, samples = rank_sum(old[:size], new[:size]), size
        # Five against five without an overlap is at the threshold, and rounding must not matter.
        has_shown = p <= threshold * (1 + 1e-9)
    return Comparison(
        is_apart=has_shown and fraction >= effect and low != high,
        is_shown=has_shown,
        p=p,
        samples=samples,
        old=low,
        new=high,
        difference=high - low,
        relative=fraction,
    )


class Threshold(Struct, frozen=True, kw_only=True):
    """What a sample is compared with: at `value` itself it is on neither side."""

    value: float
    is_new_above: bool


def threshold_between(old: Sequence[float], new: Sequence[float], *, are_ratios: bool = False) -> Threshold:
    """Set the limit midway between the medians: as likely missed from either side if both are equally noisy.

    Of ratios midway is the geometric mean. Their noise multiplies: a run that takes a tenth more does so at 1
    and at 4, so on the logarithm the two sides are equally noisy; and with the ratio turned round, the limit
    turns with it.

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
    # Halves first: the sum of two large values may be infinite.
    value = math.sqrt(low) * math.sqrt(high) if are_ratios else low / 2 + high / 2
    return Threshold(value=value, is_new_above=high > low)
