"""Choose the candidates to run to find other changes, once a boundary is known.

Bisection assumes that nothing changes except at its boundary. The newest release shows whether the bug was
fixed since. A fix that was reverted, or was released for two series, shows next to the boundary and at the
ends of release series, of which the middle one is the first. After these, `AllChanges` halves the longest
unknown stretch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from packaging.version import InvalidVersion, Version

from bisect_asgi.core.model import Boundary


def looks(
    labels: Sequence[str], changes: Sequence[Boundary], *, skips: Collection[int] = ()
) -> tuple[int, ...]:
    """Return the candidates to run first, the most informative first; some may be known already.

    Another candidate takes the place of one in `skips`: the next one beyond a change, or in its series.
    """
    newest = len(labels) - 1
    ends = series_ends(labels, skips=skips)
    if not changes:
        return tuple(dict.fromkeys([newest, 0, *_spread(ends)]))
    beside: list[int] = []
    nearest: list[int] = []
    for change in reversed(changes):
        below = [key for key in range(change.low) if key not in skips]
        above = [key for key in range(change.high + 1, newest + 1) if key not in skips]
        beside += [*below[-1:], *above[:1]]
        nearest += [*(key for key in ends if key < change.low)][-1:]
        nearest += [*(key for key in ends if key > change.high)][:1]
    return tuple(dict.fromkeys([newest, *beside, *nearest, *_spread(ends)]))


def _spread(keys: Sequence[int]) -> list[int]:
    """Return the keys in the order of halving: the middle one, those in the middle of both halves, …"""
    parts, found = [keys], list[int]()
    for part in parts:
        if part:
            middle = len(part) // 2
            found.append(part[middle])
            parts += [part[:middle], part[middle + 1 :]]
    return found


def series_ends(labels: Sequence[str], *, skips: Collection[int] = ()) -> list[int]:
    """Return the last candidate of each series, without those in `skips`.

    A series is all versions that share their first two numbers.
    """
    kept = [key for key in range(len(labels)) if key not in skips]
    return [
        key
        for key, after in zip(kept, [*kept[1:], None], strict=False)
        if after is None or _series(labels[key]) != _series(labels[after])
    ]


def _series(label: str) -> tuple[int, ...]:
    try:
        return Version(label).release[:2]
    except InvalidVersion:
        return ()


def spot_checks(
    labels: Sequence[str], low: int, high: int, *, known: Collection[int], most: int
) -> tuple[int, ...]:
    """Choose at most `most` candidates to run in addition: the neighbors, then ends of series.

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
