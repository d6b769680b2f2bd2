"""Bisection over candidates 0 … size - 1, oldest first, of which several may be in flight.

No clock, no I/O, no randomness: the whole state is the mapping of what was told, so replaying is resuming.

How it works
------------
A *bracket* is an OLD candidate below a NEW one. While there is none, the search looks for its two ends;
once there is one, it narrows it until nothing but SKIPs is left inside.

*Ends.* The newest candidate is wanted as NEW and the oldest as OLD. With `gallop`, nobody said where the old
end is: it is looked for backwards from the newest at distances 1, 4, 16, … Growing by 4 costs fewer runs than
by 2 where the change is recent, and reaches the oldest of 370 candidates in six.

*Untestable ends.* Untestable releases come in long runs (an interpreter they cannot use, a dependency that no
longer builds). From an untestable newest one the way goes inward at growing distance (1, 3, 7, …), because
the end should be as new as possible, and with `gallop` nothing older is looked at before that end is known,
because it says which side is which; from an untestable oldest one by halving what lies between it and the
other side. Where that leaves no OLD, stretches that were stepped over are looked into while they are longer
than a sixteenth of the whole.

*Narrowing.* Candidates in flight count as edges. Free places are dealt one by one to the gap with the
most unknown candidates per place, and inside a gap evenly, so that one place halves it and two cut
it into three. That loses a few per cent against the best possible placing for up to four workers.

*Skips.* A position near a SKIP is probably untestable too. The gain of asking i is weighed by
d / (d + 2), d being its distance from the nearest SKIP (Laplace's rule of succession turned around: the
longer the way to the last failure to test, the better the odds). Without skips that weight is the same
everywhere and the search is plain bisection: at most 2 + ceil(log2(size - 1)) asks with one worker.

*Contradictions.* Histories may go good-bad-good. The bracket is then the newest one: the highest OLD
below any NEW, and the lowest NEW above it. NEWs below that OLD are listed in `contradictions`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, pairwise, zip_longest

from bisect_asgi.model import Verdict
from bisect_asgi.search.told import Told

GALLOP_FACTOR = 4
FINEST_STRETCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching:
    """The change lies above `low` and not above `high`; None: that end is not known yet."""

    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The boundary: `low` is the last old candidate, `high` the first new one."""

    low: int
    high: int
    skipped: tuple[int, ...] = ()
    """Untestable candidates between the two; the change is in one of them or in `high`."""
    contradictions: tuple[int, ...] = ()
    """Candidates below `low` that answer NEW: the history changes more than once."""


class StopReason(StrEnum):
    """Why a search ends without a boundary."""

    ALL_NEW = "all-new"
    ALL_OLD = "all-old"
    INVERTED = "inverted"
    """Every OLD is above every NEW: the ends are the wrong way round."""
    UNTESTABLE = "untestable"
    """No candidate could be tested."""
    SAME = "same"
    """It fails equally often everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """There is no boundary to be found."""

    reason: StopReason


class Bisection(Told):
    """Find two neighbouring candidates of which the older is OLD and the newer NEW.

    Args:
        size: number of candidates, at least 1.
        gallop: look for the old end backwards from the newest instead of at the oldest.
        verify: candidates that have to be told before anything else, whatever is known of others: the
            ends that somebody named.

    Raises:
        ValueError: `size` is below 1.
    """

    def __init__(self, size: int, *, gallop: bool = False, verify: Sequence[int] = ()) -> None:
        super().__init__(size)
        self.gallop = gallop
        self._verify = tuple(verify)

    @classmethod
    def replay(
        cls, size: int, told: Mapping[int, Verdict], *, gallop: bool = False, verify: Sequence[int] = ()
    ) -> Bisection:
        """Return the search that was told all of `told`; the order does not matter."""
        return cls(size, gallop=gallop, verify=verify).after(told)

    @property
    def state(self) -> Searching | Found | Stopped:
        """Where the search stands, computed from what it was told."""
        if bracket := self._bracket():
            low, high = bracket
            if self._unknown(low, high) or self._unverified():
                return Searching(low=low, high=high)
            lower = tuple(key for key in self._told_as(Verdict.NEW) if key < low)
            return Found(low=low, high=high, skipped=tuple(range(low + 1, high)), contradictions=lower)
        highest_old, lowest_new = self._sides()
        if any(True for _ in self._wanted_ends()):
            return Searching(low=highest_old, high=lowest_new)
        match highest_old, lowest_new:
            case None, None:
                return Stopped(reason=StopReason.UNTESTABLE)
            case None, _:
                return Stopped(reason=StopReason.ALL_NEW)
            case _, None:
                return Stopped(reason=StopReason.ALL_OLD)
        return Stopped(reason=StopReason.INVERTED)

    def ask(self, limit: int, pending: Collection[int] = ()) -> tuple[int, ...]:
        """Say which candidates to look at next, the most telling first.

        `pending` are those in flight; they are not asked again. The answer has at most `limit`
        keys, and none when the search is over or has to wait for what is pending.
        """
        if limit < 1:
            return ()
        if unverified := self._unverified():
            return tuple(key for key in unverified if key not in pending)[:limit]
        if bracket := self._bracket():
            return self._narrow(*bracket, limit, frozenset(pending))
        return tuple(key for key in self._wanted_ends() if key not in pending)[:limit]

    def is_relevant(self, key: int) -> bool:
        """Tell whether a result for `key` can still change the answer."""
        if bracket := self._bracket():
            return bracket[0] < key < bracket[1] or key in self._verify
        return True

    def _unverified(self) -> list[int]:
        return [key for key in self._verify if key not in self._told]

    def _told_as(self, verdict: Verdict) -> list[int]:
        return sorted(key for key, told in self._told.items() if told is verdict)

    def _unknown(self, low: int, high: int) -> list[int]:
        return [key for key in range(low + 1, high) if key not in self._told]

    def _sides(self) -> tuple[int | None, int | None]:
        """The highest OLD and the lowest NEW."""
        return (
            max(self._told_as(Verdict.OLD), default=None),
            min(self._told_as(Verdict.NEW), default=None),
        )

    def _bracket(self) -> tuple[int, int] | None:
        """The highest OLD that has a NEW above it, and the lowest NEW above that."""
        new = self._told_as(Verdict.NEW)
        old = [key for key in self._told_as(Verdict.OLD) if new and key < new[-1]]
        return (old[-1], min(key for key in new if key > old[-1])) if old else None

    def _wanted_ends(self) -> Iterator[int]:
        """Untold candidates that may complete a bracket, in the order in which they are wanted.

        The two sides take turns, so that two workers look at both ends together.
        """
        highest_old, lowest_new = self._sides()
        if self.gallop and highest_old is None and lowest_new is None:
            yield from self._newest_end()
            return
        floor = -1 if highest_old is None else highest_old
        ceiling = self.size if lowest_new is None else lowest_new
        wants_new = lowest_new is None or highest_old is not None
        wants_old = highest_old is None or lowest_new is not None
        newer = self._inward(range(self.size - 1, floor, -1)) if wants_new else iter(())
        older = self._towards_old(ceiling) if wants_old else iter(())
        both = (key for pair in zip_longest(newer, older) for key in pair if key is not None)
        yield from dict.fromkeys(both)

    def _newest_end(self) -> Iterator[int]:
        """The next candidate that may be the newest end; see "Untestable ends"."""
        yield from islice(self._inward(range(self.size - 1, -1, -1)), 1)
        # The next one inward is also the gallop's first: a second worker loses nothing with it.
        if self.size > 1 and not self._told:
            yield self.size - 2

    def _towards_old(self, ceiling: int) -> Iterator[int]:
        """Untold candidates below `ceiling` that may be OLD."""
        if self.gallop:
            newest = max(self._told_as(Verdict.NEW), default=self.size - 1)
            steps = range(math.ceil(math.log(self.size, GALLOP_FACTOR)) + 1)
            keys = (newest - GALLOP_FACTOR**step for step in steps)
            yield from (key for key in keys if 0 <= key < ceiling and key not in self._told)
        if ceiling and 0 not in self._told:
            yield 0
        yield from self._halved(range(ceiling))

    def _inward(self, line: Sequence[int]) -> Iterator[int]:
        """The next untold candidate from the start of `line` at growing distance; then those stepped over."""
        position, stride = 0, 1
        while position < len(line) and line[position] in self._told:
            position, stride = position + stride, stride * 2
        if position < len(line):
            yield line[position]
        yield from self._halved(line)

    def _halved(self, line: Sequence[int]) -> Iterator[int]:
        """The middle of what lies beyond the last SKIP of `line`; where nothing does, of its long gaps."""
        told = [place for place, key in enumerate(line) if key in self._told]
        if told and told[-1] + 1 < len(line):
            yield line[(told[-1] + 1 + len(line)) // 2]
        for start, end in pairwise([-1, *told]):
            if told[-1] + 1 == len(line) and end - start - 1 > self.size // FINEST_STRETCH:
                yield line[(start + end) // 2]

    def _narrow(self, low: int, high: int, limit: int, pending: frozenset[int]) -> tuple[int, ...]:
        """Deal up to `limit` places to the gaps between `low`, what is in flight, and `high`."""
        edges = sorted({low, high, *(key for key in pending if low < key < high)})
        gaps = [self._unknown(start, end) for start, end in pairwise(edges)]
        places = [0] * len(gaps)
        for _ in range(limit):
            # The gap whose largest piece would be the largest; the older one on a tie.
            index = max(range(len(gaps)), key=lambda i: (len(gaps[i]) - places[i]) / (places[i] + 1))
            if places[index] < len(gaps[index]):
                places[index] += 1
        skipped = [key for key in self._told_as(Verdict.SKIP) if low < key < high]
        chosen = [
            _spread(gap, count, skipped)
            for _, gap, count in sorted(zip(map(len, gaps), gaps, places, strict=True), reverse=True)
        ]
        return tuple(key for keys in chosen for key in keys)


def _spread(gap: Sequence[int], count: int, skipped: Sequence[int]) -> list[int]:
    """Choose `count` of `gap` that cut it as evenly as the neighbourhood of SKIPs allows."""
    chosen: list[int] = []
    for place in range(1, count + 1):
        aim = place / (count + 1)
        gains = {
            key: _closeness(aim, (index + 1) / (len(gap) + 1)) * _testable(key, skipped)
            for index, key in enumerate(gap)
            if key not in chosen
        }
        chosen.append(max(gains, key=lambda key: gains[key]))
    return chosen


def _closeness(aim: float, share: float) -> float:
    """1 where a cut at `share` is as aimed, less by the Kullback-Leibler divergence in bits, at least 0."""
    divergence = aim * math.log2(aim / share) + (1 - aim) * math.log2((1 - aim) / (1 - share))
    return max(0.0, 1.0 - divergence)


def _testable(key: int, skipped: Sequence[int]) -> float:
    """The odds that `key` can be tested, by its distance from the nearest SKIP."""
    distance = min((abs(key - skip) for skip in skipped), default=None)
    return 1.0 if distance is None else distance / (distance + 2)
