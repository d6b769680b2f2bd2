"""Headlines: what a run that was interrupted says of what it knew, at each place where it may end."""

from __future__ import annotations

import pytest
from support.builders import failed, passed, untestable
from support.documents import LISTED, REGRESSION, STARTED, answered, bad, finished, good, judged

from bisect_asgi.core import events
from bisect_asgi.core.answers.result import Result, interrupted
from bisect_asgi.core.events import BeliefUpdated, Event, ResultKind
from bisect_asgi.core.model import Boundary, Outcome, Ruling, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.tally import Rate
from bisect_asgi.report.folding import fold

SKIPPED = Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=untestable().signature)


def known(rulings: dict[int, Ruling]) -> list[Event]:
    """The log of a search that was interrupted when it knew these rulings."""
    trials = [
        finished(key, failed() if ruling.outcome is Outcome.FAILED else passed())
        for key, ruling in rulings.items()
    ]
    return [
        STARTED,
        LISTED,
        *trials,
        judged(rulings),
        answered(ResultKind.INTERRUPTED, message="interrupted"),
    ]


@pytest.mark.parametrize(
    ("rulings", "headline"),
    [
        pytest.param({}, "interrupted", id="nothing"),
        pytest.param({4: bad()}, "interrupted: starlette 0.13.0 is bad", id="one"),
        pytest.param(
            {2: bad(), 4: bad()}, "interrupted: starlette 0.12.0 and starlette 0.13.0 are bad", id="two-alike"
        ),
        pytest.param(
            {2: bad(), 3: bad(), 4: bad()},
            "interrupted: all 3 releases run are bad, from 0.12.0 to 0.13.0",
            id="all-alike",
        ),
        pytest.param(
            {0: good(), 4: bad()},
            "interrupted: the change is between starlette 0.10.0 (good) and 0.13.0 (bad), 3 releases left",
            id="both-ends",
        ),
        pytest.param(
            {0: good(), 2: good(), 3: SKIPPED, 4: bad()},
            "interrupted: the change is between starlette 0.12.0 (good) and 0.13.0 (bad)",
            id="untestable-between",
        ),
        pytest.param(
            {2: good(), 3: bad(), 4: bad()},
            "interrupted: the change is between starlette 0.12.0 (good) and 0.12.1 (bad)",
            id="while-it-is-confirmed",
        ),
    ],
)
def test_an_interrupted_search_says_how_far_it_had_got(rulings: dict[int, Ruling], headline: str) -> None:
    assert fold(known(rulings)).headline == headline


def test_candidates_without_an_order_narrow_nothing() -> None:
    started = replace(STARTED, axis=replace(STARTED.axis, is_ordered=False))

    assert fold([started, *known({0: good(), 4: bad()})[1:]]).headline == "interrupted"


def test_an_interrupted_flaky_search_says_where_the_change_most_probably_is() -> None:
    belief = BeliefUpdated(
        low=2,
        high=3,
        probability=0.8512,
        old=Rate(failed=0, runs=9, low=0, high=0.3),
        new=Rate(failed=4, runs=9, low=0.2, high=0.7),
        first=2,
        last=4,
        confidence=0.99,
        no_change=0.01,
    )
    log = known({2: good(), 4: bad()})

    headline = fold([*log[:-1], belief, log[-1]]).headline

    assert headline == "interrupted: the change is most probably in starlette 0.12.1 (probability 0.85)"


def test_an_interrupt_behind_the_boundary_says_it_and_what_was_not_finished() -> None:
    found = Result(kind=ResultKind.FOUND, found=Boundary(low=2, high=3))

    last = interrupted(found, "the cause").event(elapsed_s=1.0)

    assert isinstance(last, events.RunFinished)
    assert fold([*REGRESSION[:-1], last]).headline == (
        "starlette broke in 0.12.1 (2019-04-05); the cause was not finished"
    )


def test_an_interrupt_behind_a_result_without_a_boundary_says_that_result() -> None:
    nothing = Result(kind=ResultKind.NOT_REPRODUCED, message="`leak.py` passes everywhere", hint="another")

    result = interrupted(nothing, "the rest of the history")

    assert result.message == "`leak.py` passes everywhere; the rest of the history was not finished"
    assert result.hint != nothing.hint


@pytest.mark.parametrize("kind", [kind for kind in ResultKind if not kind.is_cut_short])
def test_any_other_result_without_a_boundary_says_its_message(kind: ResultKind) -> None:
    log = [*known({0: good(), 4: bad()})[:-1], answered(kind, boundary=None, message="what happened")]

    assert fold(log).headline == "what happened"
