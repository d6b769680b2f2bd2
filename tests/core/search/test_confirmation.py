"""How many confirming runs a claim needs: the bound holds for every failure rate, in every bisection."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import ceil, log2, prod

import pytest

from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.model import Outcome, Ruling, Verdict
from bisect_asgi.core.search import (
    AllBoundaries,
    Bisection,
    Boundary,
    NoBoundary,
    Open,
    State,
    StopReason,
    Tally,
)
from bisect_asgi.core.search.confirmation import Confirmation, error_bound, wanted_runs
from bisect_asgi.core.search.confirmation import chance as bound

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


def worst_place(size: int, good: float, bad: float, *, fewer: int) -> float:
    """How often a search ends unanimous and wrong at the place of the change where that is most often.

    `fewer`: so many of the runs that are wanted are not made, on the side that has more of them.
    """
    wrong = dict.fromkeys(range(1, size), 0.0)
    for change, (told, low, high, more_low, more_high) in product(range(1, size), bisections(size)):
        rate = {key: bad if key >= change else good for key in told}
        runs = [*told.items(), *[(low, Verdict.OLD)] * (more_low - fewer), *[(high, Verdict.NEW)] * more_high]
        if high != change:
            wrong[change] += prod(chance(rate[key], verdict) for key, verdict in runs)
    return max(wrong.values())


@pytest.mark.parametrize("size", [16, 32])
def test_what_is_promised_holds_at_every_place_and_would_not_with_one_run_less(size: int) -> None:
    rates = [(0.0, 0.4), (0.0, 0.5), (0.0, 0.55), (0.0, 0.6)]

    assert max(worst_place(size, good, bad, fewer=0) for good, bad in rates) <= 0.01
    assert max(worst_place(size, good, bad, fewer=1) for good, bad in rates) > 0.01


def test_looks_elsewhere_do_not_make_a_confirming_run_unnecessary() -> None:
    searched = {0: 1, 3: 1, 7: 1, 8: -1, 11: -1, 15: -1}
    told = {key: Tally(passed=side > 0, failed=side < 0) for key, side in searched.items()}
    looks = {1: Tally(passed=1), 5: Tally(passed=1), 10: Tally(failed=1), 13: Tally(failed=1)}

    assert sum(wanted_runs(told, 7, 8)) == 6
    assert sum(wanted_runs(told | looks, 7, 8)) == 6


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


# --- What is missing before an answer is given


def passes(runs: int = 1) -> Ruling:
    return Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=runs)


def fails(runs: int = 1) -> Ruling:
    return Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, failed=runs)


def differs(runs: int = 1) -> Ruling:
    return Ruling(verdict=Verdict.SKIP, outcome=Outcome.FAILED, fails_differently=True, failed=runs)


FLAKY = Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, passed=1, failed=2)
UNTESTABLE = Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE)
SOMEWHERE = Open(low=0, high=9)
AMONG_SKIPS = Boundary(low=2, high=5, skipped=(3, 4))


def confirmation(
    *,
    good: int | None = None,
    bad: int | None = None,
    confidence: float = 0.99,
    repeats: int | None = None,
    seconds: float = 10.0,
) -> Confirmation:
    return Confirmation(
        expectation=Expectation(good=good, bad=bad),
        confidence=confidence,
        repeats=repeats,
        seconds=lambda _: seconds,
    )


def ruled(rulings: dict[int, Ruling], *, bad_end: int | None = None) -> Judgement:
    return Judgement(rulings=rulings, new_is=Outcome.FAILED, learnt_from=bad_end)


BISECTED = ruled({0: passes(), 4: passes(), 5: fails(), 9: fails()})


@pytest.mark.parametrize(("good", "bad", "orders"), [(None, None, 2), (0, None, 1), (None, 9, 1), (0, 9, 1)])
def test_both_sides_of_a_boundary_are_run_until_luck_cannot_explain_them(
    good: int | None, bad: int | None, orders: int
) -> None:
    """If no end is named, luck may also have turned the sides round: there is twice as much to exclude."""
    asked = confirmation(good=good, bad=bad)

    more = asked.missing(Boundary(low=4, high=5), BISECTED)

    wanted = wanted_runs(BISECTED.tallies, 4, 5, confidence=1 - 0.01 / orders)
    assert more == dict(zip((4, 5), wanted, strict=True))
    sure = ruled({**BISECTED.rulings, 4: passes(1 + more[4]), 5: fails(1 + more[5])})
    assert asked.missing(Boundary(low=4, high=5), sure) == {}
    assert asked.error_bound(Boundary(low=4, high=5), sure) == orders * bound(sure.tallies, 4, 5) <= 0.01


def test_a_side_that_is_sure_by_itself_is_not_run_again() -> None:
    judgement = ruled({4: passes(12), 5: fails(1)})

    # At most (1/13) (12/13)¹² = 2.9% for twelve and one, (2/14)² (12/14)¹² = 0.3% for twelve and two.
    assert confirmation(good=4).missing(Boundary(low=4, high=5), judgement) == {5: 1}


def test_an_error_bound_is_never_more_than_certainty() -> None:
    assert confirmation().error_bound(Boundary(low=4, high=5), ruled({4: passes()})) == 1.0


@pytest.mark.parametrize("repeats", [0, 1, 4])
def test_the_user_may_say_how_often_everything_is_run_again(repeats: int) -> None:
    asked = confirmation(repeats=repeats, good=0)
    twice = ruled({4: passes(2), 5: fails(1)})

    sides = {key: runs for key, runs in {4: repeats - 1, 5: repeats}.items() if runs > 0}
    assert asked.missing(Boundary(low=4, high=5), twice) == sides
    assert asked.of_changes(twice) == sides
    assert asked.of_claim(5, twice) == sides
    assert asked.of_claim(5, ruled({4: fails(), 5: fails()})) == ({4: repeats, 5: repeats} if repeats else {})
    assert asked.missing(SOMEWHERE, ruled({0: fails()})) == ({0: repeats} if repeats else {})


@pytest.mark.parametrize(("seconds", "runs"), [(0.01, 6), (5.0, 6), (7.0, 4), (10.0, 3), (600.0, 3)], ids=str)
def test_an_end_that_is_not_as_the_user_says_is_run_as_often_as_fits_into_half_a_minute(
    seconds: float, runs: int
) -> None:
    asked = confirmation(good=0, bad=9, seconds=seconds)

    assert asked.missing(SOMEWHERE, ruled({0: fails(), 9: fails()})) == {0: runs - 1}
    assert asked.missing(SOMEWHERE, ruled({0: passes(), 9: passes(2)})) == {9: runs - 2}
    assert asked.missing(SOMEWHERE, ruled({0: fails(runs), 9: fails()})) == {}


def test_an_untestable_end_is_not_run_again() -> None:
    assert confirmation(good=0, bad=9).missing(SOMEWHERE, ruled({0: UNTESTABLE, 9: fails()})) == {}


@pytest.mark.parametrize(
    ("rulings", "more"),
    [
        pytest.param({0: fails(), 5: fails(), 9: fails()}, {0: 2, 9: 2}, id="outermost-that-were-tested"),
        pytest.param({0: UNTESTABLE, 3: fails(2), 9: fails(3)}, {3: 1}, id="less-what-was-run"),
        pytest.param({3: fails()}, {3: 2}, id="one"),
        pytest.param({0: UNTESTABLE}, {}, id="none"),
    ],
)
def test_without_a_boundary_both_ends_are_run_again(rulings: dict[int, Ruling], more: dict[int, int]) -> None:
    stopped = NoBoundary(reason=StopReason.ALL_NEW)

    assert confirmation().missing(stopped, ruled(rulings)) == more


def test_a_flaky_probe_is_not_confirmed_by_more_agreement() -> None:
    judgement = ruled({4: FLAKY, 5: fails()})

    assert confirmation(good=0).missing(Boundary(low=4, high=5), judgement) == {}


@pytest.mark.parametrize("state", [SOMEWHERE, AllBoundaries(changes=(), shortest=1)], ids=["open", "all"])
def test_nothing_is_run_again_for_a_search_that_goes_on_or_confirms_by_itself(state: State) -> None:
    assert confirmation().missing(state, BISECTED) == {}


# Different failures.


@pytest.mark.parametrize(
    ("state", "rulings", "more"),
    [
        pytest.param(SOMEWHERE, {3: differs(3), 9: fails()}, {9: 2}, id="the-bad-end-first"),
        pytest.param(SOMEWHERE, {3: differs(), 9: fails(3)}, {3: 2}, id="then-those-that-differ"),
        pytest.param(
            AMONG_SKIPS,
            {1: differs(), 3: differs(2), 4: UNTESTABLE, 9: fails(3)},
            {3: 1},
            id="inside-a-boundary-only",
        ),
        pytest.param(AMONG_SKIPS, {4: differs(3), 9: fails(3)}, {9: 3}, id="the-bad-end-as-often-as-fits"),
        pytest.param(AMONG_SKIPS, {3: UNTESTABLE, 9: fails()}, {}, id="none-differs"),
        pytest.param(SOMEWHERE, {3: differs(3), 9: fails(3)}, {}, id="not-hidden"),
        pytest.param(AMONG_SKIPS, {4: differs(3), 9: fails(6)}, {}, id="often-enough"),
    ],
)
def test_a_different_failure_counts_once_it_is_no_accident(
    state: State, rulings: dict[int, Ruling], more: dict[int, int]
) -> None:
    asked = confirmation(good=0, bad=9, seconds=5.0)
    judgement = ruled(rulings, bad_end=9)

    assert asked.of_different_failures(state, judgement) == more
    if more:
        assert asked.missing(state, judgement) == more


@pytest.mark.parametrize(
    ("bad_end", "rulings"),
    [
        pytest.param(None, {4: differs(3)}, id="none"),
        pytest.param(9, {4: differs(3)}, id="not-run"),
        pytest.param(9, {4: differs(3), 9: UNTESTABLE}, id="untestable"),
    ],
)
def test_without_a_bad_end_that_fails_there_is_nothing_to_compare_with(
    bad_end: int | None, rulings: dict[int, Ruling]
) -> None:
    judgement = ruled(rulings, bad_end=bad_end)

    assert confirmation().of_different_failures(AMONG_SKIPS, judgement) == {}


# Claims, and several changes.


def test_a_claimed_change_is_run_like_a_boundary_whose_direction_is_known() -> None:
    more = confirmation().of_claim(5, BISECTED)

    assert more == dict(zip((4, 5), wanted_runs(BISECTED.tallies, 4, 5), strict=True))


def test_where_nothing_changes_a_claim_is_refuted_by_the_most_runs_of_both() -> None:
    assert confirmation().of_claim(5, ruled({4: fails(), 5: fails(4)})) == {4: 5, 5: 2}


@pytest.mark.parametrize(
    "rulings",
    [
        pytest.param({4: passes(), 5: FLAKY}, id="flaky"),
        pytest.param({4: UNTESTABLE, 5: fails()}, id="untestable"),
        pytest.param({4: passes()}, id="not-run"),
    ],
)
def test_more_runs_do_not_help_a_claim_about_what_cannot_be_compared(rulings: dict[int, Ruling]) -> None:
    assert confirmation().of_claim(5, ruled(rulings)) == {}


def test_both_sides_of_every_change_are_run_three_times() -> None:
    judgement = ruled(
        {0: passes(), 1: passes(), 2: fails(2), 4: UNTESTABLE, 5: passes(3), 8: passes(), 9: fails(9)}
    )

    assert confirmation().of_changes(judgement) == {1: 2, 2: 1, 8: 2}


def test_several_changes_of_a_flaky_probe_are_not_run_again() -> None:
    assert confirmation().of_changes(ruled({0: passes(), 1: FLAKY})) == {}


def test_a_change_without_its_place_is_not_run_again_where_only_those_with_it_are() -> None:
    rulings = {0: passes(), 2: fails(), 4: passes(), 5: UNTESTABLE, 6: fails()}

    assert confirmation().of_changes(ruled(rulings), placed_only=True) == {4: 2, 6: 2}
