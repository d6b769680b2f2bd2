"""Count the runs of a candidate that passed and failed, and bound its failure rate."""

from __future__ import annotations

import math

from bisect_asgi.core.records import Struct

# The 97.5% quantile of the normal distribution.
_Z = 1.959964


class Tally(Struct, frozen=True, kw_only=True):
    """The numbers of runs of a candidate that passed and that failed."""

    passed: int = 0
    failed: int = 0

    @property
    def runs(self) -> int:
        """The number of runs that passed or failed."""
        return self.passed + self.failed

    @property
    def contradicts_itself(self) -> bool:
        """Whether it both passed and failed."""
        return self.passed > 0 and self.failed > 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(passed=self.passed + other.passed, failed=self.failed + other.failed)

    def __sub__(self, other: Tally) -> Tally:
        return Tally(passed=self.passed - other.passed, failed=self.failed - other.failed)

    @property
    def rate(self) -> Rate:
        """The failure rate with its 95% interval."""
        low, high = wilson_interval(self.failed, self.runs)
        return Rate(failed=self.failed, runs=self.runs, low=low, high=high)


class Rate(Struct, frozen=True, kw_only=True):
    """A failure rate, observed as `failed` of `runs`, and its 95% interval (Wilson)."""

    failed: int
    runs: int
    low: float
    high: float


def wilson_interval(failed: int, runs: int) -> tuple[float, float]:
    """Return the 95% interval of the failure rate behind `failed` failures in `runs` runs.

    Both bounds are from 0 to 1. Without runs, the interval is (0, 1). Wilson (1927), eq. 2; unlike the normal
    interval, it stays within [0, 1] for 0 or `runs` failures.

    Raises:
        ValueError: `failed` is negative or greater than `runs`.
    """
    if not 0 <= failed <= runs:
        raise ValueError(f"{failed} failures in {runs} runs")
    if runs == 0:
        return 0.0, 1.0
    share, square = failed / runs, _Z * _Z / runs
    centre = (share + square / 2) / (1 + square)
    reach = math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    # The bounds 0 and 1 are exact, and must not be off by rounding.
    return (centre - reach if failed else 0.0), (centre + reach if failed < runs else 1.0)
