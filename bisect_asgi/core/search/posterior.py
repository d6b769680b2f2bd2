"""What tallies say about the place of a change between two unknown failure rates.

The model
---------
Candidates stand in a line, oldest first. Those below a place b fail at one rate and those from b on at
another; both rates are unknown, with independent Beta(1/2, 1/2) (Jeffreys) priors, and which one is higher
is not assumed: the change may be a fix. Integrated over its rate, a side with f failures and p passes has
the likelihood B(f + 1/2, p + 1/2) / B(1/2, 1/2), so that the posterior of b needs no rates at all.

Every place has the same prior weight. So has "no change", for which one rate holds everywhere: with it as
one more place beyond the newest candidate, as probable as any other, it costs next to nothing where there
are many candidates, and keeps a search over two from believing in a change because somebody looked for one.

*Stretches.* The likelihood changes only where there were runs. All places between two neighbouring
candidates with runs share one likelihood; such a stretch is one item here, whatever its length, so that the
cost goes with the number of candidates that were run and not with the number of candidates.

*Skips.* Nothing tells apart the places between two neighbouring testable candidates. Their weights add up
to that of the pair. Places beyond the outermost testable candidates cannot be told from no change, and
count as that.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

from bisect_asgi.core.records import Struct
from bisect_asgi.core.tally import Rate, Tally


class Belief(Struct, frozen=True, kw_only=True):
    """What is believed of the place of a change."""

    low: int
    """The most probable boundary: the last testable old candidate …"""
    high: int
    """… and the first testable new one; equal to `low` where less than two can be tested."""
    skipped: tuple[int, ...]
    """Untestable candidates between the two."""
    probability: float
    """That the change is exactly there."""
    old: Rate
    """How often what is not above `low` failed."""
    new: Rate
    """How often what is not below `high` failed."""
    likely: tuple[int, int]
    """First and last of the fewest neighbouring candidates that hold the first new one with the confidence
    asked for; all of them where no change is that probable."""
    no_change: float
    """Probability that there is no change at all."""


class Segment(Struct, frozen=True):
    """Places above `first` and not above `last` that share one likelihood."""

    first: int
    last: int
    old: Tally
    """What was seen below the change if it is in this stretch, and …"""
    new: Tally
    """… what was seen above it."""
    probability: float

    @property
    def places(self) -> int:
        """How many places for a change it has."""
        return self.last - self.first


def log_evidence(tally: Tally) -> float:
    """Log of the probability of one order of these results, if their common rate is Beta(1/2, 1/2)."""
    failed, passed = tally.failed + 0.5, tally.passed + 0.5
    return math.lgamma(failed) + math.lgamma(passed) - math.lgamma(failed + passed) - math.log(math.pi)


class Posterior:
    """The posterior of the place of the change.

    Args:
        testable: the candidates that can be tested, ascending, at least one.
        size: number of all candidates.
        tallies: what was seen; of untestable candidates it is left out.
    """

    def __init__(self, testable: Sequence[int], size: int, tallies: Mapping[int, Tally]) -> None:
        self.testable = testable
        self._size = size
        self.tallies = {
            key: tallies[key] for key in sorted(tallies) if self._is_testable(key) and tallies[key].runs
        }
        self.observed = list(self.tallies)
        self.outside = size - (testable[-1] - testable[0])
        """The weight of "no change", and of all that cannot be told from it, in places."""
        self.stretches = self._weigh()
        beyond = self.stretches[-1]
        self.no_change = beyond.probability * self.outside / beyond.places

    def after(self, key: int, result: Tally) -> Posterior:
        """The posterior after one more result of `key`."""
        tallies = {**self.tallies, key: self.tallies.get(key, Tally()) + result}
        return Posterior(self.testable, self._size, tallies)

    def _is_testable(self, key: int) -> bool:
        place = bisect_left(self.testable, key)
        return place < len(self.testable) and self.testable[place] == key

    def _weigh(self) -> tuple[Segment, ...]:
        olds = list(accumulate(self.tallies.values(), initial=Tally()))
        news = [olds[-1] - old for old in olds]
        edges = [self.testable[0], *self.observed, self.testable[-1] + self.outside]
        logs = [log_evidence(old) + log_evidence(new) for old, new in zip(olds, news, strict=True)]
        top = max(logs)
        weights = [
            math.exp(log - top) * (last - first)
            for log, (first, last) in zip(logs, pairwise(edges), strict=True)
        ]
        total = sum(weights)
        return tuple(
            Segment(first, last, old, new, weight / total)
            for (first, last), old, new, weight in zip(pairwise(edges), olds, news, weights, strict=True)
        )

    def belief(self, confidence: float) -> Belief:
        """Say what is believed."""
        low, high, probability, stretch = self._boundary()
        return Belief(
            low=low,
            high=high,
            skipped=tuple(range(low + 1, high)),
            probability=probability,
            old=stretch.old.rate,
            new=stretch.new.rate,
            likely=self._likely(confidence),
            no_change=self.no_change,
        )

    def _boundary(self) -> tuple[int, int, float, Segment]:
        """The most probable pair of testable neighbours; on a tie the one in the middle of its stretch."""
        found = (self.testable[0], self.testable[0], 0.0, self.stretches[-1])
        for stretch in self.stretches:
            pairs = list(self._pairs(stretch))
            width = max((high - low for low, high in pairs), default=0)
            widest = [pair for pair in pairs if pair[1] - pair[0] == width]
            probability = stretch.probability * width / stretch.places if width else 0.0
            if probability > found[2]:
                found = (*widest[len(widest) // 2], probability, stretch)
        return found

    def _pairs(self, stretch: Segment) -> Iterator[tuple[int, int]]:
        start = bisect_left(self.testable, stretch.first)
        end = bisect_right(self.testable, stretch.last)
        return pairwise(self.testable[start:end])

    def _likely(self, confidence: float) -> tuple[int, int]:
        """Try each edge of a stretch as one end of the range; one of its ends is on an edge."""
        oldest, newest = self.testable[0], self.testable[-1]
        ranges = [(oldest + 1, newest)]
        edges = [stretch.first for stretch in self.stretches] + [newest]
        sums = list(accumulate((stretch.probability for stretch in self.stretches), initial=0.0))
        sums[-1] -= self.no_change
        for edge, below in zip(edges, sums, strict=True):
            if below + confidence <= sums[-1]:
                ranges.append((edge + 1, math.ceil(_reach(edges, sums, below + confidence))))
            if below >= confidence:
                ranges.append((math.floor(_reach(edges, sums, below - confidence)) + 1, edge))
        first, last = min(ranges, key=lambda ends: ends[1] - ends[0])
        return min(first, newest), max(last, min(first, newest))


def _reach(edges: Sequence[int], sums: Sequence[float], wanted: float) -> float:
    """The place below which there is a probability of `wanted`."""
    right = min(max(1, bisect_left(sums, wanted)), len(sums) - 1)
    inside = sums[right] - sums[right - 1]
    share = (wanted - sums[right - 1]) / inside if inside > 0 else 0.0
    return edges[right - 1] + share * (edges[right] - edges[right - 1])
