"""Trials from end to end: an environment from the local index, the probe in it, and what the store keeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.environments import THIS_PYTHON, Bench
from support.local_index import LocalIndex, metadata_text, publish_build_backend, wheel_bytes

from bisect_asgi.backend.files import locked_if_free
from bisect_asgi.backend.trials.probe_run import run_probe
from bisect_asgi.backend.trials.sampling import MeasuringLock
from bisect_asgi.backend.trials.store import Store
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Unavailable
from bisect_asgi.core.events import Activity, Event, OutputSeen, StageEvent, TrialProgressed
from bisect_asgi.core.model import (
    Distribution,
    EnvironmentSpec,
    ExcludeNewerPackage,
    FailureKind,
    Observation,
    Outcome,
    Phase,
    Probe,
    ProbeFile,
    SamplingMode,
    Step,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.records import replace

PATIENCE_S = 30.0


class TrialBench(Bench):
    """A bench, and a file to which the probe writes a line for each of its runs."""

    def __init__(self, index: LocalIndex, folder: Path, store: Store) -> None:
        super().__init__(folder, index.url)
        self.index = index
        self.store = store
        self.diary = folder / "diary"
        self.events: list[Event] = []
        self.is_told: Callable[[Event], None] = self.events.append
        self.trials = self.runner(store, lambda event: self.is_told(event))

    def probe(self, script: str) -> Probe:
        """A probe that notes its run in the diary and goes on with `script`."""
        noted = 'import os\nwith open(os.environ["DIARY"], "a") as diary:\n    diary.write("run\\n")\n'
        return Probe(
            name="leak.py",
            script="leak.py",
            command=None,
            files=(ProbeFile(name="leak.py", content=(noted + script).encode()),),
            environ=(("DIARY", str(self.diary)),),
            timeout_s=PATIENCE_S,
        )

    @property
    def runs(self) -> int:
        """How often the probe really ran."""
        return len(self.diary.read_text().splitlines()) if self.diary.exists() else 0

    def request(
        self, script: str = "import demo\n", *, version: str = "1.0", dated: bool = True
    ) -> TrialRequest:
        spec = EnvironmentSpec(
            interpreter=THIS_PYTHON,
            requirements=(f"demo=={version}",),
            exclude_newer=datetime(2020, 1, 1, tzinfo=UTC) if dated else None,
            exclude_newer_package=(ExcludeNewerPackage(name="demo"),) if dated else (),
            must_install=Distribution(name="demo", version=version),
        )
        return TrialRequest(key=3, label=version, spec=spec, probe=self.probe(script))

    def run(self, request: TrialRequest, token: CancelToken | None = None) -> Trial:
        return self.trials.run(request, token or CancelToken())


@pytest.fixture
def bench(local_index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrialBench]:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    local_index.add_wheel("demo", "1.0", uploaded="2019-01-01", requires=["dep"])
    local_index.add_wheel("dep", "1.0", uploaded="2019-01-01")
    local_index.add_wheel("dep", "2.0", uploaded="2022-01-01")
    with closing(Store(tmp_path / "cache" / "store.db")) as store:
        yield TrialBench(local_index, tmp_path / "cache", store)


FAILS = "import demo\nassert demo.__version__ == '2.0', 'this is ' + demo.__version__\n"


def test_a_trial_returns_what_the_probe_showed_and_what_it_ran_in(bench: TrialBench) -> None:
    trial = bench.run(bench.request(FAILS))

    (run,) = trial.observations
    assert (trial.key, trial.label, trial.remembered) == (3, "1.0", 0)
    assert (run.outcome, run.phase, run.exit_code) == (Outcome.FAILED, Phase.CHECK, 1)
    assert run.signature is not None
    assert run.signature.shown == "AssertionError: this is 1.0"
    assert trial.environment is not None
    assert [str(d) for d in trial.environment.distributions] == ["demo==1.0", "dep==1.0"]
    assert trial.environment.step == "as of the date, wheels only"


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        pytest.param("import demo\n", Outcome.PASSED, id="passes"),
        pytest.param("raise SystemExit(3)\n", Outcome.FAILED, id="fails"),
        pytest.param("raise SystemExit(125)\n", Outcome.UNTESTABLE, id="cannot-tell"),
    ],
)
def test_every_answer_of_the_probe_is_an_observation(
    bench: TrialBench, script: str, outcome: Outcome
) -> None:
    trial = bench.run(bench.request(script))

    assert [run.outcome for run in trial.observations] == [outcome]


def test_what_was_observed_is_remembered_and_not_run_again(bench: TrialBench) -> None:
    first = bench.run(bench.request(FAILS))
    bench.index.down = True

    second = bench.run(bench.request(FAILS))

    assert bench.runs == 1
    assert second.observations == first.observations
    assert (first.remembered, second.remembered) == (0, 1)
    assert second.environment == first.environment


def test_another_probe_or_other_limits_are_another_question(bench: TrialBench) -> None:
    request = bench.request()
    bench.run(request)

    bench.run(bench.request("import demo, dep\n"))
    bench.run(replace(request, probe=replace(request.probe, timeout_s=7.0)))

    assert bench.runs == 3


def test_a_fresh_trial_runs_again_and_replaces_what_was_remembered(bench: TrialBench) -> None:
    bench.run(bench.request())

    fresh = bench.run(replace(bench.request(), fresh=True))
    afterwards = bench.run(replace(bench.request(), runs=2))

    assert (fresh.remembered, len(fresh.observations)) == (0, 1)
    assert (afterwards.remembered, len(afterwards.observations)) == (1, 2)
    assert bench.runs == 3


def test_further_fresh_runs_of_one_command_are_added_to_its_own(bench: TrialBench) -> None:
    bench.run(replace(bench.request(), fresh=True))

    more = bench.run(replace(bench.request(), fresh=True, known_runs=1, runs=2))

    assert (len(more.observations), more.remembered, bench.runs) == (2, 0, 3)
    known = bench.trials.recall(bench.request())
    assert known is not None
    assert len(known.observations) == 3


def test_a_fresh_command_forgets_an_environment_once_also_where_candidates_share_it(
    bench: TrialBench,
) -> None:
    bench.run(bench.request())
    one = replace(bench.request(), fresh=True)
    other = replace(one, key=4, spec=replace(one.spec, exclude_newer=datetime(2020, 6, 1, tzinfo=UTC)))

    first, second = bench.run(one), bench.run(other)

    assert (first.remembered, bench.runs) == (0, 2)
    assert second.observations == first.observations


def test_the_next_fresh_command_forgets_what_the_one_before_it_observed(bench: TrialBench) -> None:
    request = replace(bench.request(), fresh=True)
    bench.run(request)
    another_command(bench)

    trial = bench.run(request)

    assert (trial.remembered, bench.runs) == (0, 2)
    known = bench.trials.recall(request)
    assert known is not None
    assert known.observations == trial.observations


def test_a_fresh_command_leaves_what_it_does_not_ask_again(bench: TrialBench) -> None:
    another = bench.request("import demo, dep\n")
    kept = bench.run(another)

    bench.run(replace(bench.request(), fresh=True))

    known = bench.trials.recall(another)
    assert known is not None
    assert known.observations == kept.observations


def test_fresh_trials_of_one_environment_at_once_make_one_run(bench: TrialBench) -> None:
    script = "import time\ntime.sleep(0.2)\n"
    bench.run(bench.request(script))
    request = replace(bench.request(script), fresh=True)

    trials = at_once(bench, request)

    assert bench.runs == 2
    assert trials[0].observations == trials[1].observations
    known = bench.trials.recall(request)
    assert known is not None
    assert known.observations == trials[0].observations


def at_once(bench: TrialBench, request: TrialRequest) -> list[Trial]:
    """The same trial twice, side by side."""
    trials: list[Trial] = []
    workers = [threading.Thread(target=lambda: trials.append(bench.run(request))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return trials


def test_what_is_recalled_took_no_time(bench: TrialBench) -> None:
    bench.run(bench.request())

    known = bench.trials.recall(bench.request())

    assert known is not None
    assert (known.build_s, known.run_s) == (0.0, 0.0)


def test_several_runs_are_made_at_once_and_those_that_are_known_count(bench: TrialBench) -> None:
    bench.run(bench.request())

    trial = bench.run(replace(bench.request(), runs=3))

    assert (len(trial.observations), trial.remembered, bench.runs) == (3, 1, 3)


def test_runs_may_go_side_by_side(bench: TrialBench) -> None:
    together = (
        "import os, pathlib, time\n"
        "mine = pathlib.Path(os.environ['DIARY']).with_name(f'here-{os.getpid()}')\n"
        "mine.touch()\n"
        "give_up = time.monotonic() + 30\n"
        "while len(list(mine.parent.glob('here-*'))) < 3:\n"
        "    assert time.monotonic() < give_up\n"
        "    time.sleep(0.01)\n"
    )

    trial = bench.run(replace(bench.request(together), runs=3, parallel=3))

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED] * 3
    assert bench.store.count() == 3


def test_where_one_of_several_runs_is_cancelled_all_are(bench: TrialBench) -> None:
    request = replace(bench.request("import time\ntime.sleep(60)\n"), runs=4, parallel=2)
    token = CancelToken()
    canceller = threading.Thread(target=lambda: cancel_when(token, lambda: bench.runs == 2))
    canceller.start()

    with pytest.raises(Cancelled):
        bench.run(request, token)
    canceller.join()

    assert bench.runs == 2
    assert list(bench.trials.runs.glob("*")) == []


def test_runs_that_the_asker_already_has_are_not_given_again(bench: TrialBench) -> None:
    bench.run(replace(bench.request(), runs=2))

    trial = bench.run(replace(bench.request(), known_runs=1, runs=2))

    assert (len(trial.observations), trial.remembered, bench.runs) == (2, 1, 3)


def test_each_run_is_kept_as_soon_as_it_is_over(bench: TrialBench) -> None:
    second_run_is_cancelled = (
        "import os, time\nif len(open(os.environ['DIARY']).readlines()) == 2:\n    time.sleep(60)\n"
    )
    request = replace(bench.request(second_run_is_cancelled), runs=2)
    token = CancelToken()
    canceller = threading.Thread(target=lambda: cancel_when(token, lambda: bench.runs == 2))
    canceller.start()

    with pytest.raises(Cancelled):
        bench.run(request, token)
    canceller.join()

    known = bench.trials.recall(request)
    assert known is not None
    assert len(known.observations) == 1


def cancel_when(token: CancelToken, condition: Callable[[], bool]) -> None:
    """Cancel as soon as `condition` holds; or when time is up, so that the test fails instead of hanging."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    token.cancel()


def test_a_cancelled_trial_has_no_result_and_leaves_nothing(bench: TrialBench) -> None:
    token = CancelToken()
    request = bench.request("import time\ntime.sleep(60)\n")
    canceller = threading.Thread(target=lambda: cancel_when(token, lambda: bench.runs == 1))
    canceller.start()

    with pytest.raises(Cancelled):
        bench.run(request, token)
    canceller.join()

    assert bench.store.count() == 0
    assert list(bench.trials.runs.glob("*")) == []


def test_a_trial_tells_what_it_is_doing(bench: TrialBench) -> None:
    bench.run(bench.request())

    activities = (Activity.RESOLVING, Activity.BUILDING, Activity.RUNNING)
    assert bench.events == [TrialProgressed(key=3, activity=activity) for activity in activities]


def test_what_a_trial_tells_is_told_of_the_search_that_it_is_for(bench: TrialBench) -> None:
    bench.run(replace(bench.request("print('hello')\n"), stage=2))

    assert {type(event) for event in bench.events} == {StageEvent}
    assert {event.stage for event in bench.events if isinstance(event, StageEvent)} == {2}


def test_what_the_probe_writes_can_be_watched(bench: TrialBench) -> None:
    bench.run(bench.request("print('hello from the probe')\n"))

    seen = [event.text for event in bench.events if isinstance(event, OutputSeen)]
    assert "".join(seen) == "hello from the probe\n"


def test_what_the_probe_writes_is_not_told_unless_somebody_wants_it(bench: TrialBench) -> None:
    another_command(bench)

    bench.run(bench.request("print('hello from the probe')\n"))

    assert {type(event) for event in bench.events} == {TrialProgressed}


# What cannot be tested.


def test_a_candidate_whose_requirements_cannot_be_met_is_untestable_and_says_why(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])

    trial = bench.run(bench.request(version="2.0"))

    (run,) = trial.observations
    assert (run.outcome, run.phase, run.exit_code) == (Outcome.UNTESTABLE, Phase.RESOLVE, None)
    assert run.signature is not None
    assert run.signature.kind is FailureKind.ENVIRONMENT
    assert "nowhere" in run.signature.shown
    assert trial.environment is None
    assert bench.runs == 0


def test_a_candidate_that_cannot_be_built_is_untestable_at_the_installation(bench: TrialBench) -> None:
    publish_build_backend(bench.index, "1.0", "2019-01-01", works=False)
    bench.index.add_sdist("demo", "2.0", uploaded="2019-01-01")

    trial = bench.run(bench.request(version="2.0"))

    (run,) = trial.observations
    assert (run.outcome, run.phase) == (Outcome.UNTESTABLE, Phase.INSTALL)


@pytest.mark.parametrize("works", [True, False], ids=["no-such-dependency", "no-tool-builds-it"])
def test_why_a_past_candidate_is_untestable_is_remembered(bench: TrialBench, works: bool) -> None:
    publish_build_backend(bench.index, "1.0", "2019-01-01", works=works)
    if works:
        bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])
    else:
        bench.index.add_sdist("demo", "2.0", uploaded="2019-01-01")
    first = bench.run(bench.request(version="2.0"))
    bench.index.down = True

    second = bench.run(bench.request(version="2.0"))
    known = bench.trials.recall(bench.request(version="2.0"))

    assert second.observations == first.observations
    assert known is not None
    assert known.observations == first.observations


def test_a_failure_that_later_uploads_may_mend_is_not_remembered(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", requires=["nowhere"])
    request = bench.request(version="2.0", dated=False)
    assert bench.run(request).observations[0].outcome is Outcome.UNTESTABLE

    assert bench.trials.recall(request) is None


def test_a_fresh_trial_looks_again_whether_a_candidate_can_be_tested(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])
    bench.run(bench.request(version="2.0"))
    asked = len(bench.index.requests)

    bench.run(replace(bench.request("import dep\n", version="2.0"), fresh=True))

    # What is missing is asked for anew; the pages that uv has are not.
    assert len(bench.index.requests) > asked


def test_what_can_be_tested_after_all_stays_so(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])
    bench.run(bench.request(version="2.0"))
    bench.index.add_wheel("nowhere", "1.0", uploaded="2019-01-01")

    fresh = bench.run(replace(bench.request(version="2.0"), fresh=True))
    another_command(bench)
    again = bench.run(bench.request(version="2.0"))

    assert fresh.observations[0].outcome is Outcome.PASSED
    assert again.observations == fresh.observations


# What is built ahead.


def test_what_was_prepared_is_there_when_its_trial_comes(bench: TrialBench) -> None:
    request = bench.request()
    assert not bench.trials.is_built(request)

    steps = bench.trials.prepare(request, CancelToken())
    bench.index.down = True

    assert steps[Step.RESOLVE] > 0
    assert bench.trials.is_built(request)
    assert bench.runs == 0
    assert bench.run(request).observations[0].outcome is Outcome.PASSED


def test_what_is_prepared_for_a_fresh_trial_is_resolved_anew_and_that_is_all(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])
    bench.run(bench.request(version="2.0"))
    bench.index.add_wheel("nowhere", "1.0", uploaded="2019-01-01")
    request = replace(bench.request(version="2.0"), fresh=True)

    bench.trials.prepare(request, CancelToken())
    bench.index.down = True

    assert bench.trials.is_built(request)
    assert bench.run(request).observations[0].outcome is Outcome.PASSED


def test_what_cannot_be_prepared_is_left_to_its_trial_to_tell(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])
    request = bench.request(version="2.0")

    bench.trials.prepare(request, CancelToken())

    assert not bench.trials.is_built(request)
    assert bench.run(request).observations[0].outcome is Outcome.UNTESTABLE


# What could not be asked.


def test_an_environment_that_is_not_what_it_says_is_broken_and_not_remembered(bench: TrialBench) -> None:
    request = bench.request()
    lied_to = replace(
        request, spec=replace(request.spec, must_install=Distribution(name="demo", version="2.0"))
    )

    trial = bench.run(lied_to)

    (run,) = trial.observations
    assert (run.outcome, run.phase) == (Outcome.ERROR, Phase.INSTALL)
    assert run.signature is not None
    assert run.signature.shown == "`demo==2.0` was installed, and its metadata says 1.0"
    assert bench.runs == 0
    assert bench.trials.recall(lied_to) is None


def test_a_malformed_wheel_is_no_outage(bench: TrialBench) -> None:
    content = wheel_bytes("demo-2.0", metadata_text("demo", "2.1"), {"demo.py": ""}, {}, "py3-none-any")
    bench.index.add_file("demo", "demo-2.0-py3-none-any.whl", content, uploaded="2019-01-01")

    trial = bench.run(bench.request(version="2.0"))

    (run,) = trial.observations
    assert run.outcome in (Outcome.UNTESTABLE, Outcome.ERROR)
    assert bench.runs == 0


def test_an_index_that_refuses_the_files_is_no_verdict(bench: TrialBench) -> None:
    request = bench.request()
    bench.resolve(request.spec)  # its pages are in uv's cache from here on
    bench.index.fail_next(1000, 403)

    with pytest.raises(Unavailable):
        bench.run(request)

    assert bench.store.count() == 0
    assert bench.trials.recall(request) is None
    bench.index.fail_next(0)
    assert bench.run(request).observations[0].outcome is Outcome.PASSED


# Memory.


def test_nothing_is_recalled_of_a_candidate_that_was_never_tried(bench: TrialBench) -> None:
    assert bench.trials.recall(bench.request()) is None


def test_all_that_was_observed_is_recalled_without_the_index(bench: TrialBench) -> None:
    made = bench.run(replace(bench.request(FAILS), runs=2))
    asked = len(bench.index.requests)

    known = bench.trials.recall(bench.request(FAILS))

    assert known is not None
    assert known.observations == made.observations
    assert (known.key, known.label, known.remembered) == (3, "1.0", 2)
    assert known.environment == made.environment
    assert len(bench.index.requests) == asked


def test_a_resolution_alone_is_nothing_to_recall(bench: TrialBench) -> None:
    token = CancelToken()

    def cancel_before_building(event: Event) -> None:
        if event == TrialProgressed(key=3, activity=Activity.BUILDING):
            token.cancel()

    bench.is_told = cancel_before_building
    with pytest.raises(Cancelled):
        bench.run(bench.request(), token)

    assert bench.trials.recall(bench.request()) is None


def test_candidates_that_share_an_environment_share_what_was_observed(bench: TrialBench) -> None:
    request = bench.request()
    bench.run(request)
    same_set = replace(request.spec, exclude_newer=datetime(2020, 6, 1, tzinfo=UTC))

    trial = bench.run(replace(request, spec=same_set))

    assert (trial.remembered, bench.runs) == (1, 1)


def test_two_trials_of_one_candidate_at_once_make_one_run(bench: TrialBench) -> None:
    request = bench.request("import time\ntime.sleep(0.2)\n")

    trials = at_once(bench, request)

    assert bench.runs == 1
    assert sorted(trial.remembered for trial in trials) == [0, 1]


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


def another_command(bench: TrialBench) -> None:
    """A command that comes to environments which are there, and has run nothing yet."""
    bench.trials = bench.trials.for_command(bench.events.append, show_output=False)


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

    monkeypatch.setattr("bisect_asgi.backend.trials.trial.monotonic", lambda: time.monotonic() + waited_s)
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
    assert run.signature.shown.startswith("the reference ")
    assert bench.trials.recall(bench.request(NOTES)) is None
    assert bench.run(bench.request(NOTES)).observations[0].outcome is Outcome.PASSED


def test_a_run_that_could_not_be_asked_is_told_and_not_stored(
    bench: TrialBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [Outcome.PASSED, Outcome.ERROR, Outcome.PASSED]

    def sometimes(*arguments: Any) -> Observation:
        return replace(run_probe(*arguments), outcome=outcomes.pop(0))

    monkeypatch.setattr("bisect_asgi.backend.trials.trial.run_probe", sometimes)
    request = bench.request()

    trial = bench.run(replace(request, runs=2))
    known = bench.trials.recall(request)

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED, Outcome.ERROR]
    assert known is not None
    assert known.observations == trial.observations[:1]
    # What is missing is asked again.
    again = bench.run(replace(request, runs=2))
    assert [run.outcome for run in again.observations] == [Outcome.PASSED, Outcome.PASSED]
    assert (again.remembered, bench.runs) == (1, 3)


def test_what_a_run_shows_whose_environment_was_removed_is_no_verdict(bench: TrialBench) -> None:
    script = "import os, shutil; shutil.rmtree(os.environ['VIRTUAL_ENV']); import demo"

    with pytest.raises(Unavailable) as caught:
        bench.run(bench.request(script))

    assert str(caught.value).startswith("an environment was removed while the probe ran in it: `")
    assert bench.trials.recall(bench.request(script)) is None


def test_of_a_candidate_that_could_never_be_asked_nothing_is_known(
    bench: TrialBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bisect_asgi.backend.trials.trial.run_probe",
        lambda *a: replace(run_probe(*a), outcome=Outcome.ERROR),
    )

    trial = bench.run(bench.request())

    assert [run.outcome for run in trial.observations] == [Outcome.ERROR]
    assert bench.trials.recall(bench.request()) is None
