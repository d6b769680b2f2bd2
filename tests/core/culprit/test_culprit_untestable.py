"""Where mixes cannot be tested, no more is said than was seen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations, product

import pytest
from support.investigations import (
    DEPENDENCY,
    EITHER,
    NEW,
    OLD,
    PACKAGE,
    PACKAGES,
    SKIP,
    TOGETHER,
    UNCLEAR,
    Driven,
    World,
    apart,
    behaviours,
    drive,
    expected_kind,
    many,
    mix,
    subsets,
    union,
)

from bisect_asgi.core.culprit import (
    MOST_UNTESTABLE,
    Culprit,
    CulpritSet,
    MixOutcome,
    cross_check,
)
from bisect_asgi.core.culprit.ddmin import Mix

CANNOT_BE_TESTED = [
    (world, frozenset(skipped), added)
    for world in behaviours(3)
    for size in range(7)
    for skipped in combinations(subsets(world.names)[:-1], size)
    for added in (None, *map(frozenset, (("beta",), ("gamma",), ("beta", "gamma"))))
]
"""All behaviours of three distributions, with all choices of what cannot be tested and of what is new."""


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


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("jobs", [1, 2])
def test_every_mix_that_was_seen_to_carry_the_change_has_a_set_that_is_named(
    package: str | None, jobs: int
) -> None:
    for world, suspects, found in with_skips(package, jobs):
        for taken, outcome in found.told.items():
            is_explained = any(shown.mix <= taken for shown in found.culprit.sets)
            assert is_explained or outcome.verdict is not NEW, (world, suspects, taken, found.culprit)


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_two_dependencies_are_both_named_where_the_new_package_does_not_run_with_one_of_them_old(
    jobs: int,
) -> None:
    names = mix("app beta gamma")
    torn = frozenset({mix("app"), mix("app gamma")})
    world = World(names=names, carriers=(mix("beta"), mix("gamma")), skipped=torn)

    found = drive(world, apart(names, "app"), jobs=jobs)

    assert found.culprit.kind is EITHER
    assert {shown.mix for shown in found.culprit.sets} == {mix("beta"), mix("gamma")}
    assert not found.culprit.is_all  # the new app with both old is untestable


def test_a_doubt_costs_no_more_than_its_bound() -> None:
    names = many(40)
    carrier = mix("d00 d13 d26 d39")
    torn = frozenset(taken for taken in [*halvings(sorted(names)), *lacking_one(names)] if taken != names)

    found = drive(World(names=names, carriers=(carrier,), skipped=torn), apart(names))

    untestable = [taken for taken, outcome in found.told.items() if outcome.verdict is SKIP]
    assert len(untestable) == MOST_UNTESTABLE
    assert found.culprit.kind is UNCLEAR
    assert carrier <= found.culprit.sets[0].mix
    assert found.culprit.sets[0].is_cut_short


def halvings(names: list[str]) -> Iterator[Mix]:
    """All runs of neighbours, and what is left without each."""
    for start, end in combinations(range(len(names) + 1), 2):
        yield frozenset(names[start:end])
        yield frozenset(names) - frozenset(names[start:end])


def lacking_one(names: Mix) -> Iterator[Mix]:
    return (names - {name} for name in names)


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
