"""Where a hidden change is looked for: the newest, beside changes, at ends of series, in long stretches."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core.model import Boundary
from bisect_asgi.core.search.looks import looks, series_ends, spot_checks

reproducible = settings(derandomize=True, deadline=None, max_examples=100)

# Series of four releases each; their ends are 3, 7, 11, …
SERIES = [f"0.{series}.{patch}" for series in range(8) for patch in range(4)]


@pytest.mark.parametrize(
    ("labels", "ends"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(["1.0"], [0], id="one-release"),
        pytest.param(["1.0.0", "1.0.1", "1.1.0", "1.1.1", "2.0"], [1, 3, 4], id="two-numbers-make-a-series"),
        pytest.param(["1", "1.0.1", "2"], [0, 1, 2], id="a-number-alone-is-a-series-of-its-own"),
        pytest.param(["1.0rc1", "1.0", "1.0.post1", "1.1.dev0"], [2, 3], id="pre-and-post-releases"),
        pytest.param(["main~2", "main~1", "main"], [2], id="no-versions"),
        pytest.param(["1.0", "main", "1.0"], [0, 1, 2], id="one-that-is-no-version"),
    ],
)
def test_the_ends_of_series_are_the_last_of_what_shares_two_numbers(
    labels: list[str], ends: list[int]
) -> None:
    assert series_ends(labels) == ends


@pytest.mark.parametrize(
    ("low", "high", "known", "most", "expected"),
    [
        pytest.param(15, 16, {0, 15, 16, 31}, 0, (), id="none-wanted"),
        pytest.param(15, 16, {0, 15, 16, 31}, 1, (14,), id="one-is-the-older-neighbour"),
        pytest.param(15, 16, {0, 15, 16, 31}, 2, (14, 17), id="two-are-both-neighbours"),
        # Left unknown: 1-13 and 18-30, both 13 long; the older first, middle 7; then middle 24.
        pytest.param(15, 16, {0, 15, 16, 31}, 4, (14, 17, 7, 23), id="then-ends-of-series"),
        pytest.param(15, 16, {0, 14, 15, 16, 17, 31}, 1, (7,), id="neighbours-that-are-known"),
        pytest.param(0, 1, {0, 1, 31}, 2, (2, 15), id="nothing-older-than-the-first"),
        pytest.param(30, 31, {0, 30, 31}, 2, (29, 15), id="nothing-newer-than-the-last"),
        # Untestable between 10 and 20; 11 and 19 are no neighbours.
        pytest.param(10, 20, {0, 10, 20, 31}, 2, (9, 21), id="a-gap-is-left-alone"),
        pytest.param(0, 31, {0, 31}, 5, (), id="nothing-outside-the-boundary"),
        pytest.param(15, 16, set(range(32)), 5, (), id="everything-is-known"),
    ],
)
def test_the_neighbours_come_first_then_ends_of_series_in_the_middle_of_what_is_unknown(
    low: int, high: int, known: set[int], most: int, expected: tuple[int, ...]
) -> None:
    assert spot_checks(SERIES, low, high, known=known, most=most) == expected


def test_a_stretch_without_an_end_of_a_series_is_halved() -> None:
    labels = [f"1.0.{patch}" for patch in range(12)]

    assert spot_checks(labels, 9, 10, known={0, 8, 9, 10, 11}, most=1) == (4,)


def test_of_two_candidates_nothing_is_left_to_look_at() -> None:
    assert spot_checks(["1.0", "1.1"], 0, 1, known={0, 1}, most=3) == ()


@reproducible
@given(data=st.data(), size=st.integers(2, 60), most=st.integers(0, 12))
def test_spots_are_unknown_different_and_outside_the_boundary(
    data: st.DataObject, size: int, most: int
) -> None:
    labels = [f"0.{key // 5}.{key % 5}" for key in range(size)]
    low = data.draw(st.integers(0, size - 2))
    high = data.draw(st.integers(low + 1, size - 1))
    known = data.draw(st.sets(st.integers(0, size - 1))) | {low, high}

    chosen = spot_checks(labels, low, high, known=known, most=most)

    free = {key for key in range(size) if key not in known and not low <= key <= high}
    assert len(chosen) == len(set(chosen)) == min(most, len(free))
    assert set(chosen) <= free


def test_enough_spots_leave_no_unknown_stretch_longer_than_their_share() -> None:
    chosen = spot_checks(SERIES, 15, 16, known={0, 15, 16, 31}, most=8)

    edges = sorted({0, 15, 16, 31, *chosen})
    assert max(b - a for a, b in pairwise(edges)) <= 6


@pytest.mark.parametrize(
    ("changes", "skips", "expected"),
    [
        # Beside 12 → 13 lie 11 and 14; the series' ends next to it are 11 and 15.
        pytest.param([(12, 13)], (), (31, 11, 14, 15, 19, 27, 7, 23, 3), id="beside-then-ends-by-halves"),
        pytest.param(
            [(12, 13)], (11, 14, 15), (31, 10, 16, 19, 27, 7, 13, 23, 3), id="others-for-the-untestable"
        ),
        pytest.param([(0, 1)], (), (31, 2, 3, 19, 11, 27, 7, 15, 23), id="nothing-is-older"),
        pytest.param([(30, 31)], (), (31, 29, 27, 19, 11, 7, 15, 23, 3), id="nothing-is-newer"),
        pytest.param(
            [(2, 3), (20, 21)], (), (31, 19, 22, 1, 4, 23, 7, 11, 27, 15, 3), id="newest-change-first"
        ),
        pytest.param([], (), (31, 0, 19, 11, 27, 7, 15, 23, 3), id="ends-that-agree"),
    ],
)
def test_the_newest_is_looked_at_first_then_what_is_beside_changes(
    changes: list[tuple[int, int]], skips: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    boundaries = [Boundary(low=low, high=high) for low, high in changes]

    assert looks(SERIES, boundaries, skips=skips) == expected


def test_a_series_whose_last_is_untestable_ends_with_the_one_before() -> None:
    assert series_ends(SERIES[:9], skips={3, 6, 7, 8}) == [2, 5]
