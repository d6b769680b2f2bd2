"""Where a search looks next when candidates differ in what they cost, and how near to the best that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator import cheapest

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.search import Bisection, Boundary, Open
from bisect_asgi.core.search.cuts import PATIENCE, choose_cuts, closeness, even_runs, fill, odds

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP


def drive(size: int, change: int, *, workers: int, order: Random, seconds: Sequence[float]) -> list[int]:
    """Search one history with several in flight that come back in a random order; return all asks."""
    search = Bisection(size, verify=(0, size - 1), seconds=seconds.__getitem__)
    asked: list[int] = []
    pending: set[int] = set()
    while isinstance(search.state, Open):
        pending = {key for key in pending if search.is_relevant(key)}
        keys = search.ask(workers - len(pending), pending)
        assert len(keys) <= workers - len(pending)
        assert not set(keys) & pending
        asked.extend(keys)
        pending.update(keys)
        done = order.choice(sorted(pending))
        pending.remove(done)
        search.tell(done, OLD if done < change else NEW)
    assert search.state == Boundary(low=change - 1, high=change)
    return asked


def expected(size: int, seconds: Sequence[float]) -> float:
    """The expected seconds of one worker's search between known ends, over all places of the change."""

    def rest(low: int, high: int, told: dict[int, Verdict]) -> float:
        if high - low == 1:
            return 0.0
        (key,) = Bisection.replay(size, told, seconds=seconds.__getitem__).ask(1)
        lower, upper = rest(low, key, {**told, key: NEW}), rest(key, high, {**told, key: OLD})
        return seconds[key] * (high - low) + lower + upper

    return rest(0, size - 1, {0: OLD, size - 1: NEW}) / (size - 1)


@pytest.mark.parametrize(
    ("cost", "worst"),
    [
        pytest.param(lambda _, random: 0.1 if random.random() < 0.3 else 2.0, 1.02, id="some-kept"),
        pytest.param(lambda key, _: 20.0 if key < 30 else 2.0, 1.02, id="the-older-half-from-source"),
        pytest.param(lambda _, random: 20.0 if random.random() < 0.3 else 2.0, 1.02, id="some-from-source"),
        pytest.param(lambda _, random: random.lognormvariate(0, 1), 1.06, id="lognormal"),
    ],
)
def test_with_one_worker_the_expected_seconds_are_close_to_the_optimum(
    cost: Callable[[int, Random], float], worst: float
) -> None:
    size, ratios = 60, []
    for seed in range(5):
        random = Random(seed)
        seconds = [cost(key, random) for key in range(size)]
        ratios.append(expected(size, seconds) / cheapest(seconds[1:-1]))

    assert min(ratios) >= 1 - 1e-9
    assert max(ratios) <= worst
    assert sum(ratios) / len(ratios) <= 1.02


def test_the_optimum_of_three_candidates_is_what_it_is_by_hand() -> None:
    # Four places for the change. The middle first: 5 + 1 = 6. An outer one first: 1, then, for three of
    # the four, the other outer one, and for two of these the middle: 1 + 3/4 + 2/4 * 5 = 4.25.
    assert cheapest([1.0, 5.0, 1.0]) == pytest.approx(4.25)
    assert cheapest([1.0, 1.0, 1.0]) == pytest.approx(2.0)
    assert cheapest([]) == 0


def test_a_cheap_candidate_near_the_middle_is_preferred_and_one_at_the_edge_is_not() -> None:
    told = {0: OLD, 64: NEW}

    def asked(cheap: int) -> tuple[int, ...]:
        return Bisection.replay(65, told, seconds=lambda key: 0.1 if key == cheap else 1.0).ask(1)

    assert asked(40) == (40,)
    assert asked(2) == (32,)


def test_a_candidate_that_costs_more_is_gone_round_by_a_step() -> None:
    seconds = {32: 10.0}

    (key,) = Bisection.replay(65, {0: OLD, 64: NEW}, seconds=lambda key: seconds.get(key, 1.0)).ask(1)

    assert abs(key - 32) == 1


@settings(deadline=None)
@given(
    size=st.integers(2, 200),
    workers=st.integers(1, 9),
    kinds=st.lists(st.floats(0.01, 1000), min_size=1, max_size=9),
    seed=st.integers(0, 2**32),
)
def test_whatever_candidates_cost_the_boundary_is_found(
    size: int, workers: int, kinds: list[float], seed: int
) -> None:
    random = Random(seed)
    seconds = [random.choice(kinds) for _ in range(size)]

    asked = drive(size, random.randrange(1, size), workers=workers, order=random, seconds=seconds)

    assert len(set(asked)) == len(asked)


@settings(deadline=None)
@given(size=st.integers(2, 400), seed=st.integers(0, 2**32), spread=st.floats(0.1, 5))
def test_one_worker_never_takes_more_than_twice_the_runs_of_even_cuts(
    size: int, seed: int, spread: float
) -> None:
    random = Random(seed)
    seconds = [random.lognormvariate(0, spread) for _ in range(size)]

    asked = drive(size, random.randrange(1, size), workers=1, order=random, seconds=seconds)

    assert len(asked) <= PATIENCE * (2 + math.ceil(math.log2(size - 1)))


def test_when_patience_is_spent_cuts_are_even_again() -> None:
    told = {0: OLD, 64: NEW, **dict.fromkeys(range(1, 13), OLD)}
    search = Bisection.replay(65, told, seconds=lambda key: 0.1 if key == 20 else 1.0)

    # 14 runs so far, and the 52 places left take 6 even ones: no fewer than twice the 2 + 6 of even cuts.
    assert search.ask(1) == (38,)


@pytest.mark.parametrize(
    ("gap", "workers", "runs"),
    [
        pytest.param(1, 1, 0, id="nothing-left"),
        pytest.param(64, 1, 6, id="halves"),
        pytest.param(65, 1, 7, id="one-more"),
        pytest.param(9, 2, 4, id="thirds-by-two-at-once"),
    ],
)
def test_how_many_runs_even_cuts_take(gap: int, workers: int, runs: int) -> None:
    assert even_runs(gap, workers) == runs


def test_in_a_long_gap_a_single_cheap_candidate_is_seen() -> None:
    def seconds(key: int) -> float:
        return 0.1 if key == 5_777 else 1.0

    assert choose_cuts(0, 10_000, limit=1, seconds=seconds) == (5_777,)


def test_in_a_long_gap_of_many_prices_a_cheap_candidate_is_found() -> None:
    random = Random(5)
    prices = [random.uniform(1, 2) for _ in range(10_000)]
    prices[5_777] = 0.05

    assert choose_cuts(0, 10_000, limit=1, seconds=prices.__getitem__) == (5_777,)


def test_several_places_take_the_cheap_ones_near_where_they_would_be() -> None:
    cheap = {21, 47}

    keys = choose_cuts(0, 64, limit=3, seconds=lambda key: 0.2 if key in cheap else 1.0)

    # The third closes up: halfway between the second and the end.
    assert sorted(keys)[:2] == [21, 47]
    assert sorted(keys)[2] in (55, 56)


def test_places_next_to_a_skip_keep_their_distance_from_each_other() -> None:
    keys = sorted(choose_cuts(0, 1_000, known={500}, skipped=[500], limit=15))

    steps = [after - before for before, after in zip([0, *keys], [*keys, 1_000], strict=True)]
    assert max(steps) <= 2 * 1_000 / 16
    assert min(steps) >= 0.5 * 1_000 / 16


def test_the_largest_gap_comes_first() -> None:
    keys = choose_cuts(0, 100, pending={20}, limit=3)

    assert keys[-1] < 20 or all(key > 20 for key in keys)
    assert keys[0] > 20


@pytest.mark.parametrize(
    ("share", "worth"),
    [
        pytest.param(0.5, 1.0, id="even"),
        pytest.param(0.0, 0.0, id="nothing-below"),
        pytest.param(1.0, 0.0, id="nothing-above"),
        pytest.param(0.01, 0.0, id="too-far-out"),
        pytest.param(0.25, 1 - math.log2(2 / math.sqrt(3)), id="a-quarter"),
    ],
)
def test_what_a_cut_is_worth(share: float, worth: float) -> None:
    assert closeness(share) == pytest.approx(worth)


def test_the_odds_of_being_testable_grow_with_the_distance_from_a_skip() -> None:
    assert odds(5, []) == 1
    assert odds(5, [4]) == pytest.approx(1 / 3)
    assert odds(5, [1, 7, 30]) == pytest.approx(2 / 4)
    assert odds(5, [1]) == pytest.approx(4 / 6)


@settings(deadline=None)
@given(
    size=st.integers(3, 300),
    data=st.data(),
    limit=st.integers(0, 20),
    prices=st.booleans(),
)
def test_what_is_placed_is_unknown_not_in_flight_different_and_all_there_is_room_for(
    size: int, data: st.DataObject, limit: int, prices: bool
) -> None:
    inside = st.integers(1, size - 1)
    known = data.draw(st.sets(inside, max_size=60))
    pending = data.draw(st.sets(inside, max_size=20)) - known

    keys = choose_cuts(
        0,
        size,
        known=known,
        skipped=sorted(known),
        pending=pending,
        limit=limit,
        seconds=(lambda key: 1.0 + key % 7) if prices else None,
    )

    free = set(range(1, size)) - known - pending
    assert len(set(keys)) == len(keys) == min(limit, len(free))
    assert set(keys) <= free


# --- Free places beside what is under way


def next_between(low: int, high: int) -> Callable[[int, Collection[int]], tuple[int, ...]]:
    """What a search between two candidates asks for."""
    return lambda limit, pending: choose_cuts(low, high, pending=pending, limit=limit)


@pytest.mark.parametrize(
    ("quick", "under_way", "places", "chosen"),
    [
        pytest.param(range(33), [16], 1, [8], id="all-are-quick"),
        pytest.param({16, 24}, [16], 1, [24], id="next-if-the-older-half-were-under-way"),
        pytest.param({16}, [16], 1, [], id="nothing-else-is-quick"),
        pytest.param({16}, [], 2, [11, 21], id="nothing-quick-under-way"),
        pytest.param({11}, [], 2, [11], id="slow-beside-what-is-chosen"),
    ],
)
def test_a_place_beside_a_quick_candidate_goes_to_a_quick_one(
    quick: Collection[int], under_way: list[int], places: int, chosen: list[int]
) -> None:
    def is_slow_beside(key: int, others: Collection[int]) -> bool:
        return key not in quick and not set(quick).isdisjoint(others)

    found = fill(
        places, ask=next_between(0, 32), under_way=under_way, withheld=(), is_slow_beside=is_slow_beside
    )

    assert found == chosen


@given(
    high=st.integers(1, 60),
    places=st.integers(1, 8),
    under_way=st.sets(st.integers(0, 60), max_size=4),
    withheld=st.sets(st.integers(0, 60), max_size=4),
    slow=st.sets(st.integers(0, 60)),
)
def test_a_search_always_goes_on_and_nothing_is_run_twice(
    high: int, places: int, under_way: set[int], withheld: set[int], slow: set[int]
) -> None:
    ask = next_between(0, high)

    found = fill(
        places,
        ask=ask,
        under_way=under_way,
        withheld=withheld,
        is_slow_beside=lambda key, others: key in slow and not slow.issuperset(others),
    )

    assert len(set(found)) == len(found) <= places
    assert not {*found} & {*under_way, *withheld}
    assert all(0 < key < high for key in found)
    first = ask(places, {*under_way, *withheld})
    assert slow or tuple(found) == first
    assert under_way or found[:1] == list(first[:1])
