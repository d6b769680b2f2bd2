"""The action for GitHub: what its step does, with the environment that a runner gives it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import machine
from support.local_index import LocalIndex
from support.shell import PYTHON, Shell, publish

ACTION: Mapping[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "action.yml").read_text("utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
BISECT = next(step for step in STEPS if step.get("id") == "bisect")


@pytest.fixture
def shell(local_index: LocalIndex, tmp_path: Path, known_machine: Path) -> Shell:
    """A folder with a probe and an empty index beside it."""
    machine.tell(known_machine, tmp_path)
    return Shell(local_index, tmp_path)


def test_what_a_user_writes_gets_into_a_script_as_a_variable_alone() -> None:
    assert [step["name"] for step in STEPS if "${{" in step.get("run", "")] == []
    given = set(re.findall(r"inputs\.([\w-]+)", str(BISECT["env"])))
    assert given == set(ACTION["inputs"])


def test_each_output_is_one_that_the_step_has() -> None:
    assert all(f"steps.bisect.outputs.{name} " in each["value"] for name, each in ACTION["outputs"].items())


def run_step(shell: Shell, **inputs: str) -> tuple[int, dict[str, str]]:
    """Run the step with these inputs, and return its exit code and its outputs."""
    binaries, outputs = shell.folder / "bisect-asgi" / "bin", shell.folder / "outputs"
    binaries.mkdir(parents=True, exist_ok=True)
    for name in ("python", "bisect-asgi"):
        program = Path(sys.executable).with_name(name)
        (binaries / name).write_text(f'#!/bin/sh\nexec "{program}" "$@"\n')
        (binaries / name).chmod(0o755)
    named = {name.upper().replace("-", "_"): "" for name in ACTION["inputs"]} | {
        "FORMAT": "text",
        "PYTHON": PYTHON,
    }
    runner = {"RUNNER_TEMP": str(shell.folder), "GITHUB_OUTPUT": str(outputs), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", BISECT["run"]],
        cwd=shell.folder,
        env={**shell.environ, **runner, **named, **inputs},
        capture_output=True,
        text=True,
    )
    pairs = (line.split("=", 1) for line in outputs.read_text("utf-8").splitlines())
    return done.returncode, dict(pairs)


@pytest.mark.parametrize(
    ("releases", "first", "last", "code"),
    [
        pytest.param("++--", "1.2", "1.1", "0", id="changes"),
        pytest.param("++++", "", "", "3", id="does-not"),
    ],
)
def test_a_result_is_in_the_outputs_and_the_step_passes(
    shell: Shell, releases: str, first: str, last: str, code: str
) -> None:
    publish(shell.index, releases)
    shell.write("works.py", "import demo\nassert demo.works, 'it does not work'\n")

    returned, outputs = run_step(shell, PROBE="works.py", PACKAGE="demo", RANGE=">=1.0")

    assert returned == 0
    assert (outputs["first"], outputs["last"], outputs["exit-code"]) == (first, last, code)
    assert ("1.2" in outputs["headline"]) is bool(first)


def test_without_a_result_the_step_fails_with_the_commands_exit_code(shell: Shell) -> None:
    returned, outputs = run_step(shell, PROBE="$(touch harm).py", PACKAGE="demo")

    assert returned == 2
    assert outputs == {"headline": "", "first": "", "last": "", "exit-code": "2"}
    assert not (shell.folder / "harm").exists()


@pytest.mark.parametrize(
    ("releases", "fail_on", "code"),
    [
        ("++--", "found", 7),
        ("++--", "incomplete", 0),
        ("++++", "found changed", 0),
        ("++--", "incomplete found", 7),
    ],
)
def test_the_step_fails_on_the_results_that_are_named(
    shell: Shell, releases: str, fail_on: str, code: int
) -> None:
    publish(shell.index, releases)
    shell.write("works.py", "import demo\nassert demo.works, 'it does not work'\n")

    returned, outputs = run_step(shell, PROBE="works.py", PACKAGE="demo", FAIL_ON=fail_on)

    assert (returned, outputs["exit-code"]) == (code, str(code))
    assert outputs["headline"]


def test_the_step_searches_only_if_the_newest_release_is_bad(shell: Shell) -> None:
    publish(shell.index, "+-++")
    shell.write("works.py", "import demo\nassert demo.works, 'it does not work'\n")

    returned, outputs = run_step(shell, PROBE="works.py", PACKAGE="demo", IF_NEWEST_FAILS="true")

    assert (returned, outputs["exit-code"], outputs["first"]) == (0, "3", "")
    assert outputs["headline"] == "demo 1.3, the newest release, is good"


@pytest.mark.parametrize("name", ["nightly.yml", "nightly.gitlab-ci.yml"])
def test_a_nightly_job_runs_the_command_that_the_page_shows(name: str) -> None:
    docs = Path(__file__).parents[1] / "docs"
    shown = re.search(r"^\$ (bisect-asgi suite .*)$", (docs / "ci.md").read_text("utf-8"), re.MULTILINE)
    text = (docs / "ci" / name).read_text("utf-8")

    assert yaml.safe_load(text)
    assert shown is not None
    assert f"{shown[1]} || code=$?" in text
