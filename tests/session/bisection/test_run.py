"""What makes samples doubtful is told; what does not is not."""

from __future__ import annotations

import os
from random import Random

import pytest
from packaging.version import Version
from support.builders import ASSERTION, failed, passed
from support.noisy_world import NoisyWorld, Shows, by_limit, by_metric, measured, steps
from support.sessions import FakeWorld, a_plan

from bisect_asgi.core import events
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import Observation, Phase, Signature
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.records import replace

CORES = os.cpu_count() or 1
STEADY = steps({1: 1.0, 12: 2.0}, noise=0.03, unit="s", name="took")


def with_load(cores: float | None) -> Shows:
    """The same with so many cores in others' use."""
    return lambda number, random: replace(STEADY(number, random), other_load=cores)


def test_a_quiet_machine_is_not_warned_of() -> None:
    for seed in range(10):
        made_up = NoisyWorld(size=20, seed=seed, shows=with_load(0.02 * CORES))

        made_up.bisect(**by_metric("took"))

        assert made_up.notes == []


def test_a_busy_machine_is_told() -> None:
    made_up = NoisyWorld(size=20, shows=with_load(0.6 * CORES))

    made_up.bisect(**by_metric("took"))

    (note,) = made_up.notes
    assert note.startswith(f"other programs kept {0.6 * CORES:.1f} of ")
    assert made_up.boundary == (11, 12)
    assert note in made_up.report.notes


def test_what_does_not_depend_on_the_machine_is_measured_on_a_busy_one_too() -> None:
    def shows(number: int, _: Random) -> Observation:
        return replace(measured(1e8 if number < 9 else 3e8), other_load=CORES * 0.9)

    made_up = NoisyWorld(size=20, shows=shows)

    made_up.bisect(**by_metric())

    assert made_up.boundary == (8, 9)
    assert made_up.notes == []


@pytest.mark.parametrize("load", [None, 0.0], ids=["not-measured", "none"])
def test_a_machine_of_which_no_load_is_known_is_not_called_busy(load: float | None) -> None:
    made_up = NoisyWorld(size=20, shows=with_load(load))

    made_up.bisect(**by_metric("took"))

    assert made_up.notes == []


def test_a_reference_that_drifts_is_told_in_the_metrics_own_unit() -> None:
    made_up = NoisyWorld(size=20, slows_down=0.05, shows=STEADY)

    made_up.bisect(**by_metric("took"))

    (note,) = made_up.notes
    assert note.startswith("the reference rose from 1.")
    assert " s to " in note
    assert "×" not in note
    assert made_up.boundary == (11, 12)


def test_outliers_are_told_as_they_are_compared() -> None:
    def shows(number: int, random: Random) -> Observation:
        run = STEADY(number, random)
        is_far = random.random() < 0.1
        return replace(run, metrics={"took": run.metrics["took"] * 30}) if is_far else run

    made_up = NoisyWorld(size=20, seed=4, shows=shows)

    made_up.bisect(**by_metric("took"))

    (note,) = [note for note in made_up.notes if "outlier" in note]
    assert "× the baseline's" in note


def test_samples_that_grow_from_run_to_run_are_told() -> None:
    class Growing(NoisyWorld):
        def _run(self, request, place):  # type: ignore[no-untyped-def]
            run = super()._run(request, place)
            return replace(run, metrics={"size": run.metrics["size"] * (1 + 0.05 * place)})

    made_up = Growing(size=20, shows=steps({1: 1e8}, noise=0.005))

    made_up.bisect(budget=Budget(runs=50), **by_metric())

    assert any("samples rise one after another" in note for note in made_up.notes)


def test_without_a_metric_nothing_is_told() -> None:
    def shows(number: int, random: Random) -> Observation:
        return replace(passed(), other_load=float(CORES), wall_s=random.random())

    made_up = NoisyWorld(size=20, shows=shows)

    made_up.bisect()

    assert made_up.notes == []


def test_samples_of_a_given_limit_are_looked_at_too() -> None:
    def shows(number: int, _: Random) -> Observation:
        return replace(measured(1.0 if number < 9 else 3.0, unit="s"), other_load=CORES * 0.9)

    made_up = NoisyWorld(size=20, shows=shows)

    made_up.bisect(**by_limit(above=2.0, unit="s"))

    assert made_up.boundary == (8, 9)
    assert len(made_up.notes) == 1


def test_what_was_remembered_says_nothing_of_the_machine_now() -> None:
    made_up = NoisyWorld(size=20, shows=with_load(0.6 * CORES))
    made_up.bisect(**by_metric("took"))
    assert made_up.notes != []

    made_up.bisect(**by_metric("took"))

    assert made_up.notes == []


def test_a_boundary_with_a_small_part_of_the_whole_difference_is_told_with_its_step() -> None:
    """Two large steps and a small one between them, where the middle is crossed."""
    sizes = {1: 100.0, 5: 140.0, 8: 152.0, 12: 200.0}
    made_up = NoisyWorld(
        size=20, shows=lambda number, _: measured(sizes[max(first for first in sizes if first <= number)])
    )

    made_up.bisect(**by_metric())

    assert made_up.boundary == (7, 8)
    (note,) = made_up.notes
    assert note == (
        "`size` crosses the threshold at 8, but by 12 B of the 100 B that the ends differ by; "
        "pass `--history all` to find every step"
    )


def test_a_boundary_that_is_all_of_the_difference_needs_no_note() -> None:
    made_up = NoisyWorld(size=20, shows=lambda number, _: measured(100.0 if number < 8 else 200.0))

    made_up.bisect(**by_metric())

    assert made_up.boundary == (7, 8)
    assert made_up.notes == []


NO_MODULE = signature.of_exception(
    "ModuleNotFoundError",
    "No module named 'requests'",
    phase=Phase.IMPORT,
    frames=(("/env/lib/python3.8/site-packages/starlette/testclient.py", 9, "<module>"),),
)


LACKS_REQUESTS = (
    "in 0.6, `requests` is not installed: add the package that provides `requests`: `--with PACKAGE`, "
    "unless that is the bug"
)


@pytest.mark.parametrize(
    ("failure", "notes"),
    [
        pytest.param(
            NO_MODULE,
            [LACKS_REQUESTS],
            id="a-missing-package",
        ),
        pytest.param(ASSERTION, [], id="another-failure"),
    ],
)
def test_that_a_package_is_missing_on_the_failing_side_is_told(failure: Signature, notes: list[str]) -> None:
    world = FakeWorld(lambda version, _: passed() if version >= Version("0.7") else failed(failure))

    finished = world.bisect(replace(a_plan(), culprit=False))

    assert finished.kind is ResultKind.FOUND
    told = [each.text for each in world.events if isinstance(each, events.Note) and not each.is_live]
    assert told == notes
