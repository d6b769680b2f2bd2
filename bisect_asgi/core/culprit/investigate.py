"""Which of the distributions that differ across a boundary carry the change.

Nothing here builds or runs: it is told what mixes of the two environments showed, and says which it wants
next, or what that means. The mix that takes everything from the new side is NEW and the one that takes
nothing is OLD: they are the two sides of the boundary.

1. *Cross-check*, where one project is what moved on purpose (the *package*): the new package with the old
   dependencies, and the old package with the new ones. Either may carry the change alone, or both, or
   neither.
2. What carries it is made smaller by delta debugging (`search.deltas`), first over groups that have to move
   together, then inside the group. Where neither carries it alone, all that differs is made smaller.
3. Every set that was found is taken back at once: where what is left carries the change as well, there is
   another set in it, and two upgrades that break a probe independently are two answers.

A mix may need what the new side added: a new release may not run without the dependency that it brought. Such
a mix is told with what came *along*. When it is what is left at the end, it is wanted once more strictly,
without that; where it cannot be tested so, each of its members has to matter beside what came along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bisect_asgi.core.culprit.ddmin import Mix, NextTests, Smallest, ddmin
from bisect_asgi.core.model import CulpritKind, Verdict
from bisect_asgi.core.records import Struct

MOST_MIXES = 80
"""Beyond so many mixes the set is given as it is, and said not to be shown minimal."""


class Suspects(Struct, frozen=True, kw_only=True):
    """The distributions that differ, in groups that are to be moved together first."""

    groups: tuple[Mix, ...]
    """Disjoint; the package is a group of its own."""
    package: str | None = None
    """What moved on purpose; None where everything moved at once."""
    added: Mix = frozenset()
    """Those that only the new side has."""
    removed: Mix = frozenset()
    """Those that only the old side has."""


class MixOutcome(Struct, frozen=True, kw_only=True):
    """What a mix showed, and what else of the new side had to come along."""

    verdict: Verdict
    pulled_in: Mix = frozenset()
    is_strict: bool = False
    """It was also tried without what came along, and could not be tested so."""


class NextStrictTests(Struct, frozen=True, kw_only=True):
    """Mixes to be tried once more, without what came along with them."""

    mixes: tuple[Mix, ...]


class CulpritSet(Struct, frozen=True, kw_only=True):
    """A set that is shown to carry the change, and how far it is shown that nothing in it can be left out."""

    mix: Mix
    pulled_in: Mix = frozenset()
    """What it does not run without."""
    doubtful: Mix = frozenset()
    """Members of which it could not be shown that they matter."""
    is_cut_short: bool = False
    """There were more mixes to try than are tried."""


class Culprit(Struct, frozen=True, kw_only=True):
    """The answer: what carries the change; several sets each do so alone."""

    kind: CulpritKind
    sets: tuple[CulpritSet, ...]
    is_all: bool = True
    """With every set taken back the change is gone; False: that could not be tested."""


Told = Mapping[Mix, MixOutcome]


def investigate(
    suspects: Suspects, told: Told, *, most: int = MOST_MIXES
) -> NextTests | NextStrictTests | Culprit:
    """Return the mixes to test next, or the culprit as far as it can be told."""
    everything = _union(suspects.groups)
    told = {**told, everything: MixOutcome(verdict=Verdict.NEW)}
    pools = _pools(suspects)
    for _ in range(2):  # the pools, then what comes nearest to those that cannot be tested
        if unknown := tuple(pool for pool in map(_union, pools) if pool not in told):
            return NextTests(mixes=unknown)
        pools = [_nearest(pool, suspects, told) for pool in pools]
    carrying = [pool for pool in pools if told[_union(pool)].verdict is Verdict.NEW]
    found: list[CulpritSet] = []
    for pool in carrying or [suspects.groups]:
        smallest = _smallest(pool, told, most)
        if not isinstance(smallest, CulpritSet):
            return smallest
        found = _distinct([*found, smallest])
    return _further(suspects, told, found, most)


def _further(
    suspects: Suspects, told: Told, found: list[CulpritSet], most: int
) -> NextTests | NextStrictTests | Culprit:
    """Take back every set that was found; where the rest carries the change as well, there is another one."""
    while rest := _union(suspects.groups).difference(*(shown.mix for shown in found)):
        if rest not in told:
            if len(told) < most:
                return NextTests(mixes=(rest,))
            break
        if told[rest].verdict is not Verdict.NEW:
            break
        smallest = _smallest([group & rest for group in suspects.groups if group & rest], told, most)
        if not isinstance(smallest, CulpritSet):
            return smallest
        if not smallest.mix <= rest:  # what was taken back came along again
            break
        found = [*found, smallest]
    is_all = not rest or (rest in told and told[rest].verdict is Verdict.OLD)
    return Culprit(kind=_kind(suspects, found), sets=tuple(found), is_all=is_all)


def cross_check(suspects: Suspects, told: Told) -> tuple[Mix, ...]:
    """The mixes of the cross-check that were told, and what was tried in the place of untestable ones."""
    if suspects.package is None:
        return ()
    pools = [pool for pool in _pools(suspects) if _union(pool) in told]
    nearest = [_nearest(pool, suspects, told) for pool in pools]
    return tuple(dict.fromkeys(_union(pool) for pool in (*pools, *nearest)))


def _pools(suspects: Suspects) -> list[tuple[Mix, ...]]:
    """What is asked apart: the package, and its dependencies."""
    if suspects.package is None:
        return [suspects.groups]
    own = tuple(group for group in suspects.groups if suspects.package in group)
    others = tuple(group for group in suspects.groups if suspects.package not in group)
    return [pool for pool in (own, others) if pool]


def _nearest(pool: tuple[Mix, ...], suspects: Suspects, told: Told) -> tuple[Mix, ...]:
    """The pool, or what comes nearest to it where it cannot be tested as it is.

    A package may use what it does not require itself: the new one what was added beside it, the old one
    what was removed.
    """
    if told[_union(pool)].verdict is not Verdict.SKIP or suspects.package is None:
        return pool
    if suspects.package in _union(pool):
        added = tuple(frozenset({name}) for name in sorted(suspects.added - _union(pool)))
        return (*pool, *added)
    kept = tuple(group - suspects.removed for group in pool)
    return tuple(group for group in kept if group) or pool


def _smallest(groups: Sequence[Mix], told: Told, most: int) -> NextTests | NextStrictTests | CulpritSet:
    """The smallest set by groups, then inside the groups that are left, then against what came along."""
    verdicts = {mix: trialled.verdict for mix, trialled in told.items()}
    step = ddmin(groups, verdicts, most=most)
    seen: set[Mix] = set()
    while True:
        if isinstance(step, Smallest):
            step = ddmin(_singles(step.mix), verdicts, most=most)
        if isinstance(step, NextTests):
            return step
        seen.add(step.mix)
        settled = _against_along(step, told, most)
        if not isinstance(settled, frozenset):
            return settled
        if settled in seen:
            return _shown(step, told, doubtful=step.mix)
        step = ddmin(_singles(settled), verdicts, most=most)


def _against_along(
    smallest: Smallest, told: Told, most: int
) -> NextTests | NextStrictTests | CulpritSet | Mix:
    """Hold a set against what came along with it: each member has to matter beside that.

    Returns a mix without one of the members, where that carries the change too.
    """
    own = told.get(smallest.mix)
    if own is None or not own.pulled_in:
        return _shown(smallest, told)
    if not own.is_strict:
        return NextStrictTests(mixes=(smallest.mix,))
    lacking = {name: (smallest.mix | own.pulled_in) - {name} for name in sorted(smallest.mix)}
    unknown = tuple(mix for mix in lacking.values() if mix not in told)
    if unknown and len(told) < most:
        return NextTests(mixes=unknown)
    verdicts = {name: told[mix].verdict for name, mix in lacking.items() if mix in told}
    for name, verdict in verdicts.items():
        if verdict is Verdict.NEW:
            return lacking[name]
    doubtful = frozenset(name for name in lacking if verdicts.get(name) is not Verdict.OLD)
    return _shown(smallest, told, doubtful=doubtful)


def _shown(smallest: Smallest, told: Told, *, doubtful: Mix = frozenset()) -> CulpritSet:
    unknown = (*smallest.unresolved, *smallest.untried)
    own = told.get(smallest.mix)
    return CulpritSet(
        mix=smallest.mix,
        pulled_in=own.pulled_in if own else frozenset(),
        doubtful=doubtful.union(*(smallest.mix - mix for mix in unknown)),
        is_cut_short=bool(smallest.untried),
    )


def _distinct(sets: Sequence[CulpritSet]) -> list[CulpritSet]:
    """Each set once, and none that has another one in it."""
    return [
        mine
        for place, mine in enumerate(sets)
        if not any(other.mix < mine.mix for other in sets)
        and not any(other.mix == mine.mix for other in sets[:place])
    ]


def _kind(suspects: Suspects, sets: Sequence[CulpritSet]) -> CulpritKind:
    if any(shown.doubtful for shown in sets):
        return CulpritKind.UNCLEAR
    if len(sets) > 1:
        return CulpritKind.EITHER
    (only,) = sets
    if len(only.mix) > 1:
        return CulpritKind.TOGETHER
    return CulpritKind.PACKAGE if suspects.package in only.mix else CulpritKind.DEPENDENCY


def _singles(mix: Mix) -> list[Mix]:
    return [frozenset({name}) for name in sorted(mix)]


def _union(groups: Sequence[Mix]) -> Mix:
    return frozenset[str]().union(*groups)
