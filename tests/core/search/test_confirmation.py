"""How many confirming runs a claim needs: the bound holds for every failure rate, in every bisection."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import ceil, log2, prod

import pytest

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.search import Bisection, Boundary, Tally, wanted_runs
from bisect_asgi.core.search.confirmation import chance as bound
from bisect_asgi.core.search.confirmation import error_bound

SHARES = [share / 40 for share in range(41)]


@pytest.mark.parametrize("passes", range(1, 8))
@pytest.mark.parametrize("fails", range(1, 8))
def test_luck_bounds_every_failure_rate_and_is_reached_by_one(passes: int, fails: int) -> None:
    exact = fails / (fails + passes)
    seen = [share**fails * (1 - share) ** passes for share in [*SHARES, exact]]

    assert error_bound(passes, fails) == pytest.approx(max(seen))
    assert error_bound(passes, fails) == pytest.approx(error_bound(fails, passes))


@pytest.mark.parametrize(("passes", "fails"), [(0, 0), (0, 5), (5, 0)])
def test_nothing_is_bounded_where_one_side_was_not_seen(passes: int, fails: int) -> None:
    assert error_bound(passes, fails) == 1.0


@cache
def bisections(size: int) -> list[tuple[dict[int, Verdict], int, int, int, int]]:
    """Every way in which a bisection finds a boundary: all it was told, the boundary, and the runs wanted."""
    ends = []
    open_ones: list[dict[int, Verdict]] = [{}]
    while open_ones:
        told = open_ones.pop()
        search = Bisection.replay(size, told)
        if keys := search.ask(1):
            open_ones += [{**told, keys[0]: verdict} for verdict in (Verdict.OLD, Verdict.NEW)]
        elif isinstance(search.state, Boundary):
            low, high = search.state.low, search.state.high
            ends.append((told, low, high, *wanted_runs(tallies_of(told), low, high)))
    return ends


def tallies_of(told: dict[int, Verdict]) -> dict[int, Tally]:
    return {
        key: Tally(passed=int(verdict is Verdict.OLD), failed=int(verdict is Verdict.NEW))
        for key, verdict in told.items()
    }


def chance(share: float, verdict: Verdict) -> float:
    return share if verdict is Verdict.NEW else 1 - share


@pytest.mark.parametrize(("good", "size"), [*product([0.0, 0.05, 0.2, 0.4], [4, 9, 32])])
def test_wrong_unanimous_answers_are_rarer_than_promised_whatever_the_rates(good: float, size: int) -> None:
    for bad in (share for share in SHARES if share > good):
        wrong = 0.0
        for change, (told, low, high, more_low, more_high) in product(range(1, size), bisections(size)):
            rate = {key: bad if key >= change else good for key in told}
            runs = [*told.items(), *[(low, Verdict.OLD)] * more_low, *[(high, Verdict.NEW)] * more_high]
            if high != change:
                wrong += prod(chance(rate[key], verdict) for key, verdict in runs) / (size - 1)
        assert wrong <= 0.01


@pytest.mark.parametrize("size", [16, 64, 200])
def test_six_confirmations_are_enough_after_a_bisection(size: int) -> None:
    for told, _, _, more_low, more_high in bisections(size):
        assert more_low + more_high == 6
        assert len(told) <= 2 + ceil(log2(size - 1))


def test_both_sides_are_wanted_alike_where_both_were_seen_alike() -> None:
    more_low, more_high = wanted_runs({3: Tally(passed=1), 4: Tally(failed=1)}, 3, 4)

    assert 0 <= more_low - more_high <= 1


def test_sides_are_told_by_place_so_that_a_fix_needs_as_many_as_a_break() -> None:
    breaks = {0: Tally(passed=1), 3: Tally(passed=1), 4: Tally(failed=2), 7: Tally(failed=1)}
    fixes = {key: Tally(passed=tally.failed, failed=tally.passed) for key, tally in breaks.items()}

    assert wanted_runs(breaks, 3, 4) == wanted_runs(fixes, 3, 4)


@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.999])
def test_what_is_wanted_is_enough_and_one_run_less_is_not(confidence: float) -> None:
    low, high = wanted_runs({0: Tally(passed=1), 1: Tally(failed=1)}, 0, 1, confidence=confidence)

    def wants(at_low: int, at_high: int) -> tuple[int, int]:
        return wanted_runs({0: Tally(passed=at_low), 1: Tally(failed=at_high)}, 0, 1, confidence=confidence)

    assert wants(1 + low, 1 + high) == (0, 0)
    assert wants(low, 1 + high) != (0, 0)
    assert wants(1 + low, high) != (0, 0)


@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.999])
def test_after_the_runs_that_are_wanted_luck_is_less_probable_than_doubt_may_be(confidence: float) -> None:
    tallies = {0: Tally(passed=1), 7: Tally(passed=1), 8: Tally(failed=1), 15: Tally(failed=1)}
    more_low, more_high = wanted_runs(tallies, 7, 8, confidence=confidence)

    after = tallies | {7: Tally(passed=1 + more_low), 8: Tally(failed=1 + more_high)}

    assert bound(after, 7, 8) <= 1 - confidence
    assert bound(tallies, 7, 8) > bound(after, 7, 8)


def test_of_one_side_alone_nothing_is_sure() -> None:
    assert bound({0: Tally(passed=9)}, 0, 1) == 1.0
