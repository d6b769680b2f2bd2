"""The judge: which end is good, what the bug looks like, and what each candidate is worth to the search."""

from __future__ import annotations

import pytest
from support.builders import (
    ASSERTION,
    CONFLICT,
    IMPORT_ERROR,
    TYPE_ERROR,
    broken,
    failed,
    passed,
    untestable,
)
from support.judging import NEW, NOTHING_NAMED, OLD, SKIP, Runs, judged

from bisect_asgi.core.judge import signature
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.metrics.criteria import Criteria
from bisect_asgi.core.model import Observation, Outcome, Phase, Ruling, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.tally import Tally


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

    assert judgement.rulings[5].fails_differently
    assert judgement.rulings[5].verdict is SKIP


def test_a_failure_that_differs_from_the_bad_ends_is_a_skip_and_says_so() -> None:
    judgement = judged({9: [failed(ASSERTION)], 5: [failed(TYPE_ERROR)], 0: [passed()]})

    assert judgement.rulings[5] == Ruling(
        verdict=SKIP, outcome=Outcome.FAILED, signature=TYPE_ERROR, fails_differently=True, failed=1
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


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        pytest.param("jinja2/filters.py in do_unique", NEW, id="seen-in-the-second-run"),
        pytest.param("jinja2/utils.py in unique", NEW, id="elsewhere-in-that-package"),
        pytest.param("./leak.py in check", NEW, id="seen-in-the-first-run"),
        pytest.param("./leak.py in set_up", SKIP, id="elsewhere-in-the-probe"),
        pytest.param("markupsafe/__init__.py in escape", SKIP, id="another-package"),
        pytest.param("", NEW, id="not-seen"),
    ],
)
def test_the_same_words_from_another_place_are_another_failure(frame: str, verdict: Verdict) -> None:
    places = ["./leak.py in check", "jinja2/filters.py in do_unique", "./leak.py in check"]

    judgement = judged(
        {
            9: [failed(replace(TYPE_ERROR, frame=place)) for place in places],
            5: [failed(replace(TYPE_ERROR, frame=frame))],
        }
    )

    assert [sign.frame for sign in judgement.reference] == places[:2]
    assert judgement.verdicts[5] is verdict


@pytest.mark.parametrize(
    ("criteria", "verdict"),
    [
        pytest.param(Criteria(), SKIP, id="not-asked-for"),
        pytest.param(Criteria(any_failure=True), NEW, id="every-failure-counts"),
        pytest.param(Criteria(match="--limit-memory"), NEW, id="the-pattern-is-in-it"),
        pytest.param(Criteria(match="--limit-cpu"), SKIP, id="the-pattern-is-not"),
    ],
)
def test_a_limit_that_was_hit_is_the_bug_only_if_that_is_asked_for(
    criteria: Criteria, verdict: Verdict
) -> None:
    limit = signature.of_limit("more than 512 MiB of memory (`--limit-memory`)")
    run = replace(untestable(), signature=limit)

    judgement = judged({9: [failed()], 5: [run], 0: [passed()]}, criteria=criteria)

    assert judgement.rulings[5].verdict is verdict
    assert judgement.rulings[5].signature == limit


def test_one_run_with_the_bug_is_enough_among_other_failures() -> None:
    judgement = judged({9: [failed(ASSERTION)], 5: [failed(TYPE_ERROR), failed(ASSERTION)]})

    assert judgement.rulings[5] == Ruling(verdict=NEW, outcome=Outcome.FAILED, signature=ASSERTION, failed=1)


def test_a_run_that_fails_otherwise_does_not_count_beside_one_that_passes() -> None:
    judgement = judged({9: [failed(ASSERTION)], 5: [failed(TYPE_ERROR), passed(), passed()]})

    assert judgement.rulings[5] == Ruling(
        verdict=OLD, outcome=Outcome.PASSED, signature=TYPE_ERROR, passed=2, failed=0
    )
    assert not judgement.rulings[5].fails_differently
    assert not judgement.is_flaky


def test_of_passes_failures_and_other_failures_the_first_two_count() -> None:
    judgement = judged({9: [failed(ASSERTION)], 5: [failed(TYPE_ERROR), passed(), failed(ASSERTION)]})

    assert judgement.rulings[5] == Ruling(
        verdict=NEW, outcome=Outcome.FAILED, signature=ASSERTION, passed=1, failed=1
    )
    assert judgement.is_flaky


def test_a_candidate_that_only_fails_otherwise_is_a_skip_with_all_of_its_failures() -> None:
    judgement = judged({9: [failed(ASSERTION)], 5: [failed(TYPE_ERROR), failed(IMPORT_ERROR)]})

    assert judgement.rulings[5] == Ruling(
        verdict=SKIP, outcome=Outcome.FAILED, signature=TYPE_ERROR, fails_differently=True, failed=2
    )


def test_tallies_are_of_the_runs_that_count_and_of_candidates_that_can_be_tested() -> None:
    judgement = judged(
        {
            9: [failed(ASSERTION), failed(ASSERTION), passed()],
            5: [failed(TYPE_ERROR)],
            4: [untestable()],
            3: [broken()],
            2: [passed(), failed(TYPE_ERROR), broken()],
            0: [],
        }
    )

    assert judgement.tallies == {9: Tally(passed=1, failed=2), 2: Tally(passed=1)}


@pytest.mark.parametrize(
    ("observed", "expectation", "criteria", "learnt_from"),
    [
        pytest.param(
            {9: [failed()], 5: [failed()]}, NOTHING_NAMED, Criteria(), 9, id="the-newest-that-fails"
        ),
        pytest.param({9: [failed()], 5: [failed()]}, Expectation(bad=5), Criteria(), 5, id="the-named-end"),
        pytest.param({9: [passed()], 5: [failed()], 3: [failed()]}, NOTHING_NAMED, Criteria(), 5, id="a-fix"),
        pytest.param({9: [passed()], 5: [passed()]}, NOTHING_NAMED, Criteria(), None, id="nothing-fails"),
        pytest.param({9: [failed()]}, NOTHING_NAMED, Criteria(any_failure=True), None, id="any-failure"),
        pytest.param({9: [failed()]}, NOTHING_NAMED, Criteria(match="x"), None, id="a-pattern"),
        pytest.param({5: [failed()]}, NOTHING_NAMED, Criteria(), None, id="no-direction-yet"),
    ],
)
def test_it_is_known_whose_failures_are_the_bug(
    observed: Runs, expectation: Expectation, criteria: Criteria, learnt_from: int | None
) -> None:
    judgement = judged(observed, expectation=expectation, criteria=criteria)

    assert judgement.learnt_from == learnt_from


# Probes that do not always answer the same.

NOISE = Noise(
    new_is=Outcome.FAILED, old=Tally(passed=12), new=Tally(passed=3, failed=9), low=3, high=6, placed={4: NEW}
)


@pytest.mark.parametrize(
    ("key", "runs", "ruling"),
    [
        pytest.param(
            2,
            [failed(), passed()],
            Ruling(verdict=OLD, outcome=Outcome.PASSED, signature=ASSERTION, passed=1, failed=1),
            id="placed-below-whatever-it-shows",
        ),
        pytest.param(7, [passed()], Ruling(verdict=NEW, outcome=Outcome.FAILED, passed=1), id="placed-above"),
        pytest.param(
            4, [passed()], Ruling(verdict=NEW, outcome=Outcome.FAILED, passed=1), id="known-otherwise"
        ),
        pytest.param(
            5,
            [passed()] * 20,
            Ruling(verdict=OLD, outcome=Outcome.PASSED, passed=20),
            id="between-and-its-runs-tell",
        ),
        pytest.param(5, [passed()], None, id="between-and-its-runs-do-not-tell"),
        pytest.param(
            2,
            [untestable()],
            Ruling(verdict=SKIP, outcome=Outcome.UNTESTABLE, signature=CONFLICT),
            id="untestable-wherever-it-is",
        ),
        pytest.param(
            2,
            [failed(TYPE_ERROR)],
            Ruling(
                verdict=SKIP, outcome=Outcome.FAILED, signature=TYPE_ERROR, fails_differently=True, failed=1
            ),
            id="another-failure-wherever-it-is",
        ),
    ],
)
def test_a_candidate_is_on_the_side_where_a_noisy_search_has_put_it(
    key: int, runs: list[Observation], ruling: Ruling | None
) -> None:
    judgement = judged({9: [failed()], key: runs}, noise=NOISE)

    assert judgement.rulings.get(key) == ruling


def test_noise_knows_which_end_is_good_before_the_newest_is_run_and_whatever_it_shows() -> None:
    fix = replace(NOISE, new_is=Outcome.PASSED)

    judgement = judged({0: [failed()], 8: [failed(), passed()]}, noise=fix)

    assert judgement.new_is is Outcome.PASSED
    assert judgement.rulings[0] == Ruling(verdict=OLD, outcome=Outcome.FAILED, signature=ASSERTION, failed=1)
    assert judgement.rulings[8] == Ruling(
        verdict=NEW, outcome=Outcome.PASSED, signature=ASSERTION, passed=1, failed=1
    )


def test_a_hang_is_shown_by_the_run_to_the_full_limit() -> None:
    cut, full = (failed(signature.of_timeout(seconds)) for seconds in (10, 120))
    cut = replace(cut, cut_s=10.0)

    judgement = judged({0: [passed()], 9: [cut, full, cut]})

    ruling = judgement.rulings[9]
    assert (ruling.verdict, ruling.failed) == (NEW, 3)
    assert ruling.signature == full.signature
