"""Infer untestable candidates from untestable ones, so that a search does not try a long stretch one by one.

Often all old releases are untestable for one reason: they do not install, or an import fails. Such a stretch
has two ends that skip for that reason, and its other candidates are *assumed* to do the same. Of unknown
candidates next to a skip, the nearer half is *postponed*: the middle tells more than the neighbor.

A search for other changes finds no boundary in such a stretch. After two skips for one reason, the whole
stretch, up to the next tested candidates, is *exhausted*: other candidates come first. A search with a flaky
probe may have to run it all the same, because nothing else shows whether the change is in it. By the rule of
succession, a candidate there is testable with probability 1 / (n + 2) after n skips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise


def assumed(reasons: Mapping[int, str], tested: Collection[int]) -> frozenset[int]:
    """Return the candidates between two skips for one reason, if nothing between the two was tested.

    Args:
        reasons: the reason of each candidate that the search skips.
        tested: the candidates that were run and are not skipped.
    """
    found: set[int] = set()
    for low, high in pairwise(sorted({*reasons, *tested})):
        if low in reasons and high in reasons and reasons[low] == reasons[high]:
            found.update(range(low + 1, high))
    return frozenset(found)


def exhausted(reasons: Mapping[int, str], tested: Collection[int], *, size: int) -> frozenset[int]:
    """Return the candidates without a result in stretches in which two were skipped for one reason."""
    return frozenset(likely(reasons, tested, size=size))


def likely(reasons: Mapping[int, str], tested: Collection[int], *, size: int) -> dict[int, float]:
    """Return how probable it is that each candidate of an exhausted stretch can be tested."""
    found: dict[int, float] = {}
    for low, high in pairwise([-1, *sorted(tested), size]):
        seen = Counter(reason for key, reason in reasons.items() if low < key < high)
        if (most := max(seen.values(), default=0)) > 1:
            found |= {key: 1 / (most + 2) for key in range(low + 1, high) if key not in reasons}
    return found


def postponed(skips: Collection[int], tested: Collection[int], *, size: int) -> frozenset[int]:
    """Return the unknown candidates that are nearer to a skip than to the middle of their stretch.

    The middle of a stretch is never postponed, so that every stretch has a candidate to run.
    """
    return frozenset(key for low, high in _stretches(skips, tested, size) for key in _near(low, high, skips))


def _stretches(skips: Collection[int], tested: Collection[int], size: int) -> Iterator[tuple[int, int]]:
    """Yield the known neighbors around each unknown stretch; -1 and `size` are beyond the range."""
    return pairwise([-1, *sorted({*skips, *tested}), size])


def _near(low: int, high: int, skips: Collection[int]) -> Iterator[int]:
    middle = (low + high) // 2
    if low in skips:
        yield from range(low + 1, middle)
    if high in skips:
        yield from range(middle + 1, high)
