"""What runs came to, and the interval of the failure rate behind them."""

from __future__ import annotations

import math
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.core.tally import Rate, Tally, wilson_interval

COUNTS = st.integers(0, 500)
TALLIES = st.builds(Tally, passed=COUNTS, failed=COUNTS)


@pytest.mark.parametrize(
    ("passed", "failed", "contradicts_itself"),
    [
        pytest.param(0, 0, False, id="nothing"),
        pytest.param(3, 0, False, id="passes"),
        pytest.param(0, 3, False, id="fails"),
        pytest.param(3, 1, True, id="both"),
    ],
)
def test_a_tally_contradicts_itself_where_it_has_both(
    passed: int, failed: int, contradicts_itself: bool
) -> None:
    tally = Tally(passed=passed, failed=failed)

    assert (tally.runs, tally.contradicts_itself) == (passed + failed, contradicts_itself)


@given(TALLIES, TALLIES)
def test_tallies_are_added_and_taken_away_again(one: Tally, other: Tally) -> None:
    both = one + other

    assert (both.passed, both.failed) == (one.passed + other.passed, one.failed + other.failed)
    assert both.runs == one.runs + other.runs
    assert both - other == one


def test_the_rate_of_a_tally_has_its_counts_and_its_interval() -> None:
    low, high = wilson_interval(9, 12)

    assert Tally(passed=3, failed=9).rate == Rate(failed=9, runs=12, low=low, high=high)


@pytest.mark.parametrize(
    ("failed", "runs", "low", "high"),
    [
        # Wilson's bounds at no failures are 0 and z² / (n + z²), with z = 1.96.
        pytest.param(0, 10, 0.0, 3.8416 / 13.8416, id="none"),
        pytest.param(10, 10, 10 / 13.8416, 1.0, id="all"),
        # Of Newcombe (1998), table I, method 3 (Wilson's score): 81 of 263, 15 of 148, 1 of 29.
        pytest.param(81, 263, 0.2553, 0.3662, id="newcombe-81-of-263"),
        pytest.param(15, 148, 0.0624, 0.1605, id="newcombe-15-of-148"),
        pytest.param(0, 20, 0.0, 0.1611, id="newcombe-0-of-20"),
        pytest.param(1, 29, 0.0061, 0.1718, id="newcombe-1-of-29"),
    ],
)
def test_the_interval_is_wilsons(failed: int, runs: int, low: float, high: float) -> None:
    assert wilson_interval(failed, runs) == pytest.approx((low, high), abs=1e-4)


def test_without_runs_nothing_is_known() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("failed", "runs"), [(-1, 3), (4, 3), (1, 0)])
def test_more_failures_than_runs_or_less_than_none_are_refused(failed: int, runs: int) -> None:
    with pytest.raises(ValueError, match=f"^{failed} failures in {runs} runs$"):
        wilson_interval(failed, runs)


@given(TALLIES)
def test_the_interval_is_of_rates_and_holds_the_one_that_was_seen(tally: Tally) -> None:
    rate = tally.rate

    assert 0 <= rate.low < rate.high <= 1
    if tally.runs:
        assert rate.low - 1e-12 <= tally.failed / tally.runs <= rate.high + 1e-12


@given(TALLIES)
def test_the_interval_of_the_passes_is_the_other_way_round(tally: Tally) -> None:
    fails, passes = tally.rate, Tally(passed=tally.failed, failed=tally.passed).rate

    assert (1 - fails.high, 1 - fails.low) == pytest.approx((passes.low, passes.high), abs=1e-9)


@given(TALLIES.filter(lambda tally: tally.runs > 0), st.integers(2, 50))
def test_more_of_the_same_runs_tell_more(tally: Tally, times: int) -> None:
    more = Tally(passed=tally.passed * times, failed=tally.failed * times)

    assert more.rate.high - more.rate.low < tally.rate.high - tally.rate.low


@given(st.integers(1, 300), st.data())
def test_the_bounds_solve_the_equation_of_the_score_test(runs: int, data: st.DataObject) -> None:
    failed = data.draw(st.integers(0, runs))

    for bound in wilson_interval(failed, runs):
        if 1e-9 < bound < 1 - 1e-9:
            # Wilson (1927), eq. 1: the rate is 1.96 of its own standard errors from what was seen.
            deviation = abs(failed / runs - bound) / math.sqrt(bound * (1 - bound) / runs)
            assert deviation == pytest.approx(1.959964, rel=1e-6)


@pytest.mark.parametrize("runs", [1, 2, 9, 100, 5000])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_interval_is_the_one_of_scipy(scipy_stats: ModuleType, runs: int, share: float) -> None:
    failed = round(runs * share)

    theirs = scipy_stats.binomtest(failed, runs).proportion_ci(method="wilson")

    assert wilson_interval(failed, runs) == pytest.approx((theirs.low, theirs.high), rel=1e-6, abs=1e-12)
