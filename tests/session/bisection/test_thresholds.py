"""Metrics with and without a limit: where it is set, when there is none, and which release crosses it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from statistics import median

import pytest
from support.builders import broken, failed, passed, probe, untestable
from support.limits import BASE, NOISE, right, step_of, times
from support.noisy_world import NoisyWorld, by_limit, by_metric, measured, steps

from bisect_asgi.core import events
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.metrics.stats import LOOKS
from bisect_asgi.core.model import Observation
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.records import replace

# The boundary is right.


@pytest.mark.parametrize("sigma", [2, 3, 6])
@pytest.mark.simulation
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(lambda sigma: by_metric(), id="no-limit"),
        pytest.param(lambda sigma: by_metric(above=sigma * NOISE / 2), id="per-cent"),
        pytest.param(lambda sigma: by_limit(above=BASE * (1 + sigma * NOISE / 2), unit="B"), id="absolute"),
    ],
)
def test_the_release_at_which_a_noisy_metric_steps_is_found(
    sigma: float, fields: Callable[[float], dict[str, object]]
) -> None:
    def make(seed: int) -> NoisyWorld:
        return NoisyWorld(size=40, seed=seed, shows=step_of(sigma))

    assert right(make, (22, 23), **fields(sigma)) >= 9


@pytest.mark.parametrize("factor", [1.15, 1.5, 3.0])
def test_a_time_is_found_while_the_machine_slows_down(factor: float) -> None:
    # Two hundredths a run: after a hundred runs it is three times as slow, twice as much as the step.
    def make(seed: int) -> NoisyWorld:
        return NoisyWorld(size=40, seed=seed, slows_down=0.02, shows=times(factor, noise=0.03))

    assert right(make, (22, 23), **by_metric("took")) >= 9


def test_without_a_reference_a_machine_that_slows_down_would_mislead() -> None:
    # That the tests above can fail: the same world, the same machine, an absolute limit.
    def make(seed: int) -> NoisyWorld:
        return NoisyWorld(size=40, seed=seed, slows_down=0.2, shows=times(1.15, noise=0.03))

    assert right(make, (22, 23), **by_limit("took", above=1.075, unit="s")) <= 2


def test_the_step_is_in_the_newest_or_the_second_release_too() -> None:
    for first in (2, 40):
        made_up = NoisyWorld(size=40, shows=step_of(6, first=first))

        made_up.bisect(**by_metric())

        assert made_up.boundary == (first - 1, first)


# The limit.


def test_the_limit_lies_between_the_medians_of_both_ends() -> None:
    made_up = NoisyWorld(size=40, shows=step_of(10))

    made_up.bisect(**by_metric())

    sampled = made_up.sampled
    assert (sampled.metric, sampled.unit, sampled.reference) == ("size", "B", None)
    assert (sampled.low, sampled.high, sampled.below) == (0, 39, None)
    assert sampled.above == pytest.approx((median(sampled.old) + median(sampled.new)) / 2)
    assert len(sampled.old) == len(sampled.new) == LOOKS[0]
    assert sampled.p < 0.01


def test_the_limit_of_a_share_is_that_far_from_the_good_end() -> None:
    made_up = NoisyWorld(size=40, shows=step_of(10))

    made_up.bisect(**by_metric(above=0.25))

    sampled = made_up.sampled
    assert sampled.above == pytest.approx(1.25 * median(sampled.old))
    assert len(sampled.old) == LOOKS[0]
    assert made_up.boundary == (22, 23)


def test_a_share_that_the_bad_end_does_not_reach_is_not_reproduced() -> None:
    made_up = NoisyWorld(size=40, shows=step_of(10))

    finished = made_up.bisect(**by_metric(above=0.9))

    assert finished.kind is ResultKind.NOT_REPRODUCED
    assert "the bad end passes" in finished.message


def test_more_is_worse_unless_an_end_is_named() -> None:
    falls = steps({1: 2 * BASE, 23: BASE}, noise=NOISE)
    unnamed, named = (NoisyWorld(size=40, shows=falls) for _ in range(2))

    unnamed.bisect(**by_metric())
    named.bisect(good="1", bad="40", **by_metric())

    assert unnamed.boundary == named.boundary == (22, 23)
    assert unnamed.sampled.above is not None
    assert unnamed.report.row("23").verdict == "good"  # type: ignore[union-attr]
    assert named.sampled.below is not None
    assert named.sampled.above is None
    assert named.report.row("23").verdict == "bad"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("named", "is_bad"),
    [
        pytest.param({"good": "40", "bad": "1"}, False, id="both"),
        pytest.param({"good": "1", "bad": "40"}, True, id="regression"),
        pytest.param({"good": "1"}, True, id="good-alone"),
        pytest.param({"bad": "40"}, True, id="bad-alone"),
    ],
)
def test_the_named_ends_say_which_side_is_good(named: dict[str, object], is_bad: bool) -> None:
    made_up = NoisyWorld(size=40, shows=step_of(10))

    finished = made_up.bisect(**named, **by_metric())

    assert finished.kind is ResultKind.FOUND
    assert made_up.boundary == (22, 23)
    row = made_up.report.row("23")
    assert row
    assert row.verdict == ("bad" if is_bad else "good")
    assert (made_up.sampled.above is not None) is is_bad


def test_less_than_a_share_below_the_good_end_is_bad() -> None:
    rates = steps({1: 1000.0, 23: 600.0}, noise=0.02, unit="1/s", name="throughput")
    made_up = NoisyWorld(size=40, shows=rates)

    made_up.bisect(**by_metric("throughput", below=0.2))

    assert made_up.boundary == (22, 23)
    assert made_up.sampled.below == pytest.approx(0.8, abs=0.05)
    row = made_up.report.row("23")
    assert row
    assert row.verdict == "bad"


# Ends that are not apart.


def test_ends_that_do_not_come_apart_are_no_answer_and_both_are_told() -> None:
    made_up = NoisyWorld(size=40, shows=steps({1: BASE}, noise=NOISE))

    finished = made_up.bisect(budget=Budget(runs=100), **by_metric())

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert finished.message.startswith("the ends do not differ significantly: `size` is ")
    sampled = made_up.sampled
    for label, own in (("1", sampled.old), ("40", sampled.new)):
        assert f" in {label} (median of {len(own)} samples, " in finished.message
    assert f"rank test p = {sampled.p:.2g}" in finished.message
    assert (sampled.above, sampled.below) == (None, None)
    assert set(made_up.made) == {"1", "40"}
    # Half of the budget: ends that are just apart leave a search that needs as much again.
    assert 50 <= made_up.runs < 100


def test_half_of_the_budget_is_not_exceeded_by_more_than_one_look() -> None:
    for budget in (10, 16, 40, 100):
        made_up = NoisyWorld(size=40, shows=steps({1: BASE}, noise=NOISE))

        made_up.bisect(budget=Budget(runs=budget), **by_metric())

        before = max(look for look in (0, *LOOKS) if 4 * look < budget)
        assert made_up.runs <= 2 * LOOKS[LOOKS.index(before) + 1 if before else 0]


def test_a_difference_that_is_clear_and_too_small_does_not_count() -> None:
    small, counts = (NoisyWorld(size=40, shows=step_of(10, noise=0.002)) for _ in range(2))

    told = small.bisect(budget=Budget(runs=50), **by_metric(effect=0.05))
    counts.bisect(budget=Budget(runs=50), **by_metric(effect=0.01))

    assert told.kind is ResultKind.INCONCLUSIVE
    assert "`--effect` 5%" in told.message
    assert counts.boundary == (22, 23)


def test_constant_metrics_are_rarely_taken_for_a_step() -> None:
    # By the test's own level: one in a hundred.
    worlds = [NoisyWorld(size=20, seed=seed, shows=steps({1: BASE}, noise=NOISE)) for seed in range(40)]

    kinds = [w.bisect(budget=Budget(runs=60), **by_metric(effect=0.0)).kind for w in worlds]

    assert kinds.count(ResultKind.INCONCLUSIVE) >= 38


# Ends that cannot be measured.


@pytest.mark.parametrize("untested", [{1}, {40}, {1, 2, 39, 40}, set(range(1, 6)) | {40}])
def test_ends_that_cannot_be_measured_are_left_for_ones_further_in(untested: set[int]) -> None:
    def shows(number: int, random: Random) -> Observation:
        return untestable() if number in untested else step_of(10)(number, random)

    made_up = NoisyWorld(size=40, shows=shows)

    made_up.bisect(**by_metric())

    assert made_up.boundary == (22, 23)


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        pytest.param(untestable(), "the requirements conflict", id="untestable"),
        pytest.param(failed(), "AssertionError: expected 200, got 500", id="fails"),
    ],
)
@pytest.mark.parametrize("end", ["good", "bad"])
def test_a_named_end_that_cannot_be_measured_is_told(shown: Observation, why: str, end: str) -> None:
    places = {"good": 1, "bad": 40}

    def shows(number: int, random: Random) -> Observation:
        return shown if number == places[end] else step_of(10)(number, random)

    made_up = NoisyWorld(size=40, shows=shows)

    finished = made_up.bisect(good="1", bad="40", **by_metric())

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert finished.message.startswith(f"{places[end]} could not be measured: ")
    assert why in finished.message
    assert finished.hint


@pytest.mark.parametrize(
    ("reported", "told"),
    [
        pytest.param({}, "print `@metric size VALUE`, or pass `--metric wall`", id="none"),
        pytest.param(
            {"sizes": 1.0, "length": 2.0}, "pass `--metric sizes`; there are also `length`", id="others"
        ),
    ],
)
@pytest.mark.parametrize("fields", [{}, {"good": "1", "bad": "40"}], ids=["unnamed", "named"])
def test_a_metric_that_no_run_reports_is_a_question_that_cannot_be_asked(
    reported: dict[str, float], told: str, fields: dict[str, object]
) -> None:
    made_up = NoisyWorld(size=40, shows=lambda *_: replace(passed(), metrics=reported))

    finished = made_up.bisect(**fields, **by_metric())

    assert finished.kind is ResultKind.NOT_ASKED
    assert "no metric `size`" in finished.message
    assert finished.hint
    assert finished.hint.startswith(told)
    assert made_up.runs <= 2


def test_one_run_shows_that_a_metric_is_not_reported_which_the_probe_does_not_name() -> None:
    made_up = NoisyWorld(size=40, shows=lambda *_: replace(passed(), metrics={"sizes": 1.0}))

    finished = made_up.bisect(**{**by_metric(), "probe": probe()})

    assert finished.kind is ResultKind.NOT_ASKED
    assert finished.message == "`leak.py` reports no metric `size` (tried with app 40)"
    assert made_up.runs == 1


def test_a_metric_that_cannot_be_read_is_not_told_as_one_that_is_not_there() -> None:
    told = "the metric `size` cannot be read: `fast` is no number, with or without a unit"
    made_up = NoisyWorld(size=40, shows=lambda *_: replace(passed(), complaint=told))

    finished = made_up.bisect(**by_metric())

    assert finished.kind is ResultKind.NOT_ASKED
    assert finished.message == f"the probe reports no metric `size` on 1: {told}"


@pytest.mark.parametrize(
    "measurable", [range(1, 3), range(1, 12), range(1, 21), range(38, 41), range(25, 41)]
)
def test_ends_are_found_however_few_releases_beside_one_of_them_can_be_measured(measurable: range) -> None:
    def shows(number: int, random: Random) -> Observation:
        return measured(BASE * (1 + (number > measurable[0]))) if number in measurable else passed()

    made_up = NoisyWorld(size=40, shows=shows)

    made_up.bisect(**by_metric())

    (ends,) = (event for event in made_up.events if isinstance(event, events.EndsSampled))
    assert {int(made_up.listed[key]) for key in (ends.low, ends.high)} <= {*measurable}
    assert made_up.boundary or measurable[0] > 1


@pytest.mark.parametrize("without", [{1}, {40}, {1, 2, 40}], ids=str)
def test_an_end_that_passes_without_the_metric_is_passed_over_unless_it_is_named(without: set[int]) -> None:
    def shows(number: int, random: Random) -> Observation:
        return passed() if number in without else step_of(10)(number, random)

    unnamed, named = (NoisyWorld(size=40, shows=shows) for _ in range(2))
    if {1, 40} <= without:
        # Both ends: nothing says that the metric is reported anywhere.
        assert unnamed.bisect(**by_metric()).kind is ResultKind.NOT_ASKED
    else:
        unnamed.bisect(**by_metric())
        assert unnamed.boundary == (22, 23)

    finished = named.bisect(good="1", bad="40", **by_metric())
    assert finished.kind is ResultKind.NOT_ASKED
    assert finished.message == f"the probe reports no metric `size` on {min(without)}"


def test_an_end_that_could_not_be_asked_is_not_measured() -> None:
    def shows(number: int, random: Random) -> Observation:
        return broken() if number == 40 else step_of(10)(number, random)

    made_up = NoisyWorld(size=40, shows=shows)

    finished = made_up.bisect(good="1", bad="40", **by_metric())

    assert finished.kind in (ResultKind.INCONCLUSIVE, ResultKind.UNAVAILABLE)
    assert "no space left on device" in finished.message


def test_releases_that_fail_among_those_that_are_measured_are_not_taken_for_bad() -> None:
    def shows(number: int, random: Random) -> Observation:
        return failed() if number in (20, 30) else step_of(10)(number, random)

    made_up = NoisyWorld(size=40, shows=shows)

    made_up.bisect(good="1", bad="40", **by_metric())

    assert made_up.boundary == (22, 23)


def test_ends_that_are_constant_and_equal_are_compared_once() -> None:
    made_up = NoisyWorld(size=12, shows=steps({1: 100.0}, noise=0.0))

    finished = made_up.bisect(**by_metric())

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert (made_up.made["1"], made_up.made["12"]) == (5, 5)
    assert finished.hint is not None
    assert "more samples" not in finished.hint
