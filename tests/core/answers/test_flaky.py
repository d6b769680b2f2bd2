"""What is answered where runs contradict each other, or where something could not be asked."""

from __future__ import annotations

import pytest
from support.answers import BELIEVED, FAILS, FLAKY, LABELS, PASSES, a_case, judged

from bisect_asgi.core.answers import result_of
from bisect_asgi.core.answers.result import Result
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import AllBoundaries, Boundary, NoBoundary, Open, State, StopReason


@pytest.mark.parametrize(
    "state", [Boundary(low=1, high=2), AllBoundaries(changes=(Boundary(low=1, high=2),), shortest=1)]
)
def test_contradictions_that_are_reckoned_with_are_no_reason_against_an_answer(state: State) -> None:
    case = replace(a_case(), is_settled=True)

    said = result_of(case, state, judged(k1=replace(FLAKY, verdict=Verdict.OLD), k2=FLAKY))

    assert (said.kind, said.found) == (ResultKind.FOUND, Boundary(low=1, high=2))


def test_a_noisy_search_that_ran_out_of_its_budget_says_where_the_change_probably_is() -> None:
    case = replace(a_case(good=0), believed=BELIEVED, budget="400 runs")

    # That the good end failed once is no reason to say that it fails: the probe is flaky.
    said = result_of(case, Open(low=1, high=3), judged(k0=FLAKY, k2=FLAKY))

    assert said == Result(
        kind=ResultKind.INCONCLUSIVE,
        message="the probe is flaky, and 400 runs did not locate the change: most probably in 0.3 "
        "(probability 0.61), with 0.95 in one of 0.3 to 0.5",
        hint="run the same command with a larger `--budget` to continue, or have the probe fail more often",
    )


def test_ends_that_do_not_bear_out_the_one_change_that_was_found_are_told_with_it() -> None:
    case = replace(a_case(good=0, bad=4), believed=BELIEVED, doubtful=frozenset({0}), is_settled=True)

    told, measured = (
        result_of(each, Boundary(low=1, high=2), judged(k0=FLAKY, k4=PASSES))
        for each in (case, replace(case, metric="size"))
    )

    rates = f"1 of 10 runs up to {LABELS[BELIEVED.low]}, 7 of 10 from {LABELS[BELIEVED.high]} on"
    own = f"{FLAKY.failed} of {FLAKY.passed + FLAKY.failed} in 0.1"
    assert told == Result(
        kind=ResultKind.INCONCLUSIVE,
        message=f"the history may change more than once: `leak.py` fails in {rates}, but in {own}",
        hint="pass ends with one change between them (`--good`, `--bad`)",
    )
    assert "`size` is beyond its threshold in 1 of 10" in measured.message
    assert measured.hint == "pass `--history all`, or ends with one change between them (`--good`, `--bad`)"


def test_a_range_is_told_with_no_more_than_is_believed_of_it() -> None:
    believed = replace(BELIEVED, first=1, last=4, no_change=0.08)
    case = replace(a_case(good=0), believed=believed, budget="400 runs")

    said = result_of(case, Open(low=1, high=3), judged(k0=FLAKY, k2=FLAKY))

    # All releases together have no more than 0.92 then.
    assert said.message.endswith("most probably in 0.3 (probability 0.61), with 0.08 nowhere")


@pytest.mark.parametrize("no_change", [0.612, 0.7], ids=["as-probable", "more-probable"])
def test_a_budget_after_which_no_change_is_as_probable_is_told_as_such(no_change: float) -> None:
    case = replace(a_case(), believed=replace(BELIEVED, no_change=no_change), budget="400 runs")

    said = result_of(case, Open(low=1, high=3), judged(k0=FLAKY, k2=FLAKY))

    assert said == Result(
        kind=ResultKind.INCONCLUSIVE,
        message="the probe is flaky, and 400 runs did not show a change: 8 of 20 runs failed; "
        f"the probability of no change is {no_change:.2f}, of the likeliest one, in 0.3, 0.61",
        hint="run the same command with a larger `--budget` to continue, or pass an older `--good`, "
        "or check whether the probe also fails without the bug",
    )


def test_a_noisy_search_that_found_no_change_says_how_often_the_probe_fails() -> None:
    case = replace(a_case(), believed=BELIEVED, budget="400 runs")

    said = result_of(case, NoBoundary(reason=StopReason.ALL_NEW), judged(k0=FLAKY, k4=FLAKY))

    assert said == Result(
        kind=ResultKind.NOT_REPRODUCED,
        message="`leak.py` fails as often everywhere: 8 of 20 runs, from 0.1 to 0.5",
        hint="pass an older `--good`, or check whether the probe also fails without the bug",
    )


def test_a_boundary_that_a_noisy_search_found_is_the_answer() -> None:
    case = replace(a_case(good=0, bad=4), believed=BELIEVED, is_settled=True)
    found = Boundary(low=1, high=2)

    said = result_of(
        case,
        found,
        judged(k0=replace(FLAKY, verdict=Verdict.OLD, outcome=Outcome.PASSED), k2=FLAKY, k4=FLAKY),
    )

    assert said == Result(kind=ResultKind.FOUND, found=found)


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(Open(low=1, high=3), id="between-both-sides"),
        pytest.param(Open(low=None, high=None), id="before-any-end"),
    ],
)
def test_a_search_that_cannot_go_on_names_the_release_that_could_not_be_asked(state: State) -> None:
    said = result_of(a_case(errors={2: "no space left on device"}), state, judged())

    assert said == Result(
        kind=ResultKind.UNAVAILABLE,
        message="no result for starlette 0.3: no space left on device",
        hint="run the same command again; if it fails again, run `bisect-asgi cache --clear` first",
    )


def test_broken_candidates_outside_the_boundary_do_not_spoil_it() -> None:
    found = Boundary(low=1, high=2)

    said = result_of(a_case(errors={4: "no space left on device"}), found, judged(k1=PASSES, k2=FAILS))

    assert said == Result(kind=ResultKind.FOUND, found=found)


def test_a_boundary_whose_confirmation_broke_is_not_named() -> None:
    case = a_case(errors={2: "no space left on device"})

    said = result_of(case, Boundary(low=1, high=2), judged(k1=PASSES, k2=FAILS))

    assert said.kind is ResultKind.UNAVAILABLE
    assert said.message == "no result for starlette 0.3: no space left on device"
