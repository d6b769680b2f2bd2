"""Processor time, memory, and what others take of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from support.supervised import python, supervise

from bisect_asgi.backend.process import usage
from bisect_asgi.backend.process.helper import run_helper
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled

MIB = 1024 * 1024


# --- What is measured


@pytest.mark.parametrize(
    "end",
    [
        pytest.param("os.waitpid(child, 0)", id="waited-for"),
        pytest.param("", id="left-running"),
    ],
)
def test_cpu_time_counts_grandchildren(tmp_path: Path, end: str) -> None:
    code = f"""
import os, time
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.setsid()
    while time.process_time() < 0.3:
        pass
    os.write(writer, b"!")
    time.sleep({0 if end else 120})
    os._exit(0)
os.read(reader, 1)
{end}
"""

    run = supervise(tmp_path, python(code))

    assert 0.3 <= run.cpu_s < 3


def test_waiting_is_wall_time_and_no_cpu_time(tmp_path: Path) -> None:
    run = supervise(tmp_path, python("import time; time.sleep(0.6)"))

    assert run.wall_s >= 0.6
    assert run.cpu_s < 0.4


def test_peak_memory_is_the_childs_and_not_its_parents(tmp_path: Path) -> None:
    mine = b"\1" * (200 * MIB)

    small = supervise(tmp_path, python("pass"))
    large = supervise(tmp_path, python("held = b'x' * (120 << 20); del held"))

    assert psutil.Process().memory_info().rss > len(mine)
    assert MIB < small.peak_bytes < 60 * MIB
    assert 120 * MIB <= large.peak_bytes < 180 * MIB


def test_peak_memory_is_that_of_all_processes_together(tmp_path: Path) -> None:
    code = """
import os, time
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        held = b"x" * (60 << 20)
        time.sleep(0.8)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""

    run = supervise(tmp_path, python(code))

    assert 120 * MIB <= run.peak_bytes < 200 * MIB


def test_memory_that_forked_processes_share_counts_once(tmp_path: Path) -> None:
    code = """
import os, time
held = b"x" * (100 << 20)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        time.sleep(0.6)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""

    run = supervise(tmp_path, python(code))

    assert 100 * MIB <= run.peak_bytes < 160 * MIB


def test_a_drivers_own_memory_does_not_count(tmp_path: Path) -> None:
    drives = """
import subprocess, sys
held = b"x" * (200 << 20)
subprocess.run([sys.executable, "-I", "-S", "-c", "import time; held = b'x' * (60 << 20); time.sleep(0.8)"])
"""

    run = supervise(tmp_path, python(drives), is_driver=True)

    assert 60 * MIB <= run.peak_bytes < 120 * MIB


@pytest.mark.parametrize("is_alone", [True, False])
def test_memory_is_read_in_the_same_way_everywhere(monkeypatch: pytest.MonkeyPatch, is_alone: bool) -> None:
    held = b"\1" * (60 * MIB)
    pids = [os.getpid()] if is_alone else [os.getpid(), os.getppid()]
    by_kernel = sum(usage._memory(pid, alone=is_alone) for pid in pids)
    monkeypatch.setattr(usage, "_HAS_PROC", False)
    by_psutil = sum(usage._memory(pid, alone=is_alone) for pid in pids)

    assert by_kernel > len(held)
    assert by_kernel == pytest.approx(by_psutil, rel=0.1)


@pytest.mark.parametrize("has_proc", [True, False])
def test_processor_time_is_that_of_a_process_and_of_its_children(
    monkeypatch: pytest.MonkeyPatch, has_proc: bool
) -> None:
    monkeypatch.setattr(usage, "_HAS_PROC", has_proc)
    busily = "import time\nwhile time.process_time() < 0.3: pass\n"
    starts = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busily!r}])\n"
    code = f"{busily}{starts}print(flush=True)\ninput()"
    with subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as computed:
        assert computed.stdout
        assert computed.stdout.readline()
        seconds = usage.tree_seconds(computed.pid)
        computed.communicate(b"\n")

    assert 0.55 < seconds < 5


@pytest.mark.parametrize("has_proc", [True, False])
def test_a_process_that_is_gone_has_no_memory(monkeypatch: pytest.MonkeyPatch, has_proc: bool) -> None:
    with subprocess.Popen(python("pass")) as ended:
        ended.wait()
    monkeypatch.setattr(usage, "_HAS_PROC", has_proc)

    assert [usage._memory(ended.pid, alone=alone) for alone in (True, False)] == [0, 0]
    assert usage.tree_seconds(ended.pid) == 0.0
    assert not usage.is_alive(ended.pid)
    assert usage.is_alive(os.getpid())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere psutil is always needed")
def test_psutil_is_not_imported_for_a_process_that_is_gone() -> None:
    code = """
import subprocess, sys
from bisect_asgi.backend.process import usage
ended = subprocess.Popen(["true"])
ended.wait()
print(usage.tree_memory(ended.pid), "psutil" in sys.modules)
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "0 False\n"


class MadeUpProcessors:
    """A clock and two cores' counters that stand still until they are moved."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, proc: Path, *, has_proc: bool = True, counts: bool = True
    ) -> None:
        self.now, self.user, self.idle, self.counts = 100.0, 50.0, 150.0, counts
        monkeypatch.setattr(usage.time, "monotonic", lambda: self.now)
        self.own = 0.0
        monkeypatch.setattr(usage, "own_seconds", lambda: self.own)
        monkeypatch.setattr(psutil, "cpu_times", self.times)
        monkeypatch.setattr(usage, "_PROC", str(proc))
        self.stat = proc / "stat" if has_proc else None
        self.go_on(0.0, other_load=0.0)

    def times(self) -> tuple[float, ...]:
        """As the kernel gives them: a guest's time is also the user's, and who waits for a disk is idle."""
        kind = namedtuple(
            "kind", ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest"]
        )
        if not self.counts:
            return kind(*[0.0] * 9)
        return kind(self.user, 0.0, 7.0, self.idle, self.user, 0.0, 0.0, 0.0, 2 * self.user)

    def go_on(self, seconds: float, *, other_load: float) -> None:
        """Let time pass in which other programs keep `other_load` cores at work."""
        self.now += seconds
        self.user += seconds * other_load
        self.idle += seconds * (2 - other_load)
        if self.stat:
            ticks = [round(each * os.sysconf("SC_CLK_TCK")) for each in self.times()]
            self.stat.write_text(f"cpu  {' '.join(map(str, ticks))} 0\ncpu0 1 2 3\n")


@pytest.mark.parametrize("has_proc", [True, False])
@pytest.mark.parametrize(
    ("other_load", "run_s", "expected"),
    [
        pytest.param(0.0, 0.0, 0.0, id="idle"),
        pytest.param(1.0, 4.0, 0.0, id="only-the-run"),
        pytest.param(1.5, 4.0, 0.5, id="the-run-and-another"),
        pytest.param(2.0, 0.0, 2.0, id="only-others"),
        pytest.param(0.9, 4.0, 0.0, id="ticks-less-exact-than-the-runs-own-time"),
    ],
)
def test_what_keeps_the_processors_busy_beside_the_run_is_others(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    has_proc: bool,
    other_load: float,
    run_s: float,
    expected: float,
) -> None:
    machine = MadeUpProcessors(monkeypatch, tmp_path, has_proc=has_proc)
    others = usage.OtherLoad()
    machine.go_on(4.0, other_load=other_load)

    assert others.cores(run_s) == pytest.approx(expected)


def test_what_the_tool_builds_beside_the_run_is_not_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = MadeUpProcessors(monkeypatch, tmp_path)
    others = usage.OtherLoad()
    machine.go_on(4.0, other_load=1.75)
    machine.own += 2.0

    assert others.cores(4.0) == pytest.approx(0.25)


def test_a_system_that_does_not_count_says_nothing_of_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = MadeUpProcessors(monkeypatch, tmp_path, counts=False)
    others = usage.OtherLoad()
    machine.go_on(4.0, other_load=1.0)

    assert others.cores(0.0) is None


def test_helpers_are_no_others_while_they_run_and_after() -> None:
    # Both compute as much; then the inner one says so, and they stay until they are ended.
    busily = "import signal, subprocess, sys, time\nwhile time.process_time() < 0.3: pass\n"
    inner = f"{busily}print(file=sys.stderr, flush=True)\nsignal.pause()"
    outer = f"{busily}subprocess.run([sys.executable, '-c', {inner!r}])"
    has_computed, token = threading.Event(), CancelToken()
    before = usage.own_seconds()

    def run() -> None:
        with pytest.raises(Cancelled):
            run_helper(python(outer), environ=os.environ, token=token, on_stderr=lambda _: has_computed.set())

    thread = threading.Thread(target=run)
    thread.start()
    assert has_computed.wait(60)
    while_they_run = usage.own_seconds()
    token.cancel()
    thread.join()

    assert while_they_run - before > 0.55
    assert usage.own_seconds() - before > 0.25  # of what it started, nobody was told the end


def test_a_program_beside_the_run_is_seen(tmp_path: Path) -> None:
    busily = "import time\nwhile time.process_time() < 60:\n    pass"
    with subprocess.Popen(python(busily)) as other:
        try:
            run = supervise(tmp_path, python("import time; time.sleep(1)"))
            other_s = psutil.Process(other.pid).cpu_times().user
        finally:
            other.kill()

    assert run.other_load is not None
    assert run.other_load > 0.25 * min(1.0, other_s)


def test_what_builds_under_a_supervisor_is_this_tools_own_and_a_run_is_not(tmp_path: Path) -> None:
    computes = python("import time\nwhile time.process_time() < 0.4: pass")
    before = usage.own_seconds()
    supervise(tmp_path, computes)
    between = usage.own_seconds()
    supervise(tmp_path, computes, is_helper=True)
    after = usage.own_seconds()

    assert after - between >= 0.4
    assert between - before < after - between
