"""The search: where it asks, what it concludes, and that it always comes to an end."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.histories import NEW, OLD, SKIP, Truth, all_ends, assert_is_true, drive, history

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.search import Bisection, Boundary, NoBoundary, Open, State, StopReason

reproducible = settings(derandomize=True, deadline=None, max_examples=80)


@pytest.mark.parametrize("size", range(2, 121))
def test_every_boundary_is_found_with_two_ends_and_a_halving_for_each_doubling(size: int) -> None:
    most = 2 + math.ceil(math.log2(size - 1))

    for boundary in range(1, size):
        state, asked = drive(history(size, boundary), workers=1, gallop=False, order=Random(0))

        assert state == Boundary(low=boundary - 1, high=boundary)
        assert len(asked) <= most


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize("gallop", [pytest.param(False, id="both-ends"), pytest.param(True, id="gallop")])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_every_small_history_ends_in_the_truth_whatever_comes_back_first(
    size: int, gallop: bool, workers: int
) -> None:
    for truth in product((OLD, NEW, SKIP), repeat=size):
        ends = all_ends(truth, workers=workers, gallop=gallop)

        for state in ends:
            assert_is_true(state, truth)


@reproducible
@given(
    truth=st.lists(st.sampled_from([OLD, NEW, SKIP]), min_size=1, max_size=150),
    workers=st.integers(1, 8),
    gallop=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_any_history_ends_in_the_truth(truth: Truth, workers: int, gallop: bool, seed: int) -> None:
    state, _ = drive(truth, workers=workers, gallop=gallop, order=Random(seed))

    assert_is_true(state, truth)


@reproducible
@given(
    size=st.integers(2, 250),
    untestable=st.floats(0, 0.95),
    workers=st.integers(1, 8),
    gallop=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_one_change_among_scattered_skips_is_found(
    size: int, untestable: float, workers: int, gallop: bool, seed: int
) -> None:
    random = Random(seed)
    truth = history(size, random.randrange(1, size))
    truth = [SKIP if random.random() < untestable else verdict for verdict in truth]

    state, _ = drive(truth, workers=workers, gallop=gallop, order=random)

    assert_is_true(state, truth)


@reproducible
@given(
    ends=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    sides=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    gap=st.integers(0, 60),
    workers=st.integers(1, 8),
    gallop=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_one_change_among_long_runs_of_skips_is_found(
    ends: tuple[int, int], sides: tuple[int, int], gap: int, workers: int, gallop: bool, seed: int
) -> None:
    truth = [SKIP] * ends[0] + [OLD] * sides[0] + [SKIP] * gap + [NEW] * sides[1] + [SKIP] * ends[1]

    state, _ = drive(truth, workers=workers, gallop=gallop, order=Random(seed))

    assert_is_true(state, truth)


@reproducible
@given(
    told=st.dictionaries(st.integers(0, 39), st.sampled_from([OLD, NEW, SKIP]), max_size=40),
    gallop=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_the_order_of_telling_does_not_matter(told: dict[int, Verdict], gallop: bool, seed: int) -> None:
    shuffled = list(told.items())
    Random(seed).shuffle(shuffled)

    first = Bisection.replay(40, told, gallop=gallop)
    second = Bisection.replay(40, dict(shuffled), gallop=gallop)

    assert first.state == second.state
    assert first.ask(3) == second.ask(3)


def test_replaying_is_resuming() -> None:
    search = Bisection(40, gallop=True)
    for key, verdict in [(39, NEW), (38, NEW), (35, SKIP), (23, OLD)]:
        search.tell(key, verdict)

    resumed = Bisection.replay(40, {23: OLD, 35: SKIP, 38: NEW, 39: NEW}, gallop=True)

    assert resumed.state == search.state == Open(low=23, high=38)
    assert resumed.ask(2) == search.ask(2)


def test_a_second_verdict_replaces_the_first() -> None:
    search = Bisection.replay(3, {0: OLD, 2: NEW, 1: SKIP})

    search.tell(1, NEW)

    assert search.state == Boundary(low=0, high=1)


def test_what_is_known_of_the_ends_is_said_while_searching() -> None:
    search = Bisection(9)

    states = [search.state]
    for key, verdict in [(8, NEW), (0, OLD), (4, NEW)]:
        search.tell(key, verdict)
        states.append(search.state)

    assert states == [
        Open(low=None, high=None),
        Open(low=None, high=8),
        Open(low=0, high=8),
        Open(low=0, high=4),
    ]


def test_both_ends_are_looked_at_together_and_the_newest_first() -> None:
    search = Bisection(50)

    assert search.ask(1) == (49,)
    assert search.ask(2) == (49, 0)
    assert search.ask(8) == (49, 0)
    assert search.ask(2, pending={49}) == (0,)


def test_a_gallop_goes_back_from_the_newest_by_steps_four_times_as_long_and_then_to_the_oldest() -> None:
    search = Bisection(100, gallop=True)

    asked: list[int] = []
    while keys := search.ask(1):
        asked.extend(keys)
        search.tell(keys[0], NEW)

    assert asked == [99, 99 - 1, 99 - 4, 99 - 16, 99 - 64, 0]
    assert search.state == NoBoundary(reason=StopReason.ALL_NEW)


def built_below(first_wheel: int) -> Callable[[int], float]:
    """The seconds of candidates of which those below `first_wheel` are built from source."""
    return lambda key: 20.0 if key < first_wheel else 1.0


def galloped(change: int, *, first_wheel: int) -> tuple[State, list[int]]:
    """What an open-ended search of 100 candidates finds, and what it looks at, in this order."""
    asked: list[int] = []
    verdicts: dict[int, Verdict] = {}
    while True:
        search = Bisection.replay(100, verdicts, gallop=True, seconds=built_below(first_wheel))
        if not (keys := search.ask(1)):
            return search.state, asked
        asked.extend(keys)
        verdicts[keys[0]] = NEW if keys[0] >= change else OLD


def test_a_gallop_builds_nothing_where_a_release_with_a_wheel_is_the_old_end() -> None:
    for change in range(62, 100):
        state, asked = galloped(change, first_wheel=61)

        assert state == Boundary(low=change - 1, high=change)
        assert min(asked) >= 61


def test_a_gallop_finds_an_old_end_that_has_to_be_built_after_those_with_wheels() -> None:
    for change in range(1, 62):
        state, asked = galloped(change, first_wheel=61)

        assert state == Boundary(low=change - 1, high=change)
        assert asked[:6] == [99, 98, 95, 83, 61, 35]


@pytest.mark.parametrize("first_wheel", [0, 100])
def test_where_all_are_alike_a_gallop_does_not_mind_what_they_take(first_wheel: int) -> None:
    for change in range(1, 35):
        assert galloped(change, first_wheel=first_wheel)[1][:6] == [99, 98, 95, 83, 35, 0]


def test_a_gallop_with_several_workers_takes_several_steps_at_once() -> None:
    search = Bisection.replay(100, {99: NEW}, gallop=True)

    assert search.ask(3) == (98, 95, 83)


def test_beside_the_oldest_a_gallop_looks_at_what_is_next_if_that_is_old() -> None:
    verdicts = dict.fromkeys([99, 98, 95, 83, 35], NEW)
    search = Bisection.replay(100, verdicts, gallop=True)

    assert search.ask(1) == (0,)
    assert search.ask(3) == (0, 17)
    assert search.ask(1, pending={0}) == (17,)
    assert Bisection.replay(100, {**verdicts, 0: OLD}, gallop=True).ask(1) == (17,)

    search.tell(17, OLD)
    assert not search.is_relevant(0)


def test_beside_the_oldest_a_gallop_builds_nothing_else_that_takes_long() -> None:
    verdicts = dict.fromkeys([99, 98, 95, 83, 35], NEW)
    search = Bisection.replay(100, verdicts, gallop=True, seconds=built_below(30))

    assert search.ask(3) == (30,)


def test_a_gallop_looks_at_nothing_older_before_it_knows_its_newest_end() -> None:
    search = Bisection(100, gallop=True)

    asked_at_first = search.ask(4)
    search.tell(99, SKIP)
    asked_after_one_skip = search.ask(4)
    search.tell(98, SKIP)

    assert (asked_at_first, asked_after_one_skip, search.ask(4)) == ((99, 98), (98,), (96,))


def test_a_gallop_starts_from_the_newest_that_can_be_tested() -> None:
    search = Bisection.replay(100, {99: SKIP, 98: SKIP, 96: NEW}, gallop=True)

    assert search.ask(3) == (96 - 1, 96 - 4, 96 - 16)


def test_a_gallop_steps_over_what_cannot_be_tested() -> None:
    search = Bisection.replay(100, {99: NEW, 98: SKIP, 95: SKIP}, gallop=True)

    assert search.ask(1) == (83,)


def test_a_gallop_ends_at_the_first_old_candidate() -> None:
    search = Bisection.replay(100, {99: NEW, 98: NEW, 95: OLD}, gallop=True)

    assert search.state == Open(low=95, high=98)
    assert set(search.ask(8)) == {96, 97}


def test_an_untestable_newest_end_moves_inward_by_growing_steps() -> None:
    search = Bisection(100)

    asked: list[int] = []
    for _ in range(5):
        (key,) = search.ask(1)
        asked.append(key)
        search.tell(key, SKIP)

    assert asked == [99, 99 - 1, 99 - 3, 99 - 7, 99 - 15]


def test_from_an_untestable_oldest_end_the_way_to_the_other_side_is_halved() -> None:
    search = Bisection.replay(100, {99: NEW, 0: SKIP})

    last = 0
    for _ in range(5):
        (key,) = search.ask(1)
        assert abs(key - (last + 99) / 2) <= 1
        search.tell(key, SKIP)
        last = key


@pytest.mark.parametrize("gallop", [pytest.param(False, id="both-ends"), pytest.param(True, id="gallop")])
def test_a_long_run_of_untestable_oldest_releases_costs_its_logarithm(gallop: bool) -> None:
    truth = [SKIP] * 300 + [OLD] * 30 + [NEW] * 40

    state, asked = drive(truth, workers=1, gallop=gallop, order=Random(0))

    assert state == Boundary(low=329, high=330)
    assert len(asked) <= 2 + 2 * math.ceil(math.log2(370))


def test_what_was_stepped_over_is_asked_when_nothing_else_is_left() -> None:
    search = Bisection.replay(5, {4: SKIP, 3: SKIP, 1: SKIP, 0: OLD})

    assert search.state == Open(low=0, high=None)
    assert search.ask(4) == (2,)


def test_what_was_stepped_over_between_two_skips_for_one_reason_is_left_out() -> None:
    told = {4: SKIP, 3: SKIP, 1: SKIP, 0: OLD}

    search = Bisection.replay(5, told, doubtful={2})

    assert search.state == NoBoundary(reason=StopReason.ALL_OLD)
    assert search.ask(4) == ()


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        pytest.param({8: NEW, 0: NEW}, StopReason.ALL_NEW, id="oldest-is-new"),
        pytest.param({8: OLD}, StopReason.ALL_OLD, id="newest-is-old"),
        pytest.param({8: OLD, 0: NEW}, StopReason.INVERTED, id="wrong-way-round"),
        pytest.param(dict.fromkeys(range(9), SKIP), StopReason.UNTESTABLE, id="nothing-testable"),
    ],
)
def test_a_search_without_a_boundary_stops_and_says_why(told: dict[int, Verdict], reason: StopReason) -> None:
    search = Bisection.replay(9, told)

    assert search.state == NoBoundary(reason=reason)
    assert search.ask(3) == ()


def test_skips_next_to_the_boundary_are_reported_not_guessed() -> None:
    search = Bisection(5)

    for key, verdict in [(0, OLD), (4, NEW), (2, SKIP), (1, OLD), (3, NEW)]:
        search.tell(key, verdict)

    assert search.state == Boundary(low=1, high=3, skipped=(2,))


def test_in_a_history_with_several_changes_the_newest_is_found_and_the_others_are_reported() -> None:
    search = Bisection.replay(10, {0: OLD, 2: NEW, 3: NEW, 5: OLD, 6: SKIP, 7: NEW, 9: NEW})

    assert search.state == Boundary(low=5, high=7, skipped=(6,), contradictions=(2, 3))


@pytest.mark.parametrize(
    ("places", "keys"),
    [
        pytest.param(1, (6,), id="one-halves"),
        pytest.param(2, (4, 8), id="two-cut-into-three"),
        pytest.param(3, (3, 6, 9), id="three-cut-into-four"),
        pytest.param(5, (2, 4, 6, 8, 10), id="five-cut-into-six"),
        pytest.param(20, tuple(range(1, 12)), id="more-than-there-are"),
    ],
)
def test_several_places_cut_the_bracket_evenly(places: int, keys: tuple[int, ...]) -> None:
    search = Bisection.replay(13, {0: OLD, 12: NEW})

    assert sorted(search.ask(places)) == list(keys)


@pytest.mark.parametrize(
    ("places", "pending", "keys"),
    [
        pytest.param(1, {4}, (8,), id="the-larger-gap-is-halved"),
        pytest.param(2, {6}, (3, 9), id="equal-gaps-get-one-each"),
        pytest.param(2, {3}, (6, 9), id="a-gap-of-thrice-the-length-gets-both"),
        pytest.param(1, {6, 40}, (3,), id="pending-outside-the-bracket-cuts-nothing"),
        pytest.param(9, set(range(1, 12)), (), id="everything-in-flight"),
    ],
)
def test_what_is_in_flight_counts_as_an_edge(places: int, pending: set[int], keys: tuple[int, ...]) -> None:
    search = Bisection.replay(50, {0: OLD, 12: NEW})

    assert sorted(search.ask(places, pending)) == list(keys)


def test_the_neighbourhood_of_a_skip_is_avoided() -> None:
    search = Bisection.replay(65, {0: OLD, 64: NEW, 32: SKIP})

    (key,) = search.ask(1)

    assert 2 < abs(key - 32) < 28


def test_the_distance_from_a_skip_is_weighed_against_the_evenness_of_the_cut() -> None:
    search = Bisection.replay(17, {0: OLD, 16: NEW, 8: SKIP})

    (key,) = search.ask(1)

    # By hand, closeness of the cut times d / (d + 2): .485 at distance 2, .5490 at 3, .5486 at 4, .484 at 5.
    assert abs(key - 8) == 3


def test_no_places_means_no_keys() -> None:
    search = Bisection(9)

    assert search.ask(0) == ()
    assert search.ask(-1) == ()


def test_every_result_is_relevant_until_there_is_a_bracket() -> None:
    search = Bisection.replay(9, {8: NEW})

    assert all(search.is_relevant(key) for key in range(9))


def test_only_what_lies_inside_the_bracket_is_relevant() -> None:
    search = Bisection.replay(9, {1: OLD, 2: OLD, 6: NEW, 8: NEW})

    assert [key for key in range(9) if search.is_relevant(key)] == [3, 4, 5]


@pytest.mark.parametrize("size", [0, -1])
def test_a_search_over_nothing_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"^a search needs at least one candidate, not {size}$"):
        Bisection(size)


@pytest.mark.parametrize("key", [-1, 5])
def test_a_verdict_on_no_candidate_is_refused(key: int) -> None:
    search = Bisection(5)

    with pytest.raises(IndexError, match=f"^candidate {key} of 5$"):
        search.tell(key, OLD)


# SKIPs that lean to a side.


@pytest.mark.parametrize(
    ("leaning", "state"),
    [
        pytest.param({}, Open(low=0, high=9), id="nothing-leans"),
        pytest.param({4: OLD, 7: OLD}, Open(low=7, high=9), id="to-the-old-side"),
        pytest.param({4: NEW, 7: NEW}, Open(low=0, high=4), id="to-the-new-side"),
    ],
)
def test_what_leans_to_a_side_narrows_the_bracket(leaning: dict[int, Verdict], state: Open) -> None:
    search = Bisection.replay(12, {0: OLD, 4: SKIP, 7: SKIP, 9: NEW}, leaning=leaning)

    assert search.state == state
    assert all(state.low < key < state.high for key in search.ask(9))
    assert [search.is_relevant(key) for key in (2, 8)] == [state.low < 2, state.high > 8]


def test_with_nothing_between_what_leans_and_the_other_side_the_rest_is_not_wanted() -> None:
    search = Bisection.replay(12, {0: OLD, 4: SKIP, 8: SKIP, 9: NEW}, leaning={4: OLD, 8: OLD})

    assert search.state == Boundary(low=0, high=9, skipped=tuple(range(1, 9)))


def test_a_candidate_between_both_moves_the_bracket_past_what_leans() -> None:
    search = Bisection.replay(12, {0: OLD, 4: SKIP, 8: OLD, 9: NEW}, leaning={4: OLD})

    assert search.state == Boundary(low=8, high=9)
