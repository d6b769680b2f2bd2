"""Each second is charged to one step."""

from __future__ import annotations

import threading

import pytest

from bisect_asgi.backend.process import usage as stopwatch
from bisect_asgi.backend.process.usage import move, recording, spending
from bisect_asgi.core.model import Step


class Clock:
    """A clock that the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stopwatch.time, "monotonic", clock)
    return clock


def test_a_step_is_charged_with_the_time_that_passes_in_it(clock: Clock) -> None:
    with recording() as steps:
        clock.now += 5
        with spending(Step.LINK):
            clock.now += 2
        clock.now += 7

    assert steps == {Step.LINK: 2}


def test_what_is_inside_is_charged_and_not_what_is_around_it(clock: Clock) -> None:
    with recording() as steps, spending(Step.RESOLVE):
        clock.now += 1
        with spending(Step.BUILD):
            clock.now += 10
        clock.now += 2

    assert steps == {Step.RESOLVE: 3, Step.BUILD: 10}


def test_a_step_that_comes_again_adds_up(clock: Clock) -> None:
    with recording() as steps:
        for seconds in (1, 2):
            with spending(Step.RUN):
                clock.now += seconds

    assert steps == {Step.RUN: 3}


def test_a_step_that_fails_is_charged_all_the_same(clock: Clock) -> None:
    def fail() -> None:
        with spending(Step.BUILD):
            clock.now += 4
            raise ValueError("no")

    with recording() as steps, pytest.raises(ValueError, match="no"):
        fail()

    assert steps == {Step.BUILD: 4}


def test_a_program_says_what_it_spent_its_time_on(clock: Clock) -> None:
    with recording() as steps, spending(Step.LINK):
        clock.now += 10
        move(6, to=Step.DOWNLOAD)
        clock.now += 1

    assert steps == {Step.LINK: 5, Step.DOWNLOAD: 6}


@pytest.mark.parametrize(("said", "download"), [(11, 10), (-1, 0)])
def test_no_more_is_moved_than_was_spent_and_nothing_backwards(
    clock: Clock, said: float, download: float
) -> None:
    with recording() as steps, spending(Step.LINK):
        clock.now += 10
        move(said, to=Step.DOWNLOAD)

    assert steps == {Step.LINK: 10 - download, Step.DOWNLOAD: download}


def test_what_nobody_records_is_charged_to_nobody(clock: Clock) -> None:
    with spending(Step.RUN):
        move(1, to=Step.START)
    with recording() as steps:
        move(1, to=Step.START)

    assert steps == {}


def test_each_thread_has_its_own_recording(clock: Clock) -> None:
    def elsewhere() -> None:
        with spending(Step.BUILD):
            clock.now += 3

    with recording() as steps, spending(Step.RUN):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    assert steps == {Step.RUN: 3}
