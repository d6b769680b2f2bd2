"""Measure what processes use: processor time of this tool and of others, and memory of process trees.

Record where a trial's time goes: each second is charged to the innermost step at that moment.

Resolving may have to build, installing may have to download, and both may wait for another trial. If these
functions returned times, all their signatures would change. So the recording belongs to the thread, as
decimal contexts do; outside a recording, nothing is charged.

On Linux, what each run needs is read from /proc (proc(5)): importing psutil takes as long as a short probe.
psutil measures elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar

from bisect_asgi.backend.process.helper import running_helpers, supervised_seconds
from bisect_asgi.core.model import Step
from bisect_asgi.core.records import Struct, field

_TICKS, _PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_PROC = "/proc"
_HAS_PROC = os.path.exists(f"{_PROC}/self/smaps_rollup")  # Linux 4.14


class OtherLoad:
    """Measures what other programs take of the processors, from the moment it is made."""

    def __init__(self) -> None:
        self._busy_s, self._all_s = _processor_seconds()
        self._since, self._own_s = time.monotonic(), own_seconds()

    def cores(self, run_s: float) -> float | None:
        """Return how many cores they kept busy, if `run_s` seconds of processor time were the run's.

        None if the kernel does not count it. It counts in ticks of ten milliseconds, so that the result for a
        run of less than half a second is rough.
        """
        elapsed = time.monotonic() - self._since
        own_s = own_seconds() - self._own_s
        busy_s, all_s = _processor_seconds()
        if all_s <= self._all_s or elapsed <= 0:
            return None
        return max(0.0, busy_s - self._busy_s - run_s - own_s) / elapsed


def own_seconds() -> float:
    """Return this tool's processor time so far: of its threads, and of the helpers that build during runs.

    Of processes under a supervisor, only builds are included: a supervisor's parent is the fork server.
    """
    running_s = sum(tree_seconds(pid) for pid in running_helpers())
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime + running_s + supervised_seconds()


def tree_processes(supervisor: int, *, is_driver: bool = False) -> int:
    """Return how many processes there are below the supervisor, without its own child if that is a driver."""
    return max(0, len(_below(supervisor)) - is_driver)


def _descendants(pid: int, *, is_deep: bool = True) -> list[int]:
    # Imported here, because only runs need it.
    from bisect_asgi.backend.process.supervisor import descendants

    return descendants(pid, is_deep=is_deep)


def tree_seconds(pid: int) -> float:
    """Return the processor time of a process and of its descendants that still exist."""
    return sum(_seconds(each) for each in (pid, *_descendants(pid)))


def _seconds(pid: int) -> float:
    """Return the processor time of a process and of its children that have ended; 0 if it is gone."""
    if _HAS_PROC:
        with contextlib.suppress(OSError), open(f"{_PROC}/{pid}/stat", "rb") as stat:
            # The name of the program may have spaces. Then come utime, stime, cutime and cstime.
            return sum(map(int, stat.read().rpartition(b")")[2].split()[11:15])) / _TICKS
        return 0.0
    import psutil

    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(used.user + used.system + used.children_user + used.children_system)


def _processor_seconds() -> tuple[float, float]:
    """Return the seconds that this machine's cores were busy since it started, and busy or idle."""
    with contextlib.suppress(OSError), open(f"{_PROC}/stat", "rb") as stat:
        # user, nice, system, idle, iowait, irq, softirq, steal; user includes the time of guests
        seconds = [int(field) / _TICKS for field in stat.readline().split()[1:9]]
        return sum(seconds) - sum(seconds[3:5]), sum(seconds)
    import psutil

    times = psutil.cpu_times()._asdict()
    idle_s = times["idle"] + times.get("iowait", 0.0)
    # The kernel counts the time of virtual machines' guests twice: as guest time and as user time.
    all_s = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return all_s - idle_s, all_s


def tree_memory(supervisor: int, *, is_driver: bool = False) -> int:
    """Return the memory of all processes below the supervisor, in bytes; what they share counts once.

    Of one process this is its resident set; of several, the sum of their proportional sets (PSS), where the
    system has them. With `is_driver`, the processes directly below the supervisor do not count.
    """
    drivers = _below(supervisor, is_deep=False) if is_driver else []
    return _memory_of_all([pid for pid in _below(supervisor) if pid not in drivers])


def memory_of(pid: int) -> int:
    """Return the memory of a process and all below it in bytes, counted as `tree_memory` does."""
    return _memory_of_all([pid, *_below(pid)])


def _below(pid: int, *, is_deep: bool = True) -> list[int]:
    """Return the processes below one."""
    # Where the kernel lists the children of each process, there is no need to read through all processes.
    if os.path.exists(f"/proc/{pid}/task/{pid}/children"):
        return _descendants(pid, is_deep=is_deep)
    if not is_alive(pid):
        return []
    import psutil

    try:
        return [found.pid for found in psutil.Process(pid).children(recursive=is_deep)]
    except psutil.Error:
        return []


def _memory_of_all(pids: Sequence[int]) -> int:
    return sum(_memory(pid, alone=len(pids) == 1) for pid in pids)


def _memory(pid: int, *, alone: bool) -> int:
    """Return the resident set of a process, or its proportional set if it is not `alone`; 0 if it is gone."""
    if not _HAS_PROC:
        return _memory_elsewhere(pid, alone=alone)
    try:
        if alone:
            with open(f"{_PROC}/{pid}/statm", "rb") as statm:
                return int(statm.read().split()[1]) * _PAGE_BYTES
        with open(f"{_PROC}/{pid}/smaps_rollup", "rb") as sizes:
            return sum(int(line.split()[1]) * 1024 for line in sizes if line.startswith(b"Pss:"))
    except OSError:
        return 0


def _memory_elsewhere(pid: int, *, alone: bool) -> int:
    import psutil

    try:
        process = psutil.Process(pid)
        if alone:
            return int(process.memory_info().rss)
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.Error:
        return 0


def is_alive(pid: int) -> bool:
    """Return whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except OSError as error:  # no permission: it is another user's
        return not isinstance(error, ProcessLookupError)
    return True


class _Recording(Struct):
    """The seconds charged so far, and the steps that have begun, outermost first."""

    seconds: dict[Step, float] = field(default_factory=dict)
    going_on: list[Step] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def settle(self) -> None:
        """Charge the time since the last call to the innermost step."""
        now = time.monotonic()
        if self.going_on:
            self.add(self.going_on[-1], now - self.since)
        self.since = now

    def add(self, step: Step, seconds: float) -> None:
        self.seconds[step] = self.seconds.get(step, 0.0) + seconds


_recording: ContextVar[_Recording | None] = ContextVar("recording", default=None)


@contextmanager
def recording() -> Iterator[dict[Step, float]]:
    """Record what this thread spends in the context; the yielded dict fills with the seconds of each step."""
    record = _Recording()
    token = _recording.set(record)
    try:
        yield record.seconds
    finally:
        _recording.reset(token)


@contextmanager
def spending(step: Step) -> Iterator[None]:
    """Charge the time in the context to `step`, except what steps inside it take."""
    record = _recording.get()
    if record is None:
        yield
        return
    record.settle()
    record.going_on.append(step)
    try:
        yield
    finally:
        record.settle()
        record.going_on.pop()


@contextmanager
def waiting_for(lock: AbstractContextManager[object]) -> Iterator[None]:
    """Hold a lock in the context, and charge the time until it is acquired as waiting."""
    with ExitStack() as held:
        with spending(Step.WAIT):
            held.enter_context(lock)
        yield


def move(seconds: float, *, to: Step) -> None:
    """Charge `seconds` of the innermost step to another step, because a program reported what they went to.

    No more seconds are moved than the innermost step was charged with.
    """
    record = _recording.get()
    if record is None or not record.going_on:
        return
    record.settle()
    inside = record.going_on[-1]
    moved = max(0.0, min(seconds, record.seconds[inside]))
    record.add(inside, -moved)
    record.add(to, moved)
