"""Statistics of what was measured. Pure; formulas with their sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression

# Two-sided 97.5 % quantiles of Student's t for 1 to 12 degrees of freedom; beyond, the normal's.
_T = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
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
