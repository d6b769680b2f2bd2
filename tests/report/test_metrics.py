"""Reports of flaky and measured probes: what is in the document, and how it reads."""

from __future__ import annotations

import json

import pytest
from support.builders import failed, passed, untestable
from support.measured_logs import (
    BAD,
    BELIEVED,
    FLAKY,
    FOUND,
    GOOD,
    LISTED,
    MEASURED,
    STARTED,
    judged,
    line,
    tried,
)
from support.noisy_world import measured, shown

from bisect_asgi.core import events
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.metrics.criteria import RATIO
from bisect_asgi.core.model import Boundary, Outcome, Ruling, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.core.tally import Rate, Tally
from bisect_asgi.report import document as json_report
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.metrics import short, step

MIB = 1024.0**2

SAMPLED = events.EndsSampled(
    metric="size",
    unit="B",
    low=0,
    high=4,
    reference=None,
    old=(1.0 * MIB, 2.0 * MIB, 3.0 * MIB),
    new=(8.0 * MIB, 9.0 * MIB),
    p=0.0123,
    above=5.5 * MIB,
)


def test_a_candidate_that_passes_and_fails_is_told_by_its_runs_also_where_no_boundary_is() -> None:
    flaky_one = Ruling(
        verdict=Verdict.NEW, outcome=Outcome.FAILED, passed=7, failed=1, signature=failed().signature
    )
    end = events.RunFinished(kind=ResultKind.INCONCLUSIVE, elapsed_s=1.0, message="the probe is flaky")
    runs = tried(3, failed(), *[passed()] * 7)

    text = shown(fold([STARTED, LISTED, runs, judged(flaky_one, GOOD), end]))

    assert "failed 1 of 8: AssertionError: expected 200, got 500" in text


def test_the_limit_is_told_with_the_samples_of_both_ends() -> None:
    report = fold([MEASURED, LISTED, SAMPLED, judged(GOOD, BAD, BAD), FOUND])

    limit = line(report, "Threshold")
    for part in ("size above 5.5 MiB is bad", "2.0 MiB in 1.0", "8.5 MiB in 1.4"):
        assert part in limit
    assert limit.endswith("(medians of 3 and 2; rank test p = 0.012)")
    assert report.ends is not None
    assert (report.ends.old, report.ends.new, report.ends.reference) == ("1.0", "1.4", None)
    assert (report.ends.above, report.ends.below) == (5.5 * MIB, None)


def test_a_limit_of_ratios_says_what_they_are_ratios_to() -> None:
    sampled = replace(SAMPLED, unit=RATIO, reference=0, old=(1.0, 1.1), new=(2.0, 2.2), above=1.5)
    report = fold([MEASURED, LISTED, sampled, judged(GOOD, BAD, BAD), FOUND])

    limit = line(report, "Threshold")
    for part in ("the ratio of size to 1.0's above 1.5 × is bad", "1.05 × in 1.0", "2.1 × in 1.4"):
        assert part in limit
    assert report.ends is not None
    assert report.ends.reference == "1.0"


def test_both_ends_with_as_many_samples_say_so_once() -> None:
    sampled = replace(SAMPLED, new=(8.0 * MIB, 9.0 * MIB, 9.5 * MIB))

    assert "(medians of 3; rank" in line(
        fold([MEASURED, LISTED, sampled, judged(GOOD, BAD), FOUND]), "Threshold"
    )


def test_before_there_is_a_limit_nothing_is_good() -> None:
    log = [MEASURED, LISTED, tried(3, measured(3.0)), judged(replace(GOOD, passed=1), GOOD)]

    row = fold(log).row("1.3")
    assert row
    assert (row.how, row.verdict, row.passed) == (ReleaseState.RUN, "", 1)
    for told in (replace(SAMPLED, above=None), events.Note(text="no limit")):
        assert fold([*log, told]).row("1.3").verdict == ""  # type: ignore[union-attr]
    assert fold([*log, SAMPLED]).row("1.3").verdict == "good"  # type: ignore[union-attr]


def test_a_limit_that_was_given_tells_what_is_good_from_the_beginning() -> None:
    given = replace(MEASURED, limit="above 5.5 MiB")

    assert fold([given, LISTED, judged(GOOD, BAD)]).row("1.3").verdict == "good"  # type: ignore[union-attr]


def test_ends_that_are_not_apart_have_no_limit_and_both_samples() -> None:
    sampled = replace(SAMPLED, above=None)
    report = fold([MEASURED, LISTED, sampled, events.RunFinished(kind=ResultKind.INCONCLUSIVE, elapsed_s=1)])

    assert line(report, "Threshold").startswith("none: size is 2.0 MiB in 1.0")


def test_an_end_that_lost_its_samples_is_left_out_of_the_limit() -> None:
    report = fold([MEASURED, LISTED, replace(SAMPLED, new=(), above=None), FOUND])

    limit = line(report, "Threshold")
    assert "1.0" in limit
    assert "1.4" not in limit


def test_rows_have_the_samples_that_count() -> None:
    runs = (
        replace(measured(90.0 * MIB), is_warm_up=True),
        measured(2.0 * MIB),
        failed(),
        passed(),
        measured(4.0 * MIB),
    )
    report = fold([MEASURED, LISTED, tried(3, *runs, remembered=3), judged(GOOD, BAD, BAD), FOUND])

    row = report.row("1.3")
    assert row
    assert row.samples == (2.0 * MIB, 4.0 * MIB)
    # The warm-up was remembered, and is no run.
    assert row.remembered == 2
    assert report.unit == "B"
    assert "1.3: size 3.0 MiB (2.0 to 4.0), 2 samples" in line(report, "First bad")
    document = json.loads(json_report.render(report))
    assert document["rows"][3]["samples"] == [2.0 * MIB, 4.0 * MIB]


def test_samples_with_a_reference_beside_them_are_ratios_in_rows() -> None:
    runs = [replace(measured(3.0, unit="s"), reference_metrics={"size": 2.0})]
    report = fold([MEASURED, LISTED, tried(3, *runs), judged(GOOD, BAD, BAD), FOUND])

    row = report.row("1.3")
    assert row
    assert row.samples == (1.5,)
    assert report.unit == RATIO


def test_what_was_seen_before_the_question_changed_does_not_count() -> None:
    before = [tried(3, measured(7.0)), tried(0, measured(8.0)), judged(GOOD, BAD, BAD)]
    after = [tried(3, replace(measured(3.0), reference_metrics={"size": 2.0})), judged(GOOD, BAD)]

    report = fold([MEASURED, LISTED, *before, events.ObservationsReset(), *after, FOUND])

    assert {row.version: row.samples for row in report.rows if row.samples} == {"1.3": (1.5,)}
    assert report.row("1.0").how is not ReleaseState.RUN  # type: ignore[union-attr]


def test_what_is_known_of_other_candidates_is_void_with_them() -> None:
    # Keys are places in the list: of a new list they mean other candidates, or none.
    levels = (events.MetricLevel(first=0, last=4, value=1.0),)
    of_old = [
        BELIEVED,
        events.Confirmed(low=2, high=3, runs=9, error_bound=0.004),
        SAMPLED,
        events.LevelsFound(metric="size", unit="B", levels=levels, penalty=9.0, creep=0.5),
    ]
    shorter = replace(LISTED, candidates=LISTED.candidates[:2])
    end = events.RunFinished(kind=ResultKind.FOUND, elapsed_s=1.0, boundary=Boundary(low=0, high=1))

    report = fold([MEASURED, LISTED, *of_old, shorter, end])

    assert (report.belief, report.error_bound, report.ends, report.levels, report.creep) == (
        None,
        None,
        None,
        (),
        None,
    )


LEVELS = events.LevelsFound(
    metric="size",
    unit="B",
    levels=(
        events.MetricLevel(first=0, last=1, value=10 * MIB),
        events.MetricLevel(first=2, last=2, value=15 * MIB),
        events.MetricLevel(first=3, last=4, value=12 * MIB),
    ),
    penalty=8.0,
)


def test_every_level_is_told_with_the_size_of_its_step() -> None:
    finished = replace(
        FOUND,
        changes=(Boundary(low=1, high=2), Boundary(low=2, high=3)),
        shortest=1,
    )
    trials = [tried(key, measured(12 * MIB)) for key in range(5)]
    report = fold([MEASURED, LISTED, SAMPLED, *trials, LEVELS, judged(GOOD, BAD, BAD), finished])

    assert [(level.first, level.last) for level in report.levels] == [
        ("1.0", "1.1"),
        ("1.2", "1.2"),
        ("1.3", "1.4"),
    ]
    text = shown(report)
    assert "1.1 → 1.2: 10 MiB → 15 MiB (+50%)" in text
    assert "1.2 → 1.3: 15 MiB → 12 MiB (-20%)" in text
    assert "History" not in text
    assert [level["value"] for level in json.loads(json_report.render(report))["levels"]] == [
        10 * MIB,
        15 * MIB,
        12 * MIB,
    ]


def test_without_a_threshold_a_change_is_as_probable_as_its_level() -> None:
    sure = replace(LEVELS.levels[1], probability=0.97), replace(LEVELS.levels[2], probability=0.5)
    levels = replace(LEVELS, levels=(LEVELS.levels[0], *sure))
    finished = replace(FOUND, changes=(Boundary(low=1, high=2), Boundary(low=2, high=3)), shortest=1)
    trials = [tried(key, measured(12 * MIB)) for key in range(5)]

    at_the_newest = replace(SAMPLED, low=2, high=3)
    report = fold([MEASURED, LISTED, at_the_newest, *trials, levels, judged(GOOD, BAD, BAD), finished])

    assert [change.probability for change in report.changes] == [0.97, 0.5]
    assert "Change " not in shown(report)


@pytest.mark.parametrize(
    ("steps", "second"),
    [
        pytest.param((), "fell in 1.3", id="levels"),
        pytest.param(((10.0, 15.0), (12.0, 13.0)), "rose in 1.3", id="beside-a-trend"),
    ],
)
def test_of_several_steps_the_headline_has_their_directions(
    steps: tuple[tuple[float, float], ...], second: str
) -> None:
    levels = replace(LEVELS, steps=steps, creep=0.5 if steps else None)
    finished = replace(FOUND, changes=(Boundary(low=1, high=2), Boundary(low=2, high=3)), shortest=1)
    trials = [tried(key, measured(12 * MIB)) for key in range(5)]

    at_the_newest = replace(SAMPLED, low=2, high=3)
    report = fold([MEASURED, LISTED, at_the_newest, *trials, levels, judged(GOOD, BAD, BAD), finished])

    assert report.headline == f"app: size rose in 1.2 and {second}"


def test_with_a_threshold_between_the_ends_a_change_is_as_probable_as_its_sides() -> None:
    finished = replace(FOUND, changes=(Boundary(low=1, high=2), Boundary(low=2, high=3)), shortest=1)
    trials = [tried(key, measured(12 * MIB)) for key in range(5)]
    sides = [replace(GOOD, passed=5), replace(BAD, passed=0, failed=5), replace(GOOD, passed=5)]

    report = fold([MEASURED, LISTED, SAMPLED, *trials, LEVELS, judged(*sides, GOOD), finished])

    assert [change.probability for change in report.changes] == pytest.approx([0.9863026, 0.9863026])
    assert "Change " in shown(report)


def with_several_changes(plan: events.RunStarted, *rulings: Ruling) -> Report:
    """Each candidate on the other side than the one before it."""
    changes = tuple(Boundary(low=key, high=key + 1) for key in range(4))
    finished = replace(FOUND, boundary=changes[-1], changes=changes, shortest=1)
    trials = [tried(key, measured(12 * MIB)) for key in range(5)]
    return fold([plan, LISTED, *trials, LEVELS, judged(*rulings), finished])


def test_each_of_several_changes_across_the_users_threshold_has_a_probability_of_its_own() -> None:
    good, bad = replace(GOOD, passed=5), replace(BAD, passed=0, failed=5)
    noisy = replace(BAD, passed=1, failed=4)

    plan = replace(MEASURED, threshold=11 * MIB, limit="above 11 MiB")
    report = with_several_changes(plan, good, bad, good, noisy, good)

    # Of Beta(11/2, 1/2) above 1/2, and of Beta(9/2, 3/2): scipy.stats.beta.sf.
    clear, less = 0.9931276967, 0.9122870907
    told = [change.probability for change in report.changes]
    assert told == pytest.approx([clear * clear, clear * clear, clear * less, less * clear])
    changes = [line.strip() for line in shown(report).splitlines() if "→" in line and "is" in line]
    assert any("1.0 → 1.1 is bad (98.6% probability)" in line for line in changes)
    assert any("1.3 → 1.4 is good (90.6% probability)" in line for line in changes)
    assert json.loads(json_report.render(report))["changes"][0]["probability"] == pytest.approx(clear**2)


def test_one_change_has_its_belief_and_no_other_probability() -> None:
    finished = replace(FOUND, changes=(Boundary(low=2, high=3),))
    report = fold([replace(MEASURED, threshold=1.0), LISTED, judged(GOOD, BAD), finished])

    assert [change.probability for change in report.changes] == [None]


def test_changes_of_what_is_no_metric_have_no_probability() -> None:
    report = with_several_changes(STARTED, GOOD, BAD, GOOD, BAD, GOOD)

    assert {change.probability for change in report.changes} == {None}


def test_one_level_is_no_step() -> None:
    only = replace(LEVELS, levels=LEVELS.levels[:1], creep=-0.25)
    report = fold([MEASURED, LISTED, only, events.RunFinished(kind=ResultKind.INCONCLUSIVE, elapsed_s=1)])

    assert report.creep == -0.25
    assert "Level" not in shown(report)


def test_a_step_is_told_without_the_creep_beside_it() -> None:
    creeping = replace(
        LEVELS,
        levels=(LEVELS.levels[0], replace(LEVELS.levels[1], last=4)),
        creep=6 * MIB,
        steps=((12 * MIB, 13.5 * MIB),),
    )
    finished = replace(
        FOUND, boundary=Boundary(low=1, high=2), changes=(Boundary(low=1, high=2),), shortest=1
    )
    trials = [tried(key, measured(12 * MIB)) for key in range(5)]
    report = fold([MEASURED, LISTED, SAMPLED, *trials, creeping, judged(GOOD, BAD, BAD, BAD), finished])

    # The levels' own medians differ by what crept meanwhile as well: 5 MiB.
    assert line(report, "Level") == "1.1 → 1.2: 12 MiB → 13.5 MiB (+12.5%)"
    assert line(report, "Trend") == "6.0 MiB from 1.0 to 1.4, not counting steps"
    assert json.loads(json_report.render(report))["steps"] == [[12 * MIB, 13.5 * MIB]]


@pytest.mark.parametrize(
    ("before", "after", "unit", "words"),
    [
        (2.0, 3.0, RATIO, "2 × → 3 × (+50%)"),
        (0.0, 3.0, "", "0 → 3"),
        (-2.0, -1.0, "", "-2 → -1 (+50%)"),
        (0.2, 0.1, "s", "200 ms → 100 ms (-50%)"),
        (0.1, 0.2, "%", "10% → 20% (+100%)"),
    ],
)
def test_the_size_of_a_step_in_words(before: float, after: float, unit: str, words: str) -> None:
    assert step(before, after, unit) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"), [(1.234, RATIO, "1.23 ×"), (1.5, "s", "1.5 s"), (7.0, "", "7")]
)
def test_a_value_is_short_in_a_table(value: float, unit: str, words: str) -> None:
    assert short(value, unit) == words


def measured_log() -> list[events.Event]:
    values = {0: (2.0, 2.2), 2: (2.1,), 3: (8.0, 8.4, 8.1), 4: (8.2,)}
    rulings = [replace(GOOD, passed=1), replace(GOOD, passed=1), BAD, BAD]
    by_key = zip(values, rulings, strict=True)
    told = replace(judged(), rulings=tuple(by_key))
    trials = [tried(key, *(measured(value * MIB) for value in own)) for key, own in values.items()]
    return [MEASURED, LISTED, SAMPLED, *trials, told, FOUND]


def test_a_plot_is_drawn_when_it_is_asked_for() -> None:
    report = fold(measured_log())

    assert "◆" not in shown(report)
    drawn = shown(report, plot=True)
    assert drawn.count("◆") == 4
    assert "limit 5.5 MiB" in drawn
    for words in ("2.1 MiB  good", "8.1 MiB  bad"):
        assert words in drawn


def test_there_is_nothing_to_plot_where_nothing_is_measured() -> None:
    assert shown(fold(FLAKY), plot=True) == shown(fold(FLAKY))


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_plot_fits_its_terminal(width: int) -> None:
    drawn = shown(fold(measured_log()), plot=True, width=width).splitlines()

    rows = [text for text in drawn if "◆" in text]
    assert max(map(len, rows)) <= max(width, 50)


def test_rates_have_their_interval() -> None:
    rate = Tally(passed=3, failed=9).rate

    assert rate == Rate(failed=9, runs=12, low=rate.low, high=rate.high)
    assert 0 < rate.low < 0.75 < rate.high < 1


def on_samples(*values: float, unit: str = "B") -> Report:
    """A report with these samples of 1.3."""
    runs = [measured(value, unit=unit) for value in values]
    return fold([MEASURED, LISTED, tried(3, *runs), judged(GOOD, BAD, BAD), FOUND])


@pytest.mark.parametrize(
    ("values", "unit", "words"),
    [
        pytest.param((10.6 * MIB, 10.7 * MIB, 10.8 * MIB), "B", "10.7 MiB (10.6 to 10.8)", id="once"),
        pytest.param((0.9, 0.98, 1.1), "s", "980 ms (900 ms to 1.1 s)", id="units-that-differ"),
        pytest.param((1200, 1210, 1230), "1/s", "1210/s (1200 to 1230)", id="a-rate"),
        pytest.param((1, 2, 4), "", "2 (1 to 4)", id="no-unit"),
        pytest.param((-4, -2, 1), "", "-2 (-4 to 1)", id="below-nothing"),
        pytest.param((8 * MIB, 8 * MIB + 1, 8 * MIB + 2), "B", "8.0 MiB", id="all-read-the-same"),
        pytest.param((8 * MIB,), "B", "8.0 MiB", id="one"),
    ],
)
def test_a_range_has_its_unit_once_and_is_left_out_where_it_says_nothing(
    values: tuple[float, ...], unit: str, words: str
) -> None:
    told = line(on_samples(*values, unit=unit), "First bad")

    samples = "1 sample" if len(values) == 1 else f"{len(values)} samples"
    assert told.endswith(f"1.3: size {words}, {samples}")


def test_ratios_are_told_with_the_median_in_the_metrics_own_unit() -> None:
    runs = [replace(measured(own, unit="s"), reference_metrics={"size": 0.2}) for own in (0.16, 0.18, 0.24)]
    warm_up = replace(runs[0], metrics={"size": 9.0}, is_warm_up=True)
    report = fold([MEASURED, LISTED, tried(3, warm_up, *runs), judged(GOOD, BAD, BAD), FOUND])

    assert line(report, "First bad").endswith("1.3: size 0.9 × (0.8 to 1.2), 180 ms, 3 samples")


def test_how_sure_a_boundary_is_that_was_not_found_is_how_likely_it_is() -> None:
    log = [replace(FOUND, kind=ResultKind.INCONCLUSIVE) if event is FOUND else event for event in FLAKY]

    assert line(fold(log), "Likely").startswith("99.7% probability: ")
    assert "Confidence" not in shown(fold(log))


def test_where_runs_contradict_each_other_every_row_has_its_counts() -> None:
    exits = replace(BAD, passed=0, failed=1, signature=None)
    log = [*FLAKY[:4], tried(4, replace(failed(), signature=None)), judged(GOOD, BAD, exits), BELIEVED, FOUND]

    rows = {text.split()[0]: text for text in shown(fold(log)).splitlines() if text.startswith("1.")}

    assert rows["1.2"].endswith("failed 0 of 12")
    assert rows["1.3"].endswith("failed 9 of 12: AssertionError: expected 200, got 500")
    assert rows["1.4"].endswith("failed 1 of 1")


COMMANDS = (("1.2", "python leak.py"), ("1.3", "python leak.py"))


def test_commands_of_flaky_sides_say_how_often_they_fail() -> None:
    text = shown(replace(fold(FLAKY), reproduce=COMMANDS))

    for words in ("# 1.2 (good)", "# 1.3 (bad: failed 9 of 12 runs)"):
        assert words in text


def test_commands_of_samples_on_both_sides_of_a_limit_say_how_many() -> None:
    report = replace(fold([MEASURED, *FLAKY[1:]]), reproduce=COMMANDS)

    assert "# 1.3 (bad: 9 of 12 samples beyond the threshold)" in shown(report)


def test_runs_are_counted_whatever_they_are_ruled_to_be_and_without_warm_ups() -> None:
    runs = (replace(measured(1.0), is_warm_up=True), *[measured(1.0)] * 3)
    report = fold([MEASURED, LISTED, tried(3, *runs, remembered=4), tried(4, untestable(), remembered=1)])

    assert "3 runs (3 cached) on 1 of 5 releases" in line(report, "Runs")
