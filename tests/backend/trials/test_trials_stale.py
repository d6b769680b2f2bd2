"""A candidate that has to be resolved again runs with its last resolution meanwhile: that may still hold."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from support.processes import eventually
from support.trials import TrialBench

from bisect_asgi.backend.environments.resolve import Resolver
from bisect_asgi.backend.trials import store
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unresolvable
from bisect_asgi.core.model import EnvironmentSpec, Outcome, SamplingMode, TrialRequest
from bisect_asgi.core.records import replace

SHOWS = "import dep, demo\nprint(dep.__version__)\n"


class Watch:
    """Tells of each resolution whether the probe had run by then; it may wait for that, or fail."""

    def __init__(self, bench: TrialBench, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bench = bench
        self.runs_before: list[int] = []
        self.threads: list[threading.Thread] = []
        self.waits_for = 0
        self.error: Exception | None = None
        real = Resolver.resolve

        def resolve(own: Resolver, spec: EnvironmentSpec, *arguments: object, **named: object) -> object:
            eventually(lambda: bench.runs >= self.waits_for)
            self.runs_before.append(bench.runs)
            self.threads.append(threading.current_thread())
            if self.error:
                raise self.error
            return real(own, spec, *arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(Resolver, "resolve", resolve)


@pytest.fixture
def watch(bench: TrialBench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """After a first trial in an environment whose resolution holds no longer."""
    with ThreadPoolExecutor() as builders:
        bench.trials = replace(bench.trials, builders=builders)
        bench.run(bench.request("import demo\n", dated=False))
        monkeypatch.setattr(store, "_KEPT_FOR", timedelta(0))
        yield Watch(bench, monkeypatch)


def request(bench: TrialBench) -> TrialRequest:
    return bench.request(SHOWS, dated=False)


def test_the_run_counts_if_the_resolution_is_the_same(bench: TrialBench, watch: Watch) -> None:
    watch.waits_for = 2

    trial = bench.run(request(bench))

    assert watch.runs_before == [2]  # it has run before it was resolved
    assert bench.runs == 2
    assert [run.output_tail for run in trial.observations] == ["2.0\n"]
    assert trial.remembered == 0


def test_if_it_is_another_the_candidate_runs_with_that(bench: TrialBench, watch: Watch) -> None:
    bench.index.add_wheel("dep", "3.0", uploaded="2023-01-01")
    shutil.rmtree(os.environ["UV_CACHE_DIR"])  # uv itself keeps a page for ten minutes
    watch.waits_for = 2

    trial = bench.run(request(bench))

    assert [run.output_tail for run in trial.observations] == ["3.0\n"]
    assert trial.environment is not None
    assert [str(each) for each in trial.environment.distributions] == ["demo==1.0", "dep==3.0"]
    assert bench.runs == 3


def test_if_there_is_none_any_more_that_is_what_the_trial_shows(bench: TrialBench, watch: Watch) -> None:
    watch.waits_for, watch.error = 2, Unresolvable("dep is gone")

    trial = bench.run(request(bench))

    assert [run.outcome for run in trial.observations] == [Outcome.UNTESTABLE]
    assert trial.environment is None


@pytest.mark.parametrize("why", ["measured", "fresh", "no environment", "no place"])
def test_otherwise_it_is_resolved_first(bench: TrialBench, watch: Watch, why: str) -> None:
    asked = request(bench)
    match why:
        case "measured":
            asked = replace(asked, sampling=SamplingMode())
        case "fresh":
            asked = replace(asked, fresh=True)
        case "no environment":
            for digest, _ in bench.trials.environments.sizes():
                assert bench.trials.environments.remove(digest)
        case "no place":
            bench.trials = replace(bench.trials, builders=None)

    bench.run(asked, CancelToken())

    assert watch.runs_before[0] == 1
    assert watch.threads[0] is threading.main_thread()


def test_a_resolution_that_holds_is_not_made_again(
    bench: TrialBench, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_KEPT_FOR", timedelta(minutes=10))

    bench.run(request(bench))

    assert watch.runs_before == []
