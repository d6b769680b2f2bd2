"""The search: where it asks, what it concludes, and that it always comes to an end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.search import Bisection, Boundary, NoBoundary, Open, State, StopReason, is_monotonic

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP

Truth = Sequence[Verdict]

reproducible = settings(derandomize=True, deadline=None, max_examples=80)


def history(size: int, boundary: int) -> list[Verdict]:
    """OLD below `boundary`, NEW from there on."""
    return [OLD if key < boundary else NEW for key in range(size)]


def drive(truth: Truth, *, workers: int, gallop: bool, order: Random) -> tuple[State, list[int]]:
    """Search `truth` with several in flight that come back in a random order; return the end and all asks."""
    search = Bisection(len(truth), gallop=gallop)
    asked: list[int] = []
    pending: set[int] = set()
    while isinstance(search.state, Open):
        keys = search.ask(workers - len(pending), pending)
        assert len(keys) <= workers - len(pending)
        assert len({*asked, *keys}) == len(asked) + len(keys), "asked twice"
        asked.extend(keys)
        pending.update(keys)
        assert pending, "neither asks nor waits"
        done = order.choice(sorted(pending))
        pending.remove(done)
        search.tell(done, truth[done])
    assert search.ask(workers, pending) == ()
    return search.state, asked


def all_ends(truth: Truth, *, workers: int, gallop: bool) -> set[State]:
    """Every state in which a search of `truth` can end, over all orders in which results can come back."""
    ends: set[State] = set()
    start: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    seen, todo = {start}, [start]
    while todo:
        told, pending = todo.pop()
        search = Bisection.replay(len(truth), {key: truth[key] for key in told}, gallop=gallop)
        keys = search.ask(workers - len(pending), pending)
        assert len(set(keys)) == len(keys) <= workers - len(pending)
        assert not (told | pending) & set(keys), "asked twice"
        if not isinstance(search.state, Open):
            assert keys == ()
            ends.add(search.state)
            continue
        running = pending | set(keys)
        assert running, "neither asks nor waits"
        after = {(told | {key}, running - {key}) for key in running} - seen
        seen |= after
        todo.extend(after)
    return ends


def longest_run(truth: Truth, *wanted: Verdict) -> int:
    """How many neighbours in `truth` at most are all among `wanted`."""
    return max(
        (sum(1 for _ in run) for is_in, run in groupby(truth, wanted.__contains__) if is_in), default=0
    )


def assert_is_true(state: State, truth: Truth) -> None:
    """Compare the end of a search with what there was to be found.

    Testable stretches of up to a sixteenth of the whole may be missed among untestable ones.
    """
    unseen = len(truth) // 16
    before_new = truth[: truth.index(NEW)] if NEW in truth else truth
    after_old = truth[len(truth) - truth[::-1].index(OLD) :] if OLD in truth else truth
    match state:
        case Boundary(low=low, high=high, skipped=skipped, contradictions=contradictions):
            assert (truth[low], truth[high]) == (OLD, NEW)
            assert skipped == tuple(range(low + 1, high))
            assert {truth[key] for key in skipped} <= {SKIP}
            assert all(key < low and truth[key] is NEW for key in contradictions)
        case NoBoundary(reason=StopReason.UNTESTABLE):
            assert longest_run(truth, OLD, NEW) <= unseen
        case NoBoundary(reason=StopReason.ALL_NEW):
            assert NEW in truth
            assert longest_run(before_new, OLD) <= unseen
        case NoBoundary(reason=StopReason.ALL_OLD):
            assert OLD in truth
            assert longest_run(after_old, NEW) <= unseen
        case NoBoundary(reason=StopReason.INVERTED):
            assert {OLD, NEW} <= {*truth}
            assert max(longest_run(before_new, OLD), longest_run(after_old, NEW)) <= unseen
        case Open():
            pytest.fail("the search is not over")
    changes_once = OLD in before_new and OLD not in truth[len(before_new) :] and NEW in truth
    seen = min(longest_run(truth, OLD), longest_run(truth, NEW)) > unseen
    if changes_once and (seen or isinstance(state, Boundary)):
        low, high = len(truth) - len(after_old) - 1, len(before_new)
        assert state == Boundary(low=low, high=high, skipped=tuple(range(low + 1, high)))


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


def test_a_gallop_with_several_workers_takes_several_steps_at_once() -> None:
    search = Bisection.replay(100, {99: NEW}, gallop=True)

    assert search.ask(3) == (98, 95, 83)


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


def test_named_ends_are_looked_at_before_anything_else_whatever_is_known() -> None:
    search = Bisection.replay(9, {4: OLD, 5: NEW}, verify=(2, 7))

    assert isinstance(search.state, Open)
    assert search.ask(1) == (2,)
    assert search.ask(5) == (2, 7)
    assert search.ask(5, pending={2}) == (7,)
    assert search.is_relevant(7)


def test_named_ends_that_were_looked_at_leave_the_boundary_that_was_known() -> None:
    search = Bisection.replay(9, {4: OLD, 5: NEW, 2: OLD, 7: NEW}, verify=(2, 7))

    assert search.state == Boundary(low=4, high=5)
    assert search.ask(5) == ()


@pytest.mark.parametrize(
    ("told", "is_one_change"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({3: OLD}, True, id="old-only"),
        pytest.param({3: NEW}, True, id="new-only"),
        pytest.param({0: OLD, 1: OLD, 3: NEW}, True, id="one-change"),
        pytest.param({0: OLD, 1: SKIP, 2: NEW, 9: SKIP}, True, id="what-cannot-be-tested-says-nothing"),
        pytest.param({0: OLD, 2: NEW, 3: OLD, 4: NEW}, False, id="it-came-and-went"),
        pytest.param({0: NEW, 3: OLD}, False, id="inverted"),
    ],
)
def test_a_history_with_no_old_above_a_new_has_one_change(
    told: dict[int, Verdict], is_one_change: bool
) -> None:
    assert is_monotonic(told) is is_one_change


def test_places_that_named_ends_leave_free_go_between_them() -> None:
    search = Bisection(14, verify=(0, 13))

    assert search.ask(1) == (0,)
    assert search.ask(2) == (0, 13)
    assert search.ask(5)[:2] == (0, 13)
    assert sorted(search.ask(5)[2:]) == [3, 6, 9]
    assert Bisection.replay(14, {0: OLD}, verify=(0, 13)).ask(1, pending={13}) == (6,)


def test_what_is_known_between_named_ends_counts_before_they_are_known() -> None:
    search = Bisection.replay(14, {6: NEW}, verify=(0, 13))

    assert search.ask(3, pending={0, 13}) == Bisection.replay(14, {0: OLD, 6: NEW}).ask(3)
    assert [key for key in range(14) if search.is_relevant(key)] == [0, 1, 2, 3, 4, 5, 13]
    assert isinstance(search.state, Open)


@pytest.mark.parametrize("verdict", [pytest.param(NEW, id="new"), pytest.param(SKIP, id="skip")])
def test_nothing_goes_between_named_ends_of_which_the_older_is_not_old(verdict: Verdict) -> None:
    search = Bisection.replay(14, {0: verdict}, verify=(0, 13))

    assert search.ask(5) == (13,)
    assert all(search.is_relevant(key) for key in range(14))


@reproducible
@given(
    size=st.integers(2, 120),
    untestable=st.sampled_from([0.0, 0.3]),
    workers=st.integers(1, 9),
    seed=st.integers(0, 2**32),
)
def test_between_named_ends_the_change_is_found_and_both_are_looked_at(
    size: int, untestable: float, workers: int, seed: int
) -> None:
    order = Random(seed)
    truth = history(size, order.randrange(1, size))
    inner = range(1, size - 1)
    truth = [SKIP if at in inner and order.random() < untestable else what for at, what in enumerate(truth)]
    search = Bisection(size, verify=(0, size - 1))
    pending: set[int] = set()
    told: set[int] = set()
    while isinstance(search.state, Open):
        pending = {key for key in pending if search.is_relevant(key)}
        pending |= set(search.ask(workers - len(pending), pending))
        done = order.choice(sorted(pending))
        pending.remove(done)
        told.add(done)
        search.tell(done, truth[done])

    assert_is_true(search.state, truth)
    assert isinstance(search.state, Boundary)
    assert {0, size - 1} <= told


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
