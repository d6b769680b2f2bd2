"""Samples of both ends, and what they say of a limit."""

from __future__ import annotations

from random import Random
from statistics import median

import pytest
from support.builders import ALL, passed
from support.limits import BASE, NOISE, SEEDS, right, step_of, times
from support.noisy_world import NoisyWorld, Shows, by_limit, by_metric, measured, steps

from bisect_asgi.core import events
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.metrics.criteria import RATIO
from bisect_asgi.core.metrics.stats import LOOKS, rank_sum
from bisect_asgi.core.model import Observation
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.records import replace

# Samples.


def test_times_are_ratios_to_the_good_ends_measured_next_to_them() -> None:
    made_up = NoisyWorld(size=40, shows=times(2.0))

    made_up.bisect(good="40", bad="1", **by_metric("took"))

    assert made_up.boundary == (22, 23)
    sampled = made_up.sampled
    assert sampled.unit == RATIO
    assert made_up.listed[sampled.reference or 0] == "40"
    assert median(sampled.new) == pytest.approx(1.0, abs=0.1)
    assert median(sampled.old) == pytest.approx(0.5, abs=0.1)
    asked = [request.sampling.reference for request in made_up.requests if request.sampling]
    assert {reference.requirements for reference in asked if reference} == {("app==40",)}


def test_wall_is_a_time_and_memory_is_none() -> None:
    walls = steps({1: 1.0, 23: 2.0}, noise=NOISE, name="wall")
    slow, large = NoisyWorld(size=40, shows=walls), NoisyWorld(size=40, shows=step_of(10))

    slow.bisect(**by_metric("wall"))
    large.bisect(**by_metric())

    assert slow.boundary == large.boundary == (22, 23)
    assert (slow.sampled.unit, large.sampled.unit) == (RATIO, "B")
    assert all(r.sampling and r.sampling.reference is None for r in large.requests)


def test_warm_ups_are_no_samples() -> None:
    # They are twenty times as slow: a single one of them among the samples would be seen.
    made_up = NoisyWorld(size=40, shows=times(1.5, noise=0.01))

    made_up.bisect(**by_metric("took"))

    assert made_up.boundary == (22, 23)
    every = [run for runs in made_up.store.values() for run in runs]
    assert any(run.is_warm_up for run in every)
    assert max(value for row in made_up.report.rows for value in row.samples) < 2
    row = made_up.report.row("23")
    assert row
    assert row.passed + row.failed == len(row.samples)


def test_samples_without_a_reference_are_not_mixed_with_those_that_have_one() -> None:
    made_up = NoisyWorld(size=40, shows=times(3.0, noise=0.01))

    made_up.bisect(**by_metric("took"))

    (place,) = (n for n, event in enumerate(made_up.events) if isinstance(event, events.ObservationsReset))
    later = [e.trial for e in made_up.events[place:] if isinstance(e, events.TrialFinished)]
    runs = [run for trial in later for run in trial.observations if not run.is_warm_up]
    assert all(run.reference_metrics for run in runs)
    assert sum(len(row.samples) for row in made_up.report.rows) == len(runs)


@pytest.mark.parametrize("shows", [times(1.5), step_of(6)], ids=["time", "memory"])
def test_the_same_command_again_takes_no_sample_twice(shows: Shows) -> None:
    metric = "took" if shows(1, Random(0)).units.get("took") else "size"
    made_up = NoisyWorld(size=40, shows=shows)
    made_up.bisect(**by_metric(metric))
    before, boundary = made_up.runs, made_up.boundary

    made_up.bisect(**by_metric(metric))

    assert made_up.boundary == boundary == (22, 23)
    assert made_up.runs == before
    assert made_up.requests == []


def test_what_is_said_of_a_limit_that_is_given_needs_no_samples_of_ends() -> None:
    made_up = NoisyWorld(size=40, shows=step_of(20))

    made_up.bisect(**by_limit(above=BASE * 1.5, unit="B"))

    assert made_up.boundary == (22, 23)
    assert not any(isinstance(event, events.EndsSampled) for event in made_up.events)


def test_a_run_without_the_metric_says_nothing_of_a_limit() -> None:
    def shows(number: int, random: Random) -> Observation:
        return passed() if number in (21, 27) else step_of(20)(number, random)

    made_up = NoisyWorld(size=40, shows=shows)

    made_up.bisect(**by_limit(above=BASE * 1.5, unit="B"))

    assert made_up.boundary == (22, 23)


def test_a_limit_that_both_ends_cross_has_no_boundary() -> None:
    made_up = NoisyWorld(size=40, shows=step_of(10))

    assert made_up.bisect(**by_limit(above=1.0, unit="B")).kind is ResultKind.NOT_REPRODUCED


def test_three_jobs_find_the_same() -> None:
    def make(seed: int) -> NoisyWorld:
        return NoisyWorld(size=40, seed=seed, shows=step_of(4))

    assert right(make, (22, 23), jobs=3, **by_metric()) >= 9


def test_a_metric_may_be_zero_or_negative_at_an_end() -> None:
    def shows(number: int, random: Random) -> Observation:
        return measured(random.gauss(0.0, 0.1) + (5.0 if number >= 23 else 0.0), unit="")

    made_up = NoisyWorld(size=40, shows=shows)

    made_up.bisect(**by_metric())

    assert made_up.boundary == (22, 23)


def test_a_reference_that_fails_beside_a_sample_is_no_sample() -> None:
    class Losing(NoisyWorld):
        def _run(self, request, place):  # type: ignore[no-untyped-def]
            run = super()._run(request, place)
            return replace(run, reference_metrics={}) if run.reference_metrics and place % 3 == 0 else run

    made_up = Losing(size=40, shows=times(2.0))

    made_up.bisect(good="1", bad="40", **by_metric("took"))

    assert made_up.boundary == (22, 23)


# Limits and levels of nothing, below nothing, and in units that not every release tells.


@pytest.mark.parametrize(
    "share", [by_metric("took", above=0.15), by_metric("took", below=0.15)], ids=["above", "below"]
)
@pytest.mark.parametrize(("unit", "shown"), [("s", "0 s"), ("B", "0 B"), ("", "0")])
def test_a_share_of_nothing_is_no_limit_and_is_said_to_be_none(
    share: dict[str, object], unit: str, shown: str
) -> None:
    def shows(number: int, random: Random) -> Observation:
        return measured(0.0 if number < 6 else 1 + random.random() / 100, unit=unit, name="took")

    made_up = NoisyWorld(size=10, shows=shows)

    finished = made_up.bisect(**share)

    assert finished.kind is ResultKind.NOT_ASKED
    assert finished.message == f"`took` is {shown} at the good end, so a percentage threshold is undefined"
    assert finished.hint
    assert (made_up.sampled.above, made_up.sampled.below) == (None, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(0.0, 1.0, id="from-0"),
        pytest.param(1.0, 0.0, id="to-0"),
        pytest.param(-2.0, -1.0, id="negative"),
        pytest.param(1.0, -1.0, id="to-below-0"),
    ],
)
@pytest.mark.parametrize("fields", [{}, {"history": ALL}], ids=["one", "all"])
def test_times_that_are_not_above_nothing_are_compared_as_they_are(
    old: float, new: float, fields: dict[str, object]
) -> None:
    def shows(number: int, random: Random) -> Observation:
        level = new if number >= 6 else old
        return measured(level + (random.random() / 100 if level else 0.0), unit="s", name="took")

    made_up = NoisyWorld(size=10, shows=shows)

    made_up.bisect(**fields, **by_metric("took"))

    assert made_up.boundary == (5, 6)
    sampled = made_up.sampled
    assert (sampled.unit, sampled.reference) == ("s", None)
    assert sampled.above is not None
    assert min(old, new) < sampled.above < max(old, new)
    assert all(r.sampling is None or r.sampling.reference is None for r in made_up.requests)


@pytest.mark.parametrize("named", [{}, {"good": "1", "bad": "10"}], ids=["unnamed", "named"])
@pytest.mark.parametrize(
    ("units", "told"),
    [
        (("", "B"), "without a unit and in B"),
        (("B", ""), "without a unit and in B"),
        (("s", ""), "without a unit and in s"),
        (("B", "s"), "in B and in s"),
    ],
)
def test_ends_that_do_not_report_a_metric_with_the_same_unit_are_not_compared(
    units: tuple[str, str], told: str, named: dict[str, object]
) -> None:
    def shows(number: int, random: Random) -> Observation:
        return measured(100 + random.random(), unit=units[number >= 6])

    made_up = NoisyWorld(size=10, shows=shows)

    finished = made_up.bisect(**named, **by_metric())

    assert finished.kind is ResultKind.NOT_ASKED
    assert finished.message == f"the ends report `size` {told}"
    assert finished.hint
    assert made_up.runs == 2


# What is said of ends that are not apart.


def lopsided(number: int, random: Random) -> Observation:
    """Both ends have the same median, and one has more above it, the other more below."""
    return measured(float(random.choice([1, 1, 1, 2, 3] if number >= 6 else [1, 1, 1, 0, 0.5])))


@pytest.mark.parametrize("seed", range(5))
def test_equal_medians_are_no_step_however_small_a_step_may_be(seed: int) -> None:
    made_up = NoisyWorld(size=10, shows=lopsided, seed=seed)

    finished = made_up.bisect(budget=Budget(runs=200), **by_metric(effect=0.0))

    sampled = made_up.sampled
    if median(sampled.old) != median(sampled.new):
        return
    assert finished.kind is ResultKind.INCONCLUSIVE
    assert (sampled.above, sampled.below) == (None, None)
    assert sampled.p < 0.01
    assert finished.message.startswith("the ends differ by less than `--effect`: ")


@pytest.mark.parametrize("effect", [0.05, 0.5])
def test_a_difference_that_will_never_count_is_not_sampled_on(effect: float) -> None:
    made_up = NoisyWorld(size=40, shows=step_of(10, noise=0.001))

    finished = made_up.bisect(**by_metric(effect=effect))

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert finished.message.startswith("the ends differ by less than `--effect`: `size` is ")
    assert "--budget" not in (finished.hint or "")
    assert max(made_up.made.values()) <= LOOKS[4] < LOOKS[-1] / 4
    assert set(made_up.made) == {"1", "40"}


def test_a_difference_that_may_yet_count_is_sampled_on() -> None:
    # Three quarters of what counts: half of it is where nobody looks any longer.
    made_up = NoisyWorld(size=40, shows=step_of(15, noise=0.001))

    made_up.bisect(budget=Budget(runs=300), **by_metric(effect=0.02))

    assert made_up.made["1"] > LOOKS[4]


def test_a_difference_from_nothing_is_told_in_the_metrics_unit() -> None:
    told = 0
    for seed in SEEDS:

        def shows(number: int, random: Random) -> Observation:
            return measured(0.0 if number == 1 else float(random.random() < 0.6), unit="B")

        made_up = NoisyWorld(size=10, shows=shows, seed=seed)

        finished = made_up.bisect(budget=Budget(runs=10), **by_metric())

        assert finished.kind is ResultKind.INCONCLUSIVE
        assert "inf" not in finished.message
        if median(made_up.sampled.new) == 1:
            told += 1
            assert "difference 1 B, `--effect` 1%" in finished.message
    assert told >= 3


@pytest.mark.parametrize(
    ("shows", "fields"),
    [
        pytest.param(steps({1: BASE}, noise=NOISE), {"budget": Budget(runs=100)}, id="not-apart"),
        pytest.param(step_of(10, noise=0.001), {}, id="too-small"),
        pytest.param(step_of(10), {}, id="apart"),
        pytest.param(step_of(2), {}, id="just-apart"),
    ],
)
def test_the_p_value_that_is_told_is_that_of_all_samples(shows: Shows, fields: dict[str, object]) -> None:
    made_up = NoisyWorld(size=40, shows=shows)

    made_up.bisect(**fields, **by_metric(effect=0.05))

    sampled = made_up.sampled
    assert len(sampled.old) == len(sampled.new) == made_up.made["1"]
    assert sampled.p == rank_sum(sampled.old, sampled.new)
