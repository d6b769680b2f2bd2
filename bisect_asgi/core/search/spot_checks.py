"""Where a hidden change is likeliest, once a boundary has been found.

Bisection takes it for granted that nothing changes beyond what it has run. A fix that was reverted, or was
released for two series, shows beside the boundary and at the ends of release series; a few extra runs
there tell a simple history from one that is not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from packaging.version import InvalidVersion, Version


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


def series_ends(labels: Sequence[str]) -> list[int]:
    """The last candidate of each series, which is what versions share in their first two numbers."""
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


def _longest_unknown(size: int, low: int, high: int, known: Collection[int]) -> range:
    """The longest run of candidates outside the boundary that nothing is known of."""
    best, start = range(0), 0
    for key in range(size + 1):
        if key == size or key in known or low <= key <= high:
            if key - start > len(best):
                best = range(start, key)
            start = key + 1
    return best
