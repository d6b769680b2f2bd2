"""Nothing that a supervised command started stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from support.processes import eventually, is_running
from support.supervised import LEAVES_A_SESSION, python, supervise

from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled

LEAVES_A_DAEMON = """
import os, time
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    number = b"%d" % os.getpid()
    os.closerange(0, 3)
    os.write(writer, number)
    time.sleep(120)
    os._exit(0)
print(os.read(reader, 20).decode(), flush=True)
"""


HANG = "time.sleep(120)"


@contextmanager
def cancelled_after(event: threading.Event, token: CancelToken) -> Iterator[None]:
    """Cancel the token from another thread as soon as `event` is set."""

    def cancel() -> None:
        event.wait()
        token.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        yield
    finally:
        event.set()
        thread.join()


# --- Nothing stays behind

leaves = pytest.mark.parametrize(
    "leaves",
    [pytest.param(LEAVES_A_SESSION, id="session"), pytest.param(LEAVES_A_DAEMON, id="daemon")],
)


@leaves
def test_what_the_command_left_running_is_gone_when_it_ended(tmp_path: Path, leaves: str) -> None:
    run = supervise(tmp_path, python(leaves))

    assert not psutil.pid_exists(int(run.output_tail))


@leaves
def test_what_the_command_left_running_is_gone_after_a_time_out(tmp_path: Path, leaves: str) -> None:
    run = supervise(tmp_path, python(leaves + HANG), timeout_s=0.7)

    assert run.timed_out
    assert not psutil.pid_exists(run.pid)
    assert not psutil.pid_exists(int(run.output_tail))


@leaves
def test_what_the_command_left_running_is_gone_when_it_is_cancelled(tmp_path: Path, leaves: str) -> None:
    token, started = CancelToken(), threading.Event()
    seen: list[str] = []

    def watch(text: str) -> None:
        seen.append(text)
        started.set()

    begun = time.monotonic()
    with cancelled_after(started, token), pytest.raises(Cancelled):
        supervise(tmp_path, python(f"print({os.getpid()})" + leaves + HANG), token=token, on_output=watch)

    assert time.monotonic() - begun < 60
    assert not psutil.pid_exists(int("".join(seen).split()[-1]))


def test_processes_that_fork_as_fast_as_they_are_killed_are_gone_as_well(tmp_path: Path) -> None:
    code = f"""
import os, sys, time
end = time.monotonic() + 120
if os.fork():
    while not os.path.exists("forking"):
        time.sleep(0.01)
    sys.exit()
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
    open("forking", "w").close()
# {tmp_path}
"""

    begun = time.monotonic()
    supervise(tmp_path, python(code))
    left = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(tmp_path) in " ".join(process.info["cmdline"] or ())
    ]

    assert time.monotonic() - begun < 60
    assert left == []


@leaves
def test_when_the_tool_is_killed_everything_that_it_ran_goes_with_it(tmp_path: Path, leaves: str) -> None:
    tool = f"""
import sys
from pathlib import Path
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.backend.process.run import run_supervised
here = Path({str(tmp_path)!r})
run_supervised(
    {python("import os; print(os.getpid())" + leaves + HANG)!r}, cwd=here, report=here, environ={{}},
    timeout_s=60, token=CancelToken(), on_output=lambda text: print(text, end="", flush=True),
)
"""
    with subprocess.Popen([sys.executable, "-c", tool], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        numbers = [int(process.stdout.readline()), int(process.stdout.readline())]
        assert all(is_running(number) for number in numbers)
        process.send_signal(signal.SIGKILL)

    eventually(lambda: not any(is_running(number) for number in numbers))
