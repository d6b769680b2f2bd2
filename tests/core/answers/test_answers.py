"""The answers: what the end of a search means to the person who asked, with every message shown whole."""

from __future__ import annotations

import pytest
from support.answers import BELIEVED, FAILS, PASSES, STARLETTE, a_case, judged
from support.builders import CONFLICT, IMPORT_ERROR

from bisect_asgi.core.answers import result_of, with_yanked
from bisect_asgi.core.answers.history import result_of_all
from bisect_asgi.core.answers.result import (
    CAUSE,
    INTERRUPTED,
    REST,
    Result,
    ResultContext,
    interrupted,
    kind_of,
    out_of_time,
)
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.errors import BisectError, ExitCode, Unavailable, UsageError
from bisect_asgi.core.events import ResultKind, RunFinished
from bisect_asgi.core.judge import signature
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Outcome, Phase, Ruling, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import AllBoundaries, Boundary, NoBoundary, Open, StopReason

UNTESTABLE = Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=CONFLICT)


def test_a_boundary_between_neighbours_is_the_answer_and_needs_no_words() -> None:
    found = Boundary(low=1, high=2)

    said = result_of(a_case(), found, judged(k1=PASSES, k2=FAILS))

    assert said == Result(kind=ResultKind.FOUND, found=found)


DIFFERENT = Ruling(
    verdict=Verdict.SKIP, outcome=Outcome.FAILED, signature=IMPORT_ERROR, fails_differently=True, failed=1
)


MISSING = replace(
    DIFFERENT,
    signature=signature.of_exception("ModuleNotFoundError", "No module named 'anyio'", phase=Phase.IMPORT),
)


@pytest.mark.parametrize(
    ("between", "hint"),
    [
        pytest.param(
            UNTESTABLE,
            "their requirements have no solution: pass another `--deps` or `--python`",
            id="conflict",
        ),
        pytest.param(
            Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE),
            "pass another `--python` or `--deps`; the table shows the reasons",
            id="unknown",
        ),
        pytest.param(
            MISSING,
            "in 0.2 and 0.3, anyio is not installed: add it with `--with anyio`",
            id="a-missing-module",
        ),
        pytest.param(
            DIFFERENT,
            "pass `--any-failure` to count different failures as bad, "
            "or `--match REGEX` to choose the output that is bad",
            id="different-failures",
        ),
    ],
)
def test_a_gap_is_told_with_all_releases_that_the_change_may_be_in(between: Ruling, hint: str) -> None:
    found = Boundary(low=0, high=3, skipped=(1, 2))

    case = replace(a_case(), installed={0: {"anyio"}, 3: {"anyio"}})

    said = result_of(case, found, judged(k0=PASSES, k1=between, k2=between, k3=FAILS))

    assert said == Result(
        kind=ResultKind.INCONCLUSIVE,
        message="the change is in one of 0.2, 0.3 and 0.4: 2 releases inside the boundary are untestable",
        hint=hint,
        found=found,
    )


def test_a_gap_of_one_release_is_told_in_the_singular() -> None:
    found = Boundary(low=0, high=2, skipped=(1,))

    said = result_of(a_case(), found, judged(k0=PASSES, k1=UNTESTABLE, k2=FAILS))

    assert said.message == (
        "the change is in one of 0.2 and 0.3: 1 release inside the boundary is untestable"
    )


NOWHERE_ELSE_HINT = (
    "pass another `--python` or `--deps`, which may show the change; "
    "`--history all` runs every release, and `bisect-asgi check` runs one release"
)


@pytest.mark.parametrize(
    ("reason", "judgement", "message"),
    [
        pytest.param(
            StopReason.ALL_NEW,
            judged(k0=FAILS, k4=FAILS),
            "`leak.py` fails on every release of starlette that was run, from 0.1 to 0.5",
            id="fails-everywhere",
        ),
        pytest.param(
            StopReason.ALL_NEW,
            Judgement(
                rulings={
                    key: Ruling(verdict=Verdict.NEW, outcome=Outcome.PASSED, passed=1) for key in (0, 4)
                },
                new_is=Outcome.PASSED,
            ),
            "`leak.py` passes on every release of starlette that was run, from 0.1 to 0.5",
            id="passes-everywhere",
        ),
    ],
)
def test_ends_that_agree_are_not_reproduced(reason: StopReason, judgement: Judgement, message: str) -> None:
    said = result_of(a_case(), NoBoundary(reason=reason), judgement)

    older = "; an older `--python` may make older releases testable" if "could not" in message else ""
    assert said == Result(kind=ResultKind.NOT_REPRODUCED, message=message, hint=NOWHERE_ELSE_HINT + older)


@pytest.mark.parametrize(
    ("ruled", "others"),
    [
        pytest.param(judged(k0=UNTESTABLE, k1=FAILS, k4=FAILS), "1 other", id="one-untestable"),
        pytest.param(judged(k0=DIFFERENT, k1=FAILS, k4=FAILS), "1 other", id="one-different"),
        pytest.param(judged(k0=DIFFERENT, k1=FAILS, k2=UNTESTABLE, k4=FAILS), "2 others", id="both"),
    ],
)
def test_releases_that_could_not_be_tested_are_no_part_of_what_was(ruled: Judgement, others: str) -> None:
    said = result_of(a_case(), NoBoundary(reason=StopReason.ALL_NEW), ruled)

    assert said == Result(
        kind=ResultKind.NOT_REPRODUCED,
        message="`leak.py` fails on every release of starlette that was run, "
        f"from 0.2 to 0.5; {others} {'is' if others[0] == '1' else 'are'} untestable",
        hint=f"{NOWHERE_ELSE_HINT}; an older `--python` may make older releases testable",
    )


def test_when_nothing_can_be_tested_the_last_reason_is_told() -> None:
    said = result_of(a_case(), NoBoundary(reason=StopReason.UNTESTABLE), judged(k4=UNTESTABLE, k0=UNTESTABLE))

    assert said == Result(
        kind=ResultKind.INCONCLUSIVE,
        message="no release of starlette is testable: the requirements conflict",
        hint="their requirements have no solution: pass another `--deps` or `--python`",
    )


def test_when_nothing_can_be_tested_for_several_reasons_the_hint_is_a_general_one() -> None:
    other = replace(UNTESTABLE, signature=signature.of_environment(Phase.INSTALL, "it cannot be built"))

    said = result_of(a_case(), NoBoundary(reason=StopReason.UNTESTABLE), judged(k4=UNTESTABLE, k0=other))

    assert (
        said.hint == "pass another `--python` or `--deps latest`, or run `bisect-asgi check` on one release"
    )


def test_a_probe_that_lacks_a_module_everywhere_is_told_which() -> None:
    fails = replace(MISSING, verdict=Verdict.NEW, fails_differently=False)

    said = result_of(a_case(), NoBoundary(reason=StopReason.ALL_NEW), judged(k0=fails, k4=fails))

    assert said.kind is ResultKind.NOT_REPRODUCED
    assert said.hint == "`anyio` is not installed: add the package that provides `anyio`: `--with PACKAGE`"


def test_releases_at_an_end_that_lack_a_package_of_the_others_are_told_which() -> None:
    case = replace(a_case(), installed={0: {"starlette", "anyio"}, 3: {"starlette"}, 4: {"starlette"}})
    judgement = judged(k0=PASSES, k3=MISSING, k4=MISSING)

    said = result_of(case, NoBoundary(reason=StopReason.ALL_NEW), judgement)

    assert said.hint == "from 0.4 on, anyio is not installed: add it with `--with anyio`"


def test_a_named_end_that_lacks_a_package_is_told_which() -> None:
    case = replace(a_case(good=0, bad=4), installed={0: {"anyio"}, 4: set()})
    missing = replace(MISSING, outcome=Outcome.UNTESTABLE, fails_differently=False)

    said = result_of(case, Open(low=None, high=None), judged(k0=PASSES, k4=missing))

    assert said.hint == "from 0.5 on, anyio is not installed: add it with `--with anyio`"


def test_ends_that_are_swapped_are_told_so() -> None:
    fails = replace(FAILS, verdict=Verdict.NEW)
    passes = replace(PASSES, verdict=Verdict.OLD)

    said = result_of(a_case(good=0, bad=4), Open(low=None, high=None), judged(k0=fails, k4=passes))

    assert said.kind is ResultKind.GOOD_END_FAILS
    assert said.hint == "pass `--good 0.5 --bad 0.1`: the two are swapped"


def test_a_good_end_that_fails_is_told_with_its_failure() -> None:
    said = result_of(a_case(good=0), Open(low=None, high=4), judged(k0=FAILS, k4=FAILS))

    assert said == Result(
        kind=ResultKind.GOOD_END_FAILS,
        message="the good end fails: `leak.py` failed on starlette 0.1 (1 of 1 run): "
        "AssertionError: expected 200, got 500",
        hint="pass another release with `--good`, or drop `--good` to search backward",
    )


def test_a_good_end_that_fails_wins_over_a_boundary_that_was_found() -> None:
    said = result_of(a_case(good=0), Boundary(low=1, high=2), judged(k0=FAILS, k1=PASSES, k2=FAILS))

    assert said.kind is ResultKind.GOOD_END_FAILS


def test_a_bad_end_that_passes_is_told_with_its_runs() -> None:
    passes_thrice = Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=3)

    said = result_of(a_case(bad=4), Open(low=4, high=None), judged(k4=passes_thrice))

    assert said == Result(
        kind=ResultKind.NOT_REPRODUCED,
        message="the bad end passes: `leak.py` succeeded on starlette 0.5 (3 of 3 runs)",
        hint="pass another `--bad`, `--python` or `--deps`",
    )


@pytest.mark.parametrize(
    ("case", "ruled", "message", "hint"),
    [
        pytest.param(
            a_case(good=0),
            judged(k0=UNTESTABLE),
            "the good end is untestable: starlette 0.1: the requirements conflict",
            "pass another release with `--good`, another `--python`, or another `--deps`",
            id="good",
        ),
        pytest.param(
            a_case(bad=4),
            judged(k4=UNTESTABLE),
            "the bad end is untestable: starlette 0.5: the requirements conflict",
            "pass another release with `--bad`, another `--python`, or another `--deps`",
            id="bad",
        ),
        pytest.param(
            a_case(bad=4),
            judged(k4=Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE)),
            "the bad end is untestable: starlette 0.5: the probe skips it",
            "pass another release with `--bad`, another `--python`, or another `--deps`",
            id="no-signature",
        ),
    ],
)
def test_a_named_end_that_cannot_be_tested_is_inconclusive(
    case: ResultContext, ruled: Judgement, message: str, hint: str
) -> None:
    said = result_of(case, Open(low=None, high=None), ruled)

    assert said == Result(kind=ResultKind.INCONCLUSIVE, message=message, hint=hint)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(UsageError("no such file"), ResultKind.NOT_ASKED, id="usage"),
        pytest.param(Unavailable("index down"), ResultKind.UNAVAILABLE, id="unavailable"),
        pytest.param(BisectError("something"), ResultKind.UNAVAILABLE, id="any-other"),
    ],
)
def test_an_error_that_ends_a_run_is_an_answer_too(error: BisectError, kind: ResultKind) -> None:
    assert kind_of(error) is kind


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        pytest.param(ResultKind.FOUND, 0, id="found"),
        pytest.param(ResultKind.NOT_ASKED, 2, id="usage"),
        pytest.param(ResultKind.NOT_REPRODUCED, 3, id="not-reproduced"),
        pytest.param(ResultKind.GOOD_END_FAILS, 4, id="good-end-fails"),
        pytest.param(ResultKind.INCONCLUSIVE, 5, id="inconclusive"),
        pytest.param(ResultKind.UNAVAILABLE, 6, id="unavailable"),
        pytest.param(ResultKind.OUT_OF_TIME, 5, id="out-of-time"),
        pytest.param(ResultKind.INTERRUPTED, 130, id="interrupted"),
    ],
)
def test_every_answer_has_the_exit_code_of_the_table_in_the_readme(kind: ResultKind, code: int) -> None:
    assert kind.exit_code == code
    assert isinstance(kind.exit_code, ExitCode)


def test_the_last_event_has_the_boundary_and_what_lies_in_it() -> None:
    found = Boundary(low=1, high=4, skipped=(2, 3), contradictions=(0,))

    event = Result(kind=ResultKind.INCONCLUSIVE, message="why", hint="what to do", found=found).event(
        elapsed_s=2.5
    )

    assert event == RunFinished(
        kind=ResultKind.INCONCLUSIVE,
        elapsed_s=2.5,
        boundary=found,
        message="why",
        hint="what to do",
    )


def test_a_result_whose_rest_was_interrupted_keeps_what_it_says() -> None:
    known = Result(kind=ResultKind.FOUND, message="demo broke in 3.0")
    assert interrupted(known, CAUSE) == replace(
        INTERRUPTED, message="demo broke in 3.0; the cause was not finished"
    )
    assert interrupted(replace(known, message=""), REST).message == "the rest of the history was not finished"


def test_a_result_whose_rest_was_out_of_time_stands_and_says_what_is_missing() -> None:
    known = Result(kind=ResultKind.FOUND, found=Boundary(low=1, high=2))

    assert out_of_time(known, CAUSE) == replace(
        known, message="the cause was not finished within the time limit"
    )
    passes = out_of_time(Result(kind=ResultKind.NOT_REPRODUCED, message="it passes"), REST)
    assert passes.message == "it passes; the rest of the history was not finished within the time limit"


def test_an_interrupted_run_has_no_boundary_and_says_that_nothing_is_lost() -> None:
    assert INTERRUPTED.event(elapsed_s=1.0) == RunFinished(
        kind=ResultKind.INTERRUPTED,
        elapsed_s=1.0,
        message="interrupted",
        hint="finished runs are cached; run the same command to continue",
    )


@pytest.mark.parametrize(
    ("subject", "noun", "name", "each"),
    [
        pytest.param("starlette", "release", "starlette 0.2", "release of starlette", id="of-a-package"),
        pytest.param("starlette", "commit", "starlette 0.2", "commit of starlette", id="commits"),
        pytest.param("", "upload", "0.2", "upload", id="the-label-says-it-all"),
    ],
)
def test_a_candidate_is_named_with_what_it_is_of(subject: str, noun: str, name: str, each: str) -> None:
    case = replace(a_case(), axis=AxisWords(subject=subject, noun=noun))

    assert (case.name(1), case.each) == (name, each)


def test_what_candidates_are_called_is_in_the_message_about_a_gap() -> None:
    said = result_of(
        replace(a_case(), axis=AxisWords(noun="upload", nouns="uploads")),
        Boundary(low=0, high=3, skipped=(1, 2)),
        judged(k0=PASSES, k1=UNTESTABLE, k2=UNTESTABLE, k3=FAILS),
    )

    assert said.message == (
        "the change is in one of 0.2, 0.3 and 0.4: 2 uploads inside the boundary are untestable"
    )


def test_what_candidates_are_called_is_in_the_message_about_ends_that_agree() -> None:
    said = result_of(
        replace(a_case(), axis=AxisWords(noun="Python")),
        NoBoundary(reason=StopReason.ALL_NEW),
        judged(k0=FAILS, k4=FAILS),
    )

    assert said.message == "`leak.py` fails on every Python that was run, from 0.1 to 0.5"


def test_what_candidates_are_called_is_in_the_message_when_nothing_can_be_tested() -> None:
    said = result_of(
        replace(a_case(), axis=replace(STARLETTE, noun="commit")),
        NoBoundary(reason=StopReason.UNTESTABLE),
        judged(k0=UNTESTABLE),
    )

    assert said.message == "no commit of starlette is testable: the requirements conflict"


def test_the_last_event_names_what_was_left_out_between_the_two_sides() -> None:
    said = Result(kind=ResultKind.FOUND, found=Boundary(low=1, high=2), excluded_between=("0.2.1",))

    assert said.event(elapsed_s=1.0).excluded_between == ("0.2.1",)


def test_ends_that_are_as_the_user_says_leave_the_boundary_as_the_answer() -> None:
    found = Boundary(low=1, high=2)

    said = result_of(a_case(good=0, bad=4), found, judged(k0=PASSES, k1=PASSES, k2=FAILS, k4=FAILS))

    assert said == Result(kind=ResultKind.FOUND, found=found)


@pytest.mark.parametrize(
    ("rates", "hint"),
    [
        pytest.param(
            [(1, 9), (1, 9), (8, 1), (1, 9), (1, 9)],
            "0.3 may differ: it failed 1 of 9 runs; `--good 0.3` searches from there",
            id="one-that-passes",
        ),
        pytest.param(
            [(9, 1), (9, 1), (1, 8), (9, 1), (9, 1)],
            "0.3 may differ: it failed 8 of 9 runs; `--bad 0.3` searches from there",
            id="one-that-fails",
        ),
    ],
)
def test_where_all_may_fail_as_often_the_one_that_may_differ_is_named(
    rates: list[tuple[int, int]], hint: str
) -> None:
    rulings = {
        f"k{key}": Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, passed=passed, failed=failed)
        for key, (passed, failed) in enumerate(rates)
    }
    case = replace(a_case(), believed=BELIEVED, budget="400 runs")

    said = result_of(case, NoBoundary(reason=StopReason.SAME), judged(**rulings))

    assert (said.kind, said.hint) == (ResultKind.NOT_REPRODUCED, hint)


def test_of_a_flaky_history_with_several_changes_a_wrong_end_is_no_answer() -> None:
    changes = (Boundary(low=0, high=1), Boundary(low=2, high=3))
    case = replace(a_case(good=0, bad=4), is_settled=True)
    passes_in_4 = replace(PASSES, verdict=Verdict.NEW)

    everything = AllBoundaries(changes=changes, shortest=1)

    said = result_of(case, everything, judged(k0=PASSES, k1=FAILS, k3=passes_in_4, k4=passes_in_4))

    assert (said.kind, said.found, said.mapped) == (ResultKind.FOUND, changes[0], everything)


@pytest.mark.parametrize(
    ("ends", "index"),
    [
        pytest.param({"good": 0, "bad": 4}, 2, id="the-newest-regression-up-to-the-bad-end"),
        pytest.param({"good": 0, "bad": 3}, 0, id="what-is-newer-was-not-asked-about"),
        pytest.param({"bad": 2}, 0, id="the-bad-end-alone"),
        pytest.param({"bad": 0}, 2, id="none-that-is-older"),
        pytest.param({"good": 0}, 2, id="the-good-end-alone"),
        pytest.param({}, 2, id="none-is-named"),
    ],
)
def test_of_several_changes_the_boundary_is_the_one_that_was_asked_about(
    ends: dict[str, int], index: int
) -> None:
    changes = (Boundary(low=0, high=1), Boundary(low=2, high=3), Boundary(low=3, high=4))
    good, bad = PASSES, FAILS
    everything = AllBoundaries(changes=changes, shortest=1)

    said = result_of_all(a_case(**ends), everything, judged(k0=good, k1=bad, k2=bad, k3=good, k4=bad))

    assert (said.found, said.mapped) == (changes[index], everything)


def test_a_search_that_waits_for_releases_that_do_not_answer_says_so() -> None:
    stuck = result_of(a_case(), Open(low=1, high=3), judged(k1=PASSES, k3=FAILS))

    assert stuck.kind is ResultKind.INCONCLUSIVE
    assert stuck.message == "no result for some releases, and the change may be in one of them"


@pytest.mark.parametrize(
    ("kind", "yanked", "is_named"),
    [
        pytest.param(ResultKind.NOT_REPRODUCED, ("1.4", "1.5"), True, id="no-change"),
        pytest.param(ResultKind.NOT_REPRODUCED, (), False, id="none-is-yanked"),
        pytest.param(ResultKind.FOUND, ("1.4",), False, id="a-change"),
    ],
)
def test_yanked_releases_are_named_where_nothing_changes_without_them(
    kind: ResultKind, yanked: tuple[str, ...], is_named: bool
) -> None:
    answer = with_yanked(Result(kind=kind, hint="try another"), yanked)

    assert ("`--yanked`" in (answer.hint or "")) is is_named
    assert all(version in (answer.hint or "") for version in yanked) or not is_named
