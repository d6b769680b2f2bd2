"""Made-up behaviors of sets of packages, and investigations of them."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, combinations, product
from random import Random

import pytest

from bisect_asgi.core.culprit import (
    MOST_MIXES,
    Culprit,
    CulpritSet,
    MixOutcome,
    NextStrictTests,
    Suspects,
    investigate,
)
from bisect_asgi.core.culprit.ddmin import Mix
from bisect_asgi.core.model import CulpritKind, Verdict

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP


PACKAGE, DEPENDENCY, TOGETHER, EITHER, UNCLEAR = CulpritKind


NAMES = ("app", "beta", "gamma", "delta")
"""The package, and what else may differ."""


def mix(text: str) -> Mix:
    """`mix("a b")` has the names a and b."""
    return frozenset(text.split())


def union(mixes: Iterator[Mix] | tuple[Mix, ...]) -> Mix:
    return frozenset[str]().union(*mixes)


def subsets(names: Mix) -> list[Mix]:
    """All mixes of `names`, without that of none, the smallest first."""
    ordered = sorted(names)
    return [frozenset(some) for size in range(1, len(ordered) + 1) for some in combinations(ordered, size)]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Distributions that differ, and how each mix of them behaves."""

    names: Mix
    carriers: tuple[Mix, ...]
    """A mix carries the change when it has all of one of these."""
    skipped: frozenset[Mix] = frozenset()
    """Mixes that cannot be tested."""
    draws: Mapping[str, Mix] = field(default_factory=dict)
    """What a distribution requires: it comes along where it was not taken."""
    hardy: Mix = frozenset()
    """Those that run without what they require as well."""

    def show(self, taken: Mix) -> MixOutcome:
        """What is seen when a mix is run."""
        pulled_in = union(tuple(self.draws.get(name, frozenset()) for name in taken)) - taken
        if taken in self.skipped:
            return MixOutcome(verdict=SKIP)
        return MixOutcome(verdict=NEW if self.carries(taken | pulled_in) else OLD, pulled_in=pulled_in)

    def show_strictly(self, taken: Mix) -> dict[Mix, MixOutcome]:
        """What is known when a mix was run once more without what came along."""
        before = self.show(taken)
        if any(self.draws.get(name, frozenset()) - taken for name in taken - self.hardy):
            return {taken: MixOutcome(verdict=before.verdict, pulled_in=before.pulled_in, is_strict=True)}
        alone = MixOutcome(verdict=NEW if self.carries(taken) else OLD)
        return {taken | before.pulled_in: MixOutcome(verdict=before.verdict), taken: alone}

    def carries(self, taken: Mix) -> bool:
        return any(carrier <= taken for carrier in self.carriers)

    def minimal(self) -> frozenset[Mix]:
        """The mixes that show the change while nothing less of them does; by trying all."""
        new = [taken for taken in subsets(self.names) if self.show(taken).verdict is NEW]
        return frozenset(taken for taken in new if not any(less < taken for less in new))


@dataclass(frozen=True, slots=True, kw_only=True)
class Investigation:
    """An answer, and what was wanted and told on the way."""

    culprit: Culprit
    wanted: tuple[tuple[Mix, ...], ...]
    told: Mapping[Mix, MixOutcome]


@contextmanager
def ended_within(seconds: float, world: World) -> Iterator[None]:
    """Fail if the module loops for ever without a step, because then no count of steps reaches its limit.

    The seconds are processor time, which does not grow on a busy machine.
    """

    def endless(*_: object) -> None:
        pytest.fail(f"it does not end: {world}")

    before = signal.signal(signal.SIGVTALRM, endless)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def drive(
    world: World,
    suspects: Suspects,
    *,
    jobs: int = 1,
    most: int = MOST_MIXES,
    order: Random | None = None,
    told: Mapping[Mix, MixOutcome] | None = None,
) -> Investigation:
    """Answer what is wanted, `jobs` mixes at a time, until the culprit is known."""
    with ended_within(20, world):
        return _driven(world, suspects, jobs, most, order, dict(told or {}))


def _driven(
    world: World,
    suspects: Suspects,
    jobs: int,
    most: int,
    order: Random | None,
    known: dict[Mix, MixOutcome],
) -> Investigation:
    wanted: list[tuple[Mix, ...]] = []
    while not isinstance(step := investigate(suspects, known, most=most), Culprit):
        assert step.mixes
        if isinstance(step, NextStrictTests):
            assert all(known[taken].pulled_in and not known[taken].is_strict for taken in step.mixes)
            for taken in step.mixes:
                known = {**world.show_strictly(taken), **known, taken: world.show_strictly(taken)[taken]}
            continue
        assert len({*step.mixes, *known}) == len(step.mixes) + len(known), "asked twice"
        assert not {frozenset(), world.names} & set(step.mixes), "the sides were run before"
        wanted.append(step.mixes)
        asked = order.sample(step.mixes, len(step.mixes)) if order else step.mixes
        known |= {taken: world.show(taken) for taken in asked[:jobs]}
    return Investigation(culprit=step, wanted=tuple(wanted), told=known)


def apart(names: Mix, package: str | None = None, **kinds: Mix) -> Suspects:
    """Suspects each of which may be moved alone."""
    return Suspects(groups=tuple(frozenset({name}) for name in sorted(names)), package=package, **kinds)


def behaviours(count: int) -> list[World]:
    """All monotone behaviors of `count` distributions whose sides differ."""
    names = frozenset(NAMES[:count])
    mixes = subsets(names)
    every = chain.from_iterable(
        combinations(mixes, size) for size in range(1, math.comb(count, count // 2) + 1)
    )
    return [
        World(names=names, carriers=carriers)
        for carriers in every
        if not any(one < other for one, other in product(carriers, carriers))
    ]


PACKAGES = [pytest.param(None, id="all-moved-at-once"), pytest.param("app", id="with-a-package")]


def expected_kind(sets: tuple[CulpritSet, ...], package: str | None) -> CulpritKind:
    """What the sets are called, where nothing about them is doubtful."""
    if len(sets) > 1:
        return EITHER
    if len(sets[0].mix) > 1:
        return TOGETHER
    return PACKAGE if sets[0].mix == {package} else DEPENDENCY


Driven = list[tuple[World, Suspects, Investigation]]


def many(count: int) -> Mix:
    return frozenset(f"d{number:02}" for number in range(count))
