"""Whose failures are the bug, and what is known of the ends."""

from __future__ import annotations

import pytest
from support.builders import (
    ASSERTION,
    CONFLICT,
    IMPORT_ERROR,
    LOST_WORKER,
    TYPE_ERROR,
    broken,
    failed,
    passed,
    untestable,
)
from support.judging import NEW, OLD, SKIP, Runs, judged

from bisect_asgi.core.judge import signature
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.model import Observation, Outcome, Ruling, Signature
from bisect_asgi.core.search import Bisection, Boundary, Open


@pytest.mark.parametrize(
    ("expectation", "failures", "reference"),
    [
        pytest.param(
            Expectation(bad=6),
            {9: ASSERTION, 6: IMPORT_ERROR},
            IMPORT_ERROR,
            id="the-named-bad-end-whatever-it-shows",
        ),
        pytest.param(
            Expectation(good=9, bad=2),
            {2: TYPE_ERROR, 5: ASSERTION},
            TYPE_ERROR,
            id="the-named-bad-end-of-a-fix",
        ),
        pytest.param(
            Expectation(),
            {9: TYPE_ERROR, 5: ASSERTION},
            TYPE_ERROR,
            id="the-newest-release-where-it-fails",
        ),
        pytest.param(
            Expectation(good=0),
            {8: IMPORT_ERROR, 5: ASSERTION},
            IMPORT_ERROR,
            id="the-newest-failure-above-a-named-good-end",
        ),
    ],
)
def test_the_bug_is_what_the_bad_end_shows(
    expectation: Expectation, failures: dict[int, Signature], reference: Signature
) -> None:
    observed = {key: [failed(failure)] for key, failure in failures.items()}

    judgement = judged(observed, expectation=expectation)

    assert judgement.reference == (reference,)


@pytest.mark.parametrize(
    ("failures", "reference"),
    [
        pytest.param(
            {2: ASSERTION, 5: TYPE_ERROR, 8: IMPORT_ERROR},
            ASSERTION,
            id="an-assertion-over-an-exception-over-an-import-error",
        ),
        pytest.param({2: TYPE_ERROR, 5: IMPORT_ERROR}, TYPE_ERROR, id="an-exception-over-an-import-error"),
        pytest.param(
            {2: ASSERTION, 5: signature.of_exit(3), 4: signature.of_timeout(60)},
            signature.of_exit(3),
            id="among-equals-the-nearest-to-the-good-side",
        ),
    ],
)
def test_where_the_newest_passes_the_bug_is_the_plainest_failure(
    failures: dict[int, Signature], reference: Signature
) -> None:
    observed = {9: [passed()], **{key: [failed(failure)] for key, failure in failures.items()}}

    judgement = judged(observed)

    assert judgement.reference == (reference,)
    assert {key for key, ruling in judgement.rulings.items() if not ruling.fails_differently} == {
        9,
        *(key for key, failure in failures.items() if failure == reference),
    }


def test_the_plainest_of_a_candidates_failures_speaks_for_it() -> None:
    judgement = judged({9: [passed()], 6: [failed(TYPE_ERROR)], 3: [failed(IMPORT_ERROR), failed(ASSERTION)]})

    assert judgement.reference == (IMPORT_ERROR, ASSERTION)


@pytest.mark.parametrize(
    "at_the_bad_end",
    [
        pytest.param({}, id="not-run-yet"),
        pytest.param({9: [passed()]}, id="passes"),
        pytest.param({9: [untestable()]}, id="untestable"),
        pytest.param({9: [broken()]}, id="broken"),
    ],
)
def test_a_named_bad_end_that_shows_no_failure_says_nothing_of_the_bug(at_the_bad_end: Runs) -> None:
    observed = {**at_the_bad_end, 8: [failed(ASSERTION)], 0: [passed()]}

    judgement = judged(observed, expectation=Expectation(good=0, bad=9))

    assert judgement.rulings[8] == Ruling(verdict=NEW, outcome=Outcome.FAILED, signature=ASSERTION, failed=1)
    assert LOST_WORKER not in judgement.reference
    assert CONFLICT not in judgement.reference


def test_a_good_end_that_fails_like_the_bad_end_counts_as_new() -> None:
    judgement = judged({9: [failed()], 0: [failed()]}, expectation=Expectation(good=0, bad=9))

    assert judgement.verdicts == {9: NEW, 0: NEW}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("newest_untestable", [0, 1, 2, 5])
def test_a_search_that_is_led_by_the_judge_finds_the_change_below_untestable_releases(
    newest_untestable: int, workers: int
) -> None:
    truth = [passed()] * 10 + [failed()] * 10 + [untestable()] * newest_untestable
    observed: dict[int, list[Observation]] = {}
    search = Bisection(len(truth), gallop=True)

    while isinstance(search.state, Open):
        waiting = observed.keys() - judged(observed, size=len(truth)).rulings.keys()
        keys = search.ask(workers, waiting)
        assert keys, "what was seen has no verdict, and nothing else is asked"
        observed |= {key: [truth[key]] for key in keys}
        search = Bisection.replay(len(truth), judged(observed, size=len(truth)).verdicts, gallop=True)

    assert search.state == Boundary(low=9, high=10)


@pytest.mark.parametrize(
    ("expectation", "named"),
    [
        pytest.param(Expectation(), (), id="none"),
        pytest.param(Expectation(good=0), (0,), id="good-and-it-is-the-first"),
        pytest.param(Expectation(bad=9), (9,), id="bad"),
        pytest.param(Expectation(good=9, bad=0), (9, 0), id="both"),
    ],
)
def test_the_ends_that_the_user_named_are_known(expectation: Expectation, named: tuple[int, ...]) -> None:
    assert expectation.named == named


# --- Ends that the user named


PASSES = Ruling(verdict=OLD, outcome=Outcome.PASSED, passed=2)


FAILS = Ruling(verdict=NEW, outcome=Outcome.FAILED, failed=2)


UNTESTABLE = Ruling(verdict=SKIP, outcome=Outcome.UNTESTABLE)


DIFFERENT = Ruling(verdict=SKIP, outcome=Outcome.FAILED, fails_differently=True, failed=1)


SOMETIMES = Ruling(verdict=NEW, outcome=Outcome.FAILED, passed=1, failed=1)


@pytest.mark.parametrize(
    ("expectation", "rulings", "is_over", "wrong"),
    [
        pytest.param(Expectation(good=0, bad=4), {0: PASSES, 4: FAILS}, False, [], id="as-the-user-says"),
        pytest.param(Expectation(good=0, bad=4), {}, False, [], id="nothing-known-yet"),
        pytest.param(Expectation(), {0: FAILS, 4: PASSES}, False, [], id="nothing-named"),
        pytest.param(Expectation(good=0), {0: FAILS}, True, [0], id="good-end-fails"),
        pytest.param(Expectation(good=0), {0: UNTESTABLE}, True, [], id="good-end-untestable"),
        pytest.param(Expectation(good=0), {0: DIFFERENT}, True, [], id="good-end-fails-differently"),
        pytest.param(Expectation(good=0), {0: SOMETIMES}, False, [0], id="good-end-flaky"),
        pytest.param(Expectation(bad=4), {4: PASSES}, True, [4], id="bad-end-passes"),
        pytest.param(Expectation(bad=4), {4: UNTESTABLE}, True, [], id="bad-end-untestable"),
        pytest.param(Expectation(bad=4), {4: SOMETIMES}, False, [], id="bad-end-flaky"),
        pytest.param(Expectation(good=0, bad=4), {0: FAILS, 4: PASSES}, True, [0, 4], id="both"),
        pytest.param(Expectation(good=0), {4: PASSES}, False, [], id="another-candidate"),
    ],
)
def test_a_search_is_over_when_a_named_end_is_not_what_the_user_says(
    expectation: Expectation, rulings: dict[int, Ruling], is_over: bool, wrong: list[int]
) -> None:
    judgement = Judgement(rulings=rulings, new_is=Outcome.FAILED)

    assert judgement.contradicts(expectation) is is_over
    assert judgement.wrong_ends(expectation) == wrong
