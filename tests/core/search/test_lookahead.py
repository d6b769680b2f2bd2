"""Which candidates are prepared ahead: what may really be asked next, and nothing that is known."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.search import AllChanges, Bisection
from bisect_asgi.core.search.lookahead import OUTCOMES, look_ahead, share_old

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP


def bisection(size: int, *, gallop: bool = False):  # type: ignore[no-untyped-def]
    """Make searches of so many candidates."""

    def make(told: Mapping[int, Verdict]) -> Bisection:
        return Bisection.replay(size, told, gallop=gallop)

    return make


def test_with_one_in_flight_the_next_candidate_of_either_side_is_prepared_the_longer_side_first() -> None:
    told = {0: OLD, 16: NEW}

    # The change is at one of 16 places, 1 to 16: at five of them 5 answers NEW, at eleven OLD.
    keys = look_ahead(bisection(17), told, size=17, jobs=1, in_flight={5}, limit=2)

    after_old = bisection(17)({**told, 5: OLD}).ask(1)
    after_new = bisection(17)({**told, 5: NEW}).ask(1)
    assert keys == after_old + after_new


def test_with_room_left_the_step_after_the_next_is_prepared() -> None:
    keys = look_ahead(bisection(17), {0: OLD, 16: NEW}, size=17, jobs=1, in_flight={8}, limit=6)

    assert set(keys[:2]) == {4, 12}
    assert set(keys[2:]) == {2, 6, 10, 14}


def test_while_both_ends_are_in_flight_they_are_expected_to_differ() -> None:
    keys = look_ahead(bisection(13), {}, size=13, jobs=2, in_flight={0, 12}, limit=2)

    assert set(keys) == set(bisection(13)({0: OLD, 12: NEW}).ask(2)) == {4, 8}


def test_what_is_prepared_already_is_not_named_again() -> None:
    told = {0: OLD, 16: NEW}

    keys = look_ahead(bisection(17), told, size=17, jobs=1, in_flight={8}, prepared={4}, limit=1)

    assert keys == (12,)


def test_what_is_withheld_is_gone_round() -> None:
    told = {0: OLD, 16: NEW}

    keys = look_ahead(bisection(17), told, size=17, jobs=1, in_flight={8}, withheld={4, 12}, limit=2)

    after_old = bisection(17)({**told, 8: OLD}).ask(1, {12})
    after_new = bisection(17)({**told, 8: NEW}).ask(1, {4})
    assert set(keys) == {*after_old, *after_new}
    assert not {4, 12} & set(keys)


@pytest.mark.parametrize("limit", [0, -1])
def test_without_room_nothing_is_prepared(limit: int) -> None:
    assert look_ahead(bisection(9), {}, size=9, jobs=1, in_flight={8}, limit=limit) == ()


def test_with_nothing_in_flight_nothing_is_foreseen() -> None:
    assert look_ahead(bisection(9), {0: OLD, 8: NEW}, size=9, jobs=1, in_flight=(), limit=3) == ()


@pytest.mark.parametrize(
    ("told", "key", "share"),
    [
        pytest.param({0: OLD, 4: NEW}, 1, Fraction(3, 4), id="three-of-four-places-are-above"),
        pytest.param({0: OLD, 2: SKIP, 4: NEW}, 1, Fraction(2, 3), id="a-skip-is-no-place"),
        pytest.param({}, 0, Fraction(1), id="the-oldest-is-old"),
        pytest.param({}, 8, Fraction(0), id="the-newest-is-new"),
        pytest.param({}, 4, Fraction(1, 2), id="halfway-between-unknown-ends"),
        pytest.param({8: NEW}, 0, Fraction(1), id="the-oldest-is-old-below-a-new"),
        pytest.param({0: NEW, 4: OLD}, 1, Fraction(1, 4), id="a-change-the-other-way-round"),
        pytest.param({0: NEW}, 8, Fraction(0), id="nothing-changes-above-a-new"),
        pytest.param({2: OLD, 6: OLD}, 4, Fraction(1), id="between-two-that-agree"),
        pytest.param({8: OLD}, 0, Fraction(1), id="below-an-old"),
    ],
)
def test_how_probable_an_old_answer_is(told: dict[int, Verdict], key: int, share: Fraction) -> None:
    assert share_old(key, told, 9) == pytest.approx(float(share))


@settings(deadline=None)
@given(
    size=st.integers(2, 300),
    jobs=st.integers(1, 8),
    gallop=st.booleans(),
    untestable=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 2**32),
)
def test_what_is_asked_next_after_one_result_is_among_what_was_prepared(
    size: int, jobs: int, gallop: bool, untestable: float, seed: int
) -> None:
    random = Random(seed)
    change = random.randrange(1, size)
    make = bisection(size, gallop=gallop)
    told: dict[int, Verdict] = {}
    flying: set[int] = set(make(told).ask(jobs))
    while flying:
        prepared = look_ahead(make, told, size=size, jobs=jobs, in_flight=flying, limit=size)
        assert not set(prepared) & (told.keys() | flying)
        assert len(set(prepared)) == len(prepared)

        back = random.choice(sorted(flying))
        inner = 0 < back < size - 1
        told[back] = SKIP if inner and random.random() < untestable else OLD if back < change else NEW
        search = make(told)
        flying = {key for key in flying - {back} if search.is_relevant(key)}
        asked = search.ask(jobs - len(flying), flying)

        # A skip is not foreseen; everything else is.
        assert told[back] is SKIP or set(asked) <= set(prepared)
        flying |= set(asked)


@settings(deadline=None)
@given(
    size=st.integers(3, 100),
    keys=st.data(),
    jobs=st.integers(1, 6),
    limit=st.integers(0, 9),
)
def test_never_beyond_the_limit_nor_what_is_known_whatever_was_told(
    size: int, keys: st.DataObject, jobs: int, limit: int
) -> None:
    places = st.integers(0, size - 1)
    told = keys.draw(st.dictionaries(places, st.sampled_from([OLD, NEW, SKIP]), max_size=9))
    flying = keys.draw(st.sets(places, max_size=jobs)) - told.keys()
    withheld = keys.draw(st.sets(places, max_size=3)) - flying
    prepared = keys.draw(st.sets(places, max_size=3))
    for make in (bisection(size), lambda told: AllChanges.replay(size, told)):
        found = look_ahead(
            make,
            told,
            size=size,
            jobs=jobs,
            in_flight=flying,
            withheld=withheld,
            prepared=prepared,
            limit=limit,
        )

        assert len(set(found)) == len(found) <= limit
        assert not set(found) & (told.keys() | flying | withheld | prepared)


def test_a_search_for_all_changes_expects_what_both_neighbours_say() -> None:
    asked: list[Mapping[int, Verdict]] = []

    def make(told: Mapping[int, Verdict]) -> AllChanges:
        asked.append(told)
        return AllChanges.replay(9, told, shortest=2)

    keys = look_ahead(make, {0: OLD, 8: OLD}, size=9, jobs=1, in_flight={4}, limit=1)

    assert {told[4] for told in asked} == {OLD}
    assert keys == AllChanges.replay(9, {0: OLD, 4: OLD, 8: OLD}, shortest=2).ask(1)


def test_the_number_of_outcomes_that_are_played_is_bounded() -> None:
    made = 0

    def make(told: Mapping[int, Verdict]) -> Bisection:
        nonlocal made
        made += 1
        return Bisection.replay(10_000, told)

    told = {0: OLD, 9_999: NEW}
    flying = Bisection.replay(10_000, told).ask(4)

    keys = look_ahead(make, told, size=10_000, jobs=4, in_flight=flying, limit=9_000)

    assert 0 < len(keys) < 9_000
    assert made <= OUTCOMES
