"""At first builds ahead leave the cores to the builds of trials."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.environments import THIS_PYTHON
from support.processes import eventually
from support.trials import TrialBench

from bisect_asgi.backend.environments import templates
from bisect_asgi.backend.trials.cold_start import ColdStart
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled
from bisect_asgi.core.model import Interpreter, Outcome
from bisect_asgi.core.records import replace


@pytest.mark.parametrize(
    ("cores", "trials", "waits"), [(2, 0, False), (2, 1, False), (2, 2, True), (2, 3, True), (8, 2, False)]
)
def test_a_build_ahead_waits_if_trials_need_all_cores(cores: int, trials: int, waits: bool) -> None:
    cold, token = ColdStart(cores), CancelToken()
    for _ in range(trials):
        cold.begin()
    token.cancel()

    if waits:
        with pytest.raises(Cancelled):
            cold.wait(token)
    else:
        cold.wait(token)


def test_no_build_ahead_waits_once_a_trial_has_its_environment() -> None:
    cold = ColdStart(1)
    cold.begin()
    waiting = threading.Thread(target=cold.wait, args=[CancelToken()])
    waiting.start()
    cold.end()
    waiting.join(20)
    cold.begin()

    assert not waiting.is_alive()
    cold.wait(CancelToken())


def test_an_environment_is_built_ahead_while_the_first_probe_runs(bench: TrialBench) -> None:
    trials = replace(bench.trials, _cold=ColdStart(1))
    there = bench.folder / "there"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(there)!r}).exists(): time.sleep(0.01)\n"
    with ThreadPoolExecutor() as pool:
        first = pool.submit(trials.run, bench.request(waits), CancelToken())
        eventually(lambda: trials._cold._building > 0)
        pool.submit(trials.prepare, bench.request(version="2.0"), CancelToken()).result(60)
        there.touch()

    assert [run.outcome for run in first.result().observations] == [Outcome.PASSED]
    assert bench.runs == 1


def test_the_empty_environment_is_made_beside_the_first_resolution(
    bench: TrialBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(bench.folder / "templates", ignore_errors=True)
    made = threading.Event()
    make, resolve = templates.make_template, type(bench.trials.resolutions).resolve

    def noted(folder: Path, interpreter: Interpreter) -> None:
        make(folder, interpreter)
        made.set()

    def resolved(*arguments: object, **options: object) -> object:
        assert made.wait(60)
        return resolve(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(templates, "make_template", noted)
    monkeypatch.setattr(type(bench.trials.resolutions), "resolve", resolved)
    with ThreadPoolExecutor() as builders:
        trials = replace(bench.trials, builders=builders)
        seen = trials.run(bench.request(), CancelToken())

    assert [run.outcome for run in seen.observations] == [Outcome.PASSED]
    assert not trials.environments.needs_template(THIS_PYTHON)
