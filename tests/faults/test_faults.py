"""The fault table: each fault is made for real, the command says what is wrong, and nothing is left of it."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import fault_answers, fault_runs, fault_states
from support.shell import PYTHON, Shell, publish

from bisect_asgi.backend.files import is_held

TABLE = Path(__file__).with_name("faults.toml")
PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
Row = dict[str, Any]
ROWS: list[Row] = tomllib.loads(TABLE.read_text())["row"]
HOW = ("--probe", "leak.py", "--python", PYTHON, "--env", "DIARY", "--sandbox", "none")
COMMANDS = {
    "check": ("check", "demo==1.1", *HOW),
    "bisect": ("demo", *HOW, "--jobs", "1", "--history", "none", "--confirm", "1"),
    "clear": ("cache", "--clear"),
}


@contextmanager
def fault(shell: Shell, row: Row) -> Iterator[None]:
    """Make the fault of a row, until this is left."""
    if "how" in row:
        yield
        return
    if "state" in row:
        with getattr(fault_states, row["state"])(shell):
            yield
        return
    answer: Callable[..., Any] = getattr(fault_answers, row["answer"])
    shell.index.faults[row["at"]] = answer() if row["answer"].startswith("once_") else answer
    yield
    shell.index.faults.clear()


def left(shell: Shell) -> list[str]:
    """What a command has left: processes, locks, mounts, and folders of builds, runs and temporary files."""
    found = [f"process {each.pid}" for each in psutil.process_iter() if _is_of(each, shell.folder)]
    found += [f"lock {path.name}" for path in (shell.cache / "locks").rglob("*.lock") if is_held(path)]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if f" {shell.folder}" in line]
    found += [str(path) for path in shell.cache.glob("building/*") if path.suffix != ".lock"]
    found += map(str, shell.cache.glob("runs/*"))
    found += [str(path) for path in shell.folder.glob("bisect-asgi-*") if path.is_dir()]
    return found


def _is_of(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.pid != os.getpid() and str(folder) in " ".join([process.cwd(), *process.cmdline()])
    except (psutil.Error, OSError):  # of a folder that is nested too deep, for one
        return False


def parameter(row: Row) -> Any:
    marks = () if row.get("always") else (pytest.mark.fault,)
    return pytest.param(row, id=row["name"].replace(" ", "-"), marks=marks)


@pytest.mark.parametrize("row", [parameter(row) for row in ROWS])
def test_a_fault_is_one_message_and_is_over_when_it_is_over(shell: Shell, row: Row) -> None:
    publish(shell.index, "++--", requires=["dep"])
    shell.index.add_wheel("dep", "1.0", uploaded="2020-01-01")
    command = (*COMMANDS[row["command"]], *row.get("options", ()))
    shell.environ |= row.get("environ", {})
    shell.patience_s *= row.get("patience", 1)
    if row.get("nobody") and os.geteuid() == 0:
        pytest.skip("root has no such limit")

    with fault(shell, row):
        before = left(shell)
        during = getattr(fault_runs, row["how"])(shell, command) if "how" in row else shell.run(*command)
        remains = set(left(shell)) - set(before)
    after = shell.run(*command)

    assert during.returncode == row["exit"], during.stdout + during.stderr
    assert row["says"] in during.stdout + during.stderr
    assert "Traceback" not in during.stdout + during.stderr
    assert "hunter2" not in during.stdout + during.stderr
    assert not CONTROLS.search(during.stdout + during.stderr)
    assert remains == set()
    assert after.returncode == row.get("healed", 0), after.stdout + after.stderr


def page() -> str:
    """The table for people."""
    lines = [
        "# What happens when something is wrong",
        "",
        "Each row is a test that makes the fault for real: `make faults`. When the fault is over, the same",
        "command has its result, and nothing is left of the fault: no process, lock, mount, or temporary",
        "directory. `check` is `bisect-asgi check`, whose exit codes without a verdict are 128 and above.",
        "",
        "| fault | command | exit code | it says |",
        "|---|---|---|---|",
    ]
    for row in ROWS:
        lines.append(f"| {row['name']} | {row['command']} | {row['exit']} | {_quoted(row['says'])} |")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def test_the_page_of_faults_shows_the_table() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


if __name__ == "__main__":
    sys.stdout.write(page())
