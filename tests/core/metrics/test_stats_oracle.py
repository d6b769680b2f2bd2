"""The statistics agree with scipy's, which is too large to depend on."""

from __future__ import annotations

import math
from random import Random
from types import ModuleType

import pytest

from bisect_asgi.core.metrics import stats

SEEDS = range(20)
FORMS = ["all-different", "ties"]


def sample(random: Random, size: int, form: str) -> list[float]:
    """Values that are normal, or few different ones."""
    if form == "ties":
        return [float(random.randint(0, 4)) for _ in range(size)]
    return [random.gauss(100, 3) for _ in range(size)]


@pytest.mark.parametrize("seed", SEEDS)
def test_small_samples_have_the_exact_p_value_of_the_rank_test(scipy_stats: ModuleType, seed: int) -> None:
    random = Random(seed)
    a = sample(random, random.randint(1, 12), "all-different")
    b = [value + 2 for value in sample(random, random.randint(1, 12), "all-different")]

    theirs = scipy_stats.mannwhitneyu(a, b, alternative="two-sided", method="exact").pvalue

    assert stats.rank_sum(a, b) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_with_ties_all_ways_to_deal_out_the_ranks_are_counted(scipy_stats: ModuleType, seed: int) -> None:
    random = Random(seed)
    a = sample(random, random.randint(2, 5), "ties")
    b = sample(random, random.randint(2, 5), "ties")
    every_way = scipy_stats.PermutationMethod(n_resamples=math.inf)

    theirs = scipy_stats.mannwhitneyu(a, b, alternative="two-sided", method=every_way).pvalue

    assert stats.rank_sum(a, b) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", SEEDS)
def test_large_samples_have_the_normal_approximation(scipy_stats: ModuleType, seed: int, form: str) -> None:
    random = Random(seed)
    a = sample(random, random.randint(31, 60), form)
    b = [value + 1 for value in sample(random, random.randint(31, 60), form)]

    theirs = scipy_stats.mannwhitneyu(a, b, alternative="two-sided", method="asymptotic").pvalue

    assert stats.rank_sum(a, b) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", SEEDS)
def test_score_and_variance_of_a_trend_are_kendalls(scipy_stats: ModuleType, seed: int, form: str) -> None:
    random = Random(seed)
    values = [value + place / 4 for place, value in enumerate(sample(random, random.randint(3, 30), form))]

    score, variance = stats.mann_kendall(values)

    theirs = scipy_stats.kendalltau(range(len(values)), values, variant="b", method="asymptotic")
    assert math.copysign(1, score) == math.copysign(1, theirs.statistic)
    # Without the correction for continuity, which `trend` makes and scipy does not.
    assert math.erfc(abs(score) / math.sqrt(2 * variance)) == pytest.approx(theirs.pvalue, rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_median_slope_is_theils(scipy_stats: ModuleType, seed: int, form: str) -> None:
    random = Random(seed)
    values = sample(random, random.randint(2, 30), form)

    assert stats.theil_sen(values) == pytest.approx(scipy_stats.theilslopes(values).slope, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_least_squares_line_has_its_interval(scipy_stats: ModuleType, seed: int) -> None:
    random = Random(seed)
    size = random.randint(3, 14)
    x = [random.uniform(0, 400) for _ in range(size)]
    y = [3 * each + random.gauss(0, 20) for each in x]

    ours = stats.slope(x, y)

    theirs = scipy_stats.linregress(x, y)
    assert ours.value == pytest.approx(theirs.slope, rel=1e-9)
    # The quantiles are written with four digits.
    quantile = scipy_stats.t.ppf(0.975, size - 2)
    assert ours.plus_minus == pytest.approx(quantile * theirs.stderr, rel=1e-3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_median_deviation_is_scaled_to_the_standard_deviation(
    scipy_stats: ModuleType, seed: int, form: str
) -> None:
    random = Random(seed)
    values = sample(random, random.randint(1, 30), form)

    theirs = scipy_stats.median_abs_deviation(values, scale="normal")

    assert stats.mad(values) == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize(
    ("there", "elsewhere"), [(0, 0), (5, 0), (0, 5), (3, 2), (40, 1), (400, 380), (1, 300)]
)
def test_the_side_of_a_median_has_the_weight_of_the_beta_distribution_above_a_half(
    scipy_stats: ModuleType, there: int, elsewhere: int
) -> None:
    theirs = scipy_stats.beta.sf(0.5, there + 0.5, elsewhere + 0.5)

    assert stats.median_is_there(there, elsewhere) == pytest.approx(theirs, rel=1e-9, abs=1e-12)
