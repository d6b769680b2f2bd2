"""What a run is expected to take: what others like it took."""

from __future__ import annotations

import pytest
from support.builders import target

from bisect_asgi.core.model import Candidate, EnvironmentSpec, Trial
from bisect_asgi.core.search.cuts import LEAST_S, TrialCosts

SPEC = EnvironmentSpec(interpreter=target().interpreter, requirements=("demo",))
SOURCES = (4, 5, 6)
"""Candidates that are built from source; the others have wheels."""


def costs() -> TrialCosts:
    return TrialCosts([Candidate(label=str(key), spec=SPEC, needs_build=key in SOURCES) for key in range(9)])


def trial(key: int, *, build_s: float = 0.0, run_s: float = 0.0) -> Trial:
    return Trial(key=key, label=str(key), observations=(), build_s=build_s, run_s=run_s)


def test_before_anything_was_built_source_is_expected_to_take_longer_and_a_kept_environment_nothing() -> None:
    expected = costs()
    expected.kept.add(1)

    kept, wheels, source = (expected.seconds(key) for key in (1, 2, 4))

    assert kept < wheels < source


def test_candidates_are_expected_to_take_what_others_of_their_kind_took() -> None:
    expected = costs()
    for key, build_s in ((0, 2.0), (1, 4.0), (4, 30.0), (5, 50.0)):
        expected.learn(trial(key, build_s=build_s, run_s=8.0), runs=1)

    assert expected.seconds(2) == pytest.approx(8.0 + 3.0)
    assert expected.seconds(6) == pytest.approx(8.0 + 40.0)
    assert expected.seconds(0) == expected.seconds(4) == pytest.approx(8.0)


def test_a_run_is_one_of_those_that_a_trial_made() -> None:
    expected = costs()

    expected.learn(trial(0, run_s=30.0), runs=10)
    expected.learn(trial(1, run_s=5.0), runs=1)

    assert expected.seconds(0) == pytest.approx(4.0)


def test_a_second_trial_says_nothing_more() -> None:
    """Its environment was there, and its first run is in the mean already."""
    expected = costs()
    expected.learn(trial(0, build_s=6.0, run_s=2.0), runs=1)
    before = [expected.seconds(key) for key in range(9)]

    expected.learn(trial(0, build_s=0.0, run_s=90.0), runs=1)

    assert [expected.seconds(key) for key in range(9)] == before


@pytest.mark.parametrize("prebuilt", [False, True], ids=["kept", "built-ahead"])
def test_an_environment_that_was_there_says_nothing_about_building(prebuilt: bool) -> None:
    expected, ahead = costs(), {0} if prebuilt else set[int]()
    if not prebuilt:
        expected.kept.add(0)
    before = expected.seconds(2)

    expected.learn(trial(0, build_s=0.0, run_s=1.0), runs=1, prebuilt=ahead)

    assert expected.seconds(2) == before


def test_a_candidate_whose_environment_is_built_ahead_takes_a_run() -> None:
    expected = costs()

    assert expected.seconds(4, prebuilt={4}) == expected.seconds(2) - 1.0 == 1.0


@pytest.mark.parametrize(
    ("kept", "others", "run_s", "is_slow"),
    [
        pytest.param({0, 1}, [1], 0.1, True, id="a-short-run-in-a-kept-environment"),
        pytest.param({0, 1}, [2, 1], 0.1, True, id="one-of-several"),
        pytest.param({0, 1}, [1], 5.0, False, id="a-long-run"),
        pytest.param({0}, [2], 0.1, False, id="a-build-as-long"),
        pytest.param({0, 1}, [], 0.1, False, id="nothing-else"),
        pytest.param({0, 1, 3}, [1], 0.1, False, id="kept-as-well"),
    ],
)
def test_a_build_is_slow_beside_a_short_run_in_an_environment_that_was_kept(
    kept: set[int], others: list[int], run_s: float, is_slow: bool
) -> None:
    expected = costs()
    expected.kept |= kept
    expected.learn(trial(0, run_s=run_s), runs=1)

    assert expected.is_slow_beside(3, others) is is_slow
    assert not expected.is_slow_beside(3, others, prebuilt={3})


def test_nothing_is_expected_to_take_no_time_at_all() -> None:
    """Costs are divided by."""
    expected = costs()
    expected.learn(trial(0), runs=1)

    assert expected.seconds(0) == expected.seconds(2) == LEAST_S
