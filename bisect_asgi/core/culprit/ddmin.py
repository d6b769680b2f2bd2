"""Delta debugging: the smallest set of differences that still carries a change.

This is the algorithm ddmin of Zeller and Hildebrandt ("Simplifying and Isolating Failure-Inducing Input",
IEEE Transactions on Software Engineering 28(2), 2002, figure 4) with its three outcomes, as a pure function
of what was told so far: it answers with the tests that it wants next, or with the set. Replaying is resuming.

The parts that are taken from the new side make a *mix*; it is NEW when it answers as the new side does, OLD
when it answers as the old one, and SKIP when it cannot be tested (the paper's "unresolved"). The mix of all
parts is NEW, or there would be nothing to explain. The set that is left is *1-minimal* when every mix that
lacks one more part is OLD; a SKIP among those leaves open whether that part matters.

One thing differs from the paper: any NEW that is known is taken at once, whatever its place in the order,
because tests run side by side and come back in any order. The set is as minimal as the paper's; which one it
is of several may differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.records import Struct

Mix = frozenset[str]
"""The names of the distributions that are taken from the new side."""


class NextTests(Struct, frozen=True, kw_only=True):
    """Mixes to be tested, the most telling first; any of them may do."""

    mixes: tuple[Mix, ...]


class Smallest(Struct, frozen=True, kw_only=True):
    """A mix that carries the change and has no smaller one in it that is known to."""

    mix: Mix
    unresolved: tuple[Mix, ...] = ()
    """Mixes that lack one part of it and could not be tested: the part may or may not matter."""
    untried: tuple[Mix, ...] = ()
    """Those that were not tested because `most` was reached."""


def ddmin(parts: Sequence[Mix], told: Mapping[Mix, Verdict], *, most: int) -> NextTests | Smallest:
    """Make the mix of all `parts` smaller as far as `told` allows; parts are kept whole.

    `most`: when so many mixes are told, no more are wanted.

    Raises:
        ValueError: there are no parts.
    """
    if not parts:
        raise ValueError("there is nothing to make smaller")
    current, pieces = list(parts), 2
    while len(current) > 1:
        subsets = _split(current, pieces)
        options = subsets + ([_without(current, subset) for subset in subsets] if pieces > 2 else [])
        smaller = next((option for option in options if told.get(_mix(option)) is Verdict.NEW), None)
        if smaller is not None:
            pieces = 2 if smaller in subsets else max(pieces - 1, 2)
            current = smaller
            continue
        unknown = tuple(dict.fromkeys(mix for mix in map(_mix, options) if mix not in told))
        if unknown and len(told) < most:
            return NextTests(mixes=unknown)
        if pieces >= len(current) or unknown:
            break
        pieces = min(len(current), 2 * pieces)
    return _smallest(current, told)


def _smallest(parts: Sequence[Mix], told: Mapping[Mix, Verdict]) -> Smallest:
    smaller = [_mix(_without(parts, [part])) for part in parts] if len(parts) > 1 else []
    return Smallest(
        mix=_mix(parts),
        unresolved=tuple(mix for mix in smaller if told.get(mix) is Verdict.SKIP),
        untried=tuple(mix for mix in smaller if mix not in told),
    )


def _split(parts: Sequence[Mix], pieces: int) -> list[list[Mix]]:
    """Cut into `pieces` neighbouring runs of nearly equal length."""
    edges = [round(len(parts) * piece / pieces) for piece in range(pieces + 1)]
    return [list(parts[start:end]) for start, end in pairwise(edges)]


def _without(parts: Sequence[Mix], excluded: Sequence[Mix]) -> list[Mix]:
    return [part for part in parts if part not in excluded]


def _mix(parts: Sequence[Mix]) -> Mix:
    return frozenset[str]().union(*parts)
