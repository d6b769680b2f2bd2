"""What a probe reports, and what is measured of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.probe_runs import MIB, command, observe, script, source

from bisect_asgi.backend.environments import Environment
from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, Probe

# --- What a probe reports

WRITES = "import json, os\nwith open(os.environ['BISECT_ASGI_METRICS'], 'w') as file:\n    file.write(TEXT)\n"


def writes(text: str) -> str:
    """A script that writes its file of metrics."""
    return WRITES.replace("TEXT", repr(text))


def complaint_of(observation: Observation) -> str:
    """What is wrong with a metric of a run that passed otherwise."""
    assert (observation.outcome, observation.phase) == (Outcome.PASSED, Phase.CHECK)
    assert observation.exit_code == 0
    assert observation.signature is None
    return observation.complaint


def test_a_probe_that_reports_nothing_has_no_metrics(environment: Environment, runs: Path) -> None:
    seen = observe(
        script("import os; print(os.path.exists(os.environ['BISECT_ASGI_METRICS']))"), environment, runs
    )

    assert (seen.outcome, seen.output_tail) == (Outcome.PASSED, "False\n")
    assert (seen.metrics, seen.units) == ({}, {})


def test_metrics_are_written_into_a_file_or_printed_and_the_file_goes_before(
    environment: Environment, runs: Path
) -> None:
    code = writes('{"p50": "3 ms", "n": 7, "both": 2}')
    code += "import sys\nprint('@metric startup 0.25 s')\nprint('@metric both 1 s', file=sys.stderr)"

    seen = observe(script(code), environment, runs)

    assert (seen.outcome, seen.signature) == (Outcome.PASSED, None)
    assert seen.metrics == {"startup": 0.25, "both": 2.0, "p50": 0.003, "n": 7.0}
    assert seen.units == {"startup": "s", "p50": "s"}


def test_a_commands_metrics_are_reported_likewise(environment: Environment, runs: Path) -> None:
    line = """printf '{"n": "3 KiB"}' > "$BISECT_ASGI_METRICS"; printf '@metric t 3 ms'"""

    seen = observe(command(line), environment, runs)

    assert (seen.outcome, seen.metrics, seen.units) == (
        Outcome.PASSED,
        {"t": 0.003, "n": 3072.0},
        {"t": "s", "n": "B"},
    )


def test_a_printed_metric_is_not_lost_in_a_long_output(environment: Environment, runs: Path) -> None:
    code = "print('@metric startup 0.25 s')\nprint('x' * 300_000)\nprint('.\\n' * 300_000)"

    seen = observe(script(code), environment, runs)

    assert "@metric" not in seen.output_tail
    assert seen.metrics == {"startup": 0.25}


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        pytest.param(
            writes('{"ok": true}'), "the metric `ok` cannot be read: `true` is no number", id="in-the-file"
        ),
        pytest.param(
            "print('@metric startup nan s')",
            "the metric `startup` cannot be read: `nan s` is no number, with or without a unit",
            id="printed",
        ),
        pytest.param(
            r"print('@metric startup \x1b[31m3 s')",
            "the metric `startup` cannot be read: `\x1b[31m3 s` is no number, with or without a unit",
            id="with-control-codes",
        ),
        pytest.param(
            "import os; os.mkdir(os.environ['BISECT_ASGI_METRICS'])",
            "the file of metrics is no file",
            id="a-folder",
        ),
        pytest.param(
            "import os; os.mkfifo(os.environ['BISECT_ASGI_METRICS'])",
            "the file of metrics is no file",
            id="a-pipe",
        ),
    ],
)
def test_a_metric_that_cannot_be_read_is_told_and_the_others_are_kept(
    environment: Environment, runs: Path, code: str, problem: str
) -> None:
    seen = observe(script(f"print('@metric before 1')\n{code}"), environment, runs)

    # Whether it is the metric that decides is not known here: the run passed.
    assert complaint_of(seen) == problem
    assert seen.metrics == {"before": 1.0}


@pytest.mark.parametrize(
    ("end", "timeout_s", "outcome"),
    [
        pytest.param("raise SystemExit(3)", 30, Outcome.FAILED, id="failed"),
        pytest.param("raise SystemExit(125)", 30, Outcome.UNTESTABLE, id="untestable"),
        pytest.param("import time; time.sleep(60)", 3, Outcome.FAILED, id="hung"),
    ],
)
def test_a_run_that_did_not_pass_keeps_its_metrics_and_its_reason(
    environment: Environment, runs: Path, end: str, timeout_s: float, outcome: Outcome
) -> None:
    told = writes('{"p50": 3}') + "print('@metric t 1 s')\nprint('@metric t2 nan')\n"

    seen = observe(script(told + end, timeout_s=timeout_s), environment, runs)

    assert (seen.outcome, seen.metrics, seen.units) == (outcome, {"p50": 3.0, "t": 1.0}, {"t": "s"})
    assert seen.signature is not None
    assert seen.signature.kind is not FailureKind.METRIC
    assert seen.wall_s > 0


@pytest.mark.parametrize(
    "probe",
    [
        pytest.param(script("held = b'x' * (200 << 20)"), id="script"),
        pytest.param(
            command("python leak.py | cat", source("leak.py", "held = b'x' * (200 << 20)")),
            id="a-child-of-a-command",
        ),
    ],
)
def test_peak_memory_is_the_probes_and_the_same_each_time(
    environment: Environment, runs: Path, probe: Probe
) -> None:
    mine = b"\1" * (400 * MIB)

    peaks = [observe(probe, environment, runs).peak_bytes or 0 for _ in range(4)]

    assert 200 * MIB <= min(peaks) < 240 * MIB < len(mine)
    assert max(peaks) <= min(peaks) * 1.02


def test_what_other_programs_take_of_the_processors_is_observed(environment: Environment, runs: Path) -> None:
    seen = observe(script("import time; time.sleep(0.3)"), environment, runs)

    assert seen.other_load is not None
    assert 0 <= seen.other_load <= (os.cpu_count() or 1) * 1.5
