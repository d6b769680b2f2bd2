"""Samples: when two ends are apart, and where the limit between them is."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core.metrics.stats import (
    ALPHA,
    LOOKS,
    THRESHOLDS,
    Threshold,
    apart,
    is_constant,
    rank_sum,
    threshold_between,
)

reproducible = settings(derandomize=True, deadline=None, max_examples=80)
values = st.integers(-1000, 1000)


def normal(seed: int, count: int, *, mean: float = 100.0, deviation: float = 5.0) -> list[float]:
    random = Random(seed)
    return [random.gauss(mean, deviation) for _ in range(count)]


def test_all_looks_together_err_no_more_often_than_stated() -> None:
    assert len(THRESHOLDS) == len(LOOKS)
    assert math.fsum(THRESHOLDS) == pytest.approx(ALPHA)
    assert list(LOOKS) == sorted(set(LOOKS))


def test_every_look_can_find_something() -> None:
    for size, threshold in zip(LOOKS, THRESHOLDS, strict=True):
        assert rank_sum(range(size), range(size, 2 * size)) <= threshold * (1 + 1e-9)


def test_five_against_five_without_an_overlap_suffice_and_four_do_not() -> None:
    five = apart([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], effect=0.01)
    four = apart([1, 2, 3, 4], [6, 7, 8, 9], effect=0.01)

    assert (five.is_apart, five.samples, five.p) == (True, 5, pytest.approx(2 / 252))
    assert (five.old, five.new, five.difference, five.relative) == (3, 8, 5, pytest.approx(5 / 3))
    assert (four.is_apart, four.samples, four.p) == (False, 0, 1.0)


def test_five_with_one_that_overlaps_are_looked_at_again_after_eight() -> None:
    old, new = [1, 2, 3, 4, 6], [5, 7, 8, 9, 10]

    assert not apart(old, new, effect=0.01).is_apart
    # Between two looks nothing is asked.
    assert apart([*old, 1, 1], [*new, 9, 9], effect=0.01).samples == 5
    assert apart([*old, 1, 1, 1], [*new, 9, 9, 9], effect=0.01).samples == 8


def test_ends_that_were_apart_at_a_look_still_are_when_there_are_more_samples() -> None:
    old, new = [1, 2, 3, 4, 5], [6, 7, 8, 9, 10]

    later = apart([*old, 7, 7, 7], [*new, 6, 6, 6], effect=0.01)

    assert (later.is_apart, later.samples) == (True, 5)


def test_the_end_with_fewer_samples_decides_which_look_it_is() -> None:
    assert apart([1, 2, 3, 4, 5], list(range(10, 50)), effect=0.01).samples == 5


@pytest.mark.parametrize(
    ("effect", "is_apart"),
    [
        pytest.param(0.0, True, id="any"),
        pytest.param(0.02, True, id="exactly"),
        pytest.param(0.03, False, id="more-than-there-is"),
    ],
)
def test_a_difference_that_is_certain_but_too_small_does_not_count(effect: float, is_apart: bool) -> None:
    found = apart([100.0] * 5, [102.0] * 5, effect=effect)

    assert found.p <= THRESHOLDS[0] * (1 + 1e-9)
    assert found.is_apart == is_apart


def test_ends_that_are_alike_are_not_apart_at_any_look() -> None:
    found = apart(normal(1, 250), normal(2, 250), effect=0.0)

    assert (found.is_apart, found.samples) == (False, LOOKS[-1])


def test_ends_that_differ_by_one_deviation_come_apart_in_time() -> None:
    found = apart(normal(1, 250), normal(2, 250, mean=105.0), effect=0.01)

    assert found.is_apart
    assert 5 < found.samples < LOOKS[-1]


def test_chance_alone_sets_ends_apart_in_less_than_one_search_of_a_hundred() -> None:
    wrong = sum(
        apart(normal(2 * seed, 12), normal(2 * seed + 1, 12), effect=0.0).is_apart for seed in range(1500)
    )

    # Expected after three looks: at most 0.84%, so 12.6; five deviations above that would be 30.
    assert 0 < wrong < 30


@reproducible
@given(old=st.lists(values, min_size=1, max_size=12), new=st.lists(values, min_size=1, max_size=12))
def test_which_end_is_the_older_makes_no_difference_but_to_the_sign(old: list[int], new: list[int]) -> None:
    there, back = apart(old, new, effect=0.01), apart(new, old, effect=0.01)

    assert (there.is_apart, there.p) == (back.is_apart, pytest.approx(back.p))
    assert (there.difference, there.relative) == (-back.difference, back.relative)


@pytest.mark.parametrize(("old", "new"), [([], [1]), ([1], []), ([], [])])
def test_ends_without_samples_are_not_compared(old: list[float], new: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^two ends are compared by their samples, and one has none$"):
        apart(old, new, effect=0.01)
    with pytest.raises(ValueError, match=r"^a limit is set between samples of both ends$"):
        threshold_between(old, new)


@pytest.mark.parametrize(
    ("old", "new", "are_ratios", "limit"),
    [
        pytest.param([1, 2, 3], [4, 4], False, Threshold(value=3.0, is_new_above=True), id="above"),
        pytest.param([4], [1, 2, 90], False, Threshold(value=3.0, is_new_above=False), id="below"),
        pytest.param([-4], [1], False, Threshold(value=-1.5, is_new_above=True), id="negative"),
        pytest.param([1], [4], True, Threshold(value=2.0, is_new_above=True), id="ratios"),
        pytest.param([1e308], [1.5e308], False, Threshold(value=1.25e308, is_new_above=True), id="huge"),
    ],
)
def test_the_limit_is_midway(old: list[float], new: list[float], are_ratios: bool, limit: Threshold) -> None:
    assert threshold_between(old, new, are_ratios=are_ratios) == limit


def test_the_limit_of_ratios_turns_with_them() -> None:
    there = threshold_between([1.0], [1.3], are_ratios=True).value
    back = threshold_between([1 / 1.0], [1 / 1.3], are_ratios=True).value

    assert there * back == pytest.approx(1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param([1, 3], [2], "there is no limit between equal medians", id="equal"),
        pytest.param([0], [2], "ratios are above 0", id="zero"),
        pytest.param([3], [-2], "ratios are above 0", id="negative"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(old: list[float], new: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        threshold_between(old, new, are_ratios=True)


def test_equal_medians_are_not_apart_whatever_counts() -> None:
    # Ranks tell them apart, and a limit between the medians there is none.
    old, new = [1.0, 0.0] * 20 + [1.0], [1.0, 2.0] * 20 + [1.0]

    found = apart(old, new, effect=0.0)

    assert (found.is_shown, found.is_apart) == (True, False)
    assert (found.difference, found.relative) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("new", "effect", "is_shown", "is_apart"),
    [
        pytest.param([102.0] * 5, 0.01, True, True, id="counts"),
        pytest.param([102.0] * 5, 0.05, True, False, id="too-small"),
        pytest.param([100.0] * 5, 0.0, False, False, id="the-same"),
        pytest.param([100.0, 102.0, 100.0, 102.0, 102.0], 0.01, False, False, id="not-clear"),
    ],
)
def test_what_is_shown_may_still_be_too_small_to_count(
    new: list[float], effect: float, is_shown: bool, is_apart: bool
) -> None:
    found = apart([100.0] * 5, new, effect=effect)

    assert (found.is_shown, found.is_apart) == (is_shown, is_apart)


@pytest.mark.parametrize(("old", "new"), [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0)])
def test_beside_nothing_every_difference_counts(old: float, new: float) -> None:
    found = apart([old] * 5, [new] * 5, effect=1000.0)

    assert found.is_apart
    assert found.relative == math.inf
    assert found.difference == new - old


@pytest.mark.parametrize(
    ("old", "new", "is_told"),
    [
        pytest.param([100.0] * 5, [100.0] * 5, True, id="one-value"),
        pytest.param([100.0] * 4, [100.0] * 5, False, id="too-few-samples"),
        pytest.param([100.0] * 5, [101.0] * 5, False, id="two-values"),
        pytest.param([100.0] * 5, [100.0] * 4 + [101.0], False, id="one-that-differs"),
    ],
)
def test_samples_that_are_all_the_same_are_enough(old: list[float], new: list[float], is_told: bool) -> None:
    assert is_constant(old, new) is is_told
