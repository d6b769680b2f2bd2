"""Bisections whose ends the user names."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.histories import NEW, OLD, SKIP, assert_is_true, history

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.search import Bisection, Boundary, Open, is_monotonic

reproducible = settings(derandomize=True, deadline=None, max_examples=80)


def test_named_ends_are_looked_at_before_anything_else_whatever_is_known() -> None:
    search = Bisection.replay(9, {4: OLD, 5: NEW}, verify=(2, 7))

    assert isinstance(search.state, Open)
    assert search.ask(1) == (2,)
    assert search.ask(5) == (2, 7)
    assert search.ask(5, pending={2}) == (7,)
    assert search.is_relevant(7)


def test_named_ends_that_were_looked_at_leave_the_boundary_that_was_known() -> None:
    search = Bisection.replay(9, {4: OLD, 5: NEW, 2: OLD, 7: NEW}, verify=(2, 7))

    assert search.state == Boundary(low=4, high=5)
    assert search.ask(5) == ()


@pytest.mark.parametrize(
    ("told", "is_one_change"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({3: OLD}, True, id="old-only"),
        pytest.param({3: NEW}, True, id="new-only"),
        pytest.param({0: OLD, 1: OLD, 3: NEW}, True, id="one-change"),
        pytest.param({0: OLD, 1: SKIP, 2: NEW, 9: SKIP}, True, id="what-cannot-be-tested-says-nothing"),
        pytest.param({0: OLD, 2: NEW, 3: OLD, 4: NEW}, False, id="it-came-and-went"),
        pytest.param({0: NEW, 3: OLD}, False, id="inverted"),
    ],
)
def test_a_history_with_no_old_above_a_new_has_one_change(
    told: dict[int, Verdict], is_one_change: bool
) -> None:
    assert is_monotonic(told) is is_one_change


def test_places_that_named_ends_leave_free_go_between_them() -> None:
    search = Bisection(14, verify=(0, 13))

    assert search.ask(1) == (0,)
    assert search.ask(2) == (0, 13)
    assert search.ask(5)[:2] == (0, 13)
    assert sorted(search.ask(5)[2:]) == [3, 6, 9]
    assert Bisection.replay(14, {0: OLD}, verify=(0, 13)).ask(1, pending={13}) == (6,)


def test_what_is_known_between_named_ends_counts_before_they_are_known() -> None:
    search = Bisection.replay(14, {6: NEW}, verify=(0, 13))

    assert search.ask(3, pending={0, 13}) == Bisection.replay(14, {0: OLD, 6: NEW}).ask(3)
    assert [key for key in range(14) if search.is_relevant(key)] == [0, 1, 2, 3, 4, 5, 13]
    assert isinstance(search.state, Open)


@pytest.mark.parametrize("verdict", [pytest.param(NEW, id="new"), pytest.param(SKIP, id="skip")])
def test_nothing_goes_between_named_ends_of_which_the_older_is_not_old(verdict: Verdict) -> None:
    search = Bisection.replay(14, {0: verdict}, verify=(0, 13))

    assert search.ask(5) == (13,)
    assert all(search.is_relevant(key) for key in range(14))


@reproducible
@given(
    size=st.integers(2, 120),
    untestable=st.sampled_from([0.0, 0.3]),
    workers=st.integers(1, 9),
    seed=st.integers(0, 2**32),
)
def test_between_named_ends_the_change_is_found_and_both_are_looked_at(
    size: int, untestable: float, workers: int, seed: int
) -> None:
    order = Random(seed)
    truth = history(size, order.randrange(1, size))
    inner = range(1, size - 1)
    truth = [SKIP if at in inner and order.random() < untestable else what for at, what in enumerate(truth)]
    search = Bisection(size, verify=(0, size - 1))
    pending: set[int] = set()
    told: set[int] = set()
    while isinstance(search.state, Open):
        pending = {key for key in pending if search.is_relevant(key)}
        pending |= set(search.ask(workers - len(pending), pending))
        done = order.choice(sorted(pending))
        pending.remove(done)
        told.add(done)
        search.tell(done, truth[done])

    assert_is_true(search.state, truth)
    assert isinstance(search.state, Boundary)
    assert {0, size - 1} <= told
