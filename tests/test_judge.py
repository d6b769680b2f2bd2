"""The judge: which end is good, what the bug looks like, and what each candidate is worth to the search."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest
from builders import (
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

from bisect_asgi import signature
from bisect_asgi.judge import Expectation, Judgement, Rules, judge
from bisect_asgi.model import Observation, Outcome, Phase, Ruling, Signature, Verdict
from bisect_asgi.search import Bisection, Found, Searching

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP

Runs = Mapping[int, Sequence[Observation]]

NOTHING_NAMED = Expectation()


def judged(
    observed: Runs, *, size: int = 10, expectation: Expectation = NOTHING_NAMED, rules: Rules = Rules()
) -> Judgement:
    """Judge ten candidates of which the user said nothing."""
    return judge(observed, size=size, expectation=expectation, rules=rules)


@pytest.mark.parametrize(
    ("expectation", "observed", "new_is", "verdicts"),
    [
        pytest.param(
            Expectation(),
            {9: [failed()], 0: [passed()]},
            Outcome.FAILED,
            {9: NEW, 0: OLD},
            id="newest-fails-so-a-regression",
        ),
        pytest.param(
            Expectation(),
            {9: [passed()], 0: [failed()]},
            Outcome.PASSED,
            {9: NEW, 0: OLD},
            id="newest-passes-so-a-fix",
        ),
        pytest.param(
            Expectation(),
            {9: [untestable()], 8: [passed()], 0: [failed()]},
            Outcome.PASSED,
            {9: SKIP, 8: NEW, 0: OLD},
            id="newest-untestable-so-the-next",
        ),
        pytest.param(
            Expectation(),
            {0: [failed()], **{key: [untestable()] for key in range(1, 10)}},
            Outcome.FAILED,
            {0: NEW, **dict.fromkeys(range(1, 10), SKIP)},
            id="only-the-oldest-testable",
        ),
        pytest.param(
            Expectation(good=2, bad=7),
            {2: [passed()], 7: [failed()]},
            Outcome.FAILED,
            {2: OLD, 7: NEW},
            id="good-named-below-bad",
        ),
        pytest.param(
            Expectation(good=7, bad=2),
            {2: [failed()], 7: [passed()]},
            Outcome.PASSED,
            {2: OLD, 7: NEW},
            id="good-named-above-bad",
        ),
        pytest.param(
            Expectation(good=2), {2: [passed()]}, Outcome.FAILED, {2: OLD}, id="good-alone-means-a-regression"
        ),
        pytest.param(
            Expectation(bad=7), {7: [failed()]}, Outcome.FAILED, {7: NEW}, id="bad-alone-means-a-regression"
        ),
        pytest.param(
            Expectation(good=0, bad=9),
            {9: [passed()], 0: [failed()]},
            Outcome.FAILED,
            {9: OLD, 0: NEW},
            id="named-ends-that-answer-otherwise-are-not-turned-around",
        ),
    ],
)
def test_which_end_is_good_is_named_or_observed(
    expectation: Expectation, observed: Runs, new_is: Outcome, verdicts: dict[int, Verdict]
) -> None:
    judgement = judged(observed, expectation=expectation)

    assert judgement.new_is is new_is
    assert judgement.verdicts == verdicts


@pytest.mark.parametrize(
    ("observed", "verdicts"),
    [
        pytest.param({}, {}, id="nothing-run"),
        pytest.param({9: []}, {}, id="no-observations"),
        pytest.param({0: [passed()], 5: [failed()]}, {}, id="newest-not-run"),
        pytest.param({9: [broken()], 5: [failed()]}, {}, id="newest-broken"),
        pytest.param({9: [untestable()], 4: [untestable()]}, {9: SKIP, 4: SKIP}, id="only-untestable"),
        pytest.param({5: [failed()], 4: [untestable()]}, {4: SKIP}, id="untestable-needs-no-direction"),
    ],
)
def test_until_the_good_end_is_known_only_the_untestable_are_ruled_on(
    observed: Runs, verdicts: dict[int, Verdict]
) -> None:
    judgement = judged(observed)

    assert judgement.verdicts == verdicts
    assert judgement.new_is is None
    assert judgement.reference == ()


def test_when_no_candidate_at_all_can_be_tested_no_end_is_good() -> None:
    judgement = judged({0: [untestable()], 1: [untestable()]}, size=2)

    assert judgement == Judgement(
        rulings={
            0: Ruling(verdict=SKIP, outcome=Outcome.UNTESTABLE, signature=CONFLICT),
            1: Ruling(verdict=SKIP, outcome=Outcome.UNTESTABLE, signature=CONFLICT),
        }
    )


def test_an_untestable_candidate_is_a_skip_with_its_reason() -> None:
    judgement = judged({9: [failed()], 5: [untestable()]})

    assert judgement.rulings[5] == Ruling(verdict=SKIP, outcome=Outcome.UNTESTABLE, signature=CONFLICT)


def test_a_ruling_says_how_often_the_candidate_passed_and_failed() -> None:
    judgement = judged({9: [failed(), failed()], 0: [passed(), passed(), passed()]})

    assert judgement.rulings == {
        9: Ruling(verdict=NEW, outcome=Outcome.FAILED, signature=ASSERTION, failed=2),
        0: Ruling(verdict=OLD, outcome=Outcome.PASSED, passed=3),
    }


def test_a_candidate_that_passes_and_fails_is_flaky_and_bad() -> None:
    judgement = judged({9: [failed()], 4: [passed(), failed(), passed()]})

    assert judgement.rulings[4] == Ruling(
        verdict=NEW, outcome=Outcome.FAILED, signature=ASSERTION, passed=2, failed=1
    )
    assert judgement.rulings[4].is_flaky
    assert not judgement.rulings[9].is_flaky


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param([broken()], id="once"),
        pytest.param([broken(), broken()], id="twice"),
    ],
)
def test_a_broken_run_is_never_a_verdict(runs: list[Observation]) -> None:
    judgement = judged({9: [failed()], 5: runs, 0: [passed()]})

    assert judgement.verdicts == {9: NEW, 0: OLD}


@pytest.mark.parametrize(
    ("runs", "verdict"),
    [
        pytest.param([broken(), passed()], OLD, id="a-pass"),
        pytest.param([broken(), failed()], NEW, id="a-failure"),
        pytest.param([broken(), untestable()], SKIP, id="untestable"),
        pytest.param([untestable(), passed()], OLD, id="a-pass-after-untestable"),
    ],
)
def test_another_run_of_a_broken_candidate_counts(runs: list[Observation], verdict: Verdict) -> None:
    judgement = judged({9: [failed()], 5: runs})

    assert judgement.verdicts[5] is verdict


NO_ANSWER = pytest.mark.parametrize(
    "no_answer",
    [pytest.param(broken(), id="broken"), pytest.param(untestable(), id="untestable")],
)


@NO_ANSWER
def test_what_a_run_without_an_answer_shows_is_not_how_the_candidate_fails(no_answer: Observation) -> None:
    judgement = judged({9: [no_answer, failed()]})

    assert judgement.reference == (ASSERTION,)
    assert judgement.rulings[9].signature == ASSERTION


@NO_ANSWER
def test_two_candidates_with_like_runs_without_an_answer_do_not_fail_alike(no_answer: Observation) -> None:
    judgement = judged({9: [no_answer, failed(ASSERTION)], 5: [no_answer, failed(TYPE_ERROR)]})

    assert judgement.rulings[5].different
    assert judgement.rulings[5].verdict is SKIP


def test_a_failure_that_differs_from_the_bad_ends_is_a_skip_and_says_so() -> None:
    judgement = judged({9: [failed(ASSERTION)], 5: [failed(TYPE_ERROR)], 0: [passed()]})

    assert judgement.rulings[5] == Ruling(
        verdict=SKIP, outcome=Outcome.FAILED, signature=TYPE_ERROR, different=True, failed=1
    )


def test_a_failure_that_differs_only_in_its_numbers_is_the_same() -> None:
    other = signature.of_exception("AssertionError", "expected 204, got 501", phase=Phase.CHECK)

    judgement = judged({9: [failed(ASSERTION)], 5: [failed(other)]})

    assert judgement.verdicts == {9: NEW, 5: NEW}


def test_every_failure_that_the_bad_end_showed_is_the_bug() -> None:
    judgement = judged(
        {9: [failed(ASSERTION), failed(TYPE_ERROR), failed(ASSERTION)], 5: [failed(TYPE_ERROR)]}
    )

    assert judgement.reference == (ASSERTION, TYPE_ERROR)
    assert judgement.verdicts[5] is NEW


def test_one_run_with_the_bug_is_enough_among_other_failures() -> None:
    judgement = judged({9: [failed(ASSERTION)], 5: [failed(TYPE_ERROR), failed(ASSERTION)]})

    assert judgement.rulings[5] == Ruling(verdict=NEW, outcome=Outcome.FAILED, signature=TYPE_ERROR, failed=2)


def test_any_failure_counts_where_the_user_says_so() -> None:
    observed = {9: [failed(ASSERTION)], 5: [failed(TYPE_ERROR)]}

    judgement = judged(observed, rules=Rules(any_failure=True))

    assert judgement.verdicts == {9: NEW, 5: NEW}
    assert judgement.reference == ()
    assert not judgement.rulings[5].different


MATCHING = Rules(match=r"^pool exhausted after \d+ s$")


@pytest.mark.parametrize(
    ("run", "ruling"),
    [
        pytest.param(
            failed(TYPE_ERROR, output="starting\npool exhausted after 3 s\n"),
            Ruling(verdict=NEW, outcome=Outcome.FAILED, signature=TYPE_ERROR, failed=1),
            id="found-in-the-output-of-a-failure",
        ),
        pytest.param(
            passed(output="pool exhausted after 3 s\n"),
            Ruling(verdict=NEW, outcome=Outcome.FAILED, failed=1),
            id="found-in-the-output-of-a-pass",
        ),
        pytest.param(
            passed(output="all well\n"),
            Ruling(verdict=OLD, outcome=Outcome.PASSED, passed=1),
            id="not-found-in-a-pass",
        ),
        pytest.param(
            failed(TYPE_ERROR, output="the pool exhausted after 3 s\n"),
            Ruling(verdict=SKIP, outcome=Outcome.FAILED, signature=TYPE_ERROR, different=True, failed=1),
            id="not-found-in-a-failure",
        ),
        pytest.param(
            untestable(signature.of_environment(CONFLICT.phase, "pool exhausted after 3 s")),
            Ruling(
                verdict=SKIP,
                outcome=Outcome.UNTESTABLE,
                signature=signature.of_environment(CONFLICT.phase, "pool exhausted after 3 s"),
            ),
            id="not-looked-for-in-what-was-never-run",
        ),
    ],
)
def test_with_a_pattern_a_run_is_bad_where_it_is_found(run: Observation, ruling: Ruling) -> None:
    observed = {9: [failed(output="pool exhausted after 12 s")], 5: [run]}

    judgement = judged(observed, rules=MATCHING)

    assert judgement.rulings[5] == ruling
    assert judgement.reference == ()


def test_a_pattern_is_also_looked_for_in_the_failure_itself() -> None:
    judgement = judged({9: [failed(ASSERTION)]}, rules=Rules(match="expected 200"))

    assert judgement.verdicts == {9: NEW}
    assert not judgement.rulings[9].different


def test_a_pattern_that_is_none_is_an_error() -> None:
    with pytest.raises(re.error):
        judged({9: [failed()]}, rules=Rules(match="("))


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
    assert {key for key, ruling in judgement.rulings.items() if not ruling.different} == {
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

    while isinstance(search.state, Searching):
        waiting = observed.keys() - judged(observed, size=len(truth)).rulings.keys()
        keys = search.ask(workers, waiting)
        assert keys, "what was seen has no verdict, and nothing else is asked"
        observed |= {key: [truth[key]] for key in keys}
        search = Bisection.replay(len(truth), judged(observed, size=len(truth)).verdicts, gallop=True)

    assert search.state == Found(low=9, high=10)


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
