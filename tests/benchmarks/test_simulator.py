"""The imagined machine: each rule of it by an example that was worked out by hand."""

from __future__ import annotations

import pytest
from simulator import Task, Way, World, bound, rounds, simulate, speeds


def world(
    size: int,
    change: int,
    *,
    build: float = 0.0,
    probe: float = 1.0,
    cores: float = 64,
    waiting: float = 0.0,
) -> World:
    """All candidates take as long."""
    return World(build=[build] * size, probe=[probe] * size, change=change, cores=cores, waiting=waiting)


def test_one_worker_takes_one_trial_after_the_other() -> None:
    # 0 and 4, then 2 (new), then 1 (old).
    result = simulate(world(5, 2), Way(workers=1))

    assert (result.boundary, result.runs, result.seconds) == (2, 4, pytest.approx(4.0))


def test_two_workers_look_at_two_at_once() -> None:
    # 0 and 9, then 3 and 6 (both new), then 1 and 2.
    result = simulate(world(10, 2), Way(workers=2))

    assert (result.boundary, result.runs, result.seconds) == (2, 6, pytest.approx(3.0))


def test_what_does_not_matter_any_more_is_cancelled_and_its_place_taken() -> None:
    # Both ends take a second. 3 says new after one more, 6 (four seconds) is cancelled, 1 and 2 come next.
    probe = [1.0] * 10
    probe[6] = 4.0
    slow = World(build=[0.0] * 10, probe=probe, change=2, cores=64)

    cancelling, waiting = simulate(slow, Way(workers=2)), simulate(slow, Way(workers=2, cancels=False))

    assert (cancelling.seconds, cancelling.cancelled) == (pytest.approx(3.0), 1)
    # Without: one place for 1 and 2 in turn.
    assert (waiting.seconds, waiting.cancelled) == (pytest.approx(4.0), 0)


def test_in_rounds_nothing_is_asked_before_all_are_back() -> None:
    # As above, but the round of 3 and 6 takes four seconds.
    probe = [1.0] * 10
    probe[6] = 4.0
    slow = World(build=[0.0] * 10, probe=probe, change=5, cores=64)

    assert simulate(slow, Way(workers=2, rounds=True, cancels=False)).seconds == pytest.approx(6.0)


def test_an_environment_that_was_built_ahead_costs_its_trial_nothing() -> None:
    # While one trial runs (build 2, probe 2), both environments that may be next are built.
    way = Way(workers=1, ahead=2)

    plain = simulate(world(5, 2, build=2, probe=2), Way(workers=1))
    ahead = simulate(world(5, 2, build=2, probe=2), way)

    assert plain.seconds == pytest.approx(4 * 4)
    assert ahead.seconds == pytest.approx(2 + 4 * 2)
    assert ahead.runs == plain.runs == 4


def test_a_build_that_is_under_way_is_finished_by_its_trial() -> None:
    # One build at a time beside the trials. 0 runs until 4; 4 is built until 3 and runs until 5; 2 is built
    # from 3 to 6 and runs until 7; 1 is built from 5 (it or 3 comes next) to 8 and runs until 9.
    ahead = simulate(world(5, 2, build=3, probe=1), Way(workers=1, ahead=1))

    assert ahead.seconds == pytest.approx(9.0)


def test_environments_built_in_vain_are_counted() -> None:
    result = simulate(world(3, 1, build=1, probe=1), Way(workers=1, ahead=1))

    # 2, then 0, then 1: there is never another choice.
    assert (result.in_vain, result.seconds) == (0, pytest.approx(4.0))
    assert simulate(world(5, 2, build=1, probe=1), Way(workers=1, ahead=4)).in_vain == 1


def test_trials_that_compute_share_the_cores_and_those_that_wait_do_not() -> None:
    both_ends = world(2, 1, probe=2.0, cores=1)

    assert simulate(both_ends, Way(workers=1)).seconds == pytest.approx(4.0)
    assert simulate(both_ends, Way(workers=2)).seconds == pytest.approx(4.0)
    waiting = world(2, 1, probe=2.0, cores=1, waiting=1.0)
    assert simulate(waiting, Way(workers=2)).seconds == pytest.approx(2.0)
    half = world(2, 1, probe=2.0, cores=1, waiting=0.5)
    assert simulate(half, Way(workers=2)).seconds == pytest.approx(1.0 + 2.0)


def test_builds_ahead_compute_with_what_trials_leave_of_the_cores() -> None:
    computing, waiting = Task([(True, 1.0)]), Task([(False, 1.0)])

    assert [rate for _, rate in speeds({1: computing}, {2: computing, 3: computing}, 2)] == [1, 0.5, 0.5]
    assert [rate for _, rate in speeds({1: computing, 2: waiting}, {3: computing, 4: waiting}, 1)] == [
        1,
        1,
        0,
        1,
    ]
    assert [rate for _, rate in speeds({1: computing, 2: computing}, {}, 1)] == [0.5, 0.5]


def test_what_a_trial_costs_makes_the_choice_where_it_is_known() -> None:
    probe = [1.0] * 65
    probe[32] = 100.0
    dear = World(build=[0.0] * 65, probe=probe, change=5, cores=1)

    assert simulate(dear, Way()).seconds > 100
    assert simulate(dear, Way(prices=True)).seconds < 10


@pytest.mark.parametrize(
    ("size", "workers", "least"),
    [
        pytest.param(2, 1, 2, id="the-ends-one-after-the-other"),
        pytest.param(2, 2, 1, id="the-ends-at-once"),
        pytest.param(5, 1, 4, id="two-halvings-more"),
        pytest.param(4, 1, 2 + 5 / 3, id="one-or-two-halvings"),
        pytest.param(10, 16, 1, id="all-at-once"),
        # Four answers after both ends took a place each of two rounds with something else to tell.
        pytest.param(5, 2, 2, id="an-end-in-each-of-two-rounds"),
    ],
)
def test_the_fewest_rounds(size: int, workers: int, least: float) -> None:
    assert rounds(size, workers) == pytest.approx(least)


@pytest.mark.simulation
def test_no_way_is_below_the_bound() -> None:
    for size in (2, 5, 17, 60):
        for workers in (1, 2, 4, 9):
            for ahead in (0, 4):
                for waiting in (0.0, 0.5, 1.0):
                    way = Way(workers=workers, ahead=ahead)
                    total = sum(
                        simulate(world(size, change, build=1, probe=1, cores=2, waiting=waiting), way).seconds
                        for change in range(1, size)
                    )
                    least = bound(size, way, build=1, probe=1, cores=2, waiting=waiting)
                    assert total / (size - 1) >= least - 1e-9
