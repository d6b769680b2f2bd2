"""The culprit, over made-up worlds: each says which sets of distributions carry a change; all must be found.

What carries the change in a world is worked out by trying all mixes, which is what the module must not do.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, combinations, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core.culprit import (
    MOST_MIXES,
    Culprit,
    CulpritSet,
    MixOutcome,
    NextStrictTests,
    Suspects,
    cross_check,
    investigate,
)
from bisect_asgi.core.culprit.ddmin import Mix, NextTests
from bisect_asgi.core.model import CulpritKind, Verdict

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP

PACKAGE, DEPENDENCY, TOGETHER, EITHER, UNCLEAR = CulpritKind

NAMES = ("app", "beta", "gamma", "delta")

"""The package, and what else may differ."""

reproducible = settings(derandomize=True, deadline=None, max_examples=200)


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
    """Fail where the module goes round in circles by itself, which no count of steps would show.

    The seconds are the processor's, of which a busy machine takes no more.
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
    known, wanted = dict(told or {}), []
    while not isinstance(step := step_of(world, suspects, known, most), Culprit):
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


def step_of(
    world: World, suspects: Suspects, told: Mapping[Mix, MixOutcome], most: int
) -> NextTests | NextStrictTests | Culprit:
    with ended_within(20, world):
        return investigate(suspects, told, most=most)


def apart(names: Mix, package: str | None = None, **kinds: Mix) -> Suspects:
    """Suspects each of which may be moved alone."""
    return Suspects(groups=tuple(frozenset({name}) for name in sorted(names)), package=package, **kinds)


def behaviours(count: int) -> list[World]:
    """All monotone behaviours of `count` distributions whose sides differ."""
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


WORLDS = [world for count in range(1, 5) for world in behaviours(count)]

PACKAGES = [pytest.param(None, id="all-moved-at-once"), pytest.param("app", id="with-a-package")]


def partitions(names: Mix, package: str | None) -> Iterator[tuple[Mix, ...]]:
    """Ways to put names together in groups of one or two, the package alone."""
    others = sorted(names - {package})
    own = (frozenset({package}),) if package else ()
    yield own + tuple(frozenset({name}) for name in others)
    for pair in combinations(others, 2):
        alone = tuple(frozenset({name}) for name in others if name not in pair)
        yield (*own, frozenset(pair), *alone)
        if len(alone) == 2:
            yield (*own, frozenset(pair), union(alone))


def expected_kind(sets: tuple[CulpritSet, ...], package: str | None) -> CulpritKind:
    """What the sets are called, where nothing about them is doubtful."""
    if len(sets) > 1:
        return EITHER
    if len(sets[0].mix) > 1:
        return TOGETHER
    return PACKAGE if sets[0].mix == {package} else DEPENDENCY


def test_the_made_up_behaviours_are_all_that_there_are() -> None:
    """Dedekind's numbers are 3, 6, 20 and 168; two behaviours of each have sides that do not differ."""
    assert [len(behaviours(count)) for count in range(1, 5)] == [1, 4, 18, 166]


@cache
def all_testable(package: str | None, jobs: int) -> Driven:
    """All worlds in which everything can be tested, with all ways to group what moves."""
    return [
        (world, suspects, drive(world, suspects, jobs=jobs))
        for world in WORLDS
        for suspects in (Suspects(groups=g, package=package) for g in partitions(world.names, package))
    ]


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("jobs", [1, 2])
def test_each_set_carries_the_change_and_nothing_in_it_can_be_left_out(
    package: str | None, jobs: int
) -> None:
    for world, _, found in all_testable(package, jobs):
        culprit = found.culprit
        assert {shown.mix for shown in culprit.sets} <= world.minimal()
        assert not any(shown.doubtful or shown.pulled_in or shown.is_cut_short for shown in culprit.sets)
        assert culprit.kind is expected_kind(culprit.sets, package)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_sets_have_something_in_common(package: str | None) -> None:
    for _, _, found in all_testable(package, 1):
        sets = found.culprit.sets
        assert sum(len(shown.mix) for shown in sets) == len(union(tuple(shown.mix for shown in sets)))


@pytest.mark.parametrize("package", PACKAGES)
def test_with_every_set_taken_back_the_change_is_gone(package: str | None) -> None:
    """So no other set carries it alone, unless it has something in common with one that was found."""
    for world, suspects, found in all_testable(package, 1):
        left = world.names.difference(*(shown.mix for shown in found.culprit.sets))
        assert found.culprit.is_all
        assert not world.carries(left), (world, suspects, found.culprit)


@pytest.mark.parametrize("package", PACKAGES)
def test_sets_that_have_nothing_in_common_are_all_found(package: str | None) -> None:
    for world in WORLDS:
        if sum(map(len, world.carriers)) == len(union(world.carriers)):
            culprit = drive(world, apart(world.names, package)).culprit

            assert {shown.mix for shown in culprit.sets} == set(world.carriers), world


def test_the_cross_check_comes_first() -> None:
    for world in WORLDS:
        others = world.names - {"app"}
        if others:
            first, *_ = drive(world, apart(world.names, "app")).wanted

            assert first == (mix("app"), others)


@pytest.mark.parametrize("package", PACKAGES)
def test_one_set_is_found_in_whatever_order_answers_come(package: str | None) -> None:
    for world in [world for count in (2, 3, 4) for world in behaviours(count) if len(world.carriers) == 1]:
        for grouped in partitions(world.names, package):
            suspects = Suspects(groups=grouped, package=package)

            assert all_answers(world, suspects) == {
                Culprit(
                    kind=expected_kind((CulpritSet(mix=world.carriers[0]),), package),
                    sets=(CulpritSet(mix=world.carriers[0]),),
                )
            }


def all_answers(world: World, suspects: Suspects) -> set[Culprit]:
    """Every answer that there can be, over all orders in which results can come back."""
    answers: set[Culprit] = set()
    seen: set[frozenset[Mix]] = set()
    todo: list[frozenset[Mix]] = [frozenset()]
    while todo:
        told = todo.pop()
        step = investigate(suspects, {taken: world.show(taken) for taken in told})
        if not isinstance(step, NextTests):
            assert isinstance(step, Culprit)
            answers.add(step)
            continue
        after = {told | {taken} for taken in step.mixes} - seen
        seen |= after
        todo.extend(after)
    return answers


CANNOT_BE_TESTED = [
    (world, frozenset(skipped), added)
    for world in behaviours(3)
    for size in range(7)
    for skipped in combinations(subsets(world.names)[:-1], size)
    for added in (None, *map(frozenset, (("beta",), ("gamma",), ("beta", "gamma"))))
]

"""All behaviours of three distributions, with all choices of what cannot be tested and of what is new."""


Driven = list[tuple[World, Suspects, Investigation]]


@cache
def with_skips(package: str | None, jobs: int) -> Driven:
    """Worlds in which mixes cannot be tested; what is not added by the new side it has removed."""
    driven: Driven = []
    for world, skipped, added in CANNOT_BE_TESTED:
        kinds = {"added": added, "removed": world.names - {"app"} - added} if added is not None else {}
        shown = World(names=world.names, carriers=world.carriers, skipped=skipped)
        suspects = apart(world.names, package, **kinds)
        driven.append((shown, suspects, drive(shown, suspects, jobs=jobs)))
    return driven


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("jobs", [1, 2])
def test_where_mixes_cannot_be_tested_no_more_is_said_than_was_seen(package: str | None, jobs: int) -> None:
    for world, _, found in with_skips(package, jobs):
        for shown in found.culprit.sets:
            assert shown.mix == world.names or found.told[shown.mix].verdict is NEW, (world, found.culprit)
            for name in shown.mix - shown.doubtful if len(shown.mix) > 1 else ():
                assert found.told[shown.mix - {name}].verdict is OLD, (world, found.culprit)
        is_doubtful = any(shown.doubtful for shown in found.culprit.sets)
        expected = UNCLEAR if is_doubtful else expected_kind(found.culprit.sets, package)
        assert found.culprit.kind is expected


@pytest.mark.parametrize("package", PACKAGES)
def test_where_mixes_cannot_be_tested_no_set_is_named_twice(package: str | None) -> None:
    for world, suspects, found in with_skips(package, 1):
        culprit = found.culprit
        mixes = [shown.mix for shown in culprit.sets]
        assert len(set(mixes)) == len(mixes), (world, suspects, culprit)
        assert culprit.kind is not EITHER or sum(map(len, mixes)) == len(union(tuple(mixes)))


@pytest.mark.parametrize("package", PACKAGES)
def test_where_the_rest_cannot_be_tested_it_is_not_said_that_the_sets_are_all(package: str | None) -> None:
    for world, suspects, found in with_skips(package, 1):
        left = world.names.difference(*(shown.mix for shown in found.culprit.sets))
        if found.culprit.is_all and left:
            assert left not in found.told or found.told[left].verdict is OLD, (world, suspects, found.culprit)
            assert world.show(left).verdict is not NEW, (world, suspects, found.culprit)


def test_a_package_that_does_not_run_without_what_was_added_is_tried_with_it() -> None:
    world = World(names=mix("app beta gamma"), carriers=(mix("app"),), skipped=frozenset({mix("app")}))
    suspects = apart(world.names, "app", added=mix("beta"))

    found = drive(world, suspects, jobs=2)

    assert found.wanted[:2] == ((mix("app"), mix("beta gamma")), (mix("app beta"),))
    (shown,) = found.culprit.sets
    assert (found.culprit.kind, shown.mix, shown.doubtful) == (UNCLEAR, mix("app beta"), mix("beta"))
    assert cross_check(suspects, found.told) == (mix("app"), mix("beta gamma"), mix("app beta"))


def test_a_package_that_does_not_run_without_what_was_removed_is_tried_with_it() -> None:
    names = mix("app beta gamma")
    world = World(names=names, carriers=(mix("beta"),), skipped=frozenset({mix("beta gamma")}))
    suspects = apart(names, "app", removed=mix("gamma"))

    found = drive(world, suspects, jobs=2)

    assert found.wanted[:2] == ((mix("app"), mix("beta gamma")), (mix("beta"),))
    assert found.culprit.sets == (CulpritSet(mix=mix("beta")),)
    assert cross_check(suspects, found.told) == (mix("app"), mix("beta gamma"), mix("beta"))


def test_where_everything_else_was_removed_there_is_nothing_nearer_to_try() -> None:
    names = mix("app beta gamma")
    world = World(names=names, carriers=(mix("app"),), skipped=frozenset({mix("beta gamma")}))

    found = drive(world, apart(names, "app", removed=mix("beta gamma")), jobs=2)

    assert found.wanted == ((mix("app"), mix("beta gamma")),)
    assert found.culprit == Culprit(kind=PACKAGE, sets=(CulpritSet(mix=mix("app")),), is_all=False)


def test_what_was_not_tried_yet_is_no_part_of_the_cross_check() -> None:
    suspects = apart(mix("app beta gamma"), "app")

    assert cross_check(suspects, {}) == ()
    assert cross_check(suspects, {mix("app"): MixOutcome(verdict=OLD)}) == (mix("app"),)


def test_where_everything_moved_at_once_there_is_no_cross_check() -> None:
    suspects = apart(mix("beta gamma"))

    assert cross_check(suspects, {mix("beta"): MixOutcome(verdict=NEW)}) == ()


@cache
def with_company(package: str | None) -> Driven:
    """All behaviours of three distributions, with all choices of what brings what was added along."""
    driven: Driven = []
    for world in behaviours(3):
        added = world.names - {"app"}
        drawn = product([frozenset(), *subsets(added)], repeat=len(world.names))
        for choice, hardy in product(drawn, [frozenset(), mix("app"), world.names]):
            draws = dict(zip(sorted(world.names), choice, strict=True))
            shown = World(names=world.names, carriers=world.carriers, draws=draws, hardy=hardy)
            suspects = apart(world.names, package, added=added)
            driven.append((shown, suspects, drive(shown, suspects)))
    return driven


@pytest.mark.parametrize("package", PACKAGES)
def test_a_set_that_is_told_was_tried_strictly_and_each_member_matters_beside_what_came_along(
    package: str | None,
) -> None:
    for world, _, found in with_company(package):
        for shown in found.culprit.sets:
            seen = found.told.get(shown.mix, MixOutcome(verdict=NEW))
            assert (seen.verdict, seen.pulled_in) == (NEW, shown.pulled_in)
            assert world.carries(shown.mix | shown.pulled_in), (world, found.culprit)
            assert not shown.pulled_in or seen.is_strict
            for name in shown.mix - shown.doubtful if shown.pulled_in else ():
                less = (shown.mix | shown.pulled_in) - {name}
                assert not world.carries(less), (world, found.culprit)


@pytest.mark.parametrize("package", PACKAGES)
def test_what_came_along_and_carries_the_change_by_itself_clears_what_brought_it(
    package: str | None,
) -> None:
    for world, _, found in with_company(package):
        culprit = found.culprit
        for shown in culprit.sets:
            innocent = [name for name in shown.mix if world.carries((shown.mix | shown.pulled_in) - {name})]
            assert set(innocent) <= shown.doubtful, (world, culprit)


def test_the_package_is_cleared_when_what_it_brought_carries_the_change() -> None:
    world = World(names=mix("app beta"), carriers=(mix("beta"),), draws={"app": mix("beta")})

    culprit = drive(world, apart(world.names, "app", added=mix("beta"))).culprit

    # With beta taken back it comes in again, so nothing is known of the new app without it.
    assert culprit == Culprit(kind=DEPENDENCY, sets=(CulpritSet(mix=mix("beta")),), is_all=False)


def test_the_package_stays_with_what_it_brought_where_that_does_not_carry_the_change() -> None:
    world = World(names=mix("app beta"), carriers=(mix("app"),), draws={"app": mix("beta")})

    culprit = drive(world, apart(world.names, "app", added=mix("beta"))).culprit

    assert culprit == Culprit(kind=PACKAGE, sets=(CulpritSet(mix=mix("app"), pulled_in=mix("beta")),))


def test_a_package_that_runs_without_what_it_brought_is_told_alone() -> None:
    world = World(names=mix("app beta"), carriers=(mix("app"),), draws={"app": mix("beta")}, hardy=mix("app"))

    culprit = drive(world, apart(world.names, "app", added=mix("beta"))).culprit

    assert culprit == Culprit(kind=PACKAGE, sets=(CulpritSet(mix=mix("app")),))


def test_a_package_that_carries_the_change_only_with_what_it_brought_is_told_together_with_it() -> None:
    world = World(
        names=mix("app beta"), carriers=(mix("app beta"),), draws={"app": mix("beta")}, hardy=mix("app")
    )

    culprit = drive(world, apart(world.names, "app", added=mix("beta"))).culprit

    assert culprit == Culprit(kind=TOGETHER, sets=(CulpritSet(mix=mix("app beta")),))


def many(count: int) -> Mix:
    return frozenset(f"d{number:02}" for number in range(count))


@pytest.mark.parametrize("culprit", sorted(many(64))[::3])
@pytest.mark.parametrize("package", [None, "app"])
def test_one_culprit_among_many_takes_few_tests(culprit: str, package: str | None) -> None:
    names = many(64) | ({package} if package else frozenset())
    world = World(names=names, carriers=(frozenset({culprit}),))

    found = drive(world, apart(names, package))

    assert found.culprit == Culprit(kind=DEPENDENCY, sets=(CulpritSet(mix=frozenset({culprit})),))
    # The cross-check, and once more all that is left without it.
    assert len(found.told) <= 2 * math.log2(64) + 3


@pytest.mark.parametrize("size", [2, 4, 16])
def test_of_a_group_that_moves_together_the_one_that_carries_it_is_found(size: int) -> None:
    names = many(64)
    ordered = sorted(names)
    grouped = tuple(frozenset(ordered[start : start + size]) for start in range(0, 64, size))
    world = World(names=names, carriers=(frozenset({"d37"}),))

    found = drive(world, Suspects(groups=grouped))

    assert found.culprit == Culprit(kind=DEPENDENCY, sets=(CulpritSet(mix=frozenset({"d37"})),))
    assert len(found.told) <= 2 * math.log2(64) + 1


def test_one_group_that_has_to_move_together_is_told_as_doubtful() -> None:
    names = mix("beta gamma delta")
    torn = frozenset({mix("beta"), mix("gamma"), mix("beta delta"), mix("gamma delta")})
    world = World(names=names, carriers=(mix("beta gamma"),), skipped=torn)

    culprit = drive(world, Suspects(groups=(mix("beta gamma"), mix("delta")))).culprit

    (shown,) = culprit.sets
    assert (culprit.kind, shown.mix, shown.doubtful) == (UNCLEAR, mix("beta gamma"), mix("beta gamma"))
    assert not shown.is_cut_short


@pytest.mark.parametrize("most", [1, 2, 3, 4, 6, 9])
@pytest.mark.parametrize("package", PACKAGES)
def test_no_more_is_tried_than_may_be(package: str | None, most: int) -> None:
    for world in WORLDS:
        found = drive(world, apart(world.names, package), most=most)

        # The cross-check is always made; the two sides, of which the new one counts, were run before.
        assert len(found.told) <= max(most, 2 if package else 0)
        for shown in found.culprit.sets:
            assert world.carries(shown.mix)
            assert shown.is_cut_short or shown.mix in world.minimal()
            assert shown.doubtful <= shown.mix
            assert bool(shown.doubtful) == shown.is_cut_short


def test_a_set_that_was_cut_short_is_unclear() -> None:
    world = World(names=mix("beta gamma delta"), carriers=(mix("beta"),))

    culprit = drive(world, apart(world.names), most=1).culprit

    everything = CulpritSet(mix=world.names, doubtful=world.names, is_cut_short=True)
    assert culprit == Culprit(kind=UNCLEAR, sets=(everything,))


def test_what_is_left_is_not_asked_for_when_there_is_too_much_to_try() -> None:
    names = mix("beta gamma")
    told = {mix("beta"): MixOutcome(verdict=NEW)}

    assert investigate(apart(names), told, most=2) == Culprit(
        kind=DEPENDENCY, sets=(CulpritSet(mix=mix("beta")),), is_all=False
    )


@st.composite
def larger(draw: st.DrawFn) -> tuple[World, Suspects]:
    """Up to eight distributions, some of them in groups, with mixes that cannot be tested."""
    names = many(draw(st.integers(1, 8)))
    package = draw(st.sampled_from([None, *sorted(names)]))
    pools = draw(st.lists(st.integers(0, len(names)), min_size=len(names), max_size=len(names)))
    grouped: dict[object, set[str]] = {}
    for name, pool in zip(sorted(names), pools, strict=True):
        grouped.setdefault("package" if name == package else pool, set()).add(name)
    some = st.sets(st.sampled_from(sorted(names)), min_size=1).map(frozenset)
    carriers, skipped = draw(st.lists(some, min_size=1, max_size=4)), draw(st.frozensets(some, max_size=8))
    added = draw(some) - {package}
    removed = draw(some) - {package} - added
    suspects = Suspects(
        groups=tuple(map(frozenset, grouped.values())), package=package, added=added, removed=removed
    )
    return World(names=names, carriers=tuple(carriers), skipped=skipped - {names}), suspects


@reproducible
@given(larger(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_whatever_the_order_each_set_was_seen_to_carry_the_change(
    made_up: tuple[World, Suspects], jobs: int, order: Random
) -> None:
    world, suspects = made_up

    found = drive(world, suspects, jobs=jobs, order=order)

    for shown in found.culprit.sets:
        assert shown.mix == world.names or found.told[shown.mix].verdict is NEW
        sure = shown.mix - shown.doubtful if len(shown.mix) > 1 else ()
        assert all(found.told[shown.mix - {name}].verdict is OLD for name in sure)


@reproducible
@given(larger(), st.randoms(use_true_random=False))
def test_the_answer_is_a_function_of_what_was_told(made_up: tuple[World, Suspects], order: Random) -> None:
    world, suspects = made_up
    found = drive(world, suspects, jobs=2, order=order)

    again = dict(order.sample(sorted(found.told.items(), key=lambda told: sorted(told[0])), len(found.told)))

    assert investigate(suspects, again) == found.culprit


@reproducible
@given(larger(), st.integers(0, 30), st.randoms(use_true_random=False))
def test_what_is_remembered_of_other_mixes_does_no_harm(
    made_up: tuple[World, Suspects], remembered: int, order: Random
) -> None:
    world, suspects = made_up
    others = subsets(world.names)[:-1]
    told = {taken: world.show(taken) for taken in order.sample(others, min(remembered, len(others)))}

    found = drive(world, suspects, told=told)

    for shown in found.culprit.sets:
        assert world.carries(shown.mix)
        sure = shown.mix - shown.doubtful if len(shown.mix) > 1 else ()
        assert all(found.told[shown.mix - {name}].verdict is OLD for name in sure)
