"""uv is asked at the very start of a command, once, and its answer is there when it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import uv
from support.processes import eventually, is_running

from bisect_asgi.backend.network import configured, question

PATIENCE_S = 60.0
THIS_PYTHON = sys.executable


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A uv beside a Python, which writes down each time that it is asked."""
    found = tmp_path / "uv"
    found.write_text(f'#!/bin/sh\necho asked >> {tmp_path}/log\necho "--index-url $INDEX"\n')
    found.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(question, "_begun", None)
    monkeypatch.setenv("INDEX", "http://here/simple")
    return found


def times(program: Path) -> int:
    log = program.with_name("log")
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_what_was_asked_at_the_start_is_not_asked_again(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    question.begin()
    monkeypatch.setenv("INDEX", "http://later/simple")

    said = question.answer(str(program), limit_s=PATIENCE_S)

    assert (said.returncode, said.stdout) == (0, "--index-url http://here/simple\n")
    assert times(program) == 1


def test_without_that_it_is_asked_where_the_answer_is_needed_each_time(program: Path) -> None:
    for _ in range(2):
        said = question.answer(str(program), limit_s=PATIENCE_S)
        assert said.stdout == "--index-url http://here/simple\n"

    assert times(program) == 2


@pytest.mark.parametrize("there", ["nothing", "no program"])
def test_a_uv_that_is_elsewhere_is_left_for_later(program: Path, tmp_path: Path, there: str) -> None:
    elsewhere = tmp_path / "elsewhere" / "uv"
    elsewhere.parent.mkdir()
    program.rename(elsewhere)
    if there == "no program":
        program.write_text("no program")
        program.chmod(0o755)
        program.write_bytes(b"\x7fELF")

    question.begin()

    assert question.answer(str(elsewhere), limit_s=PATIENCE_S).returncode == 0


@pytest.mark.parametrize("is_environment", [True, False])
def test_a_uv_next_to_python_is_the_tools_own_in_an_environment_alone(
    program: Path, monkeypatch: pytest.MonkeyPatch, is_environment: bool
) -> None:
    """Next to the system's Python, it may be the system's."""
    monkeypatch.setattr(uv, "find_uv_bin", lambda: "the tool's own")
    monkeypatch.setattr(sys, "base_prefix", "/usr" if is_environment else sys.prefix)

    assert configured.binary() == (str(program) if is_environment else "the tool's own")


def test_one_that_does_not_answer_is_killed(program: Path, tmp_path: Path) -> None:
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")

    with pytest.raises(subprocess.TimeoutExpired):
        question.answer(str(program), limit_s=0.5)

    pid = (tmp_path / "pid").read_text() if (tmp_path / "pid").exists() else ""
    assert not pid or not os.path.exists(f"/proc/{pid.strip()}")


ENDS = """
import os, sys
from bisect_asgi.backend.network import question

sys.executable = sys.argv[1]
question.begin()
while not os.path.exists(sys.argv[2]):
    pass
{how}
"""


@pytest.mark.parametrize("how", ["", "question.end()\nos._exit(130)"], ids=["at-its-end", "at-an-interrupt"])
def test_nobody_who_was_asked_is_left_with_what_it_runs(program: Path, tmp_path: Path, how: str) -> None:
    inner = tmp_path / "inner"
    program.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {inner}.new; mv {inner}.new {inner}\nwait\n")

    subprocess.run(
        [THIS_PYTHON, "-c", ENDS.format(how=how), str(tmp_path / "python"), str(inner)], check=False
    )

    pid = int(inner.read_text())
    eventually(lambda: not is_running(pid))


INTERRUPTED = """
import os, signal, sys
from bisect_asgi.backend.network import question

def end(*_):
    question.end()
    os._exit(130)

def started(process, *arguments, kept=question.subprocess.Popen._execute_child):
    kept(process, *arguments)
    print(process.pid, flush=True)
    signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, end)
question.subprocess.Popen._execute_child = started
sys.executable = sys.argv[1]
question.begin()
"""


def test_an_interrupt_while_it_starts_ends_it_too(program: Path) -> None:
    program.write_text("#!/bin/sh\nexec sleep 600\n")

    done = subprocess.run(
        [THIS_PYTHON, "-c", INTERRUPTED, str(program)], stdout=subprocess.PIPE, text=True, check=False
    )

    assert done.returncode == 130
    assert not is_running(int(done.stdout))
