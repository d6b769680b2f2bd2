"""Compute where a change between two unknown failure rates is, and how much one more run would tell.

The model
---------
The candidates are in order, oldest first. Those below a place b fail at one rate, and those from b on at
another. Both rates are unknown, with independent Beta(1/2, 1/2) (Jeffreys) priors. Neither is assumed to be
the higher one, because the change may be a fix. Integrated over its rate, a side with f failures and p passes
has the likelihood B(f + 1/2, p + 1/2) / B(1/2, 1/2), so that the posterior of b needs no rates at all.

Every place has the same prior weight. So has "no change", for which one rate holds everywhere: it is one more
place, beyond the newest candidate. With many candidates this costs almost nothing. With two, it keeps the
search from finding a change only because the user looked for one.

*Stretches.* The likelihood changes only where there were runs. All places between two neighboring candidates
with runs share one likelihood. Such a stretch is one item here, whatever its length, so that the cost grows
with the number of candidates that were run, not with the number of all candidates.

*Skips.* No run can distinguish the places between two neighboring testable candidates. Their weights add up
to that of the pair. Places beyond the outermost testable candidates cannot be distinguished from "no change",
and count as that.

One more run
------------
One more run of candidate x fails with a probability that depends on the place b of the change: it is the new
rate if b is not above x, else the old one, each averaged over what was seen on that side of b. What the run
is expected to tell is the mutual information of b and its outcome. Choosing the run with the most of it
reduces the entropy of b greedily. Two alternatives were no better in simulations: the extrinsic
Jensen-Shannon divergence (Naghshvar, Javidi and Wigger, 2015), and a share of runs for the two ends, which
would show the rates.

*Cost.* All places of a stretch (see `Segment`) predict the same, so sums over all places are sums over
stretches. With running totals, each candidate costs the same few operations.

*Where in a stretch.* Between two candidates with runs, the mutual information is concave in the share of
the stretch that is not above x: the entropy of a mean that is linear in that share, less a linear term. Its
only maximum has a closed form.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

from bisect_asgi.core.records import Struct
from bisect_asgi.core.tally import Rate, Tally


class Belief(Struct, frozen=True, kw_only=True):
    """The posterior for the place of a change."""

    low: int
    """The most probable boundary: the last testable old candidate …"""
    high: int
    """… and the first testable new one; equal to `low` if fewer than two are testable."""
    skipped: tuple[int, ...]
    """Untestable candidates between the two."""
    probability: float
    """The probability that the change is exactly there."""
    old: Rate
    """The failure rate of the candidates up to `low`."""
    new: Rate
    """The failure rate of the candidates from `high` on."""
    likely: tuple[int, int]
    """First and last of the fewest neighboring candidates among which the first new one is, with the required
    confidence; all of them if no change is that probable."""
    no_change: float
    """Probability that there is no change at all."""


class Segment(Struct, frozen=True):
    """Places above `first` and not above `last` that share one likelihood."""

    first: int
    last: int
    old: Tally
    """The tally below the change if it is in this stretch, and …"""
    new: Tally
    """… the tally above it."""
    probability: float

    @property
    def places(self) -> int:
        """The number of places for a change in it."""
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
        tallies: the runs so far; those of untestable candidates are ignored.
    """

    def __init__(self, testable: Sequence[int], size: int, tallies: Mapping[int, Tally]) -> None:
        self.testable = testable
        self._size = size
        self.tallies = {
            key: tallies[key] for key in sorted(tallies) if self._is_testable(key) and tallies[key].runs
        }
        self.observed = list(self.tallies)
        self.outside = size - (testable[-1] - testable[0])
        """The weight of "no change", and of all places that no run can distinguish from it, in places."""
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
        """Return the posterior."""
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
        """The most probable pair of testable neighbors; on a tie, the one in the middle of its stretch."""
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


def entropy(rate: float) -> float:
    """Entropy of a result that fails at `rate`, which is neither 0 nor 1, in nats."""
    return -rate * math.log(rate) - (1 - rate) * math.log1p(-rate)


def expected_rate(tally: Tally) -> float:
    """Probability that the next run fails: the posterior mean under Beta(1/2, 1/2), never 0 or 1."""
    return (tally.failed + 0.5) / (tally.runs + 1)


class _Sums:
    """A quantity of both sides of every stretch, summed over the stretches below or above a place."""

    def __init__(self, weights: Sequence[float], old: Sequence[float], new: Sequence[float]) -> None:
        self._weights, self._old, self._new = weights, old, new
        self._below = list(accumulate((w * x for w, x in zip(weights, new, strict=True)), initial=0.0))
        self._above = list(accumulate((w * x for w, x in zip(weights, old, strict=True)), initial=0.0))

    def at(self, index: int, share: float) -> float:
        """The mean over all places, for a run with the fraction `share` of stretch `index` at or below it."""
        inside = share * self._new[index] + (1 - share) * self._old[index]
        above = self._above[-1] - self._above[index + 1]
        return self._below[index] + self._weights[index] * inside + above


class InformationGain:
    """The information that further runs are expected to give."""

    def __init__(self, posterior: Posterior) -> None:
        self._posterior = posterior
        stretches = posterior.stretches
        self._weights = [stretch.probability for stretch in stretches]
        self._old = [expected_rate(stretch.old) for stretch in stretches]
        self._new = [expected_rate(stretch.new) for stretch in stretches]
        self._edges = [stretches[0].first, *(stretch.last for stretch in stretches)]
        self._rates = _Sums(self._weights, self._old, self._new)
        self._entropies = _Sums(self._weights, [*map(entropy, self._old)], [*map(entropy, self._new)])

    def expected_rate(self, key: int) -> float:
        """Probability that the next run of `key` fails."""
        return self._rates.at(*self._cut(key))

    def gain(self, key: int) -> float:
        """The information that one run of `key` is expected to give, in nats."""
        index, share = self._cut(key)
        return entropy(self._rates.at(index, share)) - self._entropies.at(index, share)

    def _cut(self, key: int) -> tuple[int, float]:
        """The stretch that a run of `key` divides, and the fraction of it that is not above `key`."""
        index = max(bisect_left(self._edges, key) - 1, 0)
        # The oldest candidate is an edge, and with runs of its own the first stretch has no places.
        places = self._edges[index + 1] - self._edges[index]
        return index, (key - self._edges[index]) / places if places else 0.0

    def points(self) -> Iterator[int]:
        """The candidates that may be the most informative: those with runs, and the best of each stretch."""
        yield from self._posterior.observed
        testable = self._posterior.testable
        for index, stretch in enumerate(self._posterior.stretches):
            if stretch.places and stretch.probability > 0:
                place = stretch.first + self._best_share(index) * stretch.places
                right = min(bisect_left(testable, place), len(testable) - 1)
                yield from testable[max(right - 1, 0) : right + 1]

    def _best_share(self, index: int) -> float:
        """The fraction of a stretch at which the mutual information is the greatest."""
        old, new = self._old[index], self._new[index]
        slope = self._weights[index] * (new - old)
        if abs(slope) < 1e-12:
            return 0.5
        # The derivative is 0 where the log odds of passing equal the change of entropy per change of rate.
        odds = (entropy(new) - entropy(old)) / (new - old)
        wanted = 1 / (1 + math.exp(min(max(odds, -700.0), 700.0)))
        return min(max((wanted - self._rates.at(index, 0.0)) / slope, 0.0), 1.0)

    def foresee(self, key: int, *, both: bool) -> Iterator[tuple[float, InformationGain]]:
        """The gain after a run of `key`, with its outcome's probability; of the likelier outcome, or both."""
        fails = self.expected_rate(key)
        results = [(fails, Tally(failed=1)), (1 - fails, Tally(passed=1))]
        if not both:
            results = [(1.0, max(results, key=lambda result: result[0])[1])]
        for probability, result in results:
            yield probability, InformationGain(self._posterior.after(key, result))
