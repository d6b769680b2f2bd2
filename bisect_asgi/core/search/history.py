"""Where to look for other changes, once a boundary is known.

Bisection takes it for granted that nothing changes beyond what it has run. The newest release tells whether a
bug was fixed since. A fix that was reverted, or was released for two series, shows next to the boundary and
at the ends of release series. After these, `AllChanges` halves the longest unknown stretch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from packaging.version import InvalidVersion, Version

from bisect_asgi.core.model import Boundary


def looks(labels: Sequence[str], boundary: Boundary | None) -> tuple[int, ...]:
    """Return which candidates to look at first, the most telling first; some may be known already."""
    newest = len(labels) - 1
    ends = series_ends(labels)
    if boundary is None:
        return (newest, 0, *ends)
    beside = [key for key in (boundary.low - 1, boundary.high + 1) if 0 <= key <= newest]
    before = [key for key in reversed(ends) if key < boundary.low]
    after = [key for key in ends if key > boundary.high]
    return tuple(dict.fromkeys([newest, *beside, *before[:1], *after[:1], *before[1:], *after[1:]]))


def series_ends(labels: Sequence[str]) -> list[int]:
    """Return the last candidate of each series: of the versions that share their first two numbers."""
    return [
        key
        for key, label in enumerate(labels)
        if key + 1 == len(labels) or _series(label) != _series(labels[key + 1])
    ]


def _series(label: str) -> tuple[int, ...]:
    try:
        return Version(label).release[:2]
    except InvalidVersion:
        return ()


def spot_checks(
    labels: Sequence[str], low: int, high: int, *, known: Collection[int], most: int
) -> tuple[int, ...]:
    """Choose at most `most` candidates to run in addition: the neighbours, then ends of series.

    The ends of series are taken nearest to the middles of the longest unknown stretches.
    """
    chosen = [key for key in (low - 1, high + 1) if 0 <= key < len(labels) and key not in known][:most]
    ends = [key for key in series_ends(labels) if not low < key < high]
    while len(chosen) < most:
        stretch = _longest_unknown(len(labels), low, high, {*known, *chosen})
        if not stretch:
            break
        middle = stretch[len(stretch) // 2]
        inside = [key for key in ends if key in stretch] or list(stretch)
        chosen.append(min(inside, key=lambda key: abs(key - middle)))
    return tuple(chosen)


def _longest_unknown(size: int, low: int, high: int, known: Collection[int]) -> range:
    """The longest run of candidates outside the boundary that nothing is known of."""
    best, start = range(0), 0
    for key in range(size + 1):
        if key == size or key in known or low <= key <= high:
            if key - start > len(best):
                best = range(start, key)
            start = key + 1
    return best
