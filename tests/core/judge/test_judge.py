"""The judge: which end is good, what the bug looks like, and what each candidate is worth to the search."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

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

from bisect_asgi.core.judge import Expectation, Judgement, judge, signature
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.metrics.criteria import RATIO, Criteria, Limit, LimitSearch
from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, Ruling, Signature, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import Bisection, Boundary, Open
from bisect_asgi.core.tally import Tally

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP

Runs = Mapping[int, Sequence[Observation]]

NOTHING_NAMED = Expectation()


def judged(
    observed: Runs,
    *,
    size: int = 10,
    expectation: Expectation = NOTHING_NAMED,
    criteria: Criteria = Criteria(),
    noise: Noise | None = None,
) -> Judgement:
    """Judge ten candidates of which the user said nothing."""
    return judge(observed, size=size, expectation=expectation, criteria=criteria, noise=noise)


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


# What is measured.


def sample(wall_s: float, *, beside_s: float | None = None, is_warm_up: bool = False) -> Observation:
    """A run that passed, of so many seconds, and of so many of the reference's."""
    beside = {} if beside_s is None else {"wall": beside_s}
    return replace(passed(), wall_s=wall_s, reference_metrics=beside, is_warm_up=is_warm_up)


SECOND = Criteria(limit=Limit(metric="wall", above=1.0, unit="s"))
HALF_MORE = Criteria(limit=Limit(metric="wall", above=1.5, unit=RATIO))


def untold(why: str) -> Ruling:
    """A sample that tells nothing."""
    signature = Signature(kind=FailureKind.METRIC, phase=Phase.CHECK, text=why, shown=why)
    return Ruling(verdict=SKIP, outcome=Outcome.UNTESTABLE, signature=signature)


NO_WALL = untold("no metric `wall`")
NOTHING_BESIDE = untold("the reference's run has no `wall` to compare with")


@pytest.mark.parametrize("warm_up", [sample(99.0, is_warm_up=True), sample(0.1, is_warm_up=True)])
def test_a_warm_up_tells_nothing(warm_up: Observation) -> None:
    ends = {9: [sample(2.0)], 0: [sample(0.5)]}

    judgement = judged({**ends, 5: [warm_up], 4: [warm_up, sample(0.7), sample(0.8)]}, criteria=SECOND)

    assert 5 not in judgement.rulings
    assert judgement.rulings[4] == Ruling(verdict=OLD, outcome=Outcome.PASSED, passed=2)


def test_a_warm_up_alone_at_the_newest_end_leaves_it_unknown_which_end_is_good() -> None:
    judgement = judged({9: [sample(2.0, is_warm_up=True)], 0: [sample(0.5)]}, criteria=SECOND)

    assert judgement == Judgement()


@pytest.mark.parametrize(
    ("run", "ruling"),
    [
        pytest.param(
            sample(30.0, beside_s=25.0),
            Ruling(verdict=OLD, outcome=Outcome.PASSED, passed=1),
            id="as-slow-as-it",
        ),
        pytest.param(
            sample(30.0, beside_s=20.0),
            Ruling(verdict=OLD, outcome=Outcome.PASSED, passed=1),
            id="at-the-limit",
        ),
        pytest.param(
            sample(0.4, beside_s=0.2),
            Ruling(
                verdict=NEW,
                outcome=Outcome.FAILED,
                signature=HALF_MORE.limit.signature(2.0) if HALF_MORE.limit else None,
                failed=1,
            ),
            id="slower-than-it",
        ),
        pytest.param(
            sample(0.4),
            NOTHING_BESIDE,
            id="nothing-beside",
        ),
        pytest.param(
            sample(0.4, beside_s=0.0),
            NOTHING_BESIDE,
            id="nought-beside",
        ),
        pytest.param(
            replace(failed(), wall_s=30.0),
            Ruling(verdict=SKIP, outcome=Outcome.UNTESTABLE, signature=ASSERTION),
            id="a-failure-says-nothing-of-the-metric",
        ),
    ],
)
def test_a_ratio_is_judged_by_the_references_run_beside_it(run: Observation, ruling: Ruling) -> None:
    judgement = judged({9: [sample(2.0, beside_s=1.0)], 5: [run]}, criteria=HALF_MORE)

    assert judgement.rulings[5] == ruling


@pytest.mark.parametrize(
    ("unit", "limit_unit", "ruling"),
    [
        pytest.param("B", "B", Ruling(verdict=OLD, outcome=Outcome.PASSED, passed=1), id="the-same"),
        pytest.param("B", "", Ruling(verdict=OLD, outcome=Outcome.PASSED, passed=1), id="none-of-the-limit"),
        pytest.param(
            "", "B", untold("`size` is without a unit, and its limit is in B"), id="none-of-the-sample"
        ),
        pytest.param("B", "s", untold("`size` is in B, and its limit is in s"), id="another"),
    ],
)
def test_a_sample_in_another_unit_than_its_limits_tells_nothing(
    unit: str, limit_unit: str, ruling: Ruling
) -> None:
    criteria = Criteria(limit=Limit(metric="size", above=9.0, unit=limit_unit))
    units = {"size": unit} if unit else {}
    run = replace(passed(), metrics={"size": 5.0}, units=units)
    beyond = replace(passed(), metrics={"size": 10.0}, units={"size": limit_unit} if limit_unit else {})

    assert judged({9: [beyond], 5: [run]}, criteria=criteria).rulings[5] == ruling


def test_a_plain_limit_is_shown_beside_values_in_the_metrics_unit() -> None:
    criteria = Criteria(limit=Limit(metric="size", above=9.0))
    run = replace(passed(), metrics={"size": 2048.0}, units={"size": "B"})

    signature = judged({9: [run]}, criteria=criteria).rulings[9].signature

    assert signature is not None
    assert signature.shown == "size = 2.0 KiB, above 9 B"


@pytest.mark.parametrize("any_failure", [False, True])
def test_a_failure_of_a_measured_probe_counts_only_if_every_failure_does(any_failure: bool) -> None:
    criteria = Criteria(limit=Limit(metric="size", above=9.0), any_failure=any_failure)

    ruling = judged({9: [failed()]}, criteria=criteria).rulings[9]

    assert ruling.outcome is (Outcome.FAILED if any_failure else Outcome.UNTESTABLE)


def test_a_metric_that_cannot_be_read_matters_only_where_it_decides() -> None:
    run = replace(passed(), complaint="the metric `size` cannot be read", metrics={"other": 1.0})

    deciding = judged({9: [run]}, criteria=Criteria(limit=Limit(metric="size", above=9.0))).rulings[9]
    beside = judged({9: [run]}, criteria=Criteria(limit=Limit(metric="other", above=9.0))).rulings[9]

    assert (deciding.outcome, beside.outcome) == (Outcome.UNTESTABLE, Outcome.PASSED)
    assert deciding.signature is not None
    assert deciding.signature.shown == "the metric `size` cannot be read"
    assert beside.signature is None


def test_until_there_is_a_limit_every_run_with_the_metric_passes() -> None:
    criteria = Criteria(limit_search=LimitSearch(metric="wall"))

    judgement = judged({9: [sample(2.0)], 5: [passed()], 0: [sample(0.5)]}, criteria=criteria)

    assert judgement.rulings[5] == NO_WALL
    assert {key: ruling.outcome for key, ruling in judgement.rulings.items() if key != 5} == {
        9: Outcome.PASSED,
        0: Outcome.PASSED,
    }


def test_any_failure_counts_where_the_user_says_so() -> None:
    observed = {9: [failed(ASSERTION)], 5: [failed(TYPE_ERROR)]}

    judgement = judged(observed, criteria=Criteria(any_failure=True))

    assert judgement.verdicts == {9: NEW, 5: NEW}
    assert judgement.reference == ()
    assert not judgement.rulings[5].fails_differently


MATCHING = Criteria(match=r"^pool exhausted after \d+ s$")


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
            Ruling(
                verdict=SKIP, outcome=Outcome.FAILED, signature=TYPE_ERROR, fails_differently=True, failed=1
            ),
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

    judgement = judged(observed, criteria=MATCHING)

    assert judgement.rulings[5] == ruling
    assert judgement.reference == ()


def test_a_pattern_is_also_looked_for_in_the_failure_itself() -> None:
    judgement = judged({9: [failed(ASSERTION)]}, criteria=Criteria(match="expected 200"))

    assert judgement.verdicts == {9: NEW}
    assert not judgement.rulings[9].fails_differently


def test_a_pattern_that_is_none_is_an_error() -> None:
    with pytest.raises(re.error):
        judged({9: [failed()]}, criteria=Criteria(match="("))


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
