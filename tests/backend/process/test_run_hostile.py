"""A run ends at its limit, whatever its command does to what supervises it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from support.other_user import NOBODY, open_folder, run_as_nobody
from support.processes import eventually, is_running
from support.supervised import python, supervise

from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, NoResult


@pytest.fixture(autouse=True)
def _little_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bisect_asgi.backend.process.run._GRACE_S", 1.5)


BEGIN = """
import os, resource, signal, subprocess, sys, time
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"], start_new_session=True)
print(os.getpid(), other.pid, flush=True)
supervisor = os.getppid()
server = int(open(f"/proc/{supervisor}/stat").read().rpartition(")")[2].split()[1])
"""
SLEEP = "\ntime.sleep(120)\n"


def end_without_result(folder: Path, code: str, *, timeout_s: float) -> None:
    """Run a command that attacks its supervisor; expect that it has no result and leaves nothing."""
    printed: list[str] = []
    begun = time.monotonic()

    with pytest.raises(NoResult, match=r"^its supervisor was killed or stopped$"):
        supervise(
            folder,
            python(BEGIN + code + SLEEP),
            environ={"BISECT_ASGI_REPORT": str(folder)},
            timeout_s=timeout_s,
            on_output=printed.append,
        )

    assert time.monotonic() - begun < 60
    numbers = [int(word) for word in "".join(printed).split()]
    assert len(numbers) == 2
    eventually(lambda: not any(is_running(number) for number in numbers))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("os.kill(supervisor, signal.SIGKILL)", id="kill"),
        pytest.param("os.killpg(os.getpgid(supervisor), signal.SIGKILL)", id="kill-its-group"),
        pytest.param("os.kill(server, 9); os.kill(supervisor, 9)", id="kill-both"),
    ],
)
def test_a_command_that_kills_its_supervisor_has_no_result_and_leaves_nothing(
    tmp_path: Path, code: str
) -> None:
    end_without_result(tmp_path, code, timeout_s=90.0)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("os.kill(supervisor, signal.SIGSTOP)", id="supervisor"),
        pytest.param("os.kill(server, signal.SIGSTOP); os.kill(supervisor, signal.SIGSTOP)", id="both"),
    ],
)
def test_a_command_that_stops_its_supervisor_ends_at_its_limit_and_the_next_runs(
    tmp_path: Path, code: str
) -> None:
    end_without_result(tmp_path, code, timeout_s=1.0)

    assert supervise(tmp_path, python("print('next')")).output_tail == "next\n"


def test_a_command_that_takes_all_from_its_supervisor_ends_at_its_limit(tmp_path: Path) -> None:
    code = "for name in (0, 7): resource.prlimit(supervisor, name, (0, 0))  # processor time and open files"
    printed: list[str] = []

    with suppress(NoResult, OSError):
        supervise(tmp_path, python(BEGIN + code + SLEEP), timeout_s=1.0, on_output=printed.append)

    numbers = [int(word) for word in "".join(printed).split()]
    eventually(lambda: not any(is_running(number) for number in numbers))


def test_a_command_that_stopped_its_supervisor_can_be_cancelled(tmp_path: Path) -> None:
    token = CancelToken()
    stopped = "os.kill(supervisor, signal.SIGSTOP); print('stopped', flush=True)"

    def cancel(text: str) -> None:
        if "stopped" in text:
            threading.Thread(target=token.cancel).start()

    begun = time.monotonic()
    with pytest.raises(Cancelled):
        supervise(tmp_path, python(BEGIN + stopped + SLEEP), token=token, on_output=cancel)

    assert time.monotonic() - begun < 60


def test_output_that_is_kept_open_from_outside_is_not_waited_for(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"""
import os, time
while not os.path.exists({str(tmp_path / "pid")!r}): time.sleep(0.01)
pid = int(open({str(tmp_path / "pid")!r}).read())
held = os.open(f"/proc/{{pid}}/fd/1", os.O_WRONLY)
open({str(tmp_path / "held")!r}, "w").close()
time.sleep(120)
""",
        ]
    )
    code = """
import os, time
open("writing", "w").write(str(os.getpid()))
os.rename("writing", "pid")
while not os.path.exists("held"): time.sleep(0.01)
print("done", flush=True)
"""
    try:
        run = supervise(tmp_path, python(code))
        assert holder.poll() is None
    finally:
        holder.kill()
        holder.wait()

    assert (run.exit_code, run.output_tail) == (0, "done\n")


def test_a_command_that_floods_its_output_ends_at_its_limit(tmp_path: Path) -> None:
    run = supervise(tmp_path, python("while True: print('x' * 100_000)"), timeout_s=1.0)

    assert run.timed_out


def test_a_program_of_roots_starts_as_the_user_and_is_killed_with_the_rest() -> None:
    tool = """
import sys
from pathlib import Path
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.backend.process.run import run_supervised
here = Path(sys.argv[1])
argv = [sys.executable, "-I", "-S", "-c", sys.argv[2]]
run = run_supervised(argv, cwd=here, report=here, environ={}, timeout_s=60, token=CancelToken())
print(run.exit_code, run.output_tail)
"""
    probe = """
import subprocess
child = subprocess.Popen(["./sleeper", "120"], start_new_session=True)
print(child.pid, *open("/proc/%d/status" % child.pid).read().split("Uid:")[1].split()[:2])
"""
    with open_folder() as folder:
        shutil.copy(shutil.which("sleep") or "/bin/sleep", folder / "sleeper")
        (folder / "sleeper").chmod(0o4755)
        done = run_as_nobody(tool, str(folder), probe)

    assert done.returncode == 0, done.stderr
    exit_code, child, *uids = done.stdout.split()
    assert (exit_code, uids) == ("0", [str(NOBODY), str(NOBODY)])
    assert not psutil.pid_exists(int(child))
