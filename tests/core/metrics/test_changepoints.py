"""Levels: steps, creeps and noise, made by hand and by seeded chance."""

from __future__ import annotations

from itertools import pairwise, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core.metrics.changepoints import Level, Levels, LevelStep, _partition, find_levels, lone

reproducible = settings(derandomize=True, deadline=None, max_examples=80)


def noisy(
    values: list[float], *, runs: int = 5, deviation: float = 1.0, seed: int = 1
) -> dict[int, list[float]]:
    random = Random(seed)
    return {key: [random.gauss(value, deviation) for _ in range(runs)] for key, value in enumerate(values)}


def highs(levels: Levels) -> list[int]:
    return [change.high for change in levels.changes]


def test_of_nothing_there_are_no_levels() -> None:
    assert find_levels({}, effect=0.01) == Levels(levels=(), changes=(), creep=None, penalty=0.0)
    assert find_levels({3: []}, effect=0.01).levels == ()


def test_one_candidate_is_one_level() -> None:
    found = find_levels({4: [7.0, 9.0]}, effect=0.01)

    assert (found.levels, found.changes, found.creep) == ((Level(first=4, last=4, value=8.0),), (), None)


@pytest.mark.parametrize("runs", [1, 2, 5])
def test_a_step_without_noise_is_between_the_neighbours_that_have_samples(runs: int) -> None:
    values = {0: 1.0, 1: 1.0, 5: 2.0, 6: 2.0, 9: 2.0}

    found = find_levels({**{key: [value] * runs for key, value in values.items()}, 3: []}, effect=0.01)

    assert found.levels == (Level(first=0, last=1, value=1.0), Level(first=5, last=9, value=2.0))
    assert found.changes == (LevelStep(low=1, high=5, old=1.0, new=2.0, probability=1.0),)
    assert found.creep is None


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0])
def test_a_constant_is_one_level(value: float) -> None:
    found = find_levels({key: [value] * 3 for key in range(12)}, effect=0.01)

    assert (found.levels, found.creep) == ((Level(first=0, last=11, value=value),), None)


def test_noise_is_hardly_ever_cut() -> None:
    found = [
        find_levels(noisy([100.0] * size, runs=runs, seed=seed), effect=0.0001)
        for size, runs in ((5, 5), (15, 5), (15, 3), (40, 1))
        for seed in range(60)
    ]

    assert sum(bool(levels.changes or levels.creep) for levels in found) <= 2


@pytest.mark.parametrize("direction", [1, -1])
def test_steps_of_four_deviations_are_found_where_they_are(direction: int) -> None:
    values = [100.0 + direction * (0 if key < 7 else 4 if key < 20 else 12) for key in range(30)]

    right = sum(highs(find_levels(noisy(values, seed=seed), effect=0.01)) == [7, 20] for seed in range(40))

    assert right >= 39


def test_steps_of_two_deviations_are_mostly_found() -> None:
    values = [100.0] * 25 + [102.0] * 25

    right = sum(highs(find_levels(noisy(values, seed=seed), effect=0.01)) == [25] for seed in range(60))

    assert right >= 45


def test_noise_that_grows_with_the_value_is_no_step() -> None:
    random = Random(5)
    for _ in range(20):
        values = [1.0] * 15 + [10.0] * 15
        samples = {key: [v * random.gauss(1, 0.05) for _ in range(5)] for key, v in enumerate(values)}

        assert highs(find_levels(samples, effect=0.01)) == [15]


def test_candidates_that_differ_at_random_by_more_than_their_samples_are_one_level() -> None:
    random = Random(3)
    samples = {key: [random.gauss(100, 3)] * 5 for key in range(60)}

    found = find_levels(samples, effect=0.001)

    assert (found.changes, found.creep) == ((), None)


def test_counts_of_which_most_are_equal_are_noisy_all_the_same() -> None:
    random = Random(3)
    samples = {key: [5.0 + (random.random() < 0.2) for _ in range(5)] for key in range(40)}

    assert find_levels(samples, effect=0.01).changes == ()


def test_steps_below_the_effect_are_merged() -> None:
    samples = {key: [100.0 + (key >= 10) * 0.9 + (key >= 20) * 5] * 5 for key in range(30)}

    assert highs(find_levels(samples, effect=0.001)) == [10, 20]
    assert highs(find_levels(samples, effect=0.01)) == [20]
    assert highs(find_levels(samples, effect=0.1)) == []


@pytest.mark.parametrize("slope", [0.25, -0.25])
def test_a_straight_line_is_a_creep_and_no_stair(slope: float) -> None:
    for seed in range(20):
        found = find_levels(noisy([100 + slope * key for key in range(40)], seed=seed), effect=0.01)

        assert found.creep is not None
        assert found.creep.per_candidate == pytest.approx(slope, rel=0.25)
        assert found.creep.total == pytest.approx(found.creep.per_candidate * 39)
        assert (len(found.levels), found.changes) == (1, ())


def test_a_step_with_noise_is_no_creep() -> None:
    for seed in range(20):
        assert find_levels(noisy([100.0] * 20 + [104.0] * 20, seed=seed), effect=0.01).creep is None


def test_a_step_on_a_creep_is_told_without_what_creeps() -> None:
    found = find_levels(noisy([100 + 0.25 * key + (8 if key >= 23 else 0) for key in range(40)]), effect=0.01)

    assert found.creep is not None
    assert found.creep.total == pytest.approx(0.25 * 39, rel=0.15)
    assert highs(found) == [23]
    assert found.changes[0].new - found.changes[0].old == pytest.approx(8, abs=1)


def test_a_creep_below_the_effect_is_not_told() -> None:
    samples = {key: [100 + 0.01 * key] * 5 for key in range(40)}

    assert find_levels(samples, effect=0.01).creep is None
    assert find_levels(samples, effect=0.001).creep is not None


@pytest.mark.parametrize("direction", [1, -1])
def test_a_rise_by_unequal_amounts_at_every_candidate_is_a_creep(direction: int) -> None:
    rises = (0, 1, 30, 1, 2, 30, 1, 3)
    values = [200.0 + direction * sum(rises[: key + 1]) for key in range(8)]

    found = find_levels(noisy(values, deviation=0.01), effect=0.001)

    assert found.creep is not None
    assert found.creep.total == pytest.approx(direction * sum(rises), rel=0.5)
    assert found.changes == ()


def test_values_that_go_up_and_down_at_every_candidate_are_no_creep() -> None:
    found = find_levels(noisy([100.0, 150.0, 90.0, 160.0, 80.0, 170.0], deviation=0.01), effect=0.01)

    assert found.creep is None
    assert len(found.levels) == 6


@reproducible
@given(values=st.lists(st.integers(0, 9), min_size=1, max_size=8), penalty=st.integers(0, 12))
def test_the_cuts_are_the_best_of_all(values: list[int], penalty: int) -> None:
    weights = [1.0 + place % 3 for place in range(len(values))]

    def cost(bits: tuple[int, ...]) -> float:
        """Of one way to cut, with the best of all levels in each segment."""
        bounds = [0, *(place for place, bit in enumerate(bits, 1) if bit), len(values)]
        return penalty * sum(bits) + sum(
            min(sum(weights[k] * abs(values[k] - level) for k in range(a, b)) for level in range(10))
            for a, b in pairwise(bounds)
        )

    cuts, found = _partition(values, weights, penalty)

    assert found == min(map(cost, product((0, 1), repeat=len(values) - 1)))
    assert cost(tuple(int(place in cuts) for place in range(1, len(values)))) == found


@reproducible
@given(
    samples=st.dictionaries(
        st.integers(0, 30), st.lists(st.integers(-50, 50), min_size=1, max_size=4), min_size=1, max_size=14
    )
)
def test_levels_cover_what_has_samples_and_meet_at_the_changes(samples: dict[int, list[int]]) -> None:
    found = find_levels(samples, effect=0.01)

    keys = sorted(samples)
    assert [found.levels[0].first, found.levels[-1].last] == [keys[0], keys[-1]]
    assert [(c.low, c.high) for c in found.changes] == [(a.last, b.first) for a, b in pairwise(found.levels)]
    assert all(keys.index(c.high) == keys.index(c.low) + 1 for c in found.changes)


def test_a_clear_step_is_all_but_certain_and_a_faint_one_is_not() -> None:
    clear = find_levels(noisy([100.0] * 10 + [130.0] * 10), effect=0.01)
    faint = [find_levels(noisy([100.0] * 10 + [101.2] * 10, seed=seed), effect=0.001) for seed in range(20)]

    assert clear.changes[0].probability > 0.9999
    sure = [change.probability for found in faint for change in found.changes]
    assert sure
    assert all(0 < probability < 1 for probability in sure)
    assert min(sure) < 0.8


def test_no_fewer_steps_are_in_their_place_than_their_probability_says() -> None:
    told, right = 0.0, 0
    for seed in range(120):
        size = Random(seed).uniform(1.0, 3.0)
        for change in find_levels(noisy([100.0] * 10 + [100.0 + size] * 10, seed=seed), effect=0.001).changes:
            told += change.probability
            right += change.high == 10

    assert right >= told > 60


@pytest.mark.parametrize("place", [0, 7, 14])
def test_a_candidate_that_alone_differs_is_named_where_it_is_no_level(place: int) -> None:
    values = [300.0] * 15
    values[place] = 33.0

    assert lone(noisy(values, deviation=60.0), effect=0.01) == [place]


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param({}, id="nothing"),
        pytest.param({0: [1.0, 1.0, 1.0, 1.0, 1.0]}, id="one"),
        pytest.param({key: [5.0] * 5 for key in range(9)}, id="a-constant"),
        pytest.param({key: [100.0 + key % 3] * 5 for key in range(9)}, id="each-on-a-level-of-its-own"),
        pytest.param({**{key: [100.0] * 5 for key in range(9)}, 9: [100.5] * 5}, id="by-less-than-counts"),
        pytest.param({**{key: [100.0] * 5 for key in range(9)}, 9: [33.0]}, id="one-sample-of-it"),
    ],
)
def test_what_does_not_differ_alone_and_for_certain_is_not_named(samples: dict[int, list[float]]) -> None:
    assert lone(samples, effect=0.01) == []


def test_noise_is_hardly_ever_called_a_lone_candidate() -> None:
    histories = [noisy([100.0] * size, seed=seed) for size in (3, 8, 30) for seed in range(60)]

    assert sum(bool(lone(history, effect=0.0001)) for history in histories) <= 2
