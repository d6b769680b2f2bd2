"""Judging what is measured, and by a pattern."""

from __future__ import annotations

import re

import pytest
from support.builders import (
    ASSERTION,
    CONFLICT,
    TYPE_ERROR,
    failed,
    passed,
    untestable,
)
from support.judging import NEW, OLD, SKIP, judged

from bisect_asgi.core.judge import signature
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.metrics.criteria import RATIO, Criteria, Threshold, ThresholdSearch
from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, Ruling, Signature
from bisect_asgi.core.records import replace

# What is measured.


def sample(wall_s: float, *, beside_s: float | None = None, is_warm_up: bool = False) -> Observation:
    """A run that passed, of so many seconds, and of so many of the reference's."""
    beside = {} if beside_s is None else {"wall": beside_s}
    return replace(passed(), wall_s=wall_s, reference_metrics=beside, is_warm_up=is_warm_up)


SECOND = Criteria(threshold=Threshold(metric="wall", above=1.0, unit="s"))


HALF_MORE = Criteria(threshold=Threshold(metric="wall", above=1.5, unit=RATIO))


def untold(why: str) -> Ruling:
    """A sample that tells nothing."""
    signature = Signature(kind=FailureKind.METRIC, phase=Phase.CHECK, text=why, shown=why)
    return Ruling(verdict=SKIP, outcome=Outcome.UNTESTABLE, signature=signature)


NO_WALL = untold("no metric `wall`")


NOTHING_BESIDE = untold("the baseline's run has no `wall` to compare with")


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
                signature=HALF_MORE.threshold.signature(2.0) if HALF_MORE.threshold else None,
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
            "", "B", untold("`size` is without a unit, and its threshold is in B"), id="none-of-the-sample"
        ),
        pytest.param("B", "s", untold("`size` is in B, and its threshold is in s"), id="another"),
    ],
)
def test_a_sample_in_another_unit_than_its_limits_tells_nothing(
    unit: str, limit_unit: str, ruling: Ruling
) -> None:
    criteria = Criteria(threshold=Threshold(metric="size", above=9.0, unit=limit_unit))
    units = {"size": unit} if unit else {}
    run = replace(passed(), metrics={"size": 5.0}, units=units)
    beyond = replace(passed(), metrics={"size": 10.0}, units={"size": limit_unit} if limit_unit else {})

    assert judged({9: [beyond], 5: [run]}, criteria=criteria).rulings[5] == ruling


def test_a_plain_limit_is_shown_beside_values_in_the_metrics_unit() -> None:
    criteria = Criteria(threshold=Threshold(metric="size", above=9.0))
    run = replace(passed(), metrics={"size": 2048.0}, units={"size": "B"})

    signature = judged({9: [run]}, criteria=criteria).rulings[9].signature

    assert signature is not None
    assert signature.shown == "size = 2.0 KiB, above 9 B"


@pytest.mark.parametrize("any_failure", [False, True])
def test_a_failure_of_a_measured_probe_counts_only_if_every_failure_does(any_failure: bool) -> None:
    criteria = Criteria(threshold=Threshold(metric="size", above=9.0), any_failure=any_failure)

    ruling = judged({9: [failed()]}, criteria=criteria).rulings[9]

    assert ruling.outcome is (Outcome.FAILED if any_failure else Outcome.UNTESTABLE)


def test_a_metric_that_cannot_be_read_matters_only_where_it_decides() -> None:
    run = replace(passed(), complaint="the metric `size` cannot be read", metrics={"other": 1.0})

    deciding = judged({9: [run]}, criteria=Criteria(threshold=Threshold(metric="size", above=9.0))).rulings[9]
    beside = judged({9: [run]}, criteria=Criteria(threshold=Threshold(metric="other", above=9.0))).rulings[9]

    assert (deciding.outcome, beside.outcome) == (Outcome.UNTESTABLE, Outcome.PASSED)
    assert deciding.signature is not None
    assert deciding.signature.shown == "the metric `size` cannot be read"
    assert beside.signature is None


def test_until_there_is_a_limit_every_run_with_the_metric_passes() -> None:
    criteria = Criteria(threshold_search=ThresholdSearch(metric="wall"))

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
