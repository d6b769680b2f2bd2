"""Find the smallest set of differences that still causes a change, by delta debugging.

This is the algorithm ddmin of Zeller and Hildebrandt ("Simplifying and Isolating Failure-Inducing Input",
IEEE Transactions on Software Engineering 28(2), 2002, figure 4) with its three outcomes. It is pure: from all
results so far it returns the next tests, or the set. Replaying the results therefore resumes it.

A *mix* is the set of parts that are taken from the new side. It is NEW if it behaves like the new side, OLD
if it behaves like the old side, and SKIP if it is untestable (the paper's "unresolved"). The mix of all parts
is NEW, or there would be nothing to explain. The result is *1-minimal* if every mix with one part less is
OLD. If such a mix is SKIP, it stays open whether that part matters.

In one thing this differs from the paper: it takes any smaller mix that is NEW, whatever its place in the
order, because tests run in parallel and end in any order. The set is as minimal as the paper's. If there are
several such sets, it may be another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.records import Struct

Mix = frozenset[str]
"""The names of the distributions that are taken from the new side. All others are as on the old side."""
_NONE: Mix = frozenset()


class NextTests(Struct, frozen=True, kw_only=True):
    """The mixes to test, in the order of the paper. Any that is NEW makes the set smaller."""

    mixes: tuple[Mix, ...]


class Smallest(Struct, frozen=True, kw_only=True):
    """The smallest mix that is known to be NEW."""

    mix: Mix
    unresolved: tuple[Mix, ...] = ()
    """The untestable mixes with one part less: that part may or may not matter."""
    untried: tuple[Mix, ...] = ()
    """The mixes with one part less that were not tested, because `most` was reached."""


def ddmin(parts: Sequence[Mix], verdicts: Mapping[Mix, Verdict], *, most: int) -> NextTests | Smallest:
    """Return the mixes to test next, or the smallest mix of `parts`, none of which is divided.

    With `most` verdicts or more, no further test is returned.

    Raises:
        ValueError: there are no parts.
    """
    if not parts:
        raise ValueError("there is nothing to make smaller")
    current, pieces = list(parts), 2
    while len(current) > 1:
        subsets = _split(current, pieces)
        options = subsets + ([_without(current, subset) for subset in subsets] if pieces > 2 else [])
        mixes = [_mix(option) for option in options]
        smaller = next((place for place, mix in enumerate(mixes) if verdicts.get(mix) is Verdict.NEW), None)
        if smaller is not None:
            pieces = 2 if smaller < len(subsets) else max(pieces - 1, 2)
            current = options[smaller]
            continue
        unknown = tuple(dict.fromkeys(mix for mix in mixes if mix not in verdicts))
        if unknown and len(verdicts) < most:
            return NextTests(mixes=unknown)
        if pieces >= len(current) or unknown:
            break
        pieces = min(len(current), 2 * pieces)
    return _smallest(current, verdicts)


def _smallest(parts: Sequence[Mix], verdicts: Mapping[Mix, Verdict]) -> Smallest:
    smaller = [_mix(_without(parts, [part])) for part in parts] if len(parts) > 1 else []
    return Smallest(
        mix=_mix(parts),
        unresolved=tuple(mix for mix in smaller if verdicts.get(mix) is Verdict.SKIP),
        untried=tuple(mix for mix in smaller if mix not in verdicts),
    )


def _split(parts: Sequence[Mix], pieces: int) -> list[list[Mix]]:
    """Return `parts`, cut into `pieces` slices of nearly equal length."""
    edges = [round(len(parts) * piece / pieces) for piece in range(pieces + 1)]
    return [list(parts[start:end]) for start, end in pairwise(edges)]


def _without(parts: Sequence[Mix], excluded: Sequence[Mix]) -> list[Mix]:
    return [part for part in parts if part not in excluded]


def _mix(parts: Sequence[Mix]) -> Mix:
    return _NONE.union(*parts)
