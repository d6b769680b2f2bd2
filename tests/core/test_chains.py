"""Chains of failures as pure functions of rulings."""

from __future__ import annotations

import pytest
from support.builders import ASSERTION, CONFLICT, IMPORT_ERROR, TYPE_ERROR

from bisect_asgi.core import chains
from bisect_asgi.core.hints import Circumstances
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import FailureStretch, Outcome, Ruling, Signature, Verdict
from bisect_asgi.core.search import AllBoundaries, Boundary, NoBoundary, StopReason

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP
FAILURES = {"B": ASSERTION, "X": TYPE_ERROR, "Y": IMPORT_ERROR}


def ruling(letter: str, *, new_is: Outcome, counted: str) -> Ruling:
    """`.` passes; B is the bad end's failure, X and Y are others; lower-case x both passed and failed."""
    passing, failing = (OLD, NEW) if new_is is Outcome.FAILED else (NEW, OLD)
    if letter == ".":
        return Ruling(verdict=passing, outcome=Outcome.PASSED, passed=1)
    if letter == "s":
        return Ruling(verdict=SKIP, outcome=Outcome.UNTESTABLE, signature=CONFLICT)
    is_counted = letter in counted
    return Ruling(
        verdict=failing if is_counted else SKIP,
        outcome=Outcome.FAILED,
        signature=FAILURES.get(letter.upper()),
        fails_differently=not is_counted,
        passed=int(letter.islower()),
        failed=1,
    )


def judged(history: str, *, new_is: Outcome = Outcome.FAILED, counted: str = "B") -> Judgement:
    """`?` was not run."""
    told = {key: letter for key, letter in enumerate(history) if letter != "?"}
    rulings = {key: ruling(letter, new_is=new_is, counted=counted) for key, letter in told.items()}
    return Judgement(rulings=rulings, new_is=new_is, reference=(ASSERTION,), learnt_from=len(history) - 1)


def known(judgement: Judgement) -> Circumstances:
    return Circumstances(labels=[str(key) for key in range(20)], rulings=judgement.rulings)


def gap(low: int, high: int) -> Boundary:
    return Boundary(low=low, high=high, skipped=tuple(range(low + 1, high)))


@pytest.mark.parametrize(("new_is", "side"), [(Outcome.FAILED, OLD), (Outcome.PASSED, NEW)])
def test_another_failure_leans_to_what_passes(new_is: Outcome, side: Verdict) -> None:
    judgement = judged(".sXY?B", new_is=new_is)

    assert chains.leaning(known(judgement), judgement) == {2: side, 3: side}


def test_what_lies_in_a_gap_is_counted_once() -> None:
    judgement = judged("X..XsXY?B")
    found = gap(2, 8)

    told = chains.to_count(known(judgement), found, judgement, is_chain=False)
    of_all = chains.to_count(
        known(judgement), AllBoundaries(changes=(found,), shortest=1), judgement, is_chain=False
    )

    assert told == of_all == (TYPE_ERROR, IMPORT_ERROR)


@pytest.mark.parametrize(
    ("history", "counted", "is_chain", "expected"),
    [
        pytest.param("..XYB", "BX", True, (IMPORT_ERROR,), id="behind-the-boundary"),
        pytest.param("..XYB", "BX", False, (), id="no-chain"),
        pytest.param("..X.YB", "BX", True, (), id="beyond-one-that-passes"),
        pytest.param("..XsB", "BX", True, (), id="untestable"),
        pytest.param("..XuB", "BX", True, (), id="unknown"),
        pytest.param(".bXYB", "BXb", True, (), id="flaky"),
    ],
)
def test_a_chain_takes_in_what_fails_behind_its_boundary(
    history: str, counted: str, is_chain: bool, expected: tuple[Signature, ...]
) -> None:
    judgement = judged(history, counted=counted)

    assert chains.to_count(known(judgement), gap(1, 2), judgement, is_chain=is_chain) == expected


def test_without_a_boundary_nothing_is_counted_or_placed() -> None:
    judgement, nowhere = judged("XYB"), NoBoundary(reason=StopReason.ALL_NEW)

    assert chains.to_count(known(judgement), nowhere, judgement, is_chain=True) == ()
    assert chains.to_place(judgement, nowhere, limit=2) == ()


def stretched(judgement: Judgement, found: Boundary) -> list[tuple[int, int, Signature | None]]:
    stretches: tuple[FailureStretch, ...] = chains.stretches(judgement, (found,))
    return [(each.first, each.last, each.signature) for each in stretches]


def test_stretches_go_up_to_what_passes_and_over_what_is_skipped() -> None:
    judgement = judged("..XsX?YB.B", counted="BXY")

    assert stretched(judgement, gap(1, 2)) == [
        (2, 4, TYPE_ERROR),
        (6, 6, IMPORT_ERROR),
        (7, 7, ASSERTION),
    ]


def test_the_newest_change_that_leads_to_the_newer_end_is_followed() -> None:
    judgement = judged(".B.XBB.", counted="BX")
    changes = (gap(0, 1), gap(1, 2), gap(2, 3), gap(5, 6))

    told = chains.stretches(judgement, changes)

    assert [(each.first, each.last) for each in told] == [(3, 3), (4, 5)]
    assert chains.stretches(judgement, changes[-1:]) == ()


def test_stretches_of_a_fix_lie_before_it() -> None:
    judgement = judged("B.BBX?Y..", new_is=Outcome.PASSED, counted="BXY")

    assert stretched(judgement, gap(6, 7)) == [(2, 3, ASSERTION), (4, 4, TYPE_ERROR), (6, 6, IMPORT_ERROR)]


def test_failures_that_are_unknown_are_alike_and_differ_from_known_ones() -> None:
    judgement = judged(".uuB", counted="Bu")
    judgement = Judgement(
        rulings={**judgement.rulings, 1: judgement.rulings[2]}, new_is=Outcome.FAILED, reference=()
    )

    assert stretched(judgement, gap(0, 1)) == [(1, 2, None), (3, 3, ASSERTION)]


def test_the_first_beginning_that_is_open_is_placed_in_the_middle() -> None:
    assert chains.to_place(judged(".X???Y?B", counted="BXY"), gap(0, 1), limit=1) == (3,)
    assert chains.to_place(judged(".XXXYY?B", counted="BXY"), gap(0, 1), limit=2) == (6,)
    assert chains.to_place(judged(".XXsYYsB", counted="BXY"), gap(0, 1), limit=2) == ()


def test_more_failures_than_can_be_told_are_not_placed() -> None:
    assert chains.to_place(judged(".XYXYXYX?B", counted="BXY"), gap(0, 1), limit=1) == (8,)
    assert chains.to_place(judged(".XYXYXYXY?B", counted="BXY"), gap(0, 1), limit=1) == ()
