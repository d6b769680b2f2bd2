"""Samples: who may measure, what is warmed up first, and in which order a reference is run beside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import broken, failed, passed, untestable

from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.trials.sampling import MeasuringLock, take_sample, warm_up
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled
from bisect_asgi.core.model import Observation
from bisect_asgi.core.records import replace

PATIENCE_S = 30.0

CANDIDATE = Environment(folder=Path("candidate"), distributions=())
REFERENCE = Environment(folder=Path("reference"), distributions=())


class Diary:
    """Runs that show what they are told to, and in which environments they were made."""

    def __init__(self, **shows: Observation) -> None:
        self.shows = shows
        self.ran: list[str] = []

    def run(self, environment: Environment) -> Observation:
        self.ran.append(environment.folder.name)
        return self.shows.get(environment.folder.name, passed())


@pytest.fixture
def measuring_lock(tmp_path: Path) -> MeasuringLock:
    return MeasuringLock(path=tmp_path / "measuring.lock")


# The lane.


class Waiting(CancelToken):
    """A token that says when somebody waits on it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_waited_on = threading.Event()

    def check(self) -> None:
        self.is_waited_on.set()
        super().check()


@pytest.mark.parametrize("same", [True, False], ids=["of-one-command", "of-two-commands"])
def test_who_has_the_lane_has_it_alone(measuring_lock: MeasuringLock, same: bool) -> None:
    other = measuring_lock if same else MeasuringLock(path=measuring_lock.path)
    told: list[str] = []
    waiting = Waiting()

    def wait() -> None:
        with other.taken(waiting):
            told.append("second")

    with ThreadPoolExecutor(1) as pool:
        with measuring_lock.taken(CancelToken()):
            second = pool.submit(wait)
            assert waiting.is_waited_on.wait(PATIENCE_S)
            told.append("first")
        second.result(PATIENCE_S)

    assert told == ["first", "second"]


def test_who_measures_on_and_on_lets_another_in_between(measuring_lock: MeasuringLock) -> None:
    told: list[str] = []
    waiting = Waiting()

    def wait() -> None:
        with MeasuringLock(path=measuring_lock.path).taken(waiting):
            told.append("another")

    with ThreadPoolExecutor(1) as pool:
        with measuring_lock.taken(CancelToken()):
            other = pool.submit(wait)
            assert waiting.is_waited_on.wait(PATIENCE_S)
        for _ in range(3):
            with measuring_lock.taken(CancelToken()):
                told.append("the same")
        other.result(PATIENCE_S)

    assert told == ["another", *["the same"] * 3]


def test_many_who_measure_take_turns(measuring_lock: MeasuringLock) -> None:
    inside = 0
    most = 0
    start = threading.Barrier(4)

    def measure() -> None:
        nonlocal inside, most
        start.wait(PATIENCE_S)
        for _ in range(5):
            with measuring_lock.taken(CancelToken()):
                inside += 1
                most = max(most, inside)
                inside -= 1

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(measure) for _ in range(4)]:
            done.result(PATIENCE_S)

    assert most == 1


def test_who_waits_for_the_lane_can_be_cancelled_and_does_not_have_it(measuring_lock: MeasuringLock) -> None:
    waiting = Waiting()

    def wait() -> None:
        with measuring_lock.taken(waiting):
            raise AssertionError("somebody else has it")

    with ThreadPoolExecutor(1) as pool, measuring_lock.taken(CancelToken()):
        second = pool.submit(wait)
        assert waiting.is_waited_on.wait(PATIENCE_S)
        waiting.cancel()

        with pytest.raises(Cancelled):
            second.result(PATIENCE_S)


def test_the_lane_is_free_again_after_a_failure(measuring_lock: MeasuringLock) -> None:
    with pytest.raises(OSError, match="disk"), measuring_lock.taken(CancelToken()):
        raise OSError("disk")

    impatient = CancelToken()
    impatient.cancel()  # whoever has to wait is cancelled
    with measuring_lock.taken(impatient):
        assert measuring_lock.path.exists()


def test_each_probe_is_new_to_each_environment_once(measuring_lock: MeasuringLock) -> None:
    pairs = [(environment, probe) for environment in (CANDIDATE, REFERENCE) for probe in ("one", "two")]

    assert [measuring_lock.is_first(*pair) for pair in pairs] == [True] * 4
    assert [measuring_lock.is_first(*pair) for pair in pairs] == [False] * 4


def test_another_command_comes_to_all_of_them_anew(measuring_lock: MeasuringLock) -> None:
    assert measuring_lock.is_first(CANDIDATE, "probe")
    assert MeasuringLock(path=measuring_lock.path).is_first(CANDIDATE, "probe")


def test_of_many_who_ask_at_once_one_is_told_to_be_first(measuring_lock: MeasuringLock) -> None:
    start = threading.Barrier(8)

    def ask() -> bool:
        start.wait(PATIENCE_S)
        return measuring_lock.is_first(CANDIDATE, "probe")

    with ThreadPoolExecutor(8) as pool:
        told = [each.result(PATIENCE_S) for each in [pool.submit(ask) for _ in range(8)]]

    assert sorted(told) == [False] * 7 + [True]


# Samples.


def of_seconds(wall_s: float, **metrics: float) -> Observation:
    return replace(passed(), wall_s=wall_s, cpu_s=wall_s / 2, metrics=metrics)


@given(st.integers(0, 1000))
def test_the_reference_is_run_before_and_after_in_turns(place: int) -> None:
    diary = Diary()

    take_sample(diary.run, CANDIDATE, REFERENCE, place=place)
    take_sample(diary.run, CANDIDATE, REFERENCE, place=place + 1)

    before, after = ["reference", "candidate"], ["candidate", "reference"]
    assert diary.ran == (before + after if place % 2 == 0 else after + before)


def test_without_a_reference_a_sample_is_a_run() -> None:
    diary = Diary(candidate=of_seconds(2.0, growth=8.0))

    seen = take_sample(diary.run, CANDIDATE, None, place=0)

    assert (seen, diary.ran) == (of_seconds(2.0, growth=8.0), ["candidate"])


@pytest.mark.parametrize("place", [0, 1], ids=["before", "after"])
def test_a_sample_has_all_metrics_of_the_references_run_beside_it(place: int) -> None:
    diary = Diary(
        candidate=of_seconds(2.0, growth=8.0),
        reference=replace(of_seconds(1.0, growth=4.0, p95=0.25), peak_bytes=1000),
    )

    seen = take_sample(diary.run, CANDIDATE, REFERENCE, place=place)

    beside = {"wall": 1.0, "cpu": 0.5, "peak-memory": 1000.0, "growth": 4.0, "p95": 0.25}
    assert seen == replace(of_seconds(2.0, growth=8.0), reference_metrics=beside)


def test_what_the_reference_reports_itself_goes_before_what_every_run_has() -> None:
    diary = Diary(reference=of_seconds(1.0, wall=7.0))

    seen = take_sample(diary.run, CANDIDATE, REFERENCE, place=0)

    assert seen.reference_metrics == {"wall": 7.0, "cpu": 0.5}


@pytest.mark.parametrize(
    "shown",
    [replace(run, wall_s=1.0) for run in (failed(), untestable(), broken())],
    ids=lambda run: run.outcome,
)
@pytest.mark.parametrize("place", [0, 1], ids=["before", "after"])
def test_a_reference_that_did_not_pass_measured_nothing(shown: Observation, place: int) -> None:
    diary = Diary(candidate=of_seconds(2.0), reference=shown)

    seen = take_sample(diary.run, CANDIDATE, REFERENCE, place=place)

    assert seen == of_seconds(2.0)
    assert diary.ran.count("reference") == 1


# Warming up.


def warmed(
    diary: Diary, measuring_lock: MeasuringLock, reference: Environment | None = REFERENCE
) -> list[Observation]:
    return list(warm_up(diary.run, measuring_lock, CANDIDATE, reference, probe="probe"))


def test_both_environments_are_warmed_up_once_and_only_the_candidates_run_is_told(
    measuring_lock: MeasuringLock,
) -> None:
    diary = Diary(candidate=of_seconds(2.0))

    first, second = warmed(diary, measuring_lock), warmed(diary, measuring_lock)

    assert first == [replace(of_seconds(2.0), is_warm_up=True)]
    assert second == []
    assert diary.ran == ["reference", "candidate"]


def warm_candidate(measuring_lock: MeasuringLock) -> None:
    measuring_lock.is_first(CANDIDATE, "probe")


def warm_reference(measuring_lock: MeasuringLock) -> None:
    measuring_lock.is_first(REFERENCE, "probe")


def warm_for_another(measuring_lock: MeasuringLock) -> None:
    measuring_lock.is_first(CANDIDATE, "another probe")


@pytest.mark.parametrize(
    ("prepare", "reference", "ran"),
    [
        pytest.param(warm_candidate, REFERENCE, ["reference"], id="the-candidate-is-warm"),
        pytest.param(warm_reference, REFERENCE, ["candidate"], id="the-reference-is-warm"),
        pytest.param(warm_for_another, REFERENCE, ["reference", "candidate"], id="for-another-probe"),
        pytest.param(warm_for_another, None, ["candidate"], id="no-reference"),
        pytest.param(warm_candidate, None, [], id="nothing-to-warm"),
        pytest.param(warm_for_another, CANDIDATE, ["candidate"], id="the-candidate-is-the-reference"),
    ],
)
def test_only_what_is_cold_is_warmed_up(
    measuring_lock: MeasuringLock,
    prepare: Callable[[MeasuringLock], None],
    reference: Environment | None,
    ran: list[str],
) -> None:
    diary = Diary()
    prepare(measuring_lock)

    told = warmed(diary, measuring_lock, reference)

    assert diary.ran == ran
    assert len(told) == (ran.count("candidate") if reference is not CANDIDATE else 0)


@pytest.mark.parametrize("shown", [failed(), untestable(), broken()], ids=lambda run: run.outcome)
def test_a_first_run_that_does_not_pass_is_told_as_a_run_like_any_other(
    measuring_lock: MeasuringLock, shown: Observation
) -> None:
    assert warmed(Diary(candidate=shown), measuring_lock) == [shown]


def test_what_the_reference_shows_when_it_is_warmed_up_is_nobodys_business(
    measuring_lock: MeasuringLock,
) -> None:
    told = warmed(Diary(reference=failed(), candidate=of_seconds(2.0)), measuring_lock)

    assert told == [replace(of_seconds(2.0), is_warm_up=True)]
