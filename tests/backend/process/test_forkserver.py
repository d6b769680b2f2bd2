"""Supervisors are forked from one process, which ends with the tool."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.processes import eventually, is_running

from bisect_asgi.backend.process import forkserver as supervisors
from bisect_asgi.backend.process.forkserver import Supervisor, start_supervisor


def read(descriptor: int) -> bytes:
    found = b""
    while chunk := os.read(descriptor, 4096):
        found += chunk
    return found


def run(supervisor: Supervisor, folder: Path, *argv: str) -> tuple[str, dict[str, object]]:
    """Have a supervisor run a command; return its output and the result."""
    request = {"argv": argv, "environ": {"PATH": os.defpath}, "cwd": str(folder), "report": str(folder)}
    supervisor.send(json.dumps(request | {"timeout_s": 60, "confine": None}).encode() + b"\n")
    output = read(supervisor.output).decode()
    result = json.loads(read(supervisor.results))
    supervisor.close()
    return output, result


def test_each_run_has_a_supervisor_of_its_own_and_one_parent(tmp_path: Path) -> None:
    first, second = start_supervisor(), start_supervisor()

    assert first.pid != second.pid
    assert psutil.Process(first.pid).ppid() == psutil.Process(second.pid).ppid()
    assert [run(each, tmp_path, "sh", "-c", "echo $PPID")[0] for each in (second, first)] == [
        f"{second.pid}\n",
        f"{first.pid}\n",
    ]


def test_supervisors_leave_no_zombies(tmp_path: Path) -> None:
    supervisor = start_supervisor()
    parent = psutil.Process(supervisor.pid).parent()
    assert parent is not None

    run(supervisor, tmp_path, "true")

    eventually(lambda: supervisor.pid not in [child.pid for child in parent.children()])


def test_one_that_is_let_go_ends_whatever_it_was_doing() -> None:
    supervisor = start_supervisor()

    supervisor.let_go()
    supervisor.let_go()
    supervisor.send(b"too late\n")

    eventually(lambda: not is_running(supervisor.pid))
    assert read(supervisor.results) == b""
    supervisor.close()


def test_another_parent_is_started_when_somebody_kills_it(tmp_path: Path) -> None:
    before = start_supervisor()
    parent = psutil.Process(before.pid).ppid()
    os.kill(parent, signal.SIGKILL)
    eventually(lambda: not is_running(parent))

    after = start_supervisor()

    assert psutil.Process(after.pid).ppid() != parent
    assert run(after, tmp_path, "echo", "hello")[0] == "hello\n"
    # Those that were there already go on: they do not hang on it.
    assert run(before, tmp_path, "echo", "still")[0] == "still\n"


def test_the_parent_ends_with_the_tool_however_that_ends() -> None:
    code = (
        "import os, psutil, signal\n"
        "from bisect_asgi.backend.process.forkserver import start_supervisor\n"
        "supervisor = start_supervisor()\n"
        "print(supervisor.pid, psutil.Process(supervisor.pid).ppid(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)

    supervisor, parent = map(int, done.stdout.split())
    eventually(lambda: not is_running(supervisor))
    eventually(lambda: not is_running(parent))


def test_a_process_that_was_forked_has_a_parent_of_its_own(tmp_path: Path) -> None:
    ours = start_supervisor()
    code = os.fork()
    if code == 0:
        status = 1
        try:
            theirs = start_supervisor()
            is_other = psutil.Process(theirs.pid).ppid() != psutil.Process(ours.pid).ppid()
            status = 0 if is_other and run(theirs, tmp_path, "echo", "hello")[0] == "hello\n" else 2
        finally:
            os._exit(status)

    assert os.waitstatus_to_exitcode(os.waitpid(code, 0)[1]) == 0
    ours.close()


def test_what_cannot_be_started_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisors, "_fork_server", supervisors._ForkServer())
    monkeypatch.setattr(supervisors, "_PROGRAM", Path("/nowhere/supervisor.py"))
    descriptors = len(os.listdir("/proc/self/fd"))

    with pytest.raises(OSError, match="does not start"):
        start_supervisor()

    assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_a_tool_without_a_standard_error_still_has_its_probes_output(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from bisect_asgi.core.cancel import CancelToken\n"
        "from bisect_asgi.backend.process.run import run_supervised\n"
        "argv = ['sh', '-c', 'echo to the error >&2']\n"
        "run = run_supervised(argv, cwd=Path('.'), report=Path('.'), environ={'PATH': '/usr/bin:/bin'},\n"
        "                     timeout_s=30, token=CancelToken())\n"
        "print(run.output_tail)\n"
    )
    (tmp_path / "tool.py").write_text(code)
    argv = ["sh", "-c", f"exec {shlex.quote(sys.executable)} tool.py 2>&-"]
    done = subprocess.run(argv, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)

    assert done.stdout.strip() == "to the error"


def test_what_a_supervisor_cannot_do_it_says(tmp_path: Path) -> None:
    supervisor = start_supervisor()

    _, result = run(supervisor, tmp_path / "nowhere", "true")

    assert "nowhere" in str(result["error"])
