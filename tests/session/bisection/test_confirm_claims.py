"""Claims about probes that are flaky or measured, and how sure they are."""

from __future__ import annotations

from random import Random

import pytest
from support.builders import (
    ALL,
    a_plan,
    failed,
    passed,
)
from support.flaky_searches import at, tally
from support.noisy_world import NoisyWorld, Shows, by_limit, by_metric, flaky, steps

from bisect_asgi import session
from bisect_asgi.core import events
from bisect_asgi.core.claims import ClaimVerdict
from bisect_asgi.core.model import Observation, Outcome
from bisect_asgi.core.plan import Budget, Claim
from bisect_asgi.core.search.confirmation import chance, wanted_runs
from bisect_asgi.core.tally import Tally

pytestmark = pytest.mark.simulation


# Claims.

ERROR, FIXED = Claim(version="18", fixed=False), Claim(version="18", fixed=True)


def verdicts(claim: Claim, shows: Shows, **fields: object) -> list[ClaimVerdict]:
    """What becomes of the claim in ten worlds."""
    return [NoisyWorld(size=40, seed=seed, shows=shows).verify(claim, **fields) for seed in range(10)]


@pytest.mark.parametrize(
    ("claim", "shows", "fields"),
    [
        pytest.param(ERROR, flaky(18, 0.05, 0.7), {}, id="flaky"),
        pytest.param(FIXED, flaky(18, 0.7, 0.05), {}, id="flaky-fix"),
        pytest.param(ERROR, steps({1: 1e8, 18: 1.3e8}, noise=0.05), by_metric(), id="memory"),
        pytest.param(FIXED, steps({1: 1.3e8, 18: 1e8}, noise=0.05), by_metric(), id="memory-fix"),
        pytest.param(
            ERROR, steps({1: 1e8, 18: 1.2e8}, noise=0.05), by_limit(above=1.1e8, unit="B"), id="limit"
        ),
        pytest.param(
            ERROR,
            steps({1: 1.0, 18: 1.5}, noise=0.05, unit="s", name="took"),
            by_metric("took"),
            id="time",
        ),
    ],
)
def test_a_true_claim_is_confirmed_although_runs_differ(
    claim: Claim, shows: Shows, fields: dict[str, object]
) -> None:
    found = verdicts(claim, shows, **fields)

    assert found.count(ClaimVerdict.CONFIRMED) >= 9
    assert ClaimVerdict.REFUTED not in found


@pytest.mark.parametrize(
    "claim", [FIXED, Claim(version="10", fixed=False), Claim(version="19", fixed=False)], ids=str
)
@pytest.mark.parametrize(
    ("shows", "fields"),
    [
        pytest.param(flaky(18, 0.05, 0.7), {}, id="flaky"),
        pytest.param(steps({1: 1e8, 18: 1.3e8}, noise=0.05), by_metric(), id="memory"),
    ],
)
def test_a_false_claim_is_not_confirmed_where_runs_differ(
    claim: Claim, shows: Shows, fields: dict[str, object]
) -> None:
    found = verdicts(claim, shows, **fields)

    assert found.count(ClaimVerdict.REFUTED) >= 9
    assert ClaimVerdict.CONFIRMED not in found


# How sure a claim is.


def places(made_up: NoisyWorld) -> dict[int, Tally]:
    """What was seen of each release, by its place."""
    return {int(label) - 1: tally(runs) for (label, _), runs in made_up.store.items()}


@pytest.mark.parametrize(
    ("claim", "shows"),
    [
        pytest.param(Claim(version="6", fixed=False), flaky(6, 0.0, 1.0), id="broken"),
        pytest.param(Claim(version="6", fixed=True), flaky(6, 1.0, 0.0), id="fixed"),
        pytest.param(Claim(version="6", fixed=True), flaky(6, 0.0, 1.0), id="the-wrong-way-round"),
        pytest.param(Claim(version="2", fixed=False), flaky(2, 0.0, 1.0), id="the-second"),
        pytest.param(Claim(version="12", fixed=False), flaky(12, 0.0, 1.0), id="the-last"),
    ],
)
@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.9999])
def test_a_change_that_is_claimed_is_run_until_luck_cannot_explain_it(
    claim: Claim, shows: Shows, confidence: float
) -> None:
    made_up = NoisyWorld(size=12, shows=shows)
    place = int(claim.version) - 1

    verdict = made_up.verify(claim, confidence=confidence)

    is_fix = shows(1, Random(0)).outcome is Outcome.FAILED
    assert verdict is (ClaimVerdict.CONFIRMED if is_fix is claim.fixed else ClaimVerdict.REFUTED)
    tallies = places(made_up)
    assert wanted_runs(tallies, place - 1, place, confidence=confidence) == (0, 0)
    assert chance(tallies, place - 1, place) <= 1 - confidence


@pytest.mark.parametrize("version", ["4", "9"])
def test_a_claim_of_no_change_is_not_refuted_by_one_run(version: str) -> None:
    made_up = NoisyWorld(size=12, shows=flaky(6, 0.0, 1.0))

    assert made_up.verify(Claim(version=version, fixed=False)) is ClaimVerdict.REFUTED

    assert made_up.made[version] == made_up.made[str(int(version) - 1)] == 6


@pytest.mark.parametrize("confirm", [0, 1, 4])
def test_a_claim_is_run_as_often_as_the_user_says(confirm: int) -> None:
    for version in ("6", "9"):
        made_up = NoisyWorld(size=12, shows=flaky(6, 0.0, 1.0))

        made_up.verify(Claim(version=version, fixed=False), confirm=confirm)

        at, before = made_up.made[version], made_up.made[str(int(version) - 1)]
        # What lies beside a change is run as often as any other change is.
        assert at == before == 1 + confirm


def test_true_claims_of_a_flaky_probe_are_hardly_ever_refuted() -> None:
    # At 0.99 two or more of sixty would be wrong in one of eight such sets at the very worst.
    claim = Claim(version="6", fixed=False)
    found = [
        NoisyWorld(size=12, shows=flaky(6, 0.0, 0.5), seed=seed).verify(claim) for seed in range(200, 260)
    ]

    assert found.count(ClaimVerdict.REFUTED) <= 1
    assert found.count(ClaimVerdict.CONFIRMED) >= 55


def test_a_flaky_claim_whose_budget_is_spent_cannot_be_told() -> None:
    told = 0
    for seed in range(8):
        made_up = NoisyWorld(size=12, shows=flaky(6, 0.2, 0.5), seed=seed)
        claim = Claim(version="6", fixed=False)

        finding = session.verify(
            a_plan(budget=Budget(runs=14)), claim, made_up._begin(), made_up.events.append
        )

        if finding.verdict is ClaimVerdict.INCONCLUSIVE:
            told += 1
            assert finding.truth == made_up.finished.message
            assert finding.truth.startswith("the probe is flaky, and 14 runs did not ")
            assert made_up.finished.boundary is None
    assert told >= 6


# How sure a boundary is, is told once.


@pytest.mark.parametrize("fields", [{}, {"good": "1", "bad": "40"}, {"jobs": 3}], ids=str)
def test_how_sure_a_boundary_is_is_told_once_when_all_has_been_run(fields: dict[str, object]) -> None:
    made_up = NoisyWorld(size=40, shows=flaky(18, 0.0, 1.0))

    made_up.bisect(**fields)

    (place,) = (n for n, event in enumerate(made_up.events) if isinstance(event, events.Confirmed))
    assert not any(isinstance(event, events.TrialFinished) for event in made_up.events[place:])
    sure = made_up.events[place]
    assert isinstance(sure, events.Confirmed)
    assert sure.runs == made_up.runs
    assert (sure.low, sure.high) == (16, 17)
    assert made_up.report.error_bound == sure.error_bound
    assert 0 < sure.error_bound <= 0.01


@pytest.mark.parametrize("fields", [{}, {"good": "1", "bad": "40"}, {"history": ALL}])
def test_where_several_changes_are_found_nothing_is_said_of_luck(fields: dict[str, object]) -> None:
    def shows(number: int, _: Random) -> Observation:
        return failed() if number >= 30 or 10 <= number <= 16 else passed()

    made_up = NoisyWorld(size=40, shows=shows)

    made_up.bisect(**fields)

    assert made_up.changes == [(9, 10), (16, 17), (29, 30)]
    assert made_up.report.error_bound is None
    assert not any(isinstance(event, events.Confirmed) for event in made_up.events)


def test_where_runs_contradict_each_other_nothing_is_said_of_luck() -> None:
    contradicted = 0
    for made_up, _ in at(20, flaky(20, 0.0, 0.8)):
        made_up.bisect()
        if any(row.passed and row.failed for row in made_up.report.rows):
            contradicted += 1
            assert made_up.report.error_bound is None
    assert contradicted >= 15
