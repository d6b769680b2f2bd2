"""All changes of a history: every one is found, nothing is asked twice, and the search comes to its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.search import AllBoundaries, AllChanges, Boundary, Open

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP

Truth = Sequence[Verdict]

reproducible = settings(derandomize=True, deadline=None, max_examples=60)

# A string of a table, `OO.N`: one letter a candidate, oldest first.
LETTERS = {"O": OLD, "N": NEW, ".": SKIP}


def truth_of(letters: str) -> tuple[Verdict, ...]:
    return tuple(LETTERS[letter] for letter in letters)


def drive(
    truth: Truth, *, shortest: int, workers: int, order: Random, first: Sequence[int] = ()
) -> tuple[AllBoundaries, list[int]]:
    """Search `truth` with several in flight that come back in a random order; return the end and all asks."""
    search = AllChanges(len(truth), shortest=shortest, first=first)
    asked: list[int] = []
    pending: set[int] = set()
    while True:
        keys = search.ask(workers - len(pending), pending)
        assert len(keys) <= workers - len(pending)
        assert len({*asked, *keys}) == len(asked) + len(keys), "asked twice"
        assert all(search.is_relevant(key) for key in keys)
        asked.extend(keys)
        pending.update(keys)
        if not pending:
            break
        done = order.choice(sorted(pending))
        pending.remove(done)
        search.tell(done, truth[done])
        assert not search.is_relevant(done)
    assert isinstance(search.state, AllBoundaries), "neither asks nor ends"
    return search.state, asked


def changes_of(truth: Truth) -> tuple[Boundary, ...]:
    """Every place where neighbouring testable candidates differ, computed from the whole truth."""
    tested = [key for key, verdict in enumerate(truth) if verdict is not SKIP]
    return tuple(
        Boundary(low=low, high=high, skipped=tuple(range(low + 1, high)))
        for low, high in pairwise(tested)
        if truth[low] is not truth[high]
    )


def states_of(truth: Truth) -> Iterator[list[int]]:
    """The testable candidates of each stretch of time that answered alike, oldest first."""
    tested = [key for key, verdict in enumerate(truth) if verdict is not SKIP]
    for _, keys in groupby(tested, key=lambda key: truth[key]):
        yield list(keys)


def assert_promise_is_kept(truth: Truth, mapped: AllBoundaries, asked: Sequence[int]) -> None:
    """What the answer promises: long states were seen, and what it says of a change is exact."""
    for state in states_of(truth):
        if len(state) >= mapped.shortest:
            assert set(state) & set(asked), f"{state} lasted for {mapped.shortest} and was not seen"
    for change in mapped.changes:
        assert {truth[change.low], truth[change.high]} == {OLD, NEW}
        assert change.skipped == tuple(range(change.low + 1, change.high))
        assert all(truth[key] is SKIP for key in change.skipped), "not the exact place"
        assert set(range(change.low, change.high + 1)) <= set(asked), "something between was never run"
    assert set(mapped.changes) <= set(changes_of(truth))
    seen = [truth[key] for key in sorted(asked) if truth[key] is not SKIP]
    assert len(mapped.changes) == sum(a is not b for a, b in pairwise(seen)), "a change that was seen is lost"


@pytest.mark.parametrize("size", range(1, 7))
def test_with_shortest_one_every_change_of_every_short_history_is_found(size: int) -> None:
    for truth in product((OLD, NEW, SKIP), repeat=size):
        mapped, asked = drive(truth, shortest=1, workers=1, order=Random(0))

        assert mapped == AllBoundaries(changes=changes_of(truth), shortest=1), truth
        assert sorted(asked) == list(range(size))


@pytest.mark.parametrize("shortest", [2, 3, 4, 7])
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("size", range(1, 7))
def test_states_of_the_promised_length_are_seen_in_every_short_history(
    size: int, workers: int, shortest: int
) -> None:
    order = Random(size)
    for truth in product((OLD, NEW, SKIP), repeat=size):
        mapped, asked = drive(truth, shortest=shortest, workers=workers, order=order)

        assert mapped.shortest == shortest
        assert_promise_is_kept(truth, mapped, asked)


def test_with_shortest_one_any_order_of_completion_gives_the_same_answer() -> None:
    for seed, truth in enumerate(product((OLD, NEW, SKIP), repeat=5)):
        for workers in (2, 3, 8):
            mapped, _ = drive(truth, shortest=1, workers=workers, order=Random(seed))

            assert mapped.changes == changes_of(truth)


@reproducible
@given(
    truth=st.lists(st.sampled_from([OLD, NEW, SKIP]), min_size=1, max_size=200),
    shortest=st.integers(1, 40),
    workers=st.integers(1, 9),
    seed=st.integers(0, 2**16),
)
def test_the_promise_is_kept_in_noise(truth: list[Verdict], shortest: int, workers: int, seed: int) -> None:
    mapped, asked = drive(truth, shortest=shortest, workers=workers, order=Random(seed))

    assert_promise_is_kept(truth, mapped, asked)


@st.composite
def long_states(draw: st.DrawFn, shortest: int) -> list[Verdict]:
    """A history of states that last for `shortest` testable candidates or more, with untestable ones."""
    truth: list[Verdict] = []
    verdict = draw(st.sampled_from([OLD, NEW]))
    for length in draw(
        st.lists(st.integers(shortest, 3 * shortest), min_size=1, max_size=200 // (4 * shortest))
    ):
        for _ in range(length):
            truth += [SKIP] * draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2])) if len(truth) < 190 else []
            truth.append(verdict)
        verdict = NEW if verdict is OLD else OLD
    return truth[:200]


@reproducible
@given(data=st.data(), shortest=st.integers(1, 12), workers=st.integers(1, 6), seed=st.integers(0, 2**16))
def test_all_changes_between_states_that_last_long_enough_are_found(
    data: st.DataObject, shortest: int, workers: int, seed: int
) -> None:
    truth = data.draw(long_states(shortest))

    mapped, asked = drive(truth, shortest=shortest, workers=workers, order=Random(seed))

    assert_promise_is_kept(truth, mapped, asked)
    whole = [state for state in states_of(truth) if len(state) >= shortest]
    # The last state may have been cut off by the limit of 200.
    assert len(mapped.changes) >= len(whole) - 1
    assert set(mapped.changes) <= set(changes_of(truth))


def test_a_long_history_with_one_change_costs_about_size_over_shortest() -> None:
    truth = [OLD] * 130 + [NEW] * 70

    mapped, asked = drive(truth, shortest=20, workers=1, order=Random(0))

    assert mapped.changes == (Boundary(low=129, high=130),)
    # Halving 200 four times leaves stretches of 12; narrowing the change costs its logarithm.
    assert len(asked) <= 15 + 4


def test_the_longest_unknown_stretch_is_halved_first() -> None:
    search = AllChanges(9)

    assert search.ask(3) == (4, 1, 6)


def test_a_state_at_either_end_counts_like_any_other() -> None:
    for letters in ("NNNOOOOOOOO", "OOOOOOOONNN"):
        mapped, _ = drive(truth_of(letters), shortest=3, workers=1, order=Random(0))

        assert mapped.changes == changes_of(truth_of(letters))


def test_a_state_that_is_shorter_than_promised_may_be_missed() -> None:
    truth = truth_of("OOOONOOOO")

    search = AllChanges.replay(9, {key: truth[key] for key in (0, 1, 3, 5, 7, 8)}, shortest=2)

    assert search.state == AllBoundaries(changes=(), shortest=2)
    assert search.ask(4) == ()


def test_a_change_that_was_seen_is_narrowed_to_its_place_whatever_its_length() -> None:
    search = AllChanges.replay(6, {0: OLD, 2: OLD, 4: NEW, 5: NEW}, shortest=5)

    assert search.ask(4) == (3,)
    assert search.state == Open(low=None, high=None)


@pytest.mark.parametrize(
    ("letters", "changes"),
    [
        pytest.param("O", (), id="one-candidate"),
        pytest.param(".", (), id="nothing-testable"),
        pytest.param("....", (), id="nothing-testable-at-all"),
        pytest.param("OOOO", (), id="no-change"),
        pytest.param("ON", ((0, 1),), id="one-change"),
        pytest.param("NO", ((0, 1),), id="the-other-way-round"),
        pytest.param("O..N", ((0, 3),), id="a-gap-of-untestable-ones"),
        pytest.param(".ON.", ((1, 2),), id="untestable-ends"),
        pytest.param("ONO", ((0, 1), (1, 2)), id="there-and-back"),
        pytest.param("O.O.N.N.O", ((2, 4), (6, 8)), id="every-second-untestable"),
    ],
)
def test_changes_are_told_oldest_first_with_what_is_untestable_between(
    letters: str, changes: tuple[tuple[int, int], ...]
) -> None:
    mapped, _ = drive(truth_of(letters), shortest=1, workers=2, order=Random(1))

    assert [(change.low, change.high) for change in mapped.changes] == list(changes)


@pytest.mark.parametrize(
    ("told", "limit", "pending", "keys"),
    [
        pytest.param({0: OLD, 20: OLD}, 3, (), (), id="no-change"),
        pytest.param({0: OLD, 12: NEW, 20: NEW}, 1, (), (6,), id="the-middle"),
        pytest.param({0: OLD, 12: NEW, 20: NEW}, 2, (), (4, 8), id="two-cut-it-into-three"),
        pytest.param({0: OLD, 12: NEW, 20: NEW}, 1, (6,), (3,), id="in-flight-cuts-it"),
        pytest.param({0: OLD, 4: NEW, 20: OLD}, 1, (), (2,), id="what-is-soonest-narrowed"),
        pytest.param({0: OLD, 4: NEW, 20: OLD}, 1, (2,), (12,), id="what-has-none-in-flight"),
        pytest.param({0: OLD, 4: NEW, 20: OLD}, 2, (), (2, 12), id="each-its-share"),
        pytest.param({0: OLD, 12: NEW, 6: SKIP}, 1, (), (3,), id="away-from-an-untestable-one"),
        pytest.param({0: OLD, 2: NEW, 1: SKIP}, 1, (), (), id="placed-with-an-untestable-one-between"),
    ],
)
def test_only_the_places_of_changes_are_wanted_when_the_rest_is_not(
    told: dict[int, Verdict], limit: int, pending: tuple[int, ...], keys: tuple[int, ...]
) -> None:
    search = AllChanges.replay(21, told, first=(20, 0), places_only=True)

    assert search.ask(limit, pending) == keys


def test_what_lies_in_no_change_is_then_irrelevant() -> None:
    search = AllChanges.replay(9, {0: OLD, 4: NEW}, places_only=True)

    assert [key for key in range(9) if search.is_relevant(key)] == [1, 2, 3]


def test_what_is_not_worth_a_look_is_no_place_either() -> None:
    search = AllChanges.replay(4, {0: OLD, 3: NEW}, never={1, 2})

    assert search.ask(2) == ()


@pytest.mark.parametrize(
    ("told", "pending", "keys"),
    [
        pytest.param({0: OLD, 8: OLD}, (20,), (14,), id="in-flight"),
        pytest.param({0: OLD, 8: OLD, 20: SKIP}, (), (14,), id="untestable"),
        pytest.param({0: OLD, 8: OLD, 20: OLD}, (), (14,), id="tested-so-the-longest-stretch"),
        pytest.param({0: OLD, 16: OLD, 20: SKIP}, (), (18,), id="untestable-though-others-are-longer"),
        pytest.param({0: OLD, 16: OLD, 20: OLD}, (), (8,), id="tested-and-others-are-longer"),
        pytest.param({}, (20,), (9,), id="nothing-is-tested"),
    ],
)
def test_the_newest_is_waited_for_where_it_may_have_changed(
    told: dict[int, Verdict], pending: tuple[int, ...], keys: tuple[int, ...]
) -> None:
    search = AllChanges.replay(21, told, first=(20,))

    assert search.ask(1, pending) == keys


@pytest.mark.parametrize(
    ("limit", "pending", "keys"),
    [
        pytest.param(1, (), (7,), id="as-many-as-fit"),
        pytest.param(2, (), (7, 2), id="in-their-order"),
        pytest.param(3, (), (7, 2, 4), id="the-rest-is-filled-up"),
        pytest.param(2, (7,), (2, 4), id="not-those-in-flight"),
        pytest.param(0, (), (), id="no-places"),
        pytest.param(-1, (), (), id="fewer-than-no-places"),
    ],
)
def test_what_is_wanted_first_comes_first(
    limit: int, pending: tuple[int, ...], keys: tuple[int, ...]
) -> None:
    search = AllChanges(9, first=(7, 2))

    assert search.ask(limit, pending) == keys


def test_what_is_wanted_last_comes_after_all_others() -> None:
    search = AllChanges.replay(9, {4: OLD, 8: OLD}, first=(8, 2, 6), last=range(4))

    assert search.ask(9) == (6, 5, 7, 1, 2, 0, 3)


def test_an_untestable_newest_is_not_pursued_into_what_is_wanted_last() -> None:
    search = AllChanges.replay(21, {0: OLD, 8: OLD, 20: SKIP}, first=(20,), last=range(9, 20))

    assert search.ask(1) == (4,)


def test_a_change_is_placed_among_those_that_are_wanted_last_too() -> None:
    search = AllChanges.replay(9, {0: OLD, 4: NEW, 8: NEW}, last=range(4))

    assert search.ask(1) == (2,)


def test_what_is_wanted_first_is_run_even_where_no_stretch_asks_for_it() -> None:
    search = AllChanges(4, shortest=9, first=(2,))

    assert search.state == Open(low=None, high=None)
    search.tell(2, OLD)
    assert search.state == AllBoundaries(changes=(), shortest=9)


def test_what_is_known_of_those_wanted_first_is_not_asked_again() -> None:
    search = AllChanges.replay(9, {7: OLD}, first=(7, 2))

    assert search.ask(1) == (2,)


def test_a_key_that_is_named_first_twice_is_asked_once() -> None:
    search = AllChanges(1, first=(0, 0))

    assert search.ask(2) == (0,)


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_first_keys_lead_whatever_comes_back_when(workers: int) -> None:
    truth = truth_of("OONN.OOONNNO")
    first = (11, 0, 5)

    mapped, asked = drive(truth, shortest=1, workers=workers, order=Random(3), first=first)

    assert tuple(asked[:3]) == first
    assert mapped.changes == changes_of(truth)


def test_everything_in_flight_leaves_nothing_to_ask_and_no_end() -> None:
    search = AllChanges(3)

    assert search.ask(5, {0, 1, 2}) == ()
    assert search.state == Open(low=None, high=None)


def test_what_is_in_flight_cuts_a_stretch() -> None:
    search = AllChanges(9)

    assert search.ask(1, {4}) == (1,)
    assert search.ask(1, {2}) == (5,)


def test_a_second_verdict_replaces_the_first() -> None:
    search = AllChanges.replay(3, {0: OLD, 1: OLD, 2: NEW})

    search.tell(1, NEW)

    assert search.state == AllBoundaries(changes=(Boundary(low=0, high=1),), shortest=1)


def test_replaying_in_any_order_is_resuming() -> None:
    told = {0: OLD, 4: NEW, 8: OLD, 6: SKIP}

    forwards = AllChanges.replay(9, told, shortest=2, first=(3,))
    backwards = AllChanges.replay(9, dict(reversed(told.items())), shortest=2, first=(3,))

    assert forwards.ask(9) == backwards.ask(9)
    assert forwards.ask(1) == (3,)


@pytest.mark.parametrize(
    ("size", "shortest", "message"),
    [
        pytest.param(0, 1, "a search needs at least one candidate, not 0", id="nothing"),
        pytest.param(-3, 1, "a search needs at least one candidate, not -3", id="less-than-nothing"),
        pytest.param(1, 0, "the shortest state is at least one candidate long, not 0", id="no-length"),
        pytest.param(0, 0, "a search needs at least one candidate, not 0", id="both"),
    ],
)
def test_a_search_that_cannot_be_is_refused(size: int, shortest: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        AllChanges(size, shortest=shortest)


@pytest.mark.parametrize("key", [-1, 5])
def test_a_verdict_on_no_candidate_is_refused(key: int) -> None:
    search = AllChanges(5)

    with pytest.raises(IndexError, match=f"^candidate {key} of 5$"):
        search.tell(key, OLD)
