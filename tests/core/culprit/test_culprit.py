"""The culprit, over made-up worlds: each says which sets of distributions carry a change; all must be found.

What carries the change in a world is worked out by trying all mixes, which is what the module must not do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from itertools import combinations

import pytest
from support.investigations import (
    DEPENDENCY,
    NEW,
    PACKAGES,
    UNCLEAR,
    Driven,
    World,
    apart,
    behaviours,
    drive,
    expected_kind,
    many,
    mix,
    union,
)

from bisect_asgi.core.culprit import (
    Culprit,
    CulpritSet,
    MixOutcome,
    Suspects,
    investigate,
)
from bisect_asgi.core.culprit.ddmin import Mix, NextTests

WORLDS = [world for count in range(1, 5) for world in behaviours(count)]


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
