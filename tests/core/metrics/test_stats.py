"""Statistics against values computed by hand, and against counting all that could have been."""

from __future__ import annotations

import math
from itertools import combinations, permutations
from random import Random
from statistics import NormalDist, fmean, median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core.metrics import stats
from bisect_asgi.core.metrics.stats import (
    Slope,
    deviations,
    mad,
    mann_kendall,
    rank_sum,
    relative,
    slope,
    theil_sen,
    trend,
)

reproducible = settings(derandomize=True, deadline=None, max_examples=80)


@pytest.mark.parametrize(
    ("x", "y", "value", "plus_minus"),
    [
        # Mean x 1, spread 2, sum of products 1; line 5/6 + x/2; rests 1/6, -1/3, 1/6: squares 1/6.
        pytest.param([0, 1, 2], [1, 1, 2], 0.5, 12.71 * math.sqrt((1 / 6) / 1 / 2), id="three-points"),
        # Mean x 1.5, spread 5, sum of products 6; line 0.2 + 1.2 x; rests -0.2, 0.6, -0.6, 0.2: squares 0.8.
        pytest.param([0, 1, 2, 3], [0, 2, 2, 4], 1.2, 4.303 * math.sqrt(0.8 / 2 / 5), id="four-points"),
        pytest.param([0, 1, 2, 3], [1, 0, 0, 1], 0.0, 4.303 * math.sqrt(1 / 2 / 5), id="flat-on-average"),
        pytest.param([0, 1, 2], [2, 1, 1], -0.5, 12.71 * math.sqrt((1 / 6) / 1 / 2), id="falling"),
        pytest.param([10, 10, 20, 20], [0, 2, 4, 6], 0.4, 4.303 * math.sqrt(4 / 2 / 100), id="repeated-x"),
    ],
)
def test_the_slope_and_its_uncertainty_are_those_computed_by_hand(
    x: list[float], y: list[float], value: float, plus_minus: float
) -> None:
    line = slope(x, y)

    assert line.value == pytest.approx(value)
    assert line.plus_minus == pytest.approx(plus_minus)


def test_points_on_a_line_leave_no_uncertainty() -> None:
    assert slope([0, 100, 200, 300], [7, 57, 107, 157]) == Slope(value=0.5, plus_minus=0.0)


def test_a_constant_grows_by_nothing() -> None:
    assert slope([0, 50, 100], [1e9, 1e9, 1e9]) == Slope(value=0.0, plus_minus=0.0)


def test_of_two_points_the_uncertainty_is_infinite() -> None:
    assert slope([0, 4], [1, 3]) == Slope(value=0.5, plus_minus=math.inf)


@pytest.mark.parametrize(
    ("points", "quantile"),
    [
        pytest.param(3, 12.71, id="one-degree-of-freedom"),
        pytest.param(10, 2.306, id="eight"),
        pytest.param(14, 2.179, id="twelve-the-last-of-the-table"),
        pytest.param(15, 1.96, id="thirteen-as-the-normal"),
        pytest.param(200, 1.96, id="many"),
    ],
)
def test_the_interval_is_students_for_few_points_and_the_normals_for_many(
    points: int, quantile: float
) -> None:
    x = list(range(points))
    y = [float(key % 2) for key in x]

    line = slope(x, y)

    middle_x, middle_y = sum(x) / points, sum(y) / points
    spread = sum((a - middle_x) ** 2 for a in x)
    value = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True)) / spread
    rest = sum((b - middle_y - value * (a - middle_x)) ** 2 for a, b in zip(x, y, strict=True))
    assert line.plus_minus == pytest.approx(quantile * math.sqrt(rest / (points - 2) / spread))


@reproducible
@given(
    y=st.lists(st.integers(-1000, 1000), min_size=3, max_size=30),
    shift=st.integers(-1000, 1000),
    factor=st.integers(1, 1000),
)
def test_units_and_levels_only_scale_the_answer(y: list[int], shift: int, factor: int) -> None:
    x = list(range(len(y)))

    line, other = slope(x, y), slope(x, [factor * value + shift for value in y])

    assert other.value == pytest.approx(factor * line.value, abs=1e-6)
    assert other.plus_minus == pytest.approx(factor * line.plus_minus, abs=1e-3)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([1], [1], id="one-point"),
        pytest.param([1, 1, 1], [1, 2, 3], id="all-x-equal"),
        pytest.param([1, 2, 3], [1, 2], id="different-lengths"),
    ],
)
def test_a_slope_of_too_little_is_refused(x: list[float], y: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^a slope needs at least two points at different x$"):
        slope(x, y)


def _by_dealing(a: list[int], b: list[int]) -> float:
    """The p value by dealing the values out in every way, as ranks that are sums of comparisons."""
    both = [*a, *b]

    def above(chosen: tuple[int, ...]) -> int:
        """Twice Mann and Whitney's U."""
        rest = [place for place in range(len(both)) if place not in chosen]
        return sum(1 + (both[i] > both[j]) - (both[i] < both[j]) for i in chosen for j in rest)

    seen = above(tuple(range(len(a))))
    every = [above(chosen) for chosen in combinations(range(len(both)), len(a))]
    low, high = sum(u <= seen for u in every), sum(u >= seen for u in every)
    return min(1.0, 2 * min(low, high) / len(every))


@reproducible
@given(
    a=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    b=st.lists(st.integers(0, 6), min_size=1, max_size=5),
)
def test_the_rank_test_of_few_counts_every_way_to_deal_the_values_out(a: list[int], b: list[int]) -> None:
    assert rank_sum(a, b) == pytest.approx(_by_dealing(a, b))


@pytest.mark.parametrize("size", [1, 2, 5, 8, 12, 30])
@pytest.mark.parametrize("is_tied", [True, False])
def test_samples_without_an_overlap_are_two_of_all_ways_to_deal(size: int, is_tied: bool) -> None:
    low = [0 if is_tied else place for place in range(size)]

    p = rank_sum(low, [1000 + value for value in low])

    assert p == pytest.approx(2 / math.comb(2 * size, size))


@reproducible
@given(
    a=st.lists(st.integers(0, 400), min_size=26, max_size=30, unique=True),
    b=st.lists(st.integers(0, 400), min_size=26, max_size=30, unique=True),
)
def test_the_normal_approximation_of_the_rank_test_goes_on_from_the_exact_one(
    a: list[int], b: list[int]
) -> None:
    exact = rank_sum(a, b)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stats, "MOST_EXACT", 0)
        approximate = rank_sum(a, b)

    assert approximate == pytest.approx(exact, abs=0.012)


def test_the_rank_test_of_many_is_the_one_computed_by_hand() -> None:
    a, b = [float(value) for value in range(31)], [value + 10.5 for value in range(31)]
    u = sum(x > y for x in a for y in b)
    z = (31 * 31 / 2 - u - 0.5) / math.sqrt(31 * 31 * 63 / 12)

    assert rank_sum(a, b) == pytest.approx(2 * NormalDist().cdf(-z))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param([], [1], id="nothing-against-something"),
        pytest.param([1], [], id="something-against-nothing"),
        pytest.param([3] * 5, [3] * 5, id="few-equal"),
        pytest.param([3] * 50, [3] * 50, id="many-equal"),
        pytest.param(range(0, 80, 2), range(1, 81, 2), id="many-that-interleave"),
    ],
)
def test_the_rank_test_finds_nothing_where_there_is_nothing(a: list[int], b: list[int]) -> None:
    assert rank_sum(a, b) > 0.5


@reproducible
@given(
    a=st.lists(st.integers(-9, 9), min_size=1, max_size=40),
    b=st.lists(st.integers(-9, 9), min_size=1, max_size=40),
)
def test_the_rank_test_sees_neither_units_nor_which_sample_is_first(a: list[int], b: list[int]) -> None:
    p = rank_sum(a, b)

    assert 0 < p <= 1
    assert rank_sum(b, a) == pytest.approx(p)
    assert rank_sum([7 * x + 3 for x in a], [7 * x + 3 for x in b]) == p
    assert rank_sum([-x for x in a], [-x for x in b]) == pytest.approx(p)


def test_the_median_deviation_is_not_moved_by_an_outlier() -> None:
    assert mad([1, 2, 3, 4, 1000]) == 1.4826
    assert mad([5]) == 0.0
    with pytest.raises(ValueError, match=r"^a spread needs at least one value$"):
        mad([])


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 9, 20])
def test_deviations_pooled_of_small_samples_give_the_standard_deviation(size: int) -> None:
    random = Random(size)
    pooled = [
        rest for _ in range(12_000 // size) for rest in deviations([random.gauss(7, 3) for _ in range(size)])
    ]

    assert 1.4826 * median(pooled) == pytest.approx(3.15, rel=0.09)


def test_one_value_deviates_by_nothing_that_could_be_known() -> None:
    assert deviations([]) == deviations([4]) == []
    assert deviations([1, 3]) == [math.sqrt(2)]
    assert deviations([1, 3, 9]) == [2, 6]


@pytest.mark.parametrize(
    ("old", "new", "fraction"),
    [
        pytest.param(2, 3, 0.5, id="above"),
        pytest.param(3, 2, 0.5, id="below"),
        pytest.param(-2, -3, 0.5, id="negative"),
        pytest.param(-1, 1, 2.0, id="through-nothing"),
        pytest.param(0, 1e-9, math.inf, id="from-nothing"),
        pytest.param(0, 0, 0.0, id="nothing"),
        pytest.param(4, 4, 0.0, id="equal"),
    ],
)
def test_a_relative_difference_is_the_same_from_both_sides(old: float, new: float, fraction: float) -> None:
    assert relative(old, new) == fraction
    assert relative(new, old) == fraction


@pytest.mark.parametrize(
    "values", [(1, 2, 3, 4, 5), (1, 1, 2, 3, 3), (1, 1, 1, 2), (7, 7, 7), (1, 2), (3,), ()], ids=str
)
def test_the_variance_of_the_trends_score_is_that_over_all_orders(values: tuple[int, ...]) -> None:
    scores = [mann_kendall(order)[0] for order in permutations(values)]

    assert fmean(scores) == pytest.approx(0)
    assert mann_kendall(values)[1] == pytest.approx(fmean(score**2 for score in scores))


@pytest.mark.parametrize(
    ("series", "score", "below"),
    [
        pytest.param([range(10)], 45, 1e-4, id="rising"),
        pytest.param([range(10, 0, -1)], -45, 1e-4, id="falling"),
        pytest.param([[1, 2, 3]] * 8, 24, 1e-4, id="a-little-in-each-of-many"),
    ],
)
def test_a_trend_has_a_direction_and_is_rare_by_chance(
    series: list[list[int]], score: int, below: float
) -> None:
    found, p = trend(series)

    assert found == score
    assert 0 < p < below


@pytest.mark.parametrize(
    "series",
    [
        pytest.param([], id="none"),
        pytest.param([[]], id="empty"),
        pytest.param([[1]], id="one-value"),
        pytest.param([[5] * 20], id="constant"),
        pytest.param([[1, 2, 3], [3, 2, 1]], id="opposite"),
        pytest.param([[1, 2]], id="two-values"),
    ],
)
def test_no_trend_is_certain_to_be_chance(series: list[list[int]]) -> None:
    assert trend(series)[1] == 1.0


def test_the_median_slope_is_not_moved_by_an_outlier() -> None:
    assert theil_sen([0, 2, 4, 600, 8, 10, 12]) == 2.0
    assert theil_sen([3, 1]) == -2.0
    assert theil_sen([3]) == theil_sen([]) == 0.0


# --- The side of a median


def test_without_samples_a_median_is_on_either_side() -> None:
    assert stats.median_is_there(0, 0) == 0.5


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99, 0.999])
def test_so_many_samples_are_enough_and_one_less_is_not(confidence: float) -> None:
    enough = stats.enough_there(confidence)

    assert stats.median_is_there(enough, 0) ** 2 >= confidence
    assert stats.median_is_there(enough - 1, 0) ** 2 < confidence


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_median_is_on_one_side_or_the_other(there: int, elsewhere: int) -> None:
    both = stats.median_is_there(there, elsewhere) + stats.median_is_there(elsewhere, there)

    assert both == pytest.approx(1.0)


@given(st.integers(0, 60), st.integers(0, 60))
def test_one_more_sample_there_speaks_for_there(there: int, elsewhere: int) -> None:
    assert stats.median_is_there(there + 1, elsewhere) > stats.median_is_there(there, elsewhere) - 1e-12


def test_a_side_is_right_as_often_as_its_probability_says() -> None:
    random = Random(0)
    told, right, count = 0.0, 0, 4000
    for _ in range(count):
        share = random.betavariate(0.5, 0.5)
        beyond = sum(random.random() < share for _ in range(5))
        told += stats.median_is_there(max(beyond, 5 - beyond), min(beyond, 5 - beyond))
        right += (share > 0.5) == (beyond > 2)

    assert abs(told - right) / count < 0.02
