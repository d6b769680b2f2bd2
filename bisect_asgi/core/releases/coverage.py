"""Decide on which Python each release of a compiled package is searched.

Each release of a compiled package has wheels for the Pythons of its time, so no Python has wheels for the
whole history. On a new Python, old releases are source distributions that were never built there: an attempt
takes minutes, and fails. Another Python on the machine may have wheels for them. So the oldest releases of a
range are not candidates on a Python if other Pythons have wheels for them. If the remaining releases all
agree, the search continues on those Pythons.

The Pythons are chosen as a greedy cover. The next one adds the most releases with wheels, among those that
have a wheel for a release at the edge of the covered part. So a change at that edge lies inside the range of
one Python.
"""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.core.model import Release
from bisect_asgi.core.releases.installable import TargetPython, has_wheel, unusable

_MOST_PYTHONS = 3
"""Each further one is a search of its own."""


def left_to_others(releases: Sequence[Release], target: TargetPython, others: Sequence[TargetPython]) -> int:
    """Return how many of the first releases are left to other Pythons, because those have wheels for them.

    Args:
        releases: the candidates on `target`, oldest first; or newest first.
        target: the Python that is chosen for the range.
        others: the other ones that may run the probe.
    """
    own = next((place for place, release in enumerate(releases) if has_wheel(release, target)), 0)
    left = (place + 1 for place in reversed(range(own)) if _has_any_wheel(releases[place], others))
    count = next(left, 0)
    return count if len(releases) - count >= 2 else 0


def next_pythons(
    releases: Sequence[Release], target: TargetPython, others: Sequence[TargetPython]
) -> tuple[TargetPython, ...]:
    """Return the Pythons that have wheels for releases that `target` has none for, in the order to try them.

    Args:
        releases: all releases of the range, oldest first, whatever Python they need.
        target: the Python that is tried first.
        others: the other ones that may run the probe, the best first.
    """
    wheels = {each: _with_wheels(releases, each) for each in (target, *others)}
    covered, found, left = set(wheels[target]), list[TargetPython](), list(others)
    while covered and left and len(found) < _MOST_PYTHONS:
        edges = {min(covered), max(covered)}
        best = max(left, key=lambda each: (bool(edges & wheels[each]), len(wheels[each] - covered)))
        if not wheels[best] - covered or len(wheels[best]) < 2:
            break
        found.append(best)
        left.remove(best)
        covered |= wheels[best]
    return tuple(found)


def able(pythons: Sequence[TargetPython], release: Release) -> TargetPython | None:
    """Return the first of these Pythons that can install the release, or None if there is none."""
    return next((each for each in pythons if unusable(release, each) is None), None)


def _with_wheels(releases: Sequence[Release], target: TargetPython) -> frozenset[int]:
    return frozenset(place for place, release in enumerate(releases) if has_wheel(release, target))


def _has_any_wheel(release: Release, targets: Sequence[TargetPython]) -> bool:
    return any(has_wheel(release, target) for target in targets)
