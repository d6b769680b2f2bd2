"""Choose the candidates to run next between an OLD and a NEW one, several at once.

No clock, no I/O. `bisection` chooses the two candidates between which to search; this module chooses where.

*Gaps.* A candidate in flight counts as an edge, because its verdict will be known. Free places are given one
by one to the gap with the most unknown candidates per place. Inside a gap they are filled from the older side
to the newer. Each aims at an even share of what is left after the place before it, so that one place halves
the gap and two cut it into three. If one place has to move, those after it adapt.

*Worth.* A cut tells less the farther it is from the middle. `closeness` measures this: 1 minus the
Kullback-Leibler divergence of the cut from an even one. It is 0 for the outer fifteenth, so that no run is
spent there, however cheap. It is multiplied by the probability that the candidate is testable, d / (d + 2),
where d is its distance from the nearest SKIP. This is Laplace's rule of succession turned around: the farther
the nearest SKIP, the better the chance. The product is divided by the seconds that the candidate is expected
to take.

*How good that is.* With one place the expected seconds are within 2% of the optimum on average and within 6%
at worst (exact dynamic programming over 16 to 160 candidates: some kept, some to be built from source,
lognormal seconds). Always cutting in the middle takes up to three times as long. Plain information per second
(entropy) is a little worse. `tests/core/search/test_cuts.py` checks this, and `make simulate` shows it.

*Runs are bounded.* Cheap cuts that tell little add up to more runs than even cuts. So seconds count only as
long as the runs so far, plus those of even cuts from here on, are fewer than `PATIENCE` times the runs of
even cuts alone. A search therefore takes at most `PATIENCE` times as many runs as it would if seconds did not
count, apart from SKIPs and restarts. In the cases above, this bound costs nothing.

*Speed.* In a gap of up to a few hundred candidates, each is considered. In a longer one, candidates at equal
distances are considered, and for each price the two that are nearest to the best place of the cut.

Costs
-----
A candidate takes a run, and before it a build if its environment does not exist yet. A run is expected to
take the average time of the runs so far. A build is expected to take the time of earlier builds of its kind,
because one from source takes many times as long as one from wheels. So a search can prefer candidates whose
verdicts are known soon.

A free place may go to a candidate that will not be needed. Its build takes a core, and if it is canceled,
what it has made has to be removed. That is worth it beside trials that take as long. But a run in an
environment that was kept is often over before anything else is built. So beside such a run, a candidate that
takes `SLOW` times as long is passed over. The place goes to the one that would be next if that one were under
way. A short warm search on two cores reaches its boundary in five sixths of the time.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from heapq import heapify, heapreplace
from itertools import pairwise

from bisect_asgi.core.model import Candidate, Trial
from bisect_asgi.core.records import Struct, field

Seconds = Callable[[int], float]

PATIENCE = 2
FINE = 512
COARSEST = 32
PRICES = 64


def even_runs(gap: int, workers: int) -> int:
    """Return the most runs that even cuts take for a gap with so many places for the change."""
    rounds = 0
    while gap > 1:
        gap, rounds = math.ceil(gap / (workers + 1)), rounds + 1
    return workers * rounds


def is_patient(size: int, gap: int, *, runs: int, workers: int) -> bool:
    """Return whether so many `runs` so far leave room for cuts that are cheap rather than even."""
    return runs + even_runs(gap, workers) < PATIENCE * (2 + even_runs(size - 1, workers))


def choose_cuts(
    low: int,
    high: int,
    *,
    known: Collection[int] = (),
    skipped: Sequence[int] = (),
    pending: Collection[int] = (),
    limit: int,
    seconds: Seconds | None = None,
) -> tuple[int, ...]:
    """Choose up to `limit` candidates between `low` and `high`, those in the largest gaps first.

    `known` candidates are not chosen, and do not count as unknown. `skipped`, ascending, are those of them
    that are untestable. `pending` are in flight. `seconds` returns how long a candidate is expected to take,
    above 0.
    """
    inside = sorted(key for key in known if low < key < high)
    edges = sorted({low, high, *(key for key in pending if low < key < high)})
    gaps = [_unknown(start, end, inside) for start, end in pairwise(edges)]
    places = _deal([len(gap) for gap in gaps], limit)
    near = [key for key in skipped if low < key < high]
    chosen = [
        (gap, _Cutter(gap, near, seconds).cut(count))
        for gap, count in zip(gaps, places, strict=True)
        if count
    ]
    chosen.sort(key=lambda item: (len(item[0]), item[0][0]), reverse=True)
    return tuple(key for _, keys in chosen for key in keys)


def _unknown(low: int, high: int, inside: Sequence[int]) -> Sequence[int]:
    """Return the keys between the two that are not among `inside`, which is ascending."""
    known = inside[bisect_left(inside, low) : bisect_left(inside, high)]
    if not known:
        return range(low + 1, high)
    without = set(known)
    return [key for key in range(low + 1, high) if key not in without]


def _deal(lengths: Sequence[int], limit: int) -> list[int]:
    """Deal `limit` places to gaps of these lengths: each to the one with the most unknown ones per place.

    On a tie, the older gap gets the place.
    """
    places = [0] * len(lengths)
    heap = [(-float(length), index) for index, length in enumerate(lengths)]
    heapify(heap)
    for _ in range(limit):
        worst, index = heap[0]
        if worst >= 0:
            break
        places[index] += 1
        heapreplace(heap, (-(lengths[index] - places[index]) / (places[index] + 1), index))
    return places


class _Cutter(Struct):
    """Cuts one gap; positions in it count from 1."""

    gap: Sequence[int]
    skipped: Sequence[int]
    seconds: Seconds | None
    _prices: list[list[int]] = field(default_factory=list)

    def cut(self, count: int) -> list[int]:
        """Choose `count` candidates, at most as many as there are."""
        if self.seconds is not None and len(self.gap) > FINE:
            self._prices = _by_price(self.gap, self.seconds)
        end = len(self.gap) + 1
        fine = max(COARSEST, FINE // count)
        last, chosen = 0, []
        for left in range(count, 0, -1):
            # Twice an even share: the middle of it is where the place would go.
            reach = 2 * (end - last) / (left + 1)
            last = self._best(last, reach, end - left, fine)
            chosen.append(self.gap[last - 1])
        return chosen

    def _best(self, last: int, reach: float, most: int, fine: int) -> int:
        """The position of most worth after `last`, where the next edge is `reach` away; at most `most`."""
        middle = last + math.ceil((reach - 1) / 2)
        if not self.skipped and self.seconds is None:
            return min(max(middle, last + 1), most)
        stop = min(most, last + math.ceil(reach) - 1)
        return max(
            self._positions(last + 1, max(stop, last + 1), middle, fine),
            key=lambda at: closeness((at - last) / reach) * self._per_second(self.gap[at - 1]),
        )

    def _positions(self, start: int, stop: int, middle: int, fine: int) -> Sequence[int]:
        """Return the positions from `start` to `stop` to run, ascending."""
        if stop - start < fine:
            return range(start, stop + 1)
        found = {*range(start, stop + 1, math.ceil((stop + 1 - start) / fine)), middle}
        for positions in self._prices:
            index = bisect_left(positions, middle)
            found.update(at for at in positions[max(0, index - 1) : index + 1] if start <= at <= stop)
        return sorted(found)

    def _per_second(self, key: int) -> float:
        return odds(key, self.skipped) / (self.seconds(key) if self.seconds else 1.0)


def _by_price(gap: Sequence[int], seconds: Seconds) -> list[list[int]]:
    """The positions of each price or, if there are many prices, of each quarter of a doubling."""
    prices: dict[float, list[int]] = {}
    for at, key in enumerate(gap, start=1):
        prices.setdefault(seconds(key), []).append(at)
    if len(prices) <= PRICES:
        return list(prices.values())
    rounded: dict[float, list[int]] = {}
    for price, positions in prices.items():
        rounded.setdefault(round(math.log2(price) * 4), []).extend(positions)
    return [sorted(positions) for positions in rounded.values()]


def closeness(share: float) -> float:
    """1 for an even cut, and less by the Kullback-Leibler divergence (in bits) for others; at least 0."""
    return max(0.0, 2 + math.log2(share * (1 - share)) / 2) if 0 < share < 1 else 0.0


def odds(key: int, skipped: Sequence[int]) -> float:
    """The odds that `key` can be tested, by its distance from the nearest of `skipped` (ascending)."""
    if not skipped:
        return 1.0
    index = bisect_left(skipped, key)
    distance = min(abs(key - skip) for skip in skipped[max(0, index - 1) : index + 1])
    return distance / (distance + 2)


LEAST_S = 0.01
SLOW = 5
"""A candidate that takes this many times as long as another counts as slow compared with it."""


class MeanSeconds(Struct, frozen=True, kw_only=True):
    """Mean durations; the defaults hold until one was measured."""

    run: float = 1.0
    wheel_build: float = 1.0
    source_build: float = 20.0


class TrialCosts:
    """Expects how long one more run of a candidate takes.

    Args:
        candidates: all candidates, by key; the sequence may grow.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = candidates
        self._build_s: dict[int, float] = {}
        self._run_s: dict[int, float] = {}
        self._means = MeanSeconds()
        self.kept: set[int] = set()
        """Candidates whose environments were there before the first trial."""

    def learn(self, trial: Trial, *, runs: int, prebuilt: Collection[int] = ()) -> None:
        """Count the first trial of a candidate that made `runs` runs itself.

        The trials of `prebuilt` candidates do not show how long building takes, because their environments
        were built ahead.
        """
        self._build_s.setdefault(trial.key, trial.build_s)
        self._run_s.setdefault(trial.key, trial.run_s / runs)
        built = {key: s for key, s in self._build_s.items() if key not in self.kept and key not in prebuilt}
        wheels = [s for key, s in built.items() if not self._candidates[key].needs_build]
        sources = [s for key, s in built.items() if self._candidates[key].needs_build]
        unknown = MeanSeconds()
        self._means = MeanSeconds(
            run=_mean(self._run_s.values(), unknown.run),
            wheel_build=_mean(wheels, unknown.wheel_build),
            source_build=_mean(sources, unknown.source_build),
        )

    def seconds(self, key: int, *, prebuilt: Collection[int] = ()) -> float:
        """Return how long one more run of a candidate is expected to take, its build included; above 0."""
        means = self._means
        if key in self._run_s or key in self.kept or key in prebuilt:
            return max(LEAST_S, means.run)
        needs_build = self._candidates[key].needs_build
        return max(LEAST_S, means.run + (means.source_build if needs_build else means.wheel_build))

    def is_slow_beside(self, key: int, others: Collection[int], *, prebuilt: Collection[int] = ()) -> bool:
        """Return whether a candidate takes much longer than one of the others that had nothing to build."""
        quick = [self.seconds(other) for other in others if other in self.kept]
        return bool(quick) and self.seconds(key, prebuilt=prebuilt) > SLOW * min(quick)


def fill(
    places: int,
    *,
    ask: Callable[[int, Collection[int]], Sequence[int]],
    under_way: Collection[int],
    withheld: Collection[int],
    is_slow_beside: Callable[[int, Collection[int]], bool],
) -> list[int]:
    """Return the candidates for the free places, without those that would be slow beside the others.

    `ask` names the next candidates, at most so many, as if some were under way, and none of `withheld`. If
    nothing is under way, the first that it names is returned, however slow.
    """
    chosen, passed = list[int](), list[int]()
    while len(chosen) < places and len(passed) <= places:
        named = ask(places - len(chosen), {*under_way, *chosen, *passed, *withheld})
        if not named:
            break
        for key in named:
            (passed if is_slow_beside(key, [*under_way, *chosen]) else chosen).append(key)
    return chosen


def _mean(values: Collection[float], default: float) -> float:
    # Importing `statistics` takes as long as ten other modules.
    return sum(values) / len(values) if values else default
