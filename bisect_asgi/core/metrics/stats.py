"""Statistics of samples: fits, spreads and tests, each with its source. Pure.

Comparing the samples of two ends
---------------------------------
**When to compare.** The ends are sampled in turns, and compared after 5, 8, 12, … samples each, half as many
again every time. The more often one compares, the more often one finds a difference by chance. So all
comparisons share one error, `ALPHA` = 1%. Five samples against five without an overlap have p = 2/252 =
0.0079, the least that is possible with five. This must suffice, because it is what a clear step shows at
once. The remaining 0.0021 are shared equally by the nine other comparisons. By the union bound, the sum holds
for every metric, whatever its distribution. In simulations all comparisons together err in 0.93% of searches,
so better thresholds could save little. Spending more of the rest on the earlier comparisons would save one
run in ten for a step of two standard deviations. It would cost one in five for a step of a half.

**Ranks and medians** are compared, not means: times have long tails, memory comes in pages, and one run in
twenty is disturbed by housekeeping of the machine. None of this moves a median much.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import NormalDist, linear_regression, median

from bisect_asgi.core.records import Struct

# The 97.5% quantiles of Student's t for 1 to 12 degrees of freedom. Beyond, that of the normal is used.
_T = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)

MOST_EXACT = 60
"""The number of values in both samples up to which the rank test is exact. With this many it takes 30 ms."""

_Z = NormalDist().inv_cdf(0.975)


class Slope(Struct, frozen=True, kw_only=True):
    """The slope of a straight line and half the width of its 95% interval, in units of y per unit of x."""

    value: float
    plus_minus: float


def slope(x: Sequence[float], y: Sequence[float]) -> Slope:
    """Return the slope of the least squares line (Draper and Smith, Applied Regression Analysis, 1.4).

    For two points the uncertainty is infinite, because no deviation from the line is known.

    Raises:
        ValueError: there are fewer than two points, or all x are equal.
    """
    if len(x) != len(y) or len(set(x)) < 2:
        raise ValueError("a slope needs at least two points at different x")
    line = linear_regression(x, y)
    freedom = len(x) - 2
    if freedom == 0:
        return Slope(value=line.slope, plus_minus=math.inf)
    rest = sum((b - line.slope * a - line.intercept) ** 2 for a, b in zip(x, y, strict=True))
    mean = sum(x) / len(x)
    spread = sum((a - mean) ** 2 for a in x)
    quantile = _T[freedom - 1] if freedom <= len(_T) else 1.96
    return Slope(value=line.slope, plus_minus=quantile * math.sqrt(rest / freedom / spread))


def mad(values: Sequence[float]) -> float:
    """Return the median absolute deviation, scaled by 1.4826 to the standard deviation of normal values.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a spread needs at least one value")
    middle = median(values)
    return 1.4826 * median(abs(value - middle) for value in values)


def deviations(values: Sequence[float]) -> list[float]:
    """Return the distances of values from their median, to be pooled with those of other small samples.

    1.4826 times the median of many such distances is the standard deviation of normal values, within 10% for
    samples of any size from two on. Two corrections make it so. The smallest distance is dropped, because the
    median is a value itself, or halfway between two. The distances in a sample of even size are scaled by
    Bessel's correction. Fewer than two values have no distances.
    """
    if len(values) < 2:
        return []
    middle, size = median(values), len(values)
    scale = 1.0 if size % 2 else math.sqrt(size / (size - 1))
    return sorted(abs(value - middle) * scale for value in values)[1:]


def relative(old: float, new: float) -> float:
    """Return the difference as a fraction of the smaller absolute value: 0.5 for 2 and 3, and for 3 and 2.

    It is relative to the smaller one, so that 100% is a doubling or a halving, whichever end is the older.
    Equal values differ by 0. If only one value is 0, the difference is infinite.
    """
    if old == new:
        return 0.0
    base = min(abs(old), abs(new))
    return abs(new - old) / base if base else math.inf


def rank_sum(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the two-sided p value of the rank-sum test, or 1 if a sample is empty.

    Mann and Whitney (1947), On a test of whether one of two random variables is stochastically larger than
    the other. Up to `MOST_EXACT` values in both samples it is exact, with ties as well: all ways to deal out
    the ranks are counted (Streitberg and Röhmel, 1986), and the smaller tail is doubled. Beyond, it is the
    normal approximation, corrected for ties and continuity.
    """
    if not a or not b:
        return 1.0
    doubled = _doubled_ranks([*a, *b])
    if len(doubled) <= MOST_EXACT:
        return _exact_rank_sum(doubled, len(a))
    excess = abs(sum(doubled[: len(a)]) - len(a) * (len(doubled) + 1)) / 2
    # The variance of the ranks as they are. Ties reduce it, so that no separate correction is needed.
    middle = (len(doubled) + 1) / 2
    spread = sum((rank / 2 - middle) ** 2 for rank in doubled)
    variance = len(a) * len(b) * spread / len(doubled) / (len(doubled) - 1)
    return _two_sided(excess - 0.5, variance)


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Return twice the rank of each value, from 1 on: equal values share the mean of their ranks."""
    ordered = sorted(values)
    return [bisect_left(ordered, value) + bisect_right(ordered, value) + 1 for value in values]


def _exact_rank_sum(doubled: Sequence[int], size: int) -> float:
    # ways[k] has for each sum the number of ways in which k of the ranks have it. These counts are packed
    # into one integer, `bits` apart, like the coefficients of a polynomial: one shift moves all of them.
    bits = len(doubled) + 1
    ways = [1] + [0] * size
    for rank in doubled:
        for taken in range(size, 0, -1):
            ways[taken] += ways[taken - 1] << (bits * rank)
    observed, mask = sum(doubled[:size]), (1 << bits) - 1
    up_to = _sum_of_counts(ways[size] & ((1 << (bits * (observed + 1))) - 1), bits)
    equal = (ways[size] >> (bits * observed)) & mask
    total = math.comb(len(doubled), size)
    return min(1.0, 2 * min(up_to, total - up_to + equal) / total)


def _sum_of_counts(packed: int, bits: int) -> int:
    # Modulo 2**bits - 1, each power of 2**bits is 1. All counts together are less than that modulus.
    return packed % ((1 << bits) - 1)


def mann_kendall(values: Sequence[float]) -> tuple[int, float]:
    """Return the number of rising pairs minus that of falling pairs, and its variance if there is no trend.

    Mann (1945), Nonparametric tests against trend; Kendall (1975) for ties. For several series, the scores
    and the variances are each added (Hirsch, Slack and Smith, 1982).
    """
    score = sum((b > a) - (b < a) for a, b in combinations(values, 2))
    tied = sum(n * (n - 1) * (2 * n + 5) for n in Counter(values).values())
    size = len(values)
    return score, (size * (size - 1) * (2 * size + 5) - tied) / 18


def trend(series: Iterable[Sequence[float]]) -> tuple[int, float]:
    """Return the score of all series together, above 0 if they rise, and its two-sided p value (normal)."""
    tests = [mann_kendall(values) for values in series]
    score = sum(score for score, _ in tests)
    return score, _two_sided(abs(score) - 1, sum(variance for _, variance in tests))


def theil_sen(values: Sequence[float]) -> float:
    """Return the median slope between any two values, or 0 for fewer than two (Theil 1950, Sen 1968)."""
    slopes = [(b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(values), 2)]
    return median(slopes) if slopes else 0.0


def _two_sided(excess: float, variance: float) -> float:
    return math.erfc(excess / math.sqrt(2 * variance)) if excess > 0 and variance > 0 else 1.0


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


def median_is_there(there: int, elsewhere: int) -> float:
    """Return how probable it is that a median lies on the side of a threshold on which `there` samples are.

    `elsewhere` are on the other side. The median is on the side that more than half of all possible samples
    are on. The fraction on this side is unknown. Its prior is that of Jeffreys, Beta(1/2, 1/2), like that of
    failures in the search for a flaky probe (`core/search/posterior`). After the samples it is Beta(there +
    1/2, elsewhere + 1/2), and the result is the weight of this distribution above 1/2. The samples are only
    assumed to be independent, whatever their distribution. Five of five give 0.993.

    The weight is exact: it is 1/2 without samples, and each sample changes it by a known term (DLMF, 8.17.20
    and 8.17.21).
    """
    above, a, b = 0.5, 0.5, 0.5
    for _ in range(there):
        above, a = above + _term(a, b) / a, a + 1
    for _ in range(elsewhere):
        above, b = above - _term(a, b) / b, b + 1
    return above


def enough_there(confidence: float) -> int:
    """Return how many samples that agree make the medians of two candidates that certain: six for 0.99."""
    count = 1
    while median_is_there(count, 0) ** 2 < confidence:
        count += 1
    return count


def _term(a: float, b: float) -> float:
    """Return 2^-(a + b) / B(a, b)."""
    return math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - (a + b) * math.log(2))


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
