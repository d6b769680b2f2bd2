"""Find every change in a history that may change more than once.

A change lies between two neighboring testable candidates with different verdicts. Nothing can be inferred
from distant neighbors that agree, because the verdict may have changed and changed back between them. Only a
size can be promised. Once every unknown stretch between agreeing neighbors is shorter than `shortest`, any
state that lasted for at least `shortest` testable candidates has been seen. With 1, every candidate is run.

A stretch between neighbors that *differ* holds a change for certain. Such stretches are narrowed to the place
of their change, whatever their length, before the longest of the others is halved. While the newest candidate
has no verdict, because it is in flight or untestable, the stretch before it may hold a change. It is narrowed
as well, unless its candidates are wanted last.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from bisect_asgi.core.model import Boundary, Verdict
from bisect_asgi.core.records import Struct
from bisect_asgi.core.search.bisection import NoBoundary, Open, VerdictMap
from bisect_asgi.core.search.cuts import choose_cuts


class AllBoundaries(Struct, frozen=True, kw_only=True):
    """All changes that were found, oldest first; `low` and `high` of each have different verdicts."""

    changes: tuple[Boundary, ...]
    shortest: int
    """Any state that lasted for at least this number of testable candidates has been seen."""


State = Open | Boundary | NoBoundary | AllBoundaries
"""The state of a search."""


class AllChanges(VerdictMap):
    """Look for every change among candidates 0 … size - 1, oldest first.

    Args:
        size: number of candidates, at least 1.
        shortest: the shortest state that must not be missed, in candidates, at least 1.
        first: candidates to run before any other.
        never: candidates that are not worth a run.
        last: candidates to run after all others.
        places_only: find only the places of changes that are already known to exist.

    Raises:
        ValueError: `size` or `shortest` is below 1.
    """

    def __init__(
        self,
        size: int,
        *,
        shortest: int = 1,
        first: Sequence[int] = (),
        never: Collection[int] = (),
        last: Collection[int] = (),
        places_only: bool = False,
    ) -> None:
        super().__init__(size)
        if shortest < 1:
            raise ValueError(f"the shortest state is at least one candidate long, not {shortest}")
        self.shortest = shortest
        wanted = () if places_only else dict.fromkeys(first)
        self._first = tuple(key for key in wanted if key not in never)
        self._never = never
        self._last = frozenset(last)
        self._places_only = places_only

    @classmethod
    def replay(
        cls,
        size: int,
        verdicts: Mapping[int, Verdict],
        *,
        shortest: int = 1,
        first: Sequence[int] = (),
        never: Collection[int] = (),
        last: Collection[int] = (),
        places_only: bool = False,
    ) -> AllChanges:
        """Return the search that knows `verdicts`."""
        search = cls(size, shortest=shortest, first=first, never=never, last=last, places_only=places_only)
        return search.after(verdicts)

    @property
    def state(self) -> Open | AllBoundaries:
        """Searching until no stretch is worth another look."""
        if self.ask(1):
            return Open(low=None, high=None)
        return AllBoundaries(changes=tuple(self._changes()), shortest=self.shortest)

    @property
    def so_far(self) -> AllBoundaries:
        """Return the result if nothing more is run: changes between neighbors, and the shortest state seen.

        A state outside the candidates that were tested may have any length.
        """
        longest = max((len(unknown) for _, _, unknown in self._between()), default=0)
        changes = tuple(change for change in self._changes() if not self._unknown(change.low, change.high))
        return AllBoundaries(changes=changes, shortest=longest + 1)

    @property
    def unplaced(self) -> tuple[Boundary, ...]:
        """Changes of which it is only known that they are somewhere between two tested candidates."""
        return tuple(change for change in self._changes() if self._unknown(change.low, change.high))

    def ask(self, limit: int, pending: Collection[int] = ()) -> tuple[int, ...]:
        """Return the candidates to run next; none if no more are wanted for now.

        The first of `first` comes before anything else. A stretch that holds a change comes before the rest
        of `first`, because a user who stops the search early wants to know where that change is.
        """
        wanted = [key for key in self._first if key not in self._verdicts and key not in pending]
        chosen = [key for key in wanted if key == self._first[0]][: max(0, limit)]
        chosen += self._places({*pending, *chosen}, limit - len(chosen))
        if self._places_only:
            return tuple(chosen)
        sooner = [key for key in wanted if key not in chosen and key not in self._last]
        chosen += sooner[: max(0, limit - len(chosen))]
        self._halve(self._stretches({*pending, *chosen, *self._last}), chosen, limit)
        self._halve(self._stretches({*pending, *chosen}), chosen, limit)
        return tuple(chosen)

    def _places(self, pending: Collection[int], limit: int) -> list[int]:
        """Choose candidates that narrow the stretches with a change; each stretch gets its share.

        The stretch with the fewest candidates in flight comes first. Of several, it is the one that is
        narrowed soonest.
        """
        chosen: list[int] = []
        stretches = self._changing(pending)
        stretches.sort(key=lambda ends: (sum(key in pending for key in range(*ends)), ends[1] - ends[0]))
        for left, (start, end) in zip(range(len(stretches), 0, -1), stretches, strict=False):
            share = math.ceil((limit - len(chosen)) / left)
            known = {*self._verdicts, *self._never} - {start, end}
            skips = [key for key in range(start, end + 1) if self._verdicts.get(key) is Verdict.SKIP]
            chosen += choose_cuts(
                start, end, known=known, skipped=skips, pending=set(pending) - {start, end}, limit=share
            )
        return chosen

    def _changing(self, pending: Collection[int]) -> list[tuple[int, int]]:
        """Return each two candidates that differ, or may, with only unknown and untestable ones between."""
        tested, newest = self._tested(), self.size - 1
        found = [(change.low, change.high) for change in self._changes()]
        is_open = newest in pending or self._verdicts.get(newest) is Verdict.SKIP
        is_awaited = is_open and newest in self._first and tested and tested[-1] < newest
        if is_awaited and not self._last.issuperset(self._unknown(tested[-1], newest)):
            found.append((tested[-1], newest))
        return found

    @staticmethod
    def _halve(stretches: list[list[int]], chosen: list[int], limit: int) -> None:
        """Append the middles of the longest stretches to `chosen` until there are `limit` candidates."""
        while len(chosen) < limit and stretches:
            index, longest = max(enumerate(stretches), key=lambda item: len(item[1]))
            middle = (len(longest) - 1) // 2
            chosen.append(longest[middle])
            stretches[index : index + 1] = filter(None, (longest[:middle], longest[middle + 1 :]))

    def is_relevant(self, key: int) -> bool:
        """Every candidate is wanted or, if only places are, those inside a change."""
        is_inside = any(low < key < high for low, high in self._changing(()))
        return key not in self._verdicts and (is_inside or not self._places_only)

    def _tested(self) -> list[int]:
        return sorted(key for key, verdict in self._verdicts.items() if verdict is not Verdict.SKIP)

    def _unknown(self, start: int, end: int) -> list[int]:
        """Return the candidates between two others that have no verdict."""
        return [key for key in range(start + 1, end) if key not in self._verdicts]

    def _between(self) -> list[tuple[int, int, list[int]]]:
        """Return each two neighboring tested candidates, with what is unknown between them."""
        return [(start, end, self._unknown(start, end)) for start, end in pairwise(self._tested())]

    def _stretches(self, pending: Collection[int]) -> list[list[int]]:
        """The unknown stretches that are worth a run; candidates in flight divide them."""
        found: list[list[int]] = []
        for start, end in pairwise([-1, *self._tested(), self.size]):
            unknown = [key for key in self._unknown(start, end) if key not in self._never]
            if len(unknown) >= self.shortest:
                found += _cut(unknown, pending)
        return found

    def _changes(self) -> list[Boundary]:
        tested = self._tested()
        return [
            Boundary(low=low, high=high, skipped=tuple(range(low + 1, high)))
            for low, high in pairwise(tested)
            if self._verdicts[low] is not self._verdicts[high]
        ]


def _cut(unknown: Sequence[int], pending: Collection[int]) -> list[list[int]]:
    """Split a stretch at the candidates in flight."""
    pieces: list[list[int]] = [[]]
    for key in unknown:
        if key in pending:
            pieces.append([])
        else:
            pieces[-1].append(key)
    return [piece for piece in pieces if piece]
