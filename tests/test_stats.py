"""A slope against values that were computed by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.stats import Slope, slope

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
