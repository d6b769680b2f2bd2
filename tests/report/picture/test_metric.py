"""The picture of a metric: every sample, higher for more, and the threshold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pictures import drawn_report, of_class, titles

from bisect_asgi.core.records import replace
from bisect_asgi.report.picture.metric import metric
from bisect_asgi.report.picture.svg import Element
from bisect_asgi.report.rows import ReportedEnds

values = st.floats(min_value=-1e9, max_value=1e9, allow_subnormal=False)


def drawn(states: str, samples: dict[int, tuple[float, ...]], above: float | None = None) -> Element:
    report = drawn_report(states, samples=samples)
    if above is not None:
        report = replace(report, ends=replace(ENDS, above=above))
    picture = metric(report)
    assert picture is not None
    return picture


ENDS = ReportedEnds(
    metric="growth",
    unit="",
    old="1.0",
    new="1.1",
    reference=None,
    old_samples=(1.0,),
    new_samples=(3.0,),
    p=0.01,
    above=None,
    below=None,
)


def heights(picture: Element) -> list[float]:
    """Return the heights of the medians, in the order of the candidates."""
    return [float(each.get("y1", "0")) for each in of_class(picture, "median")]


@given(st.lists(st.lists(values, min_size=1, max_size=5), min_size=1, max_size=20))
def test_every_sample_is_drawn_inside_the_picture(samples: list[list[float]]) -> None:
    picture = drawn("g" * len(samples), {place: tuple(own) for place, own in enumerate(samples)})
    discs = list(picture.iter("circle"))
    height = float(picture.get("viewBox", "").split()[3])
    assert len(discs) == sum(map(len, samples))
    assert all(0 <= float(disc.get("cy", "-1")) <= height for disc in discs)


def test_more_is_higher_and_a_candidate_without_samples_is_not_drawn() -> None:
    picture = drawn("g.bb", {0: (1.0, 2.0, 3.0), 2: (9.0,), 3: (5.0,)})
    low, high, middle = heights(picture)
    assert low > middle > high
    assert len(titles(picture)) == 3


def test_the_threshold_lies_between_the_two_sides() -> None:
    picture = drawn("gb", {0: (1.0,), 1: (3.0,)}, above=2.0)
    (threshold,) = of_class(picture, "threshold")
    low, high = heights(picture)
    assert high < float(threshold.get("y1", "0")) < low


def test_the_users_own_threshold_is_drawn() -> None:
    report = drawn_report("gb", samples={0: (1.0,), 1: (3.0,)})
    picture = metric(replace(report, plan=replace(report.plan, threshold=2.5)))
    assert picture is not None
    (threshold,) = of_class(picture, "threshold")
    low, high = heights(picture)
    assert high < float(threshold.get("y1", "0")) < (low + high) / 2
    assert "threshold 2.5" in [each.text for each in picture.iter("text")]


@pytest.mark.parametrize("samples", [{}, {0: ()}])
def test_without_samples_there_is_no_picture(samples: dict[int, tuple[float, ...]]) -> None:
    assert metric(drawn_report("gb", samples=samples)) is None


def test_values_that_differ_much_have_a_scale_that_says_so() -> None:
    wide = drawn("gb", {0: (0.1,), 1: (100.0,)})
    near = drawn("gb", {0: (1.0,), 1: (2.0,)})
    assert ["log scale" in [each.text for each in picture.iter("text")] for picture in (wide, near)] == [
        True,
        False,
    ]
