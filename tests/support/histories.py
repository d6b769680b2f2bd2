"""Histories of verdicts, and bisections that are driven through them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from random import Random

import pytest

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.search import Bisection, Boundary, NoBoundary, Open, State, StopReason

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP


Truth = Sequence[Verdict]


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
    """Return the largest number of neighbors in `truth` that are all among `wanted`."""
    return max(
        (sum(1 for _ in run) for is_in, run in groupby(truth, wanted.__contains__) if is_in), default=0
    )


def assert_is_true(state: State, truth: Truth) -> None:
    """Compare the end of a search with the truth about the history.

    Among untestable candidates, the search may miss testable stretches of up to a sixteenth of the range.
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
