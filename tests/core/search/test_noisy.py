"""The search with unknown failure rates: its posterior is the one of the model, and it comes to its end."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from itertools import pairwise
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bisect_asgi.core.search import Boundary, NoBoundary, NoisySearch, Open, Rate, StopReason, Tally
from bisect_asgi.core.search.posterior import InformationGain, Posterior
from bisect_asgi.core.tally import wilson_interval

reproducible = settings(derandomize=True, deadline=None, max_examples=150)

SIZE = 9
counts = st.integers(0, 4)
tallies_of_some = st.dictionaries(
    st.integers(0, SIZE - 1), st.builds(Tally, passed=counts, failed=counts), max_size=SIZE
)
some_keys = st.sets(st.integers(0, SIZE - 1))


def evidence(failed: int, passed: int) -> float:
    """The probability of results in order, one by one: each next one by the rule of (f + 1/2) / (n + 1)."""
    ones = [(done + 0.5) / (done + 1) for done in range(failed)]
    zeros = [(done + 0.5) / (failed + done + 1) for done in range(passed)]
    return math.prod([*ones, *zeros])


def side(tallies: Mapping[int, Tally], keys: Collection[int]) -> tuple[int, int]:
    return sum(tallies[key].failed for key in keys), sum(tallies[key].passed for key in keys)


def exact(size: int, tallies: Mapping[int, Tally], skips: Collection[int]) -> dict[int, float]:
    """The posterior of every place by the definition; place `size` is no change."""
    seen = {key: tally for key, tally in tallies.items() if key not in skips}
    weights = {}
    for place in range(1, size + 1):
        old = side(seen, [key for key in seen if key < place])
        new = side(seen, [key for key in seen if key >= place])
        weights[place] = evidence(*old) * evidence(*new)
    return {place: weight / sum(weights.values()) for place, weight in weights.items()}


def without(size: int, skips: Collection[int]) -> list[int]:
    return [key for key in range(size) if key not in skips]


def pairs_of(size: int, tallies: Mapping[int, Tally], skips: Collection[int]) -> dict[tuple[int, int], float]:
    places = exact(size, tallies, skips)
    return {
        (low, high): sum(places[place] for place in range(low + 1, high + 1))
        for low, high in pairwise(without(size, skips))
    }


@reproducible
@given(tallies=tallies_of_some, skips=some_keys)
def test_the_belief_is_the_models_posterior(tallies: dict[int, Tally], skips: set[int]) -> None:
    assume(len(without(SIZE, skips)) > 1)
    belief = NoisySearch(SIZE, tallies, skips=skips).belief
    pairs = pairs_of(SIZE, tallies, skips)

    assert belief.probability == pytest.approx(max(pairs.values()))
    assert pairs[belief.low, belief.high] == pytest.approx(belief.probability)
    assert belief.skipped == tuple(range(belief.low + 1, belief.high))
    assert belief.no_change == pytest.approx(1 - sum(pairs.values()))


@reproducible
@given(tallies=tallies_of_some, skips=some_keys)
def test_the_rates_are_those_of_the_two_sides(tallies: dict[int, Tally], skips: set[int]) -> None:
    assume(len(without(SIZE, skips)) > 1)
    belief = NoisySearch(SIZE, tallies, skips=skips).belief
    seen = {key: tally for key, tally in tallies.items() if key not in skips}

    for rate, keys in (
        (belief.old, [key for key in seen if key <= belief.low]),
        (belief.new, [key for key in seen if key >= belief.high]),
    ):
        assert (rate.failed, rate.runs - rate.failed) == side(seen, keys)


@reproducible
@given(tallies=tallies_of_some, skips=some_keys, confidence=st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_the_likely_range_is_the_shortest_that_is_sure_enough(
    tallies: dict[int, Tally], skips: set[int], confidence: float
) -> None:
    testable = without(SIZE, skips)
    assume(len(testable) > 1)
    places = exact(SIZE, tallies, skips)
    first, last = NoisySearch(SIZE, tallies, skips=skips, confidence=confidence).belief.likely
    newest = testable[-1]

    def holds(start: int, end: int) -> float:
        return sum(places[place] for place in range(start, end + 1))

    ranges = [
        (start, end) for start in range(testable[0] + 1, newest + 1) for end in range(start, newest + 1)
    ]
    sure = [end - start for start, end in ranges if holds(start, end) >= confidence - 1e-9]
    assert testable[0] < first <= last <= newest
    assert last - first == min(sure, default=newest - testable[0] - 1)
    assert holds(first, last) >= confidence - 1e-9 or not sure


def mutual(size: int, tallies: Mapping[int, Tally], skips: Collection[int], key: int) -> float:
    """What a run tells by the definition: entropy of its result less that under each place."""
    seen = {other: tally for other, tally in tallies.items() if other not in skips}

    def rate(place: int) -> float:
        failed, passed = side(seen, [other for other in seen if (other >= place) is (key >= place)])
        return (failed + 0.5) / (failed + passed + 1)

    def surprise(share: float) -> float:
        return -share * math.log(share) - (1 - share) * math.log(1 - share)

    places = exact(size, tallies, skips)
    mean = sum(weight * rate(place) for place, weight in places.items())
    return surprise(mean) - sum(weight * surprise(rate(place)) for place, weight in places.items())


@reproducible
@given(tallies=tallies_of_some, skips=some_keys)
def test_what_is_asked_tells_the_most(tallies: dict[int, Tally], skips: set[int]) -> None:
    testable = without(SIZE, skips)
    assume(len(testable) > 1)
    # Places beyond the outermost testable candidates are places of no change: here there are none.
    assume(testable[0] == 0 and testable[-1] == SIZE - 1)
    gains = {key: mutual(SIZE, tallies, skips, key) for key in testable}
    outlook = InformationGain(Posterior(testable, SIZE, tallies))

    assert {key: outlook.gain(key) for key in testable} == pytest.approx(gains, abs=1e-9)
    search = NoisySearch(SIZE, tallies, skips=skips)
    unseen = [key for key in (0, SIZE - 1) if not tallies.get(key, Tally()).runs]
    for key in search.ask(1):
        # Both ends come first, whatever they tell by themselves.
        assert key == unseen[0] if unseen else gains[key] == pytest.approx(max(gains.values()), abs=1e-9)


def test_both_ends_are_looked_at_before_what_a_run_may_tell_decides() -> None:
    # All that was seen fails half of the time, as a side would of which nothing was seen.
    seen = {key: Tally(passed=20, failed=20) for key in (20, 25, 30)}

    assert NoisySearch(40, seen).ask(2) == (0, 39)
    assert NoisySearch(40, seen, skips={0, 1, 39}).ask(2) == (2, 38)
    assert NoisySearch(40, seen).ask(1, pending=[0]) == (39,)
    assert NoisySearch(1, {}).ask(3) in ((0,), ())


@reproducible
@given(
    tallies=tallies_of_some,
    skips=some_keys,
    pending=st.lists(st.integers(0, SIZE - 1), unique=True),
    limit=st.integers(0, SIZE),
)
def test_asked_are_different_testable_candidates_that_are_not_in_flight(
    tallies: dict[int, Tally], skips: set[int], pending: list[int], limit: int
) -> None:
    search = NoisySearch(SIZE, tallies, skips=skips)
    asked = search.ask(limit, pending)
    free = [key for key in without(SIZE, skips) if key not in pending]

    assert len(set(asked)) == len(asked)
    assert set(asked) <= set(free)
    if isinstance(search.state, Open):
        assert len(asked) == min(limit, len(free))
        assert all(search.is_relevant(key) for key in asked)
    else:
        assert not asked
        assert not any(search.is_relevant(key) for key in range(SIZE))


def drive(
    size: int, change: int, rates: tuple[float, float], *, skips: Collection[int] = (), seed: int = 0
) -> tuple[Boundary, int]:
    random, tallies, runs = Random(seed), dict[int, Tally](), 0
    while keys := (search := NoisySearch(size, tallies, skips=skips)).ask(1):
        fails = random.random() < rates[keys[0] >= change]
        result = Tally(failed=1) if fails else Tally(passed=1)
        tallies[keys[0]] = tallies.get(keys[0], Tally()) + result
        runs += 1
        assert runs < 400
    assert isinstance(search.state, Boundary)
    return search.state, runs


@pytest.mark.parametrize("change", range(1, 12))
@pytest.mark.parametrize("rates", [(0.0, 1.0), (1.0, 0.0)], ids=["a-break", "a-fix"])
def test_without_noise_every_change_is_found(change: int, rates: tuple[float, float]) -> None:
    found, _ = drive(12, change, rates)

    assert (found.low, found.high, found.skipped) == (change - 1, change, ())


def test_a_change_among_untestable_candidates_is_found_between_their_neighbours() -> None:
    found, _ = drive(20, 8, (0.0, 1.0), skips={6, 7, 8, 9})

    assert (found.low, found.high, found.skipped) == (5, 10, (6, 7, 8, 9))


def test_answers_with_noise_are_right_as_often_as_they_say() -> None:
    right = sum(
        drive(24, change, (0.1, 0.8), seed=seed)[0].high == change
        for seed in range(3)
        for change in range(1, 24)
    )

    # 69 answers at 0.99: four or more wrong ones have a probability below 0.6%.
    assert right >= 69 - 3


def test_two_in_flight_are_not_neighbours_of_one_place() -> None:
    tallies = {0: Tally(passed=3), 99: Tally(failed=3)}
    first, second = NoisySearch(100, tallies).ask(2)

    assert first == pytest.approx(50, abs=3)
    assert abs(first - second) > 10


def test_more_in_flight_than_are_foreseen_are_taken_into_account() -> None:
    tallies = {0: Tally(passed=3), 99: Tally(failed=3)}
    asked = NoisySearch(100, tallies).ask(6)

    assert len(set(asked)) == 6
    assert max(asked) - min(asked) > 20


def test_a_candidate_in_flight_that_cannot_be_tested_changes_nothing() -> None:
    tallies = {1: Tally(passed=3), 8: Tally(failed=3)}
    search = NoisySearch(10, tallies, skips={0, 5})

    assert search.ask(1, (0, 5)) == search.ask(1)


def test_what_costs_less_is_asked_where_it_tells_nearly_as_much() -> None:
    tallies = {0: Tally(passed=3), 99: Tally(failed=3)}
    dear = NoisySearch(100, tallies, seconds=lambda key: 1.0 if key == 40 else 20.0)

    assert dear.ask(1) == (40,)
    assert NoisySearch(100, tallies).ask(1) != (40,)


def test_cheapness_does_not_make_up_for_telling_nothing() -> None:
    tallies = {0: Tally(passed=30), 99: Tally(failed=30)}
    (asked,) = NoisySearch(100, tallies, seconds=lambda key: 0.5 if key in (0, 99) else 1.0).ask(1)

    assert 25 < asked < 75


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_without_any_runs_no_place_stands_out(size: int) -> None:
    search = NoisySearch(size, {})

    if size > 1:
        assert isinstance(search.state, Open)
        assert search.belief.probability == pytest.approx(1 / size)
        assert len(search.ask(1)) == 1
    assert search.belief.no_change == pytest.approx(1 / size)


def test_one_testable_candidate_has_no_change() -> None:
    search = NoisySearch(4, {2: Tally(passed=1)}, skips={0, 1, 3})

    assert search.state == NoBoundary(reason=StopReason.SAME)
    assert search.belief.no_change == pytest.approx(1.0)
    assert search.belief.likely == (2, 2)


def test_nothing_is_asked_where_nothing_can_be_tested() -> None:
    search = NoisySearch(3, {1: Tally(failed=1)}, skips={0, 1, 2})

    assert search.state == NoBoundary(reason=StopReason.UNTESTABLE)
    assert search.ask(2) == ()
    assert search.belief.probability == 0.0
    assert not search.is_relevant(1)


def test_equal_rates_everywhere_end_the_search_when_that_is_sure_enough() -> None:
    same = {key: Tally(passed=40, failed=40) for key in range(2)}

    assert NoisySearch(2, same, confidence=0.8).state == NoBoundary(reason=StopReason.SAME)
    assert isinstance(NoisySearch(2, same, confidence=0.99).state, Open)


def test_two_candidates_are_told_apart_by_a_few_runs_each_but_not_by_one() -> None:
    def search(runs: int) -> NoisySearch:
        return NoisySearch(2, {0: Tally(passed=runs), 1: Tally(failed=runs)})

    assert isinstance(search(1).state, Open)
    assert search(6).state == Boundary(low=0, high=1)


def test_a_search_needs_a_candidate() -> None:
    with pytest.raises(ValueError, match="at least one candidate, not 0"):
        NoisySearch(0, {})


@pytest.mark.parametrize(
    ("passed", "failed", "contradicts"),
    [
        pytest.param(0, 0, False, id="never-run"),
        pytest.param(3, 0, False, id="passes"),
        pytest.param(0, 3, False, id="fails"),
        pytest.param(1, 2, True, id="both"),
    ],
)
def test_a_tally_adds_up_and_says_whether_it_contradicts_itself(
    passed: int, failed: int, contradicts: bool
) -> None:
    tally, one = Tally(passed=passed, failed=failed), Tally(passed=1, failed=2)

    assert tally.runs == passed + failed
    assert tally.contradicts_itself is contradicts
    assert tally + one - one == tally
    assert (tally + one).runs == tally.runs + 3


@given(runs=st.integers(1, 60), data=st.data())
@reproducible
def test_the_ends_of_the_interval_are_where_the_share_is_two_deviations_away(
    runs: int, data: st.DataObject
) -> None:
    failed = data.draw(st.integers(0, runs))
    low, high = wilson_interval(failed, runs)

    assert 0 <= low <= high <= 1
    assert low - 1e-9 <= failed / runs <= high + 1e-9
    for end in (low, high):
        deviation = math.sqrt(end * (1 - end) / runs)
        assert abs(failed / runs - end) == pytest.approx(1.959964 * deviation, abs=1e-7)


def test_nothing_is_known_of_a_rate_without_runs() -> None:
    assert Tally().rate == Rate(failed=0, runs=0, low=0.0, high=1.0)


@pytest.mark.parametrize(("failed", "runs"), [(-1, 3), (4, 3)])
def test_more_failures_than_runs_are_refused(failed: int, runs: int) -> None:
    with pytest.raises(ValueError, match=f"{failed} failures in {runs} runs"):
        wilson_interval(failed, runs)


def test_who_can_hardly_be_tested_is_asked_only_for_so_much_more_to_be_learnt() -> None:
    tallies = {6: Tally(passed=3), 7: Tally(passed=3), 8: Tally(passed=1, failed=1)}
    hardly = dict.fromkeys(range(6), 0.01)

    without = NoisySearch(SIZE, tallies, seconds=lambda _: 1.0)
    with_doubt = NoisySearch(SIZE, tallies, seconds=lambda _: 1.0, likely=hardly)

    assert without.ask(1)[0] in hardly
    assert with_doubt.ask(1)[0] not in hardly
    assert with_doubt.is_relevant(0)


def test_where_nothing_else_can_tell_they_are_asked_all_the_same() -> None:
    search = NoisySearch(4, {}, skips={3}, seconds=lambda _: 1.0, likely=dict.fromkeys(range(3), 0.25))

    assert set(search.ask(1)) < {0, 1, 2}
    assert search.ask(1)
