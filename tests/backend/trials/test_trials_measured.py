"""Trials whose runs are samples, with a reference beside each."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.local_index import metadata_text, wheel_bytes
from support.trials import FAILS, TrialBench, another_command, cancel_when

from bisect_asgi.backend.files import locked_if_free
from bisect_asgi.backend.trials.sampling import MeasuringLock
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled
from bisect_asgi.core.events import Activity, Event, TrialProgressed
from bisect_asgi.core.model import (
    Outcome,
    SamplingMode,
    TrialRequest,
)
from bisect_asgi.core.records import replace

# What is measured.

NOTES = """
import demo, os
with open(os.environ["DIARY"] + ".order", "a") as order:
    order.write(demo.__version__ + " ")
print("@metric size", demo.__version__, "KiB")
"""


@pytest.fixture
def measured(bench: TrialBench) -> TrialBench:
    """A bench with two releases, of which each run notes its version and reports it as a size."""
    bench.index.add_wheel("demo", "2.0", uploaded="2019-02-01", requires=["dep"])
    return bench


def measuring(
    bench: TrialBench, reference: str | None = "2.0", *, warm: bool = True, **fields: Any
) -> TrialRequest:
    """A request for samples of demo 1.0, next to another release's."""
    spec = bench.request(version=reference).spec if reference else None
    how = SamplingMode(needs_warm_up=warm, reference=spec)
    request = bench.request(fields.pop("script", NOTES))
    return replace(request, sampling=how, **fields)


def order(bench: TrialBench) -> list[str]:
    """Which releases were run, in order."""
    path = bench.diary.with_name(bench.diary.name + ".order")
    return path.read_text().split() if path.exists() else []


def test_each_sample_has_a_reference_beside_it_after_both_were_warmed_up(measured: TrialBench) -> None:
    trial = measured.run(measuring(measured, runs=3))

    warm_up, *samples = trial.observations
    assert order(measured) == ["2.0", "1.0", *("2.0", "1.0"), *("1.0", "2.0"), *("2.0", "1.0")]
    assert (warm_up.is_warm_up, warm_up.reference_metrics) == (True, {})
    assert len(samples) == 3
    for sample in samples:
        assert not sample.is_warm_up
        assert sample.metrics == {"size": 1024.0}
        assert sample.reference_metrics["size"] == 2048.0
        assert sample.reference_metrics["wall"] > 0
        assert sample.reference_metrics["peak-memory"] > 2**20
    assert len({sample.reference_metrics["wall"] for sample in samples}) == 3


def test_more_samples_go_on_with_the_turns_and_are_warm_already(measured: TrialBench) -> None:
    first = measured.run(measuring(measured, runs=1))
    before = order(measured)

    more = measured.run(measuring(measured, known_runs=len(first.observations), runs=1))
    yet_more = measured.run(measuring(measured, known_runs=3, runs=1))

    assert order(measured)[len(before) :] == ["2.0", "1.0", "1.0", "2.0"]
    assert [len(trial.observations) for trial in (more, yet_more)] == [1, 1]


def test_recorded_samples_are_recalled_and_not_made_again(measured: TrialBench) -> None:
    first = measured.run(measuring(measured, runs=2))
    made = order(measured)
    another_command(measured)
    measured.index.down = True

    again = measured.run(measuring(measured, runs=2))
    known = measured.trials.recall(measuring(measured))

    assert order(measured) == made
    assert again.observations == first.observations
    assert again.remembered == len(first.observations) == 3
    assert known is not None
    assert known.observations == first.observations


def test_as_many_samples_as_are_wanted_are_made_whatever_warm_ups_there_are(measured: TrialBench) -> None:
    measured.run(measuring(measured, runs=1))
    another_command(measured)

    trial = measured.run(measuring(measured, runs=3))

    assert [run.is_warm_up for run in trial.observations] == [True, False, True, False, False]
    assert trial.remembered == 2


def test_no_more_of_what_is_recorded_is_given_than_is_wanted(measured: TrialBench) -> None:
    measured.run(measuring(measured, runs=2))
    another_command(measured)

    one = measured.run(measuring(measured, runs=1))
    other = measured.run(measuring(measured, known_runs=len(one.observations), runs=1))

    assert [run.is_warm_up for run in one.observations] == [True, False]
    assert [run.is_warm_up for run in other.observations] == [False]
    assert (one.remembered, other.remembered) == (2, 1)


def test_samples_with_and_without_a_reference_or_with_another_are_kept_apart(measured: TrialBench) -> None:
    requests = [measuring(measured, reference, warm=False) for reference in (None, "1.0", "2.0")]

    trials = [measured.run(request) for request in requests]
    again = [measured.run(request) for request in requests]

    assert [trial.remembered for trial in trials] == [0, 0, 0]
    assert [trial.remembered for trial in again] == [1, 1, 1]
    assert [trial.observations for trial in again] == [trial.observations for trial in trials]
    assert [trial.observations[0].reference_metrics.get("size") for trial in trials] == [None, 1024.0, 2048.0]


def test_nothing_is_recalled_of_samples_whose_reference_is_not_known(measured: TrialBench) -> None:
    measured.run(measuring(measured, None))

    assert measured.trials.recall(measuring(measured, "2.0")) is None
    assert measured.trials.recall(measuring(measured, None)) is not None


def test_a_warm_up_alone_is_nothing_to_recall(measured: TrialBench) -> None:
    request = measuring(measured, None)
    token = CancelToken()
    hangs = "import os, time\nif len(open(os.environ['DIARY']).readlines()) == 2:\n    time.sleep(60)\n"
    request = replace(request, probe=measured.probe(hangs))
    canceller = threading.Thread(target=lambda: cancel_when(token, lambda: measured.runs == 2))
    canceller.start()

    with pytest.raises(Cancelled):
        measured.run(request, token)
    canceller.join()

    assert measured.store.count() == 1
    assert measured.trials.recall(request) is None


def test_a_candidate_that_fails_cold_has_been_run_once(measured: TrialBench) -> None:
    trial = measured.run(measuring(measured, script=NOTES + FAILS, runs=1))

    (run,) = trial.observations
    assert (run.outcome, run.is_warm_up) == (Outcome.FAILED, False)
    assert order(measured) == ["2.0", "1.0"]


def test_the_runs_after_a_cold_failure_are_samples(measured: TrialBench) -> None:
    trial = measured.run(measuring(measured, script=NOTES + FAILS, runs=2))

    assert [run.outcome for run in trial.observations] == [Outcome.FAILED] * 2
    assert [bool(run.reference_metrics) for run in trial.observations] == [False, True]


def test_a_reference_that_fails_leaves_samples_with_nothing_beside_them(measured: TrialBench) -> None:
    fails = NOTES + "assert demo.__version__ == '1.0'\n"

    trial = measured.run(measuring(measured, script=fails, runs=1))

    assert [(run.outcome, run.is_warm_up, run.reference_metrics) for run in trial.observations] == [
        (Outcome.PASSED, True, {}),
        (Outcome.PASSED, False, {}),
    ]


def test_what_needs_no_warm_up_has_none(measured: TrialBench) -> None:
    trial = measured.run(measuring(measured, warm=False, runs=2))

    assert [run.is_warm_up for run in trial.observations] == [False, False]
    assert order(measured) == ["2.0", "1.0", "1.0", "2.0"]


def test_a_reference_has_samples_of_itself_beside_its_own(measured: TrialBench) -> None:
    trial = measured.run(measuring(measured, "1.0", runs=1))

    (sample,) = trial.observations
    assert sample.reference_metrics["size"] == sample.metrics["size"] == 1024.0
    assert order(measured) == ["1.0"] * 3


def test_environments_are_built_beside_the_lane_and_only_runs_need_it(measured: TrialBench) -> None:
    is_free: dict[Activity, bool] = {}

    def look(event: Event) -> None:
        if isinstance(event, TrialProgressed):
            with locked_if_free(measured.trials.measuring_lock.path) as free:
                is_free[event.activity] = free

    measured.is_told = look
    measured.run(measuring(measured))

    # Who waits for the lane says that, and not that it builds.
    assert is_free == {
        Activity.RESOLVING: True,
        Activity.BUILDING: True,
        Activity.WAITING: True,
        Activity.RUNNING: False,
    }
    look(TrialProgressed(key=3, activity=Activity.RESOLVING))
    assert is_free[Activity.RESOLVING]


def test_a_probe_that_passes_or_fails_does_not_wait_for_the_lane(measured: TrialBench) -> None:
    with measured.trials.measuring_lock.taken(CancelToken()):
        trial = measured.run(measured.request())

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED]


def test_who_waits_for_the_lane_can_be_cancelled(measured: TrialBench) -> None:
    token = CancelToken()
    is_built = lambda: len(measured.trials.environments.sizes()) == 2  # noqa: E731
    canceller = threading.Thread(target=lambda: cancel_when(token, is_built))

    with measured.trials.measuring_lock.taken(CancelToken()):
        canceller.start()
        with pytest.raises(Cancelled):
            measured.run(measuring(measured), token)
    canceller.join()

    assert measured.runs == 0


def test_to_wait_for_the_lane_is_neither_building_nor_running(
    measured: TrialBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_s = 0.0

    class Busy(MeasuringLock):
        @contextmanager
        def taken(self, token: CancelToken) -> Iterator[None]:
            nonlocal waited_s
            waited_s += 10_000
            yield

    monkeypatch.setattr("bisect_asgi.backend.trials.monotonic", lambda: time.monotonic() + waited_s)
    measured.trials = replace(measured.trials, measuring_lock=Busy(path=measured.trials.measuring_lock.path))

    trial = measured.run(measuring(measured))

    assert 0 < trial.build_s < 1000
    assert 0 < trial.run_s < 1000


@pytest.mark.parametrize("reason", ["no-such-dependency", "malformed"])
def test_what_is_wrong_with_the_reference_is_not_said_of_the_candidate(
    bench: TrialBench, reason: str
) -> None:
    if reason == "malformed":
        content = wheel_bytes("demo-2.0", metadata_text("demo", "2.1"), {"demo.py": ""}, {}, "py3-none-any")
        bench.index.add_file("demo", "demo-2.0-py3-none-any.whl", content, uploaded="2019-01-01")
    else:
        bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])

    trial = bench.run(measuring(bench))

    (run,) = trial.observations
    assert (run.outcome, bench.runs) == (Outcome.ERROR, 0)
    assert run.signature is not None
    assert run.signature.shown.startswith("the baseline ")
    assert bench.trials.recall(bench.request(NOTES)) is None
    assert bench.run(bench.request(NOTES)).observations[0].outcome is Outcome.PASSED
