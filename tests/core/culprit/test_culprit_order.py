"""The answer hangs on what was told, and not on its order."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from support.investigations import (
    NEW,
    OLD,
    World,
    drive,
    many,
    subsets,
)

from bisect_asgi.core.culprit import (
    Suspects,
    investigate,
)

reproducible = settings(derandomize=True, deadline=None, max_examples=200)


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
