"""Decide on which side of the boundary a candidate of a flaky probe or noisy metric is.

A noisy search has placed the candidates of its range: those up to `low` are old and those from `high` on are
new, whatever their single runs showed. Other candidates have no such place, for example combinations of two
environments. They belong to the side whose failure rate explains their runs better, once the odds reach the
required confidence. Before any run, both sides are equally likely.

The failure rates of the two sides are unknown. Each has the posterior of the runs on its side, with Jeffreys'
prior Beta(½, ½) (Gelman et al., Bayesian Data Analysis, 2.4), *given that one side fails more often than the
other*. Without this condition, a side with few runs explains any rate better than a side with many runs: if
one side failed in 0 of 10 runs and the other in 30 of 100, then 50 failures in 50 runs would be attributed
to the first. With the condition the posterior has no closed form, so rates are on a grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, compress
from math import cos, exp, log, pi, sin
from operator import mul, sub

from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.core.tally import Tally

_STEPS = 400
_ANGLES = tuple((step + 0.5) / _STEPS * pi / 2 for step in range(_STEPS))
# Jeffreys' prior is uniform in the angle whose squared sine is the rate, so that the prior needs no weights.
_RATES = tuple((2 * log(sin(angle)), 2 * log(cos(angle))) for angle in _ANGLES)
"""The grid: the logarithms of the rate of failing and of the rate of passing."""
_NEGLIGIBLE = 1e-250
_ROUNDING = 1e-9
"""The rounding error of log odds summed over the grid: a tie must not be decided by rounding."""


class Noise(Struct, frozen=True, kw_only=True):
    """The failure rates of both sides, and the boundary that the search has placed between them."""

    new_is: Outcome
    """The outcome that is more frequent on the newer side than on the older one."""
    old: Tally
    """All runs on the older side."""
    new: Tally
    """All runs on the newer side."""
    low: int | None = None
    """The last old candidate, or None if candidates have no order."""
    high: int | None = None
    """The first new candidate, or None if candidates have no order."""
    placed: Mapping[int, Verdict] = field(default_factory=dict)
    """The sides of candidates that are decided in another way."""
    confidence: float = 0.99
    """The probability at which a candidate's own runs decide its side."""

    @property
    def old_is(self) -> Outcome:
        """The outcome that is more frequent on the older side than on the newer one."""
        return Outcome.PASSED if self.new_is is Outcome.FAILED else Outcome.FAILED

    def side(self, key: int, seen: Tally) -> Verdict | None:
        """Return the side of candidate `key`, or None if its runs, `seen`, do not decide it yet."""
        if key in self.placed:
            return self.placed[key]
        if self.low is not None and key <= self.low:
            return Verdict.OLD
        if self.high is not None and key >= self.high:
            return Verdict.NEW
        required = log(self.confidence / (1 - self.confidence))
        if self.new_is is Outcome.FAILED:
            odds = _log_odds(seen, often=self.new, rare=self.old)
        else:
            odds = -_log_odds(seen, often=self.old, rare=self.new)
        if abs(odds) <= required + _ROUNDING:
            return None
        return Verdict.NEW if odds > 0 else Verdict.OLD

    def with_more(self, seen: Mapping[int, Tally]) -> Noise:
        """Return the noise with the runs of more candidates added to the sides on which they are placed."""
        old, new = self.old, self.new
        for key, tally in seen.items():
            if self.low is not None and key <= self.low:
                old += tally
            elif self.high is not None and key >= self.high:
                new += tally
        return replace(self, old=old, new=new)

    def by_itself(self, key: int, seen: Tally, *, confidence: float) -> Verdict | None:
        """Return the side that the runs of `key` fit, wherever it is placed, or None if they fit both.

        Its runs are taken out of the side on which it is placed. Otherwise a candidate that has most runs of
        its side would always fit it.
        """
        is_old = self.low is not None and key <= self.low
        is_new = self.high is not None and key >= self.high
        others = replace(
            self,
            old=self.old - seen if is_old else self.old,
            new=self.new - seen if is_new else self.new,
            low=None,
            high=None,
            placed={},
            confidence=confidence,
        )
        return others.side(key, seen)


# A search judges all its candidates again after each run, and most of them are as they were.
@lru_cache(maxsize=1024)
def _log_odds(seen: Tally, often: Tally, rare: Tally) -> float:
    """Return the log odds that `seen` is from the side that fails more often."""
    below, above = _ordered(rare, often)
    return _predicted(seen, above) - _predicted(seen, below)


@lru_cache(maxsize=64)
def _ordered(rare: Tally, often: Tally) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the weights of both failure rates on the grid, given that the first is below the second.

    Both rates may be at the same point of the grid. Half of the weight of these points counts as ordered.
    """
    low, high = _posterior(rare), _posterior(often)
    up_to, from_on = accumulate(low), list(accumulate(reversed(high)))[::-1]
    below = tuple(map(mul, low, map(sub, from_on, [weight / 2 for weight in high])))
    above = tuple(map(mul, high, map(sub, up_to, [weight / 2 for weight in low])))
    # If the runs clearly contradict the order, nothing is left to normalize, and the order is dropped.
    return (below, above) if sum(below) > _NEGLIGIBLE else (low, high)


# One more run changes one side; the other side's weights are still those of the run before.
@lru_cache(maxsize=64)
def _posterior(side: Tally) -> tuple[float, ...]:
    """Return the weights of a side's failure rates on the grid, given its runs alone."""
    _, likelihoods = _likelihoods(side)
    total = sum(likelihoods)
    return tuple([likelihood / total for likelihood in likelihoods])


def _predicted(seen: Tally, weights: Sequence[float]) -> float:
    """Return the log probability of `seen`, in one given order, on a side with these failure rates."""
    top, likelihoods = _likelihoods(seen)
    total = sum(map(mul, weights, likelihoods))
    if total <= _NEGLIGIBLE:
        # The likelihoods are negligible at all rates that have weight: they are relative to the greatest one.
        logs = list(compress(_log_likelihoods(seen), weights))
        top = max(logs)
        total = sum(map(mul, filter(None, weights), [exp(each - top) for each in logs]))
    return top + log(total / sum(weights))


# Many candidates have the same few runs.
@lru_cache(maxsize=256)
def _likelihoods(seen: Tally) -> tuple[float, tuple[float, ...]]:
    """Return the log of the greatest likelihood on the grid, and all of them relative to that one."""
    logs = _log_likelihoods(seen)
    top = max(logs)
    return top, tuple([exp(each - top) for each in logs])


def _log_likelihoods(seen: Tally) -> list[float]:
    """Return the log probability of `seen`, in one given order, at each failure rate on the grid."""
    return [seen.failed * fails + seen.passed * passes for fails, passes in _RATES]
