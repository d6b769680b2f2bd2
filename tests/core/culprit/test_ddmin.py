"""Delta debugging over made-up behaviours: it ends, asks nothing twice, and what is left is 1-minimal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core.culprit.ddmin import Mix, NextTests, Smallest, ddmin
from bisect_asgi.core.model import Verdict

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP

Behaviour = Callable[[Mix], Verdict]

reproducible = settings(derandomize=True, deadline=None, max_examples=150)


def mix(text: str) -> Mix:
    """`mix("a b")` has the names a and b."""
    return frozenset(text.split())


def singles(count: int) -> list[Mix]:
    """Parts of one name each."""
    return [frozenset({f"d{number:02}"}) for number in range(count)]


def union(parts: Sequence[Mix]) -> Mix:
    return frozenset[str]().union(*parts)


def carried_by(*carriers: Mix, skipped: Sequence[Mix] = ()) -> Behaviour:
    """NEW is what has all of one of the carriers; what is skipped cannot be tested."""

    def show(taken: Mix) -> Verdict:
        if taken in skipped:
            return SKIP
        return NEW if any(carrier <= taken for carrier in carriers) else OLD

    return show


def drive(
    parts: Sequence[Mix], show: Behaviour, *, most: int = 1000, jobs: int = 1, order: Random | None = None
) -> tuple[Smallest, dict[Mix, Verdict]]:
    """Answer what is wanted, `jobs` mixes at a time; return the set and all that was told."""
    told: dict[Mix, Verdict] = {}
    while isinstance(step := ddmin(parts, told, most=most), NextTests):
        assert step.mixes
        assert len({*step.mixes, *told}) == len(step.mixes) + len(told), "asked twice"
        wanted = order.sample(step.mixes, len(step.mixes)) if order else step.mixes
        told |= {taken: show(taken) for taken in wanted[:jobs]}
    return step, told


def assert_is_true(smallest: Smallest, parts: Sequence[Mix], told: dict[Mix, Verdict]) -> None:
    """Compare what is said of the set with what was told of it, and of it without each of its parts."""
    assert smallest.mix == union(parts) or told[smallest.mix] is NEW
    inside = [part for part in parts if part <= smallest.mix]
    assert union(inside) == smallest.mix, "a part was torn"
    lacking = [smallest.mix - part for part in inside] if len(inside) > 1 else []
    assert [told.get(taken) for taken in lacking].count(NEW) == 0, "it can be made smaller"
    assert set(smallest.unresolved) == {taken for taken in lacking if told.get(taken) is SKIP}
    assert set(smallest.untried) == {taken for taken in lacking if taken not in told}


def test_nothing_cannot_be_made_smaller() -> None:
    with pytest.raises(ValueError, match="there is nothing to make smaller"):
        ddmin([], {}, most=10)


def test_one_part_is_kept_whole_and_needs_no_test() -> None:
    assert ddmin([mix("a b")], {}, most=10) == Smallest(mix=mix("a b"))


def test_the_halves_are_asked_for_first() -> None:
    parts = [mix("a"), mix("b c"), mix("d"), mix("e")]

    assert ddmin(parts, {}, most=10) == NextTests(mixes=(mix("a b c"), mix("d e")))


def test_when_no_half_carries_it_quarters_and_what_is_left_without_them_are_asked_for() -> None:
    told = {mix("a b"): OLD, mix("c d"): OLD}

    step = ddmin([mix("a"), mix("b"), mix("c"), mix("d")], told, most=10)

    without = (mix("b c d"), mix("a c d"), mix("a b d"), mix("a b c"))
    assert step == NextTests(mixes=(mix("a"), mix("b"), mix("c"), mix("d"), *without))


def test_a_mix_that_is_known_to_carry_it_is_taken_whatever_else_is_unknown() -> None:
    step = ddmin([mix("a"), mix("b"), mix("c"), mix("d")], {mix("c d"): NEW}, most=10)

    assert step == NextTests(mixes=(mix("c"), mix("d")))


@pytest.mark.parametrize(
    ("show", "smallest"),
    [
        pytest.param(carried_by(mix("c")), Smallest(mix=mix("c")), id="one"),
        pytest.param(carried_by(mix("a d")), Smallest(mix=mix("a d")), id="two-far-apart"),
        pytest.param(carried_by(mix("a b c d")), Smallest(mix=mix("a b c d")), id="all"),
        pytest.param(
            carried_by(mix("a b"), skipped=[mix("a")]),
            Smallest(mix=mix("a b"), unresolved=(mix("a"),)),
            id="one-matters-and-the-other-may",
        ),
        pytest.param(
            carried_by(mix("a"), skipped=[mix("a"), mix("b")]),
            Smallest(mix=mix("a b"), unresolved=(mix("b"), mix("a"))),
            id="two-that-cannot-be-told-apart",
        ),
        pytest.param(
            carried_by(mix("a"), skipped=[mix("a b"), mix("a")]),
            # `a c d` carries it; of that `a d` is asked for before `a c`.
            Smallest(mix=mix("a d"), unresolved=(mix("a"),)),
            id="a-half-that-cannot-be-tested-is-gone-round",
        ),
    ],
)
def test_what_is_left_carries_the_change_and_says_what_is_open(show: Behaviour, smallest: Smallest) -> None:
    found, told = drive([mix("a"), mix("b"), mix("c"), mix("d")], show)

    assert found.mix == smallest.mix
    assert set(found.unresolved) == set(smallest.unresolved)
    assert_is_true(found, [mix("a"), mix("b"), mix("c"), mix("d")], told)


@pytest.mark.parametrize(
    ("most", "smallest"),
    [
        pytest.param(
            0,
            Smallest(mix=mix("a b c"), untried=(mix("b c"), mix("a c"), mix("a b"))),
            id="nothing-may-be-tried",
        ),
        # The first half of three is `a b`, which carries it; then there is one more test to be had.
        pytest.param(1, Smallest(mix=mix("a b"), untried=(mix("b"), mix("a"))), id="one"),
        pytest.param(2, Smallest(mix=mix("a b"), untried=(mix("a"),)), id="one-part-is-open"),
        pytest.param(3, Smallest(mix=mix("a b")), id="enough"),
    ],
)
def test_when_there_is_too_much_to_try_the_set_is_given_as_it_is(most: int, smallest: Smallest) -> None:
    found, _ = drive([mix("a"), mix("b"), mix("c")], carried_by(mix("a b")), most=most)

    assert found.mix == smallest.mix
    assert len(found.untried) == len(smallest.untried)


@pytest.mark.parametrize("culprit", range(64))
def test_one_among_many_is_found_by_halving(culprit: int) -> None:
    parts = singles(64)

    found, told = drive(parts, carried_by(parts[culprit]))

    assert found == Smallest(mix=parts[culprit])
    assert len(told) <= 2 * math.log2(64)


sizes = st.integers(min_value=1, max_value=9)


@st.composite
def monotone(draw: st.DrawFn) -> tuple[list[Mix], list[Mix]]:
    """Parts of one or two names, and sets of parts that carry the change."""
    parts = [frozenset({f"d{n}", f"d{n}x"} if draw(st.booleans()) else {f"d{n}"}) for n in range(draw(sizes))]
    carriers = draw(st.lists(st.lists(st.sampled_from(parts), min_size=1), min_size=1, max_size=4))
    return parts, [union(carrier) for carrier in carriers]


@reproducible
@given(monotone(), st.integers(1, 3), st.randoms(use_true_random=False))
def test_of_a_monotone_behaviour_a_smallest_carrier_is_left(
    world: tuple[list[Mix], list[Mix]], jobs: int, order: Random
) -> None:
    parts, carriers = world

    found, told = drive(parts, carried_by(*carriers), jobs=jobs, order=order)

    assert found.mix in carriers
    assert not any(carrier < found.mix for carrier in carriers)
    assert (found.unresolved, found.untried) == ((), ())  # it is shown that no part can be left out
    assert_is_true(found, parts, told)


@reproducible
@given(sizes, st.integers(), st.integers(1, 3))
def test_of_any_behaviour_no_part_of_what_is_left_can_be_left_out(count: int, seed: int, jobs: int) -> None:
    parts = singles(count)

    def show(taken: Mix) -> Verdict:
        return Random(f"{seed} {sorted(taken)}").choice([OLD, OLD, NEW, SKIP])

    found, told = drive(parts, show, jobs=jobs)

    assert_is_true(found, parts, told)
    assert not found.untried


@reproducible
@given(sizes, st.integers())
def test_there_are_never_more_tests_than_the_paper_says(count: int, seed: int) -> None:
    def show(taken: Mix) -> Verdict:
        return Random(f"{seed} {sorted(taken)}").choice([OLD, OLD, OLD, NEW, SKIP])

    _, told = drive(singles(count), show)

    assert len(told) <= count**2 + 3 * count


@reproducible
@given(sizes, st.integers(), st.integers(0, 12))
def test_no_more_is_tried_than_may_be_and_what_is_said_of_it_stays_true(
    count: int, seed: int, most: int
) -> None:
    def show(taken: Mix) -> Verdict:
        return Random(f"{seed} {sorted(taken)}").choice([OLD, NEW, SKIP])

    found, told = drive(singles(count), show, most=most)

    assert len(told) <= most
    assert_is_true(found, singles(count), told)


@reproducible
@given(monotone(), st.randoms(use_true_random=False))
def test_what_was_told_in_any_order_replays_to_the_same_set(
    world: tuple[list[Mix], list[Mix]], order: Random
) -> None:
    parts, carriers = world
    found, told = drive(parts, carried_by(*carriers), jobs=2, order=order)

    again = dict(order.sample(sorted(told.items(), key=lambda item: sorted(item[0])), len(told)))

    assert ddmin(parts, again, most=1000) == found
