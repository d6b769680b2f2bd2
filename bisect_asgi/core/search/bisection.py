"""Bisection over candidates 0 … size - 1, oldest first, of which several may be in flight.

No clock, no I/O, no randomness: the whole state is the mapping of verdicts, so replaying is resuming.

How it works
------------
A *bracket* is an OLD candidate below a NEW one. While there is none, the search looks for its two ends. Once
there is one, the search narrows it until only SKIPs are left inside.

*Ends.* The newest candidate should be NEW and the oldest OLD. With `gallop`, the user has not named the old
end. The search then looks for it backwards from the newest candidate, at distances 1, 4, 16, … Growing by 4
costs fewer runs than growing by 2 if the change is recent, and reaches the oldest of 370 candidates in six
runs. The candidate at such a distance may take much longer than some of the newer ones, for example if it has
to be built from source. Then the oldest of the quick ones, back to the previous distance, is run first: it
may be the old end, and nothing has to be built. If workers are free while the oldest candidate runs, one of
them gets the middle below the lowest NEW, because the middle is next if the oldest is OLD.

*Named ends* (`verify`) are run before anything else. Workers that would be idle meanwhile run candidates
between them, as if both ends were as named. If they are not, which is the commonest mistake, only idle time
was wasted. If the user did not name both ends, nothing is run ahead, because the newest candidate decides
which side is which.

*Untestable ends.* Untestable releases come in long stretches: an interpreter does not fit them, or a
dependency no longer builds. From an untestable newest candidate, the search goes inward at growing distances
(1, 3, 7, …), because the end should be as new as possible. With `gallop`, nothing older is run before that
end is known, because it decides which side is which. From an untestable oldest candidate, the search halves
what lies between it and the other side. If that finds no OLD, the stretches that were stepped over are
searched as long as they are longer than a sixteenth of the whole. Stretches whose ends are SKIPs for one
reason are not: they are `doubtful`.

*Narrowing.* The top of `cuts.py` explains which candidate between the two is next, if several are in flight,
if there are SKIPs, and if some candidates take longer than others. If all take equally long and none is a
SKIP, this is plain bisection: at most 2 + ceil(log2(size - 1)) runs with one worker.

*SKIPs that lean to a side.* A candidate that fails differently from the bad end neither works nor has the
bug. Such a SKIP leans to the good side: the search looks for a good candidate between it and the bad end. If
there is none, no good candidate comes right before the bug, whatever else is in the gap. So the rest of the
gap is not run.

*Contradictions.* Histories may go good-bad-good. The bracket is then the newest one: the highest OLD
below any NEW, and the lowest NEW above it. NEWs below that OLD are listed in `contradictions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice, pairwise, zip_longest
from types import MappingProxyType
from typing import Self

from bisect_asgi.core.model import Boundary, Verdict
from bisect_asgi.core.records import Struct
from bisect_asgi.core.search.cuts import SLOW, choose_cuts, is_patient


class VerdictMap:
    """The mapping that is a search's whole state, so that replaying it is resuming.

    Args:
        size: number of candidates, at least 1.

    Raises:
        ValueError: `size` is below 1.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"a search needs at least one candidate, not {size}")
        self.size = size
        self._verdicts: dict[int, Verdict] = {}

    def tell(self, key: int, verdict: Verdict) -> None:
        """Add the verdict of candidate `key`; a second verdict replaces the first.

        Raises:
            IndexError: `key` is no candidate.
        """
        if not 0 <= key < self.size:
            raise IndexError(f"candidate {key} of {self.size}")
        self._verdicts[key] = verdict

    def after(self, verdicts: Mapping[int, Verdict]) -> Self:
        """Return a search with all of `verdicts`, whatever their order."""
        for key, verdict in verdicts.items():
            self.tell(key, verdict)
        return self


_NONE: Mapping[int, Verdict] = MappingProxyType({})
GALLOP_FACTOR = 4
FINEST_STRETCH = 16


class Open(Struct, frozen=True, kw_only=True):
    """The change lies above `low` and not above `high`; None: that end is not known yet."""

    low: int | None
    high: int | None


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


class NoBoundary(Struct, frozen=True, kw_only=True):
    """There is no boundary to be found."""

    reason: StopReason


class Bisection(VerdictMap):
    """Find two neighboring candidates of which the older is OLD and the newer NEW.

    Args:
        size: number of candidates, at least 1.
        gallop: look for the old end backwards from the newest instead of at the oldest.
        verify: candidates whose verdicts are needed before all others: the ends that the user named.
        seconds: how long a candidate's trial is expected to take, above 0; without it, all take equally long.
            It is called once or twice for each candidate that may be next, so it should be a mere look-up.
        leaning: the SKIPs that lean to a side, with that side.
        doubtful: candidates that count as untestable until something shows that they are testable.

    Raises:
        ValueError: `size` is below 1.
    """

    def __init__(
        self,
        size: int,
        *,
        gallop: bool = False,
        verify: Sequence[int] = (),
        seconds: Callable[[int], float] | None = None,
        leaning: Mapping[int, Verdict] = _NONE,
        doubtful: Collection[int] = (),
    ) -> None:
        super().__init__(size)
        self.gallop = gallop
        self._verify = tuple(verify)
        self._seconds = seconds
        self._leaning = leaning
        self._doubtful = doubtful

    @classmethod
    def replay(
        cls,
        size: int,
        verdicts: Mapping[int, Verdict],
        *,
        gallop: bool = False,
        verify: Sequence[int] = (),
        seconds: Callable[[int], float] | None = None,
        leaning: Mapping[int, Verdict] = _NONE,
        doubtful: Collection[int] = (),
    ) -> Bisection:
        """Return the search that knows `verdicts`; their order does not matter."""
        search = cls(size, gallop=gallop, verify=verify, seconds=seconds, leaning=leaning, doubtful=doubtful)
        return search.after(verdicts)

    @property
    def state(self) -> Open | Boundary | NoBoundary:
        """Return the state of the search, computed from the verdicts."""
        if bracket := self._bracket():
            low, high = bracket
            floor, ceiling = self._inside(low, high)
            if self._unknown(floor, ceiling) or self._unverified():
                return Open(low=floor, high=ceiling)
            lower = tuple(key for key in self._with(Verdict.NEW) if key < low)
            return Boundary(low=low, high=high, skipped=tuple(range(low + 1, high)), contradictions=lower)
        highest_old, lowest_new = self._sides()
        if any(True for _ in self._wanted_ends()):
            return Open(low=highest_old, high=lowest_new)
        match highest_old, lowest_new:
            case None, None:
                return NoBoundary(reason=StopReason.UNTESTABLE)
            case None, _:
                return NoBoundary(reason=StopReason.ALL_NEW)
            case _, None:
                return NoBoundary(reason=StopReason.ALL_OLD)
        return NoBoundary(reason=StopReason.INVERTED)

    def ask(self, limit: int, pending: Collection[int] = ()) -> tuple[int, ...]:
        """Return the candidates to run next, the most informative first.

        `pending` are those in flight; they are not in the result. The answer has at most `limit`
        keys, and none when the search is over or has to wait for what is pending.
        """
        if limit < 1:
            return ()
        unverified = self._unverified()
        first = tuple(key for key in unverified if key not in pending)[:limit]
        if bracket := self._likely_bracket():
            inside = self._inside(*bracket)
            return first + self._narrow(*inside, limit - len(first), {*pending, *first})
        if unverified:
            return first
        return tuple(key for key in self._wanted_ends() if key not in pending)[:limit]

    def is_relevant(self, key: int) -> bool:
        """Return whether a result for `key` can still change the answer."""
        if bracket := self._likely_bracket():
            low, high = self._inside(*bracket)
            return low < key < high or key in self._verify
        return True

    def _inside(self, low: int, high: int) -> tuple[int, int]:
        """Return the part of a bracket that is narrowed: nothing beyond a SKIP that leans to a side."""
        inside = [(key, side) for key, side in self._leaning.items() if low < key < high]
        old = (key for key, side in inside if side is Verdict.OLD)
        new = (key for key, side in inside if side is Verdict.NEW)
        return max((low, *old)), min((high, *new))

    def _unverified(self) -> list[int]:
        return [key for key in self._verify if key not in self._verdicts]

    def _with(self, verdict: Verdict) -> list[int]:
        return sorted(key for key, known in self._verdicts.items() if known is verdict)

    def _unknown(self, low: int, high: int) -> int:
        """Return how many between the two have no verdict."""
        return high - low - 1 - sum(1 for key in self._verdicts if low < key < high)

    def _sides(self) -> tuple[int | None, int | None]:
        """The highest OLD and the lowest NEW."""
        return (
            max(self._with(Verdict.OLD), default=None),
            min(self._with(Verdict.NEW), default=None),
        )

    def _bracket(self) -> tuple[int, int] | None:
        return _bracket(self._verdicts)

    def _likely_bracket(self) -> tuple[int, int] | None:
        """The bracket; before it is known, the one that there is if both named ends are as the user says."""
        if len(self._verify) < 2:
            return self._bracket()
        return _bracket({min(self._verify): Verdict.OLD, max(self._verify): Verdict.NEW} | self._verdicts)

    def _wanted_ends(self) -> Iterator[int]:
        """Candidates without a verdict that may complete a bracket, in the order in which they are wanted.

        The two sides take turns, so that two workers run both ends at once.
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
        # The next one inward is also the first step of the gallop, so a second worker's run is not wasted.
        if self.size > 1 and not self._verdicts:
            yield self.size - 2

    def _towards_old(self, ceiling: int) -> Iterator[int]:
        """Untold candidates below `ceiling` that may be OLD."""
        if self.gallop:
            newest = max(self._with(Verdict.NEW), default=self.size - 1)
            steps = range(math.ceil(math.log(self.size, GALLOP_FACTOR)) + 1)
            keys = [newest, *(max(0, newest - GALLOP_FACTOR**step) for step in steps), 0]
            inside = (
                (key, min(above, ceiling)) for above, key in pairwise(keys) if key < min(above, ceiling)
            )
            yield from (self._quick(key, above) for key, above in inside if key not in self._verdicts)
            # If the oldest is OLD, the middle is next. It is run ahead, because the oldest may take long to
            # build.
            if ceiling > 2 and not any(key in self._verdicts for key in range(ceiling)):
                yield self._quick(ceiling // 2, ceiling)
        elif ceiling and 0 not in self._verdicts:
            yield 0
        yield from self._halved(range(ceiling))

    def _quick(self, key: int, above: int) -> int:
        """Return the oldest untold candidate from `key` to below `above` that is quick, if `key` is slow."""
        if self._seconds is None:
            return key
        untold = {other: self._seconds(other) for other in range(key, above) if other not in self._verdicts}
        most_s = SLOW * min(untold.values())
        return next(other for other, seconds in untold.items() if seconds <= most_s)

    def _inward(self, line: Sequence[int]) -> Iterator[int]:
        """The next untold candidate from the start of `line` at growing distance; then those stepped over."""
        position, stride = 0, 1
        while position < len(line) and line[position] in self._verdicts:
            position, stride = position + stride, stride * 2
        if position < len(line):
            yield line[position]
        yield from self._halved(line)

    def _halved(self, line: Sequence[int]) -> Iterator[int]:
        """The middle of the candidates beyond the last SKIP of `line`; without any, that of its long gaps."""
        known = [place for place, key in enumerate(line) if key in self._verdicts]
        if known and known[-1] + 1 < len(line):
            yield line[(known[-1] + 1 + len(line)) // 2]
        for start, end in pairwise([-1, *known]):
            middle = line[(start + end) // 2]
            is_long = end - start - 1 > self.size // FINEST_STRETCH
            if known[-1] + 1 == len(line) and is_long and middle not in self._doubtful:
                yield middle

    def _narrow(self, low: int, high: int, limit: int, pending: Collection[int]) -> tuple[int, ...]:
        """Choose up to `limit` places between `low`, the candidates in flight, and `high`."""
        if limit < 1:
            return ()
        flying = [key for key in pending if low < key < high]
        gap = self._unknown(low, high) + 1
        prices = self._seconds is not None and is_patient(
            self.size, gap, runs=len(self._verdicts) + len(flying), workers=limit + len(flying)
        )
        return choose_cuts(
            low,
            high,
            known=self._verdicts,
            skipped=self._with(Verdict.SKIP),
            pending=flying,
            limit=limit,
            seconds=self._seconds if prices else None,
        )


def _bracket(verdicts: Mapping[int, Verdict]) -> tuple[int, int] | None:
    """The highest OLD that has a NEW above it, and the lowest NEW above that."""
    new = [key for key, verdict in verdicts.items() if verdict is Verdict.NEW]
    newest = max(new, default=-1)
    low = max(
        (key for key, verdict in verdicts.items() if verdict is Verdict.OLD and key < newest), default=None
    )
    return None if low is None else (low, min(key for key in new if key > low))
