"""Find which of the distributions that differ across a boundary cause the change.

A pure function of the mixes tested so far returns the mixes to test next, or the culprit. The mix that takes
everything from the new side is NEW and the one that takes nothing is OLD: they are the sides of the boundary.

1. *Cross-check*, if the search moved one package on purpose: the new package with the old dependencies, and
   the old package with the new dependencies. Either may cause the change alone, or both, or neither.
2. Each of these that causes it is made smaller by delta debugging (`ddmin`): first by groups that only work
   together, then by their members. If neither causes it alone, all that differs is made smaller.
3. All sets that were found are reverted at once. If the rest still causes the change, there is another set in
   it. Two upgrades that each break a probe are two results. If the rest is untestable, the dependencies among
   it are tested alone. Any tested mix that causes the change and contains no known set has another set in it.

A mix may need a distribution that only the new side has: a new release may not run without a new dependency.
Its outcome names what was *pulled in* for that. If such a mix is the smallest one, it is tested once more
strictly, without that. If it is untestable so, each of its members must matter next to what was pulled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bisect_asgi.core.culprit.ddmin import Mix, NextTests, Smallest, ddmin
from bisect_asgi.core.model import CulpritKind, Verdict
from bisect_asgi.core.records import Struct

MOST_MIXES = 80
"""The greatest number of mixes to test. Beyond it, the set is returned without proof that it is minimal."""
MOST_UNTESTABLE = 20
"""The greatest number of untestable mixes. They make no set smaller; beyond it, doubt is reported."""

_NONE: Mix = frozenset()


class Suspects(Struct, frozen=True, kw_only=True):
    """The distributions that differ between the two sides."""

    groups: tuple[Mix, ...]
    """Disjoint groups of distributions that only work together. The package is a group of its own."""
    package: str | None = None
    """The package that the search moves, or None if it moves everything at once."""
    added: Mix = frozenset()
    """The distributions that only the new side has."""
    removed: Mix = frozenset()
    """The distributions that only the old side has."""


class MixOutcome(Struct, frozen=True, kw_only=True):
    """The result of a tested mix."""

    verdict: Verdict
    pulled_in: Mix = frozenset()
    """The distributions that are not in the mix, but were installed because something there requires them."""
    is_strict: bool = False
    """Whether the mix is known to be untestable without those."""


class NextStrictTests(Struct, frozen=True, kw_only=True):
    """Mixes to test once more, without the distributions that were pulled in."""

    mixes: tuple[Mix, ...]


class CulpritSet(Struct, frozen=True, kw_only=True):
    """A set of distributions that causes the change."""

    mix: Mix
    pulled_in: Mix = frozenset()
    """The distributions that it does not run without."""
    doubtful: Mix = frozenset()
    """The members that may not be needed, because no run shows that they are."""
    is_cut_short: bool = False
    """Whether some members are doubtful because the number of tested mixes is limited."""


class Culprit(Struct, frozen=True, kw_only=True):
    """The result: the sets that each cause the change alone."""

    kind: CulpritKind
    sets: tuple[CulpritSet, ...]
    is_all: bool = True
    """Whether a run shows that the change is gone with every set reverted."""


Outcomes = Mapping[Mix, MixOutcome]


def investigate(
    suspects: Suspects, outcomes: Outcomes, *, most: int = MOST_MIXES
) -> NextTests | NextStrictTests | Culprit:
    """Return the mixes to test next, or the culprit if no test is left that could change it."""
    everything = _union(suspects.groups)
    outcomes = {**outcomes, everything: MixOutcome(verdict=Verdict.NEW)}
    if sum(outcome.verdict is Verdict.SKIP for outcome in outcomes.values()) >= MOST_UNTESTABLE:
        most = 0
    pools = _pools(suspects)
    for _ in range(2):  # first the pools, then the nearest testable ones in place of untestable ones
        if unknown := tuple(pool for pool in map(_union, pools) if pool not in outcomes):
            return NextTests(mixes=unknown)
        pools = [_nearest(pool, suspects, outcomes) for pool in pools]
    causing = [pool for pool in pools if outcomes[_union(pool)].verdict is Verdict.NEW]
    sets: list[CulpritSet] = []
    for pool in causing or [suspects.groups]:
        smallest = _smallest(pool, outcomes, most)
        if not isinstance(smallest, CulpritSet):
            return smallest
        sets = _distinct([*sets, smallest])
    return _further(suspects, outcomes, sets, most)


def _further(
    suspects: Suspects, outcomes: Outcomes, sets: list[CulpritSet], most: int
) -> NextTests | NextStrictTests | Culprit:
    """Return the culprit, with the further sets that the other mixes show."""
    while True:
        for rest in rests(suspects, [each.mix for each in sets]):
            if rest not in outcomes and len(outcomes) < most:
                return NextTests(mixes=(rest,))
            if rest not in outcomes or outcomes[rest].verdict is not Verdict.SKIP:
                break
        causing = _unexplained(outcomes, sets)
        if causing is None:
            break
        smallest = _smallest(
            [group & causing for group in suspects.groups if group & causing], outcomes, most
        )
        if not isinstance(smallest, CulpritSet):
            return smallest
        # The mix pulled in a distribution that is in a known set, so that it does not show another set.
        if not smallest.mix <= causing:
            break
        sets = [*sets, smallest]
    sets = _distinct(sets)
    rest = _union(suspects.groups).difference(*(each.mix for each in sets))
    is_all = not rest or (rest in outcomes and outcomes[rest].verdict is Verdict.OLD)
    return Culprit(kind=_kind(suspects, sets), sets=tuple(sets), is_all=is_all)


def rests(suspects: Suspects, sets: Iterable[Mix]) -> tuple[Mix, ...]:
    """Return the mixes that show whether there are further sets: all with `sets` reverted comes first.

    The new package may be untestable without a set. Its dependencies with the set reverted may not be.
    """
    rest = _union(suspects.groups).difference(*sets)
    dependencies = rest - {suspects.package or ""}
    return tuple(mix for mix in dict.fromkeys((rest, dependencies)) if mix)


def _unexplained(outcomes: Outcomes, sets: Sequence[CulpritSet]) -> Mix | None:
    """Return the smallest mix that causes the change and contains no set that is known, or None."""
    causing = (
        mix
        for mix, outcome in outcomes.items()
        if outcome.verdict is Verdict.NEW and not any(each.mix <= mix | outcome.pulled_in for each in sets)
    )
    return min(causing, key=lambda mix: (len(mix), sorted(mix)), default=None)


def cross_check(suspects: Suspects, outcomes: Outcomes) -> tuple[Mix, ...]:
    """Return the tested mixes of the cross-check, and those that were tested in place of untestable ones."""
    if suspects.package is None:
        return ()
    pools = [pool for pool in _pools(suspects) if _union(pool) in outcomes]
    nearest = [_nearest(pool, suspects, outcomes) for pool in pools]
    return tuple(dict.fromkeys(_union(pool) for pool in (*pools, *nearest)))


def _pools(suspects: Suspects) -> list[tuple[Mix, ...]]:
    """Return the groups to test apart: the package, and its dependencies."""
    if suspects.package is None:
        return [suspects.groups]
    package = tuple(group for group in suspects.groups if suspects.package in group)
    dependencies = tuple(group for group in suspects.groups if suspects.package not in group)
    return [pool for pool in (package, dependencies) if pool]


def _nearest(pool: tuple[Mix, ...], suspects: Suspects, outcomes: Outcomes) -> tuple[Mix, ...]:
    """Return the pool, or the nearest one that may be testable if the pool is not.

    A package may use a distribution that it does not require: the new package one that was added, the old
    package one that was removed. The nearest pool has these.
    """
    if outcomes[_union(pool)].verdict is not Verdict.SKIP or suspects.package is None:
        return pool
    if suspects.package in _union(pool):
        added = tuple(frozenset({name}) for name in sorted(suspects.added - _union(pool)))
        return (*pool, *added)
    kept = tuple(group - suspects.removed for group in pool)
    return tuple(group for group in kept if group) or pool


def _smallest(
    groups: Sequence[Mix], outcomes: Outcomes, most: int
) -> NextTests | NextStrictTests | CulpritSet:
    """Return the smallest set within `groups`, or the tests that are needed to find it.

    It is reduced by groups, then by their members, then next to what was pulled in.
    """
    verdicts = {mix: outcome.verdict for mix, outcome in outcomes.items()}
    step = ddmin(groups, verdicts, most=most)
    seen: set[Mix] = set()
    while True:
        if isinstance(step, Smallest):
            step = ddmin(_singles(step.mix), verdicts, most=most)
        if isinstance(step, NextTests):
            return step
        seen.add(step.mix)
        checked = _next_to_pulled_in(step, outcomes, most)
        if not isinstance(checked, frozenset):
            return checked
        # Two sets may each be reduced to the other, by what they pull in. Without this check, the search
        # would not end.
        if checked in seen:
            return _culprit_set(step, outcomes, doubtful=step.mix)
        step = ddmin(_singles(checked), verdicts, most=most)


def _next_to_pulled_in(
    smallest: Smallest, outcomes: Outcomes, most: int
) -> NextTests | NextStrictTests | CulpritSet | Mix:
    """Return the set if each member matters next to what the set pulled in, or the tests to show that.

    Return a mix without one of the members if that mix causes the change as well.
    """
    outcome = outcomes.get(smallest.mix)
    if outcome is None or not outcome.pulled_in:
        return _culprit_set(smallest, outcomes)
    if not outcome.is_strict:
        return NextStrictTests(mixes=(smallest.mix,))
    lacking = {name: (smallest.mix | outcome.pulled_in) - {name} for name in sorted(smallest.mix)}
    unknown = tuple(mix for mix in lacking.values() if mix not in outcomes)
    if unknown and len(outcomes) < most:
        return NextTests(mixes=unknown)
    verdicts = {name: outcomes[mix].verdict for name, mix in lacking.items() if mix in outcomes}
    for name, verdict in verdicts.items():
        if verdict is Verdict.NEW:
            return lacking[name]
    doubtful = frozenset(name for name in lacking if verdicts.get(name) is not Verdict.OLD)
    return _culprit_set(smallest, outcomes, doubtful=doubtful)


def _culprit_set(smallest: Smallest, outcomes: Outcomes, *, doubtful: Mix = frozenset()) -> CulpritSet:
    unknown = (*smallest.unresolved, *smallest.untried)
    outcome = outcomes.get(smallest.mix)
    return CulpritSet(
        mix=smallest.mix,
        pulled_in=outcome.pulled_in if outcome else frozenset(),
        doubtful=doubtful.union(*(smallest.mix - mix for mix in unknown)),
        is_cut_short=bool(smallest.untried),
    )


def _distinct(sets: Sequence[CulpritSet]) -> list[CulpritSet]:
    """Return the sets without duplicates, and without those that contain another one."""
    return [
        each
        for index, each in enumerate(sets)
        if not any(other.mix < each.mix for other in sets)
        and not any(other.mix == each.mix for other in sets[:index])
    ]


def _kind(suspects: Suspects, sets: Sequence[CulpritSet]) -> CulpritKind:
    if any(each.doubtful for each in sets):
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
    return _NONE.union(*groups)
