"""Two failure rates in any order: when one change does not explain the runs, and who is on which side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

import pytest

from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.search.two_rates import ENOUGH, by_own_runs, divide
from bisect_asgi.core.tally import Tally

OLD, NEW = Verdict.OLD, Verdict.NEW


def tallies(text: str) -> dict[int, Tally]:
    """`3/8 0/5`: the first candidate failed in 3 of 8 runs, the second in none of 5."""
    counted = (map(int, each.split("/")) for each in text.split())
    return {key: Tally(failed=failed, passed=runs - failed) for key, (failed, runs) in enumerate(counted)}


@pytest.mark.parametrize(
    ("text", "rare"),
    [
        pytest.param("8/8 0/8 1/8 8/8", {1, 2}, id="in-the-middle"),
        pytest.param("0/8 8/8 7/8 0/8", {0, 3}, id="at-both-ends"),
        pytest.param("0/8 0/8 8/8 8/8", {0, 1}, id="one-change"),
    ],
)
def test_candidates_are_divided_by_how_often_they_fail(text: str, rare: set[int]) -> None:
    seen = tallies(text)

    division = divide(seen)

    assert (division.rare, division.often) == (rare, seen.keys() - rare)


@pytest.mark.parametrize(
    ("text", "is_likely"),
    [
        pytest.param("9/10 9/10 0/8 1/8 8/10 9/10", True, id="bad-good-bad"),
        pytest.param("8/8 2/8 1/8 2/8 8/8 8/8", True, id="an-old-one-is-bad"),
        pytest.param("0/8 0/8 8/8 8/8", False, id="one-change"),
        pytest.param("4/8 5/8 3/8 4/8", False, id="no-change"),
        pytest.param("1/1 0/1 1/1", False, id="few-runs"),
        pytest.param("5/8", False, id="one-candidate"),
    ],
)
def test_several_changes_are_likely_where_one_does_not_explain_the_runs(text: str, is_likely: bool) -> None:
    assert (divide(tallies(text)).log_odds > 0) is is_likely


def test_without_runs_nothing_speaks_for_several_changes() -> None:
    assert divide({}).log_odds == divide({0: Tally()}).log_odds == -math.inf


@pytest.mark.simulation
@pytest.mark.parametrize("rates", [(0.0, 0.5), (0.2, 1.0), (0.3, 0.7), (0.1, 0.1)])
def test_one_change_hardly_ever_looks_like_several_however_often_that_is_asked(
    rates: tuple[float, float],
) -> None:
    """By Ville's inequality odds of 100 are reached in at most one of 100 searches; here it is one of 50."""
    misled = 0
    for seed in range(100):
        random, seen = Random(seed), dict.fromkeys(range(12), Tally())
        reached = -math.inf
        for _ in range(150):
            key = random.randrange(12)
            is_failed = random.random() < rates[key >= 5]
            seen[key] += Tally(failed=is_failed, passed=not is_failed)
            reached = max(reached, divide(seen).log_odds)
        misled += reached > math.log(100)

    assert misled <= 2


@pytest.mark.parametrize(
    ("text", "new_is", "sides"),
    [
        pytest.param(
            "8/8 1/8 0/8 8/8 8/8", Outcome.FAILED, {0: NEW, 1: OLD, 2: OLD, 3: NEW, 4: NEW}, id="newest-fails"
        ),
        pytest.param(
            "0/20 9/20 11/20 0/20", Outcome.PASSED, {0: NEW, 1: OLD, 2: OLD, 3: NEW}, id="newest-passes"
        ),
        pytest.param("8/8 0/8 1/1", Outcome.PASSED, {0: OLD, 1: NEW}, id="the-newest-is-not-clear"),
    ],
)
def test_each_one_is_on_the_side_that_its_own_runs_show(
    text: str, new_is: Outcome, sides: Mapping[int, Verdict]
) -> None:
    noise = by_own_runs(tallies(text), confidence=0.99)

    assert noise.new_is is new_is
    assert dict(noise.placed) == sides


def test_where_nothing_is_clear_nobody_has_a_side() -> None:
    assert by_own_runs(tallies("1/1 0/1"), confidence=0.99).placed == {}


@pytest.mark.parametrize(("failed", "side"), [(0.7, NEW), (0.3, OLD)])
def test_a_third_rate_is_on_the_nearer_side_after_enough_runs(failed: float, side: Verdict) -> None:
    few, many = (f"{round(failed * runs)}/{runs}" for runs in (10, ENOUGH))
    others = "200/200 0/200 {} 200/200"

    assert 2 not in by_own_runs(tallies(others.format(few)), confidence=1 - 1e-12).placed
    assert by_own_runs(tallies(others.format(many)), confidence=1 - 1e-12).placed[2] is side


@pytest.mark.parametrize(
    ("odd", "outcome"),
    [
        pytest.param("40/64", Outcome.FAILED, id="nearer-to-the-worse"),
        pytest.param("24/64", Outcome.PASSED, id="nearer-to-the-better"),
    ],
)
def test_a_candidate_between_both_rates_is_on_the_nearer_side_once_it_was_run_often(
    odd: str, outcome: Outcome
) -> None:
    noise = by_own_runs(tallies(f"{odd} 1/16 1/16 15/16 15/16"), confidence=1 - 1e-10)

    # The others were run too rarely for this confidence, so that the newer side is that of the odd one.
    assert (noise.placed, noise.new_is) == ({0: NEW}, outcome)
