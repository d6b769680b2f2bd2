"""After how long a run is cut off, and which cut-off runs count."""

from __future__ import annotations

import pytest
from support.builders import failed, passed

from bisect_asgi.core.judge import hangs, signature
from bisect_asgi.core.model import Observation
from bisect_asgi.core.records import replace


def took(seconds: float, seen: Observation = passed()) -> Observation:  # noqa: B008 (a value)
    return replace(seen, wall_s=seconds)


def hung(seconds: float, *, is_cut: bool = False) -> Observation:
    run = took(seconds, failed(signature.of_timeout(seconds)))
    return replace(run, cut_s=seconds) if is_cut else run


@pytest.mark.parametrize(
    ("runs", "limit_s"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param([took(1)], None, id="nothing-hangs"),
        pytest.param([hung(120)], None, id="nothing-has-passed"),
        pytest.param([hung(120), took(1, failed())], None, id="what-ended-has-failed"),
        pytest.param([hung(10, is_cut=True), took(1)], None, id="none-hung-to-the-full-limit"),
        pytest.param([hung(120), took(0.2)], 10.0, id="the-least"),
        pytest.param([hung(120), took(0.2), took(3.1)], 16.0, id="a-multiple-in-whole-seconds"),
        pytest.param([hung(120), took(1), took(9, failed())], 45.0, id="of-the-longest-that-ended"),
        pytest.param([hung(120), took(24)], None, id="not-below-the-full-limit"),
        pytest.param([hung(120), hung(10, is_cut=True), took(2)], 10.0, id="cut-off-runs-did-not-end"),
    ],
)
def test_runs_are_cut_off_after_a_multiple_of_the_longest_that_ended(
    runs: list[Observation], limit_s: float | None
) -> None:
    assert hangs.limit_s(dict(enumerate([[run] for run in runs])), timeout_s=120.0) == limit_s


def test_without_cut_off_runs_all_observations_stand() -> None:
    observed = {1: (took(1),), 2: (hung(120),)}

    assert hangs.standing(observed) is observed


@pytest.mark.parametrize(("slowest_s", "stands"), [(1.0, True), (5.0, True), (5.1, False), (13.0, False)])
def test_a_cut_off_run_is_void_if_one_that_ended_took_half_as_long(slowest_s: float, stands: bool) -> None:
    cut, full = hung(10, is_cut=True), hung(120)
    observed = {1: (took(slowest_s),), 2: (cut,), 3: (full, cut)}

    found = hangs.standing(observed)

    assert found == ({**observed} if stands else {1: observed[1], 3: (full,)})


@pytest.mark.parametrize(
    ("runs", "is_cut_off"),
    [
        ([], False),
        ([hung(10, is_cut=True)], True),
        ([hung(10, is_cut=True), hung(12, is_cut=True)], True),
        ([hung(10, is_cut=True), hung(120)], False),
        ([hung(10, is_cut=True), took(1)], False),
    ],
)
def test_one_run_to_the_full_limit_is_enough(runs: list[Observation], is_cut_off: bool) -> None:
    assert hangs.is_cut_off(runs) is is_cut_off
