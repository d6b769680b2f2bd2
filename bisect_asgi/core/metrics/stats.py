"""Statistics of what was measured. Pure; formulas with their sources."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import NormalDist, linear_regression, median

from bisect_asgi.core.records import Struct

# Two-sided 97.5 % quantiles of Student's t for 1 to 12 degrees of freedom; beyond, the normal's.
_T = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)

MOST_EXACT = 60
"""Of how many values, both samples together, the rank test is exact; it takes 30 ms then."""

_Z = NormalDist().inv_cdf(0.975)


class Slope(Struct, frozen=True, kw_only=True):
    """A straight line's slope and the half width of its 95 % interval, in units of y over units of x."""

    value: float
    plus_minus: float


def slope(x: Sequence[float], y: Sequence[float]) -> Slope:
    """Fit a line by least squares (Draper and Smith, Applied Regression Analysis, 1.4).

    With two points the slope is exact and nothing is known of its uncertainty: it is infinite.

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
    """The median absolute deviation, times 1.4826: of normal values their standard deviation.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a spread needs at least one value")
    middle = median(values)
    return 1.4826 * median(abs(value - middle) for value in values)


def deviations(values: Sequence[float]) -> list[float]:
    """Say how far values are from their median, to be pooled with those of other, small samples.

    Times 1.4826 the median of many such deviations is the standard deviation of normal values, within a tenth
    for samples of any size from two on. One deviation is left out, because the median is a value itself, or
    is halfway between two; the deviations of an even number grow by Bessel's correction. Of one value or none
    there are none.
    """
    if len(values) < 2:
        return []
    middle, size = median(values), len(values)
    grow = 1.0 if size % 2 else math.sqrt(size / (size - 1))
    return sorted(abs(value - middle) * grow for value in values)[1:]


def relative(old: float, new: float) -> float:
    """By which fraction of the smaller of the two in size they differ: 0.5 for 2 and 3, and for 3 and 2.

    Infinite where one of them is 0 and the other is not; 0 where they are equal. Of the smaller one, because
    an effect of 100 % then is a doubling, or a halving, whichever end is the older.
    """
    if old == new:
        return 0.0
    base = min(abs(old), abs(new))
    return abs(new - old) / base if base else math.inf


def rank_sum(a: Sequence[float], b: Sequence[float]) -> float:
    """The two-sided p value of the rank test: how rarely chance alone sets two samples this far apart.

    Mann and Whitney (1947), On a test of whether one of two random variables is stochastically larger than
    the other. Exact up to `MOST_EXACT` values together, with ties as well: all ways to deal the ranks out are
    counted (Streitberg and Röhmel, 1986), the more extreme tail is taken twice. Beyond, the normal
    approximation, corrected for ties and continuity. An empty sample is evidence of nothing: 1.
    """
    if not a or not b:
        return 1.0
    doubled = _doubled_ranks([*a, *b])
    if len(doubled) <= MOST_EXACT:
        return _exact_rank_sum(doubled, len(a))
    excess = abs(sum(doubled[: len(a)]) - len(a) * (len(doubled) + 1)) / 2
    # The variance of ranks with their ties, in which the usual correction is contained.
    middle = (len(doubled) + 1) / 2
    spread = sum((rank / 2 - middle) ** 2 for rank in doubled)
    variance = len(a) * len(b) * spread / len(doubled) / (len(doubled) - 1)
    return _two_sided(excess - 0.5, variance)


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each value from 1 on; equal values share the mean of theirs, hence twice."""
    ordered = sorted(values)
    return [bisect_left(ordered, value) + bisect_right(ordered, value) + 1 for value in values]


def _exact_rank_sum(doubled: Sequence[int], size: int) -> float:
    # ways[k] holds, `bits` apart, in how many ways k of the ranks have each sum: a polynomial as one integer.
    bits = len(doubled) + 1
    ways = [1] + [0] * size
    for rank in doubled:
        for taken in range(size, 0, -1):
            ways[taken] += ways[taken - 1] << (bits * rank)
    seen, mask = sum(doubled[:size]), (1 << bits) - 1
    below = _sum_of_slots(ways[size] & ((1 << (bits * (seen + 1))) - 1), bits)
    equal = (ways[size] >> (bits * seen)) & mask
    total = math.comb(len(doubled), size)
    return min(1.0, 2 * min(below, total - below + equal) / total)


def _sum_of_slots(packed: int, bits: int) -> int:
    # Two to the power of `bits` is 1 modulo that less 1, and no sum of all slots reaches it.
    return packed % ((1 << bits) - 1)


def mann_kendall(values: Sequence[float]) -> tuple[int, float]:
    """How many pairs rise, less how many fall, in the order given; and the variance of that by chance alone.

    Mann (1945), Nonparametric tests against trend; Kendall (1975) for ties. Both of several series add up
    (Hirsch, Slack and Smith, 1982).
    """
    score = sum((b > a) - (b < a) for a, b in combinations(values, 2))
    tied = sum(n * (n - 1) * (2 * n + 5) for n in Counter(values).values())
    size = len(values)
    return score, (size * (size - 1) * (2 * size + 5) - tied) / 18


def trend(series: Iterable[Sequence[float]]) -> tuple[int, float]:
    """The score of all series together, above 0 where they rise, and its two-sided p value (normal)."""
    tests = [mann_kendall(values) for values in series]
    score = sum(score for score, _ in tests)
    return score, _two_sided(abs(score) - 1, sum(variance for _, variance in tests))


def theil_sen(values: Sequence[float]) -> float:
    """The median slope between any two values, per step; 0 for fewer than two (Theil 1950, Sen 1968)."""
    slopes = [(b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(values), 2)]
    return median(slopes) if slopes else 0.0


def _two_sided(excess: float, variance: float) -> float:
    return math.erfc(excess / math.sqrt(2 * variance)) if excess > 0 and variance > 0 else 1.0
