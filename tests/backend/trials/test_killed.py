"""Runs that something else kills: the next run counts, and a second kill is no coincidence."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.trials import TrialBench, another_command

from bisect_asgi.backend.trials.killed import is_of_sigkill
from bisect_asgi.backend.trials.runs import Held
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.events import Note
from bisect_asgi.core.model import Limits, Observation, Outcome, SamplingMode, TrialRequest
from bisect_asgi.core.records import replace

NOTE = (
    "a run on {} was killed (SIGKILL) by something else, such as the kernel when memory runs out; "
    "it was made again"
)
DIES = """
import os, signal
def run_number():
    with open(os.environ["DIARY"]) as diary:
        return len(diary.readlines())
def die(number=signal.SIGKILL):
    os.kill(os.getpid(), number)
"""
ONCE = DIES + "if run_number() == 1:\n    die()\n"


def notes(bench: TrialBench) -> list[str]:
    return [event.text for event in bench.events if isinstance(event, Note)]


def shown(observations: tuple[Observation, ...]) -> list[str]:
    return [str(run.signature.shown if run.signature else run.outcome) for run in observations]


@pytest.mark.parametrize(
    ("exit_code", "of_script", "of_shell"),
    [
        pytest.param(0, False, False, id="passed"),
        pytest.param(1, False, False, id="failed"),
        pytest.param(None, False, False, id="killed-by-the-tool"),
        pytest.param(-9, True, True, id="killed"),
        pytest.param(137, False, True, id="as-a-shell-says-it"),
        pytest.param(-11, False, False, id="crashed"),
        pytest.param(139, False, False, id="crashed-in-a-shell"),
        pytest.param(-6, False, False, id="aborted"),
        pytest.param(-15, False, False, id="terminated"),
        pytest.param(9, False, False, id="an-exit-code-of-9"),
    ],
)
def test_only_sigkill_says_nothing(exit_code: int | None, of_script: bool, of_shell: bool) -> None:
    assert is_of_sigkill(exit_code, of_shell=False) is of_script
    assert is_of_sigkill(exit_code, of_shell=True) is of_shell


def test_a_killed_run_is_made_again_and_only_that_one_counts(bench: TrialBench) -> None:
    request = bench.request(ONCE)

    trial = bench.run(request)
    known = bench.trials.recall(request)

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED]
    assert bench.runs == 2
    assert known is not None
    assert known.observations == trial.observations
    assert notes(bench) == [NOTE.format("1.0")]


@pytest.mark.parametrize(
    ("code", "failure", "runs"),
    [
        pytest.param("die()", "killed by SIGKILL", 2, id="killed-twice"),
        pytest.param("die(signal.SIGSEGV)", "killed by SIGSEGV", 1, id="segfault"),
        pytest.param("die(signal.SIGABRT)", "killed by SIGABRT", 1, id="abort"),
        pytest.param("die(signal.SIGTERM)", "killed by SIGTERM", 1, id="terminated"),
        pytest.param("raise SystemExit(137)", "exit code 137", 1, id="exit-code-of-a-script"),
        pytest.param(
            "import subprocess\nsubprocess.run(['sh', '-c', 'kill -9 $$'])\nraise SystemExit(3)",
            "exit code 3",
            1,
            id="a-process-of-the-probe",
        ),
    ],
)
def test_a_crash_and_a_second_kill_count_at_once(
    bench: TrialBench, code: str, failure: str, runs: int
) -> None:
    trial = bench.run(bench.request(DIES + code))

    assert shown(trial.observations) == [failure]
    assert (bench.runs, notes(bench)) == (runs, [])


@pytest.mark.parametrize(
    ("code", "limits", "outcome"),
    [
        pytest.param("import time\ntime.sleep(60)", Limits(), Outcome.FAILED, id="time"),
        pytest.param("while True: pass", Limits(cpu_s=0.1), Outcome.UNTESTABLE, id="cpu"),
        pytest.param(
            "held = b'x' * (200 << 20)\nimport time\ntime.sleep(60)",
            Limits(memory_bytes=100 << 20),
            Outcome.UNTESTABLE,
            id="memory",
        ),
    ],
)
def test_what_the_tool_itself_kills_is_not_made_again(
    bench: TrialBench, code: str, limits: Limits, outcome: Outcome
) -> None:
    request = bench.request(code)
    timeout_s = 1.0 if limits == Limits() else 30.0

    trial = bench.run(replace(request, probe=replace(request.probe, limits=limits, timeout_s=timeout_s)))

    assert [run.outcome for run in trial.observations] == [outcome]
    assert (bench.runs, notes(bench)) == (1, [])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('echo run >> "$DIARY"; test $(wc -l < "$DIARY") -gt 1 || kill -9 $$', id="the-shell"),
        pytest.param(
            'echo run >> "$DIARY"; test $(wc -l < "$DIARY") -gt 1 || sh -c \'kill -9 $$\'', id="its-program"
        ),
    ],
)
def test_a_killed_command_is_run_again(bench: TrialBench, line: str) -> None:
    request = bench.request()
    probe = replace(request.probe, script=None, command=line)

    trial = bench.run(replace(request, probe=probe))

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED]
    assert (bench.runs, notes(bench)) == (2, [NOTE.format("1.0")])


def test_each_run_is_made_again_by_itself_and_each_candidate_is_told_of_once(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-02-01", requires=["dep"])
    code = DIES + "if run_number() % 2:\n    die()\n"

    trials = [bench.run(replace(bench.request(code, version=each), runs=3)) for each in ("1.0", "2.0")]

    assert [run.outcome for trial in trials for run in trial.observations] == [Outcome.PASSED] * 6
    assert bench.runs == 12
    assert notes(bench) == [NOTE.format("1.0"), NOTE.format("2.0")]


def test_runs_in_parallel_are_made_again_by_themselves(bench: TrialBench, tmp_path: Path) -> None:
    # The first two runs are killed while both are going on.
    code = (
        DIES
        + f"""
import pathlib, time
folder = pathlib.Path({str(tmp_path)!r})
for name in ("one", "other"):
    try:
        folder.joinpath(name).mkdir()
    except FileExistsError:
        continue
    while not folder.joinpath("other").exists():
        time.sleep(0.01)
    die()
"""
    )
    trial = bench.run(replace(bench.request(code), runs=4, parallel=2))

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED] * 4
    assert (bench.runs, notes(bench)) == (6, [NOTE.format("1.0")])


def test_a_killed_sample_keeps_its_baseline_beside_it(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-02-01", requires=["dep"])
    how = SamplingMode(needs_warm_up=True, reference=bench.request(version="2.0").spec)
    code = DIES + "if run_number() in (1, 3, 5, 7):\n    die()\nprint('@metric size 3')\n"

    trial = bench.run(replace(bench.request(code), sampling=how, runs=1))

    warm_up, sample = trial.observations
    assert (warm_up.is_warm_up, sample.is_warm_up) == (True, False)
    assert sample.reference_metrics["size"] == 3
    assert bench.runs == 8


CHANGES = """
import pathlib, dep
path = pathlib.Path(dep.__file__)
assert "used" not in path.read_text(), "a killed run was here"
path.chmod(0o644)
path.write_text(path.read_text() + "# used\\n")
"""


@pytest.mark.parametrize(
    ("when", "ends", "runs"),
    [
        # The first run shared the file that it changed, so it says nothing, killed or not.
        pytest.param("run_number() == 1", ["passed"], 2, id="in-the-shared-environment"),
        pytest.param("run_number() == 2", ["passed"], 3, id="in-its-own-environment"),
        pytest.param("True", ["killed by SIGKILL"], 3, id="each-time"),
    ],
)
def test_a_killed_run_that_changed_its_environment_is_made_again_in_a_new_one(
    bench: TrialBench, when: str, ends: list[str], runs: int
) -> None:
    trial = bench.run(bench.request(DIES + CHANGES + f"if {when}:\n    die()\n"))

    assert shown(trial.observations) == ends
    assert bench.runs == runs


def test_a_killed_program_of_a_function_is_run_again(bench: TrialBench) -> None:
    def decide(request: TrialRequest, held: Held, token: CancelToken) -> Observation:
        return held.run(request.probe)

    bench.trials = replace(bench.trials, decider=decide)

    trial = bench.run(bench.request(ONCE))

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED]
    assert (bench.runs, notes(bench)) == (2, [NOTE.format("1.0")])


def test_a_later_command_tells_of_its_own_kills(bench: TrialBench) -> None:
    bench.run(bench.request(ONCE))
    bench.diary.unlink()
    another_command(bench)

    bench.run(replace(bench.request(ONCE), fresh=True))

    assert notes(bench) == [NOTE.format("1.0")] * 2
