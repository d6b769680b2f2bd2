"""How sure a boundary is, and what is told of releases that fail now and then."""

from __future__ import annotations

import json

import pytest
from support.measured_logs import (
    BELIEVED,
    FLAKY,
    FOUND,
    MEASURED,
    line,
)
from support.noisy_world import shown

from bisect_asgi.core import events
from bisect_asgi.core.records import replace
from bisect_asgi.report import document as json_report
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold

# How sure it is.


def test_the_last_belief_is_how_sure_the_boundary_is() -> None:
    boundary = fold(FLAKY).belief

    assert boundary is not None
    assert (boundary.last, boundary.first, boundary.among) == ("1.2", "1.3", ("1.3", "1.3"))
    assert (boundary.probability, boundary.confidence) == (0.9973, 0.99)
    assert (boundary.old.failed, boundary.old.runs) == (0, 12)
    assert (boundary.new.failed, boundary.new.runs) == (9, 12)


def test_the_text_says_the_probability_and_both_rates_with_their_intervals() -> None:
    sure = line(fold(FLAKY), "Confidence")

    # Wilson's intervals: of 0 of 12 up to 24.2%, of 9 of 12 from 46.8% to 91.1%.
    old = "0 of 12 runs failed (0% to 24%) up to 1.2"
    new = "9 of 12 (47% to 91%) from 1.3 on"
    assert sure == f"99.7% probability: {old}, {new}"


def test_of_a_metric_samples_beyond_the_limit_are_counted() -> None:
    sure = line(fold([MEASURED, *FLAKY[1:]]), "Confidence")

    assert "0 of 12 samples beyond the threshold (0% to 24%) up to 1.2, 9 of 12 (" in sure


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.9999999, "99.9%"), (1.0, "99.9%"), (0.9989, "99.8%"), (0.99, "99.0%")],
)
def test_no_certainty_is_claimed_that_nobody_has(probability: float, words: str) -> None:
    log = [replace(BELIEVED, probability=probability) if e is BELIEVED else e for e in FLAKY]

    assert f"{words} probability: " in line(fold(log), "Confidence")


def test_a_release_that_failed_now_and_then_is_told_with_its_runs() -> None:
    report = fold(FLAKY)

    assert "1.3: failed 9 of 12 runs" in line(report, "First bad")
    row = report.row("1.3")
    assert row
    assert (row.verdict, row.passed, row.failed) == ("bad", 3, 9)


def test_the_document_has_probability_rates_and_range() -> None:
    document = json.loads(json_report.render(fold(FLAKY)))

    belief = document["belief"]
    assert (belief["last"], belief["first"], belief["probability"]) == ("1.2", "1.3", 0.9973)
    assert belief["among"] == ["1.3", "1.3"]
    assert belief["new"]["failed"] == 9
    assert 0.4 < belief["new"]["low"] < 0.75 < belief["new"]["high"] < 1


def test_without_a_contradiction_nothing_is_believed() -> None:
    report = fold([event for event in FLAKY if not isinstance(event, events.BeliefUpdated)])

    assert report.belief is None
    assert "probability" not in shown(report)


# Boundaries that nothing contradicts.


def unanimous(**fields: object) -> Report:
    """The same without anything that was believed on the way."""
    told = replace(events.Confirmed(low=2, high=3, runs=16, error_bound=0.00523), **fields)  # type: ignore[arg-type]
    log = [event for event in FLAKY if not isinstance(event, events.BeliefUpdated | events.RunFinished)]
    return fold([*log, told, FOUND])


@pytest.mark.parametrize(
    ("error_bound", "words"),
    [
        (0.00523, "at least 99.4% (all 36 runs agree)"),
        (0.5, "at least 50.0% ("),
        (0.00001, "at least 99.9% ("),
    ],
)
def test_a_boundary_that_all_runs_agree_with_says_how_confident_that_makes(
    error_bound: float, words: str
) -> None:
    report = unanimous(error_bound=error_bound)

    assert report.error_bound == error_bound
    assert words in line(report, "Confidence")


def test_luck_is_told_of_the_boundary_that_was_found_and_of_no_other() -> None:
    assert unanimous(low=1, high=2).error_bound is None
    assert "Confidence" not in shown(unanimous(low=1, high=2))
