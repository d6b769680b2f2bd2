"""All changes of a metric, without a limit: steps, ups and downs, a creep, and nothing at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random

import pytest
from support.builders import ALL, broken, failed, untestable
from support.noisy_world import NoisyWorld, Shows, by_limit, by_metric, measured, steps

from bisect_asgi.core import codec, events
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.metrics.criteria import RATIO, Criteria
from bisect_asgi.core.model import Observation
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.records import replace
from bisect_asgi.session.bisection.levels import SAMPLES

SEEDS = range(10)
BASE = 1e8


def memory(levels: Mapping[int, float], noise: float = 0.02) -> Shows:
    """A metric with these levels, as multiples of 100 MB, from these releases on."""
    return steps({first: level * BASE for first, level in levels.items()}, noise=noise)


def creeping(share: float, *, noise: float = 0.01) -> Shows:
    """A metric that grows by a share of where it began with each release."""
    return lambda number, random: measured(BASE * (1 + share * number) * (1 + random.gauss(0.0, noise)))


def levels_of(made_up: NoisyWorld) -> events.LevelsFound:
    (found,) = (event for event in made_up.events if isinstance(event, events.LevelsFound))
    return found


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("levels", "changes"),
    [
        pytest.param({1: 1.0, 12: 1.2, 23: 1.5}, [(11, 12), (22, 23)], id="two-steps"),
        pytest.param({1: 1.0, 12: 1.3, 20: 1.0}, [(11, 12), (19, 20)], id="up-and-down-again"),
        pytest.param({1: 1.3, 9: 1.0, 20: 1.15}, [(8, 9), (19, 20)], id="down-and-half-way-up"),
        pytest.param({1: 1.0, 2: 1.3}, [(1, 2)], id="in-the-second"),
        pytest.param({1: 1.0, 30: 1.3}, [(29, 30)], id="in-the-last"),
    ],
)
def test_every_step_is_found_with_its_size(
    levels: Mapping[int, float], changes: list[tuple[int, int]]
) -> None:
    exact = 0
    for seed in SEEDS:
        made_up = NoisyWorld(size=30, seed=seed, shows=memory(levels))

        finished = made_up.bisect(history=ALL, **by_metric())

        assert finished.kind is ResultKind.FOUND
        exact += made_up.changes == changes
        # The newest one is the boundary.
        assert made_up.boundary == made_up.changes[-1]
        values = [level.value / BASE for level in levels_of(made_up).levels]
        if made_up.changes == changes:
            assert values == pytest.approx([*levels.values()], rel=0.05)
    assert exact >= 9


def test_releases_are_called_by_the_newest_step() -> None:
    made_up = NoisyWorld(size=30, shows=memory({1: 1.0, 12: 1.3, 20: 1.0}))

    made_up.bisect(history=ALL, **by_metric())

    verdicts = {row.version: row.verdict for row in made_up.report.rows}
    bad = [int(version) for version, verdict in verdicts.items() if verdict == "bad"]
    assert bad == [*range(12, 20)]
    assert made_up.sampled.above == pytest.approx(1.15 * BASE, rel=0.02)


@pytest.mark.parametrize(
    ("named", "bad"),
    [({"good": "1", "bad": "30"}, range(20, 31)), ({"good": "30", "bad": "1"}, range(1, 20))],
    ids=["regression", "fix"],
)
def test_named_ends_say_which_side_of_a_step_is_bad(named: dict[str, object], bad: range) -> None:
    made_up = NoisyWorld(size=30, shows=memory({1: 1.5, 20: 1.0}))

    made_up.bisect(history=ALL, **named, **by_metric())

    assert made_up.boundary == (19, 20)
    assert [int(row.version) for row in made_up.report.rows if row.verdict == "bad"] == [*bad]


def test_each_release_is_sampled_in_rounds() -> None:
    made_up = NoisyWorld(size=12, shows=memory({1: 1.0, 7: 1.5}))

    made_up.bisect(history=ALL, **by_metric())

    assert set(made_up.made.values()) == {SAMPLES}
    order = [int(request.label) for request in made_up.requests[2:]]
    # After the ends, all others once, before any of them a second time.
    assert sorted(order[:10]) == [*range(2, 12)]


def test_times_are_ratios_and_a_machine_that_slows_down_makes_no_level() -> None:
    shows = steps({1: 1.0, 8: 1.4}, noise=0.03, unit="s", name="took")
    for seed in SEEDS:
        made_up = NoisyWorld(size=16, seed=seed, slows_down=0.02, shows=shows)

        made_up.bisect(history=ALL, **by_metric("took"))

        assert made_up.changes == [(7, 8)]
        found = levels_of(made_up)
        assert found.unit == RATIO
        assert [level.value for level in found.levels] == pytest.approx([1.0, 1.4], abs=0.07)


@pytest.mark.simulation
@pytest.mark.parametrize(("share", "sign"), [(0.02, ""), (-0.02, "-")], ids=["up", "down"])
def test_a_creep_is_called_a_creep(share: float, sign: str) -> None:
    for seed in SEEDS:
        made_up = NoisyWorld(size=30, seed=seed, shows=creeping(share))

        finished = made_up.bisect(history=ALL, **by_metric())

        assert finished.kind is ResultKind.INCONCLUSIVE
        assert finished.message.startswith(f"`size` drifts by {sign}")
        assert ("by -" in finished.message) == (share < 0)
        assert "from 1 to 30" in finished.message
        assert made_up.changes == []
        creep = levels_of(made_up).creep
        assert creep is not None
        assert creep == pytest.approx(BASE * 29 * share, rel=0.15)
        assert made_up.report.creep == creep


def test_a_step_in_a_creep_is_told() -> None:
    def shows(number: int, random: Random) -> Observation:
        level = 1 + 0.01 * number + (0.5 if number >= 18 else 0.0)
        return measured(BASE * level * (1 + random.gauss(0.0, 0.005)))

    made_up = NoisyWorld(size=30, shows=shows)

    made_up.bisect(history=ALL, **by_metric())

    assert made_up.changes == [(17, 18)]
    found = levels_of(made_up)
    assert found.creep == pytest.approx(BASE * 0.29, rel=0.1)
    ((old, new),) = found.steps
    # The medians of all releases below and above differ by 64 MB.
    assert new - old == pytest.approx(BASE * 0.5, rel=0.03)


def test_a_constant_metric_has_no_change() -> None:
    for seed in SEEDS:
        made_up = NoisyWorld(size=30, seed=seed, shows=memory({1: 1.0}))

        finished = made_up.bisect(history=ALL, **by_metric())

        assert finished.kind is ResultKind.NOT_REPRODUCED
        # 95.4 MiB, give or take, with what the medians span.
        assert re.match(r"`size` is 9[\d.]+ MiB \(9[\d.]+ MiB to 9[\d.]+ MiB\) on", finished.message)
        assert "on every release of app that was measured" in finished.message


def test_a_metric_that_is_level_where_it_was_measured_is_told_with_how_many_could_not_be() -> None:
    made_up = NoisyWorld(size=30, shows=lambda number, _: measured(BASE) if number <= 9 else untestable())

    finished = made_up.bisect(history=ALL, **by_metric())

    assert finished.kind is ResultKind.NOT_REPRODUCED
    assert finished.message.endswith("stands out of the noise; 21 others could not be measured")


def test_releases_that_cannot_be_measured_are_a_gap_in_a_step() -> None:
    def shows(number: int, random: Random) -> Observation:
        return untestable() if number in (4, 14, 15) else memory({1: 1.0, 15: 1.5})(number, random)

    made_up = NoisyWorld(size=30, shows=shows)

    finished = made_up.bisect(history=ALL, **by_metric())

    assert made_up.boundary == (13, 16)
    assert finished.kind is ResultKind.INCONCLUSIVE
    assert [made_up.listed[key] for key in finished.boundary.skipped] == ["14", "15"]


def test_a_budget_that_does_not_suffice_is_told_with_what_was_taken() -> None:
    made_up = NoisyWorld(size=30, shows=memory({1: 1.0, 15: 1.5}))

    made_up.bisect(history=ALL, budget=Budget(runs=50), **by_metric(warm=False))

    assert made_up.boundary == (14, 15)
    assert "the budget of 50 runs allows for 2 samples of each release" in made_up.notes
    assert set(made_up.made.values()) == {2}


WITH_LIMIT = [
    pytest.param(by_limit(above=1.2 * BASE, unit="B"), id="absolute"),
    pytest.param(by_metric(above=0.2), id="per-cent"),
]


@pytest.mark.parametrize("fields", WITH_LIMIT)
def test_with_a_limit_only_what_crosses_it_is_a_change_and_levels_are_told_beside(
    fields: dict[str, object],
) -> None:
    # Two standard deviations from the limit single samples are on both sides of it.
    levels = {1: 1.0, 6: 1.05, 12: 1.4, 20: 1.0, 25: 1.4}
    made_up = NoisyWorld(size=30, shows=memory(levels, noise=0.07))

    finished = made_up.bisect(history=ALL, **fields)

    assert finished.kind is ResultKind.FOUND
    assert made_up.changes == [(11, 12), (19, 20), (24, 25)]
    assert [level.first + 1 for level in levels_of(made_up).levels if level.value < 1.2 * BASE] == [1, 20]
    bad = [int(row.version) for row in made_up.report.rows if row.verdict == "bad"]
    assert bad == [*range(12, 20), *range(25, 31)]


@pytest.mark.parametrize("noise", [0.0, 0.07], ids=["steady", "noisy"])
@pytest.mark.parametrize("fields", WITH_LIMIT)
def test_the_sides_of_each_change_are_sampled_until_it_is_as_probable_as_asked(
    fields: dict[str, object], noise: float
) -> None:
    levels = {1: 1.0, 6: 1.05, 12: 1.4, 20: 1.0, 25: 1.4}
    made_up = NoisyWorld(size=30, shows=memory(levels, noise=noise))

    made_up.bisect(history=ALL, **fields)

    changes = made_up.report.changes
    assert len(changes) == 3
    assert all(change.probability is not None and change.probability >= 0.99 for change in changes)
    sides = {version for change in changes for version in (change.last, change.first)}
    named = {row.version: len(row.samples) for row in made_up.report.rows}
    ends = {made_up.report.rows[0].version, made_up.report.rows[-1].version}
    assert all(named[version] > SAMPLES for version in sides)
    # A median that is close to the limit may have been beyond it at first.
    close = {"5", "11", "12", "19", "20"} if noise else set()
    assert all(count == SAMPLES for version, count in named.items() if version not in sides | ends | close)


def test_a_budget_ends_the_sampling_of_sides_that_are_close_to_the_limit() -> None:
    made_up = NoisyWorld(size=6, shows=memory({1: 1.0, 4: 1.21}, noise=0.2))

    made_up.bisect(history=ALL, budget=Budget(runs=40), **by_limit(above=1.2 * BASE, unit="B"))

    assert sum(made_up.made.values()) < 60


@pytest.mark.parametrize("plot", [False, True])
def test_the_report_names_every_step(plot: bool) -> None:
    made_up = NoisyWorld(size=30, shows=memory({1: 1.0, 12: 1.2, 23: 1.5}))

    made_up.bisect(history=ALL, **by_metric())

    text = made_up.text(plot=plot)
    assert "11 → 12: " in text
    assert "22 → 23: " in text
    assert "MiB (+2" in text
    assert ("◆" in text) is plot


def test_what_was_sampled_is_not_sampled_again() -> None:
    made_up = NoisyWorld(size=12, shows=memory({1: 1.0, 7: 1.5}))
    made_up.bisect(history=ALL, **by_metric())
    before = made_up.runs

    made_up.bisect(history=ALL, **by_metric())

    assert made_up.runs == before
    assert made_up.changes == [(6, 7)]


@pytest.mark.parametrize("fields", [{}, {"good": "1", "bad": "12"}], ids=["unnamed", "named"])
def test_nothing_that_can_be_measured_has_no_levels(fields: dict[str, object]) -> None:
    made_up = NoisyWorld(size=12, shows=lambda *_: untestable())

    finished = made_up.bisect(history=ALL, **fields, **by_metric())

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert finished.message.endswith("could not be measured: the requirements conflict")
    assert not any(isinstance(event, events.LevelsFound) for event in made_up.events)


def test_with_a_limit_nothing_that_can_be_measured_is_told_too() -> None:
    made_up = NoisyWorld(size=12, shows=lambda *_: untestable())

    finished = made_up.bisect(history=ALL, **by_limit(above=1.0, unit="B"))

    assert finished.kind is ResultKind.INCONCLUSIVE


# Releases that crash, while all of them are held against a limit.


def stepping(number: int, random: Random) -> Observation:
    """Ten times as much from the sixth release on."""
    return measured((10.0 if number >= 6 else 1.0) + random.random() / 100)


CRASHES = [
    pytest.param({12}, (5, 6), id="the-newest"),
    pytest.param({1}, (5, 6), id="the-oldest"),
    pytest.param({1, 12}, (5, 6), id="both-ends"),
    pytest.param({4}, (5, 6), id="one-below"),
    pytest.param({6}, (5, 7), id="the-first-bad"),
    pytest.param({5}, (4, 6), id="the-last-good"),
    pytest.param({4, 5, 6, 9, 12}, (3, 7), id="many"),
]


@pytest.mark.parametrize(
    "fields",
    [pytest.param(by_limit(above=5.0, unit="B"), id="limit"), pytest.param(by_metric(), id="no-limit")],
)
@pytest.mark.parametrize(("crashing", "boundary"), CRASHES)
def test_releases_that_crash_say_nothing_of_the_metric(
    crashing: set[int], boundary: tuple[int, int], fields: dict[str, object]
) -> None:
    def shows(number: int, random: Random) -> Observation:
        return failed() if number in crashing else stepping(number, random)

    made_up = NoisyWorld(size=12, shows=shows)

    finished = made_up.bisect(history=ALL, **fields)

    assert made_up.changes == [boundary]
    gap = {str(number) for number in crashing if boundary[0] < number < boundary[1]}
    assert finished.kind is (ResultKind.INCONCLUSIVE if gap else ResultKind.FOUND)
    assert {made_up.listed[key] for key in finished.boundary.skipped} == gap
    verdicts = {int(row.version): row.verdict for row in made_up.report.rows}
    assert {verdicts[number] for number in crashing} == {"skip"}
    assert {verdicts[number] for number in range(1, 6) if number not in crashing} == {"good"}
    assert {verdicts[number] for number in range(6, 13) if number not in crashing} == {"bad"}


@pytest.mark.parametrize("seed", SEEDS)
def test_crashes_now_and_then_are_no_change(seed: int) -> None:
    def shows(number: int, random: Random) -> Observation:
        return failed() if random.random() < 0.2 else stepping(number, random)

    made_up = NoisyWorld(size=12, shows=shows, seed=seed)

    made_up.bisect(history=ALL, **by_limit(above=5.0, unit="B"))

    # One that crashes in its first run has no samples, and leaves a gap.
    crashed = {int(row.version) for row in made_up.report.rows if not row.samples}
    below, above = ({*range(1, 6)} - crashed, {*range(6, 13)} - crashed)
    assert made_up.changes == [(max(below), min(above))]
    verdicts = {int(row.version): row.verdict for row in made_up.report.rows}
    assert {number for number, verdict in verdicts.items() if verdict == "skip"} == crashed
    assert {number for number, verdict in verdicts.items() if verdict == "bad"} == above


def test_a_crash_where_all_others_are_within_the_limit_is_no_crossing() -> None:
    made_up = NoisyWorld(size=12, shows=lambda number, _: failed() if number == 4 else measured(1.0))

    finished = made_up.bisect(history=ALL, **by_limit(above=5.0, unit="B"))

    assert finished.kind is ResultKind.NOT_REPRODUCED
    assert "`size` is within its threshold on every release of app that was run" in finished.message
    assert finished.message.endswith(" (above 5 B is bad); 1 other is untestable")


@pytest.mark.parametrize("is_any", [False, True])
def test_whoever_wants_any_failure_counted_has_a_crash_counted(is_any: bool) -> None:
    def shows(number: int, _: Random) -> Observation:
        return failed() if number >= 9 else measured(1.0)

    made_up = NoisyWorld(size=12, shows=shows)
    fields = by_limit(above=5.0, unit="B")
    criteria = fields["criteria"]
    assert isinstance(criteria, Criteria)

    made_up.bisect(**{**fields, "criteria": replace(criteria, any_failure=is_any)})

    assert made_up.boundary == ((8, 9) if is_any else None)


# How much a creep comes to.


@pytest.mark.parametrize(
    ("begins", "each", "unit", "shown"),
    [
        pytest.param(0.0, 1.0, "", "19", id="from-0"),
        pytest.param(-19.0, 1.0, "", "19", id="to-0"),
        pytest.param(0.0, -1.0, "", "-19", id="below-0"),
        pytest.param(-9.0, 1.0, "", "19", id="through-0"),
        pytest.param(0.0, 1.0, "B", "19 B", id="bytes"),
    ],
)
def test_a_creep_is_told_in_the_metrics_units_also_from_nothing(
    begins: float, each: float, unit: str, shown: str
) -> None:
    def shows(number: int, _: Random) -> Observation:
        return measured(begins + (number - 1) * each, unit=unit)

    made_up = NoisyWorld(size=20, shows=shows)

    finished = made_up.bisect(history=ALL, **by_metric())

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert finished.message.startswith(f"`size` drifts by {shown} from 1 to 20, ")
    assert levels_of(made_up).creep == pytest.approx(19 * each)
    assert made_up.report.creep == levels_of(made_up).creep
    assert [codec.event_from_json(codec.event_to_json(e)) for e in made_up.events] == made_up.events


def test_a_step_with_a_release_inside_of_which_there_is_no_result_is_not_called_untestable() -> None:
    """The disk was full when it was built: that says nothing about the release."""
    steady = memory({1: 1.0, 8: 1.5})
    made_up = NoisyWorld(
        size=12, shows=lambda number, random: broken() if number == 8 else steady(number, random)
    )

    finished = made_up.bisect(history=ALL, **by_metric())

    assert made_up.changes == [(7, 9)]
    assert finished.kind is ResultKind.UNAVAILABLE
    assert finished.message.startswith("no result for app 8:")


@pytest.mark.parametrize(
    ("levels", "told", "compares"),
    [
        pytest.param({1: 300.0, 15: 33.0}, "in 15", "pass `--good 14 --bad 15`", id="the-newest"),
        pytest.param({1: 300.0, 8: 33.0, 9: 300.0}, "in 8", "pass `--good 7 --bad 8`", id="in-the-middle"),
        pytest.param({1: 33.0, 2: 300.0}, "in 1", "pass `--good 2 --bad 1`", id="the-oldest"),
    ],
)
def test_a_lone_release_is_told_and_the_others_level_is_not_said_to_be_its_own(
    levels: Mapping[int, float], told: str, compares: str
) -> None:
    made_up = NoisyWorld(size=15, shows=steps(levels, noise=0.3, unit=""))

    finished = made_up.bisect(history=ALL, **by_metric())

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert "on every release" not in finished.message
    assert "on most releases that were measured, but " in finished.message
    assert f"{told}: a step, or samples that went wrong" in finished.message
    assert (finished.hint or "").startswith(f"{compares} to compare both")


def test_steps_carry_their_probability() -> None:
    made_up = NoisyWorld(size=30, shows=memory({1: 1.0, 12: 1.3, 20: 1.0}))

    made_up.bisect(history=ALL, **by_metric())

    first, *others = levels_of(made_up).levels
    assert first.probability is None
    assert [level.probability for level in others] == pytest.approx([1.0, 1.0], abs=0.01)
    assert made_up.text().count("(99.9% probability)") == 2
