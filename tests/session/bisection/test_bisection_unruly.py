"""Probes and releases that do not keep to any rule: the search still ends, and says what is true."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from support.builders import ALL, IMPORT_ERROR, TYPE_ERROR, broken, failed, passed, untestable
from support.noisy_world import NoisyWorld, Shows, by_limit, by_metric, flaky, measured

from bisect_asgi.core import events
from bisect_asgi.core.claims import ClaimVerdict
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Observation
from bisect_asgi.core.plan import Budget, Claim

FLAKY = flaky(9, 0.05, 0.8)


def nearly_alike(number: int, random: Random) -> Observation:
    """A difference that is clear and small."""
    return measured((101.0 if number > 6 else 100.0) + random.gauss(0, 0.05))


def at_first(shows: Shows, later: Observation) -> Shows:
    """Each release answers in its first run, and then never again."""
    runs: Counter[int] = Counter()

    def seen(number: int, random: Random) -> Observation:
        runs[number] += 1
        return shows(number, random) if runs[number] == 1 else later

    return seen


def changes_at(first: int) -> Shows:
    """A probe that always answers the same."""
    return lambda number, _: failed() if number >= first else passed()


def size_from(levels: dict[int, float], *, unit: str = "B") -> Shows:
    """A metric without noise."""
    return lambda number, _: measured(levels[max(first for first in levels if first <= number)], unit=unit)


@pytest.mark.parametrize("later", [untestable(), failed(TYPE_ERROR)], ids=["cannot-tell", "another-failure"])
@pytest.mark.parametrize("fields", [{}, {"history": ALL}], ids=["one", "all"])
def test_releases_that_answer_only_once_do_not_keep_the_search_going(
    later: Observation, fields: dict[str, object]
) -> None:
    made_up = NoisyWorld(size=20, shows=at_first(changes_at(9), later), most=200)

    made_up.bisect(**fields)

    assert made_up.boundary == (8, 9)


def test_a_claim_about_releases_that_answer_only_once_is_still_answered() -> None:
    made_up = NoisyWorld(size=20, shows=at_first(changes_at(9), untestable()), most=200)

    assert made_up.verify(Claim(version="9", fixed=False)) is ClaimVerdict.CONFIRMED


def test_a_release_that_failed_otherwise_by_accident_is_no_gap() -> None:
    runs: Counter[int] = Counter()

    def shows(number: int, random: Random) -> Observation:
        runs[number] += 1
        if number in (8, 9) and runs[number] == 1:
            return failed(TYPE_ERROR)
        return changes_at(9)(number, random)

    made_up = NoisyWorld(size=20, shows=shows)

    assert made_up.bisect(good="1", bad="20").kind is ResultKind.FOUND
    assert made_up.boundary == (8, 9)


@pytest.mark.parametrize("crashes", [{20}, {1}, {12, 13}, {5, 20}], ids=["newest", "oldest", "middle", "two"])
def test_with_all_and_a_limit_releases_that_crash_are_skipped(crashes: set[int]) -> None:
    sizes = size_from({1: 100.0, 9: 200.0})

    def shows(number: int, random: Random) -> Observation:
        return failed(IMPORT_ERROR) if number in crashes else sizes(number, random)

    made_up = NoisyWorld(size=20, shows=shows)

    finished = made_up.bisect(history=ALL, **by_limit(above=150.0))

    assert finished.kind is ResultKind.FOUND
    assert made_up.changes == [(8, 9)]
    rows = {row.version: row.verdict for row in made_up.report.rows}
    assert {int(version) for version, verdict in rows.items() if verdict == "skip"} == crashes


def test_a_flaky_probe_beside_a_release_that_could_not_be_asked_is_not_answered() -> None:
    for seed in range(10):
        made_up = NoisyWorld(
            size=16, seed=seed, shows=lambda n, random: broken() if n == 9 else FLAKY(n, random)
        )

        finished = made_up.bisect(good="1", bad="16")

        assert finished.kind is not ResultKind.FOUND


def test_a_share_of_nothing_is_no_limit() -> None:
    made_up = NoisyWorld(size=12, shows=size_from({1: 0.0, 5: 1.0}))

    finished = made_up.bisect(**by_metric(above=0.15))

    assert finished.kind is ResultKind.NOT_ASKED
    assert "so a percentage threshold is undefined" in finished.message


def test_times_that_are_not_above_nought_are_compared_as_they_are() -> None:
    made_up = NoisyWorld(size=12, shows=size_from({1: -2.0, 5: -1.0}, unit="s"))

    made_up.bisect(**by_metric())

    assert made_up.boundary == (4, 5)
    assert made_up.sampled.unit == "s"
    assert made_up.sampled.reference is None


def test_a_metric_that_has_a_unit_on_some_releases_only_cannot_be_compared() -> None:
    made_up = NoisyWorld(
        size=12, shows=lambda number, _: measured(100.0 + number, unit="B" if number > 6 else "")
    )

    finished = made_up.bisect(**by_metric())

    assert finished.kind is ResultKind.NOT_ASKED
    assert finished.message == "the ends report `size` without a unit and in B"


def test_ends_that_differ_clearly_and_by_too_little_are_not_sampled_for_ever() -> None:
    made_up = NoisyWorld(size=12, shows=nearly_alike)

    finished = made_up.bisect(budget=Budget(runs=2000), **by_metric(effect=0.5))

    assert finished.message.startswith("the ends differ by less than `--effect`: ")
    assert made_up.made["1"] < 60


def test_the_rank_test_that_is_told_is_of_all_samples() -> None:
    made_up = NoisyWorld(size=12, shows=nearly_alike)

    made_up.bisect(budget=Budget(runs=2000), **by_metric(effect=0.5))

    assert len(made_up.sampled.old) > 20
    assert made_up.sampled.p < 1e-6


def test_luck_is_told_once_and_only_for_a_boundary_that_all_runs_agree_with() -> None:
    one = NoisyWorld(size=40, shows=changes_at(18))
    several = NoisyWorld(size=40, shows=lambda number, _: failed() if 10 <= number < 25 else passed())
    noisy = NoisyWorld(size=40, seed=3, shows=flaky(18, 0.1, 0.8))

    one.bisect()
    several.bisect(history=ALL)
    noisy.bisect()

    worlds = (one, several, noisy)
    told = [sum(isinstance(event, events.Confirmed) for event in made_up.events) for made_up in worlds]
    assert told == [1, 0, 0]
    assert one.report.error_bound is not None
    assert several.report.error_bound is None
    assert noisy.report.error_bound is None


@pytest.mark.simulation
def test_a_true_claim_about_a_probe_that_fails_half_of_the_time_is_not_refuted() -> None:
    verdicts = Counter(
        NoisyWorld(size=12, seed=seed, shows=flaky(6, 0.0, 0.5)).verify(Claim(version="6", fixed=False))
        for seed in range(60)
    )

    assert verdicts[ClaimVerdict.CONFIRMED] >= 57
    assert verdicts[ClaimVerdict.REFUTED] <= 1


def test_a_claim_that_the_budget_does_not_decide_cannot_be_told() -> None:
    made_up = NoisyWorld(size=30, shows=flaky(12, 0.3, 0.7))

    verdict = made_up.verify(Claim(version="12", fixed=False), budget=Budget(runs=12))

    assert verdict is ClaimVerdict.INCONCLUSIVE
