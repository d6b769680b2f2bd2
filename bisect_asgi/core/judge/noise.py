"""What is known of a probe that does not always answer the same, and on which side a candidate's runs belong.

A search that had to do with noise has placed its candidates: those up to `low` are old, those from `high`
on are new, whatever single runs of theirs say. Elsewhere (mixes of two environments have no order) a
candidate belongs to the side whose failure rate explains its runs better, once the odds are clear. Both
rates are unknown: what is known of them is the posterior of what was seen on that side, with Jeffreys'
prior Beta(½, ½) (Gelman et al., Bayesian Data Analysis, 2.4), *given that one side fails oftener than the
other*. Without that, a side of which little is known would explain any rate better than one of which much
is known: of 50 failures in 50 runs, sides that failed 0 of 10 and 30 of 100 times would both be beaten by
the wrong one. The order leaves no closed form, so rates are on a grid. Beforehand both sides are as likely.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from math import cos, exp, log, pi, sin

from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.core.tally import Tally

_STEPS = 400
_ANGLES = tuple((step + 0.5) / _STEPS * pi / 2 for step in range(_STEPS))
_RATES = tuple((2 * log(sin(angle)), 2 * log(cos(angle))) for angle in _ANGLES)
"""The grid: logarithms of the rates of failing and of passing; Jeffreys' prior is even in the angle."""
_NOTHING = 1e-250
_ROUNDING = 1e-9
"""What sums over the grid may be off by, in logarithms of odds: a tie must not have a winner by rounding."""


class Noise(Struct, frozen=True, kw_only=True):
    """How both sides answer, and where a search has put the boundary between them."""

    new_is: Outcome
    """What the newer side does oftener than the older one."""
    old: Tally
    new: Tally
    low: int | None = None
    """The last old candidate; None: places say nothing."""
    high: int | None = None
    placed: Mapping[int, Verdict] = field(default_factory=dict)
    """Candidates of which it is known otherwise on which side they are."""
    confidence: float = 0.99

    @property
    def old_is(self) -> Outcome:
        """What the older side does oftener."""
        return Outcome.PASSED if self.new_is is Outcome.FAILED else Outcome.FAILED

    def side(self, key: int, seen: Tally) -> Verdict | None:
        """The side of candidate `key`, of which `seen` is known; None: that does not tell yet."""
        if key in self.placed:
            return self.placed[key]
        if self.low is not None and key <= self.low:
            return Verdict.OLD
        if self.high is not None and key >= self.high:
            return Verdict.NEW
        clear = log(self.confidence / (1 - self.confidence))
        if self.new_is is Outcome.FAILED:
            odds = _log_odds(seen, often=self.new, rare=self.old)
        else:
            odds = -_log_odds(seen, often=self.old, rare=self.new)
        if abs(odds) <= clear + _ROUNDING:
            return None
        return Verdict.NEW if odds > 0 else Verdict.OLD

    def with_more(self, seen: Mapping[int, Tally]) -> Noise:
        """The same with more runs of some candidates, each on the side where its place puts it."""
        old, new = self.old, self.new
        for key, tally in seen.items():
            if self.low is not None and key <= self.low:
                old += tally
            elif self.high is not None and key >= self.high:
                new += tally
        return replace(self, old=old, new=new)

    def by_itself(self, key: int, seen: Tally, *, confidence: float) -> Verdict | None:
        """The side of `key` by its own runs beside all others', wherever it is; None: they do not tell.

        Its own are taken out of the side's on which it is placed: if it has most of these, they would bear
        it out whatever they are.
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


def _log_odds(seen: Tally, often: Tally, rare: Tally) -> float:
    """How much more probable `seen` is on the side that fails oftener, as a logarithm."""
    rates = _ordered(rare, often)
    return _predicted(seen, rates[1]) - _predicted(seen, rates[0])


@lru_cache(maxsize=64)
def _ordered(rare: Tally, often: Tally) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The weights of both sides' failure rates on the grid, given that the first is below the second."""
    low, high = _posterior(rare), _posterior(often)
    up_to, from_on = list(accumulate(low)), list(accumulate(reversed(high)))[::-1]
    below = tuple(a * (rest - b / 2) for a, rest, b in zip(low, from_on, high, strict=True))
    above = tuple(b * (rest - a / 2) for b, rest, a in zip(high, up_to, low, strict=True))
    # What was seen may have them so clearly the other way round that there is no order to go by.
    return (below, above) if sum(below) > _NOTHING else (low, high)


def _posterior(side: Tally) -> tuple[float, ...]:
    logs = [side.failed * fails + side.passed * passes for fails, passes in _RATES]
    top = max(logs)
    weights = [exp(each - top) for each in logs]
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def _predicted(seen: Tally, weights: Sequence[float]) -> float:
    """The logarithm of the probability of `seen`, in one order, on a side with these failure rates."""
    logs = [seen.failed * fails + seen.passed * passes for fails, passes in _RATES]
    top = max(each for each, weight in zip(logs, weights, strict=True) if weight > 0)
    # Where a weight is 0 the term may be out of range, and does not count.
    terms = (weight * exp(min(each - top, 700)) for each, weight in zip(logs, weights, strict=True))
    return top + log(sum(terms) / sum(weights))
