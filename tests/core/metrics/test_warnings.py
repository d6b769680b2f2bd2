"""What is wrong with samples: outliers, drift, growth from run to run, a busy machine."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core.metrics.warnings import BUSY, Busy, Drift, Growing, Outliers, data_warnings, sentence

reproducible = settings(derandomize=True, deadline=None, max_examples=80)
values = st.integers(-1000, 1000)


def normal(seed: int, count: int, *, mean: float = 100.0, deviation: float = 5.0) -> list[float]:
    random = Random(seed)
    return [random.gauss(mean, deviation) for _ in range(count)]


@reproducible
@given(value=values, candidates=st.integers(0, 12), runs=st.integers(0, 12))
def test_of_equal_samples_nothing_is_wrong(value: int, candidates: int, runs: int) -> None:
    samples = {str(key): [float(value)] * runs for key in range(candidates)}

    assert data_warnings(samples, reference=[value] * runs, other_load=[0.1] * runs, cores=2) == ()


@pytest.mark.parametrize(
    ("candidates", "runs", "searches"), [(2, 5, 200), (12, 5, 200), (4, 27, 200), (1, 12, 300), (30, 8, 100)]
)
def test_of_normal_samples_nothing_is_said_to_be_wrong_but_by_rare_chance(
    candidates: int, runs: int, searches: int
) -> None:
    wrong = 0
    for seed in range(searches):
        samples = {str(key): normal(100 * seed + key, runs, mean=100 + 30 * key) for key in range(candidates)}
        wrong += data_warnings(samples, reference=normal(-seed - 1, 20)) != ()

    assert wrong <= searches * 0.02


def test_an_outlier_is_found_among_few_samples_of_several_candidates() -> None:
    samples = {"1.0": [10.0, 10.1, 9.9, 10.0, 10.05], "1.1": [10.0, 10.2, 9.9, 31.0, 10.1], "1.2": []}

    assert data_warnings(samples) == (
        Outliers(outliers=1, samples=10, label="1.1", farthest=31.0, median=10.1),
    )


def test_of_several_outliers_the_farthest_is_named() -> None:
    samples = {"1.0": [*[10.0] * 8, 5.0], "1.1": [*[10.0] * 8, 40.0]}

    (found,) = data_warnings(samples)

    assert found == Outliers(outliers=2, samples=18, label="1.1", farthest=40.0, median=10.0)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param({"1.0": [*[10.0] * 8, 90.0]}, id="fewer-than-ten"),
        pytest.param({"1.0": [*[10.0] * 20, 10.1]}, id="one-per-cent-beside-no-noise"),
        pytest.param({"1.0": [8.0, 9.0, 10.0, 11.0, 12.0] * 2 + [20.0]}, id="seven-deviations"),
    ],
)
def test_what_is_not_far_out_is_no_outlier(samples: dict[str, list[float]]) -> None:
    assert data_warnings(samples) == ()


@pytest.mark.parametrize("direction", [1, -1])
def test_a_reference_that_moves_in_time_drifts(direction: int) -> None:
    reference = [100 + direction * 0.5 * place for place in range(21)]

    assert data_warnings({}, reference=reference) == (Drift(samples=21, start=100, end=100 + direction * 10),)


def test_a_drift_that_is_certain_but_tiny_is_not_told() -> None:
    assert data_warnings({}, reference=[100 + 0.05 * place for place in range(21)]) == ()


def test_candidates_that_all_grow_a_little_are_found_together() -> None:
    # With one step back, five samples of one candidate show nothing; twelve candidates' do.
    samples = {f"1.{key}": [10 + (10 + key) / 50 * step for step in (0, 2, 1, 3, 4)] for key in range(12)}

    (found,) = data_warnings(samples)

    assert isinstance(found, Growing)
    assert len(found.labels) == 12
    assert found.labels[0] == "1.11"
    assert data_warnings({"1.0": samples["1.0"]}) == ()


def test_one_candidate_that_grows_is_found_among_others_that_do_not() -> None:
    growing = [10 + 0.5 * place for place in range(13)]
    samples = {**{f"1.{key}": normal(key, 13, deviation=0.3) for key in range(6)}, "2.0": growing}

    assert data_warnings(samples) == (Growing(labels=("2.0",), start=10.0, end=16.0),)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param({"1.0": [9.0, 8, 7, 6, 5, 4, 3, 2, 1]}, id="falling"),
        pytest.param({"1.0": [1.0, 2, 3, 4]}, id="too-few"),
        pytest.param({"1.0": [100 + place / 50 for place in range(20)]}, id="tiny"),
    ],
)
def test_what_does_not_rise_does_not_grow(samples: dict[str, list[float]]) -> None:
    assert data_warnings(samples) == ()


@pytest.mark.parametrize(
    ("other_load", "cores", "found"),
    [
        pytest.param([1.5, 0.2, 1.9], 2, (Busy(used=1.5, cores=2),), id="busy"),
        pytest.param([BUSY * 4], 4, (Busy(used=1.0, cores=4),), id="just-busy"),
        pytest.param([1.9, 0.2, 0.1], 2, (), id="busy-for-a-moment"),
        pytest.param([1.5], 8, (), id="many-cores"),
        pytest.param([], 8, (), id="not-known"),
    ],
)
def test_a_machine_is_busy_when_half_of_the_runs_met_others(
    other_load: list[float], cores: int, found: tuple[Busy, ...]
) -> None:
    assert data_warnings({}, other_load=other_load, cores=cores) == found


def test_warnings_have_the_numbers_and_say_what_to_do() -> None:
    found = data_warnings(
        {"1.0": [*[10.0] * 12, 90.0], "1.1": [10 + 0.5 * place for place in range(13)]},
        reference=[100 - 0.5 * place for place in range(21)],
        other_load=[1.5],
        cores=2,
    )

    assert [sentence(finding, show=lambda value: f"{value:.0f} ms") for finding in found] == [
        (
            "1 outlier among 26 samples, the farthest 90 ms at 1.0, whose median is 10 ms: something else "
            "ran at that time; close other programs, or allow more runs"
        ),
        (
            "the reference fell from 100 ms to 90 ms in 21 samples: the machine itself changed, by heat or "
            "load; what is not compared with the reference is off by as much, so measure again when the "
            "machine is at rest"
        ),
        (
            "samples rise one after another at 1.1, from 10 ms to 16 ms at 1.1: something is kept from run "
            "to run and grows, such as a cache; have the probe clear it before it measures"
        ),
        (
            "other programs kept 1.5 of 2 cores busy in half of the runs or more: times are longer and "
            "noisier than on a machine at rest; close them, or have the probe measure more at once"
        ),
    ]
