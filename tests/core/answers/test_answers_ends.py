"""What is the answer where a named end is not as the user says, and other changes are known."""

from __future__ import annotations

import pytest
from support.answers import FAILS, PASSES, a_case, judged
from support.builders import CONFLICT

from bisect_asgi.core.answers import result_of
from bisect_asgi.core.answers.history import asked_about, other_changes, with_history
from bisect_asgi.core.answers.result import Result
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Outcome, Ruling, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import AllBoundaries, AllChanges, Boundary, NoBoundary, StopReason

STOPPED = NoBoundary(reason=StopReason.ALL_OLD)
UNTESTABLE = Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=CONFLICT)
RULINGS = {".": PASSES, "B": FAILS, "s": UNTESTABLE}


def seen(truth: str) -> tuple[Judgement, AllBoundaries]:
    """What is known of five releases: `.` passes, `B` fails, `s` is untestable, `?` was not run."""
    judgement = judged(**{f"k{key}": RULINGS[sign] for key, sign in enumerate(truth) if sign != "?"})
    return judgement, AllChanges.replay(len(truth), judgement.verdicts).so_far


@pytest.mark.parametrize(
    ("truth", "good", "bad", "asked"),
    [
        pytest.param("B....", None, 4, [], id="an-old-failure-that-nobody-named"),
        pytest.param("BB...", None, 2, [], id="beside-the-bad-end-and-as-old-as-the-oldest"),
        pytest.param("..B..", None, 3, [(1, 2)], id="broken-and-mended-at-the-bad-end"),
        pytest.param(".B...", None, 4, [(0, 1)], id="broken-and-mended-before-the-bad-end"),
        pytest.param("...BB", None, 1, [(2, 3)], id="broken-later"),
        pytest.param("B..BB", None, 1, [(2, 3)], id="the-old-failure-is-no-answer-beside-it"),
        pytest.param("B..Bs", None, 4, [(2, 3)], id="a-bad-end-that-is-untestable"),
        pytest.param("B...s", None, 4, [], id="an-old-failure-and-an-untestable-end"),
        pytest.param(".B...", 0, 4, [(0, 1), (1, 2)], id="between-the-ends"),
        pytest.param("B....", 1, 4, [], id="older-than-the-good-end"),
        pytest.param(".B...", 2, 4, [], id="broken-and-mended-before-the-good-end"),
        pytest.param("....B", 1, 3, [(3, 4)], id="broken-after-both"),
        pytest.param("..B..", 0, 2, [(1, 2), (2, 3)], id="a-bad-end-that-fails"),
        pytest.param("..BBB", 4, 0, [(1, 2)], id="swapped"),
        pytest.param(".BB..", 4, 0, [(0, 1), (2, 3)], id="broken-and-mended-between-both"),
        pytest.param(".B...", 4, 2, [(0, 1)], id="broken-before-a-bad-end-that-is-older-than-the-good-one"),
        pytest.param("B....", 4, 2, [], id="mended-before-both"),
        pytest.param("....B", 3, 1, [], id="newer-than-a-good-end-that-is-newer"),
        pytest.param("BB...", 0, None, [(1, 2)], id="no-bad-end"),
        pytest.param("B..??", None, 4, [(0, 1)], id="a-bad-end-that-was-not-run"),
    ],
)
def test_which_changes_were_asked_about(
    truth: str, good: int | None, bad: int | None, asked: list[tuple[int, int]]
) -> None:
    judgement, known = seen(truth)

    chosen = asked_about(a_case(good=good, bad=bad), known.changes, judgement)

    assert [(change.low, change.high) for change in chosen] == asked


def test_a_wrong_end_is_named_beside_what_was_found() -> None:
    judgement, known = seen("..B..")
    case = a_case(bad=3)

    said = with_history(case, result_of(case, STOPPED, judgement), STOPPED, known, judgement)

    assert (said.kind, said.mapped) == (ResultKind.FOUND, known)
    assert said.message == "starlette 0.4, given as bad, is good"
    assert other_changes(case, said, known, judgement) == ""


def test_both_wrong_ends_are_named() -> None:
    judgement, known = seen("..BBB")
    case = a_case(good=4, bad=0)

    said = with_history(case, result_of(case, STOPPED, judgement), STOPPED, known, judgement)

    assert said.found == Boundary(low=1, high=2)
    assert said.message == ("starlette 0.5, given as good, is bad; starlette 0.1, given as bad, is good")


def test_an_untestable_end_is_named_and_one_that_was_not_run_is_not() -> None:
    judgement, known = seen("?..Bs")
    case = a_case(good=0, bad=4)

    said = with_history(case, result_of(case, STOPPED, judgement), STOPPED, known, judgement)

    assert (said.kind, said.message) == (ResultKind.FOUND, "starlette 0.5, given as bad, is untestable")


def test_a_change_without_a_result_is_told_without_ends() -> None:
    judgement, known = seen("..Bs.")
    case = a_case(bad=4, errors={1: "no room"})
    known = replace(known, changes=(Boundary(low=0, high=2, skipped=(1,)),))

    said = with_history(case, result_of(case, STOPPED, judgement), STOPPED, known, judgement)

    assert (said.kind, said.found) == (ResultKind.UNAVAILABLE, None)
    assert said.message == "no result for starlette 0.2: no room"


def test_a_boundary_stays_and_gets_the_other_changes() -> None:
    judgement, known = seen(".BB..")
    found = Boundary(low=0, high=1)
    case = a_case(bad=1)

    said = with_history(case, result_of(case, found, judgement), found, known, judgement)

    assert said == Result(kind=ResultKind.FOUND, found=found, mapped=known)


@pytest.mark.parametrize(
    ("truth", "note"),
    [
        pytest.param(
            "B....",
            "`leak.py` failed on starlette 0.1 (1 of 1 run): AssertionError: expected 200, got 500; "
            "not on 0.2: if that is the bug, pass `--good 0.2 --bad 0.1`",
            id="mended",
        ),
        pytest.param(
            ".BBBB",
            "`leak.py` failed on starlette 0.2 (1 of 1 run): AssertionError: expected 200, got 500; "
            "not on 0.1: if that is the bug, pass `--good 0.1 --bad 0.2`",
            id="broken",
        ),
        pytest.param(".....", "", id="nothing"),
    ],
)
def test_a_change_that_is_no_answer_is_told_in_a_note(truth: str, note: str) -> None:
    judgement, known = seen(truth)
    answer = Result(kind=ResultKind.NOT_REPRODUCED)

    assert other_changes(a_case(bad=4), answer, known, judgement) == note


@pytest.mark.parametrize(
    ("truth", "bad", "hint"),
    [
        pytest.param("B....", 3, "pass another `--python` or `--deps`", id="all-newer-ones-pass"),
        pytest.param("...?.", 2, "pass another `--bad`, `--python`", id="not-all-were-run"),
        pytest.param("...s.", 2, "pass another `--bad`, `--python`", id="not-all-could-be-tested"),
        pytest.param("s....", None, "pass another `--python` or `--deps`", id="none-is-named"),
    ],
)
def test_that_a_change_may_be_later_is_not_said_if_everything_later_passes(
    truth: str, bad: int | None, hint: str
) -> None:
    judgement, known = seen(truth)
    case = a_case(bad=bad)

    said = with_history(case, result_of(case, STOPPED, judgement), STOPPED, known, judgement)

    assert said.kind is ResultKind.NOT_REPRODUCED
    assert (said.hint or "").startswith(hint)


def test_ends_that_are_swapped_keep_their_hint() -> None:
    judgement, known = seen("?....")
    case = a_case(good=1, bad=4)
    answer = replace(result_of(case, STOPPED, judgement), hint="the two ends are swapped")

    assert with_history(case, answer, STOPPED, known, judgement).hint == "the two ends are swapped"


@pytest.mark.parametrize(
    ("is_unconfined", "hint"),
    [
        pytest.param(True, "pass `--sandbox auto`: ", id="no-sandbox"),
        pytest.param(False, "run the same command again; ", id="a-sandbox"),
    ],
)
def test_a_run_that_had_no_result_without_a_sandbox_needs_one(is_unconfined: bool, hint: str) -> None:
    case = replace(a_case(errors={2: "its supervisor was killed"}), is_unconfined=is_unconfined)

    said = result_of(case, Boundary(low=1, high=2), judged(k1=PASSES))

    assert said.kind is ResultKind.UNAVAILABLE
    assert (said.hint or "").startswith(hint)


def test_of_all_changes_those_that_were_asked_about_are_the_answer_too() -> None:
    judgement, known = seen("..B..")

    said = result_of(a_case(bad=3), known, judgement)

    assert (said.kind, said.found, said.mapped) == (ResultKind.FOUND, known.changes[0], known)
    assert said.message == "starlette 0.4, given as bad, is good"
