"""What is believed of rates and of a change agrees with the beta distribution of scipy."""

from __future__ import annotations

import math
from random import Random
from types import ModuleType

import pytest

from bisect_asgi.core.judge import noise
from bisect_asgi.core.search.posterior import Posterior, log_evidence
from bisect_asgi.core.tally import Tally


def tally(passed: int, failed: int) -> Tally:
    return Tally(passed=passed, failed=failed)


@pytest.mark.parametrize("failed", [0, 1, 3, 40, 2000])
@pytest.mark.parametrize("passed", [0, 1, 7, 300])
def test_the_evidence_of_one_rate_is_a_ratio_of_beta_functions(
    scipy_special: ModuleType, passed: int, failed: int
) -> None:
    theirs = scipy_special.betaln(failed + 0.5, passed + 0.5) - scipy_special.betaln(0.5, 0.5)

    assert log_evidence(tally(passed, failed)) == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_the_place_of_a_change_has_the_weight_of_both_its_sides(scipy_special: ModuleType, seed: int) -> None:
    random = Random(seed)
    size, change = random.randint(2, 9), random.randint(1, 8)
    seen = {key: tally(3, 0) if key < change else tally(1, 2) for key in range(size) if random.random() < 0.8}

    ours = Posterior(range(size), size, seen)

    # The change is before candidate 1, 2, …; beyond the last one, and before the first, there is none.
    def weight(place: int) -> float:
        sides = [[seen[key] for key in seen if (key < place) is is_old] for is_old in (True, False)]
        runs = [(sum(each.failed for each in side), sum(each.passed for each in side)) for side in sides]
        return math.exp(sum(scipy_special.betaln(f + 0.5, p + 0.5) - math.log(math.pi) for f, p in runs))

    weights = {place: weight(place) for place in range(1, size + 1)}
    total = sum(weights.values())
    for stretch in ours.stretches:
        inside = [weights[place] for place in range(stretch.first + 1, stretch.last + 1)]
        assert stretch.probability == pytest.approx(sum(inside) / total, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("seen", "often", "rare"),
    [
        pytest.param(tally(0, 2), tally(3, 9), tally(12, 0), id="two-failures"),
        pytest.param(tally(5, 0), tally(3, 9), tally(12, 0), id="passes"),
        pytest.param(tally(2, 2), tally(10, 10), tally(30, 3), id="both"),
        pytest.param(tally(0, 50), tally(70, 30), tally(10, 0), id="few-runs-of-one-side"),
        pytest.param(tally(1, 0), tally(0, 0), tally(0, 0), id="nothing-known-of-the-sides"),
    ],
)
def test_the_odds_of_a_side_are_those_of_two_rates_of_which_one_is_higher(
    scipy_stats: ModuleType, seen: Tally, often: Tally, rare: Tally
) -> None:
    from scipy.integrate import quad

    high, low = (scipy_stats.beta(side.failed + 0.5, side.passed + 0.5) for side in (often, rare))

    def likelihood(rate: float) -> float:
        return float(rate**seen.failed * (1 - rate) ** seen.passed)

    def over_angles(weight: object) -> float:
        # Jeffreys' prior is infinite at 0 and 1; in the angle whose squared sine is the rate it is even.
        def at(angle: float) -> float:
            rate = math.sin(angle) ** 2
            return float(weight(rate) * 2 * math.sin(angle) * math.cos(angle))  # type: ignore[operator]

        return float(quad(at, 1e-9, math.pi / 2 - 1e-9, limit=200)[0])

    from_often = over_angles(lambda r: likelihood(r) * high.pdf(r) * low.cdf(r))
    from_rare = over_angles(lambda r: likelihood(r) * low.pdf(r) * high.sf(r))

    assert noise._log_odds(seen, often, rare) == pytest.approx(math.log(from_often / from_rare), abs=0.01)


@pytest.mark.parametrize("seen", [tally(1000, 1000), tally(1000, 1001), tally(990, 1010), tally(300, 20)])
def test_the_odds_of_sides_that_are_far_apart_have_a_closed_form(
    scipy_special: ModuleType, seen: Tally
) -> None:
    often, rare = tally(0, 2000), tally(2000, 0)

    # Their order is certain, so that each rate has the beta distribution of its own side's runs.
    def evidence(side: Tally) -> float:
        failed, passed = side.failed + 0.5, side.passed + 0.5
        after = scipy_special.betaln(seen.failed + failed, seen.passed + passed)
        return float(after - scipy_special.betaln(failed, passed))

    expected = evidence(often) - evidence(rare)

    assert noise._log_odds(seen, often, rare) == pytest.approx(expected, rel=0.01, abs=0.01)
