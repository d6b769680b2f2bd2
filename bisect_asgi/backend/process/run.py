"""Run other programs: helpers such as uv, and probes under a supervisor that leaves nothing behind.

See `supervisor.py` for how a probe's processes are contained. This side drains the output, samples the
memory of the tree, and holds the token.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import resource
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

from bisect_asgi.backend.process.forkserver import Supervisor, start_supervisor
from bisect_asgi.backend.process.supervisor import descendants
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.metrics.readings import MarkedLines
from bisect_asgi.core.records import Struct, field

TAIL_BYTES = 64 * 1024
_LONGEST_LINE = 8 * 1024
_FIRST_SAMPLE_S, _LONGEST_SAMPLE_S = 0.05, 0.5

_helpers: set[int] = set()
"""The helpers that are running now, in any thread."""


class Completed(Struct, frozen=True, kw_only=True):
    """What a helper program said, and its exit code."""

    exit_code: int
    stdout: str
    stderr: str


def run_helper(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    token: CancelToken,
    stdin: str = "",
    cwd: Path | None = None,
    on_stderr: Callable[[str], None] | None = None,
    keeps: Sequence[int] = (),
) -> Completed:
    """Run a short-lived program of ours to its end.

    `on_stderr` is told each line of its standard error at once, from another thread; `keeps` are descriptors
    that it keeps open as long as it runs, which is longer than we do if we are killed.

    Raises:
        Cancelled: the token was cancelled.
        OSError: the program could not be started.
    """
    process = subprocess.Popen(
        argv,
        env=dict(environ),
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for us: we end it
        pass_fds=keeps,
    )
    _helpers.add(process.pid)
    with _followed(process, on_stderr) as lines:
        try:
            with token.on_cancel(lambda: _kill_group(process)):
                stdout, stderr = process.communicate(stdin)
        finally:
            if process.poll() is None:
                _kill_group(process)
                process.wait()
            _helpers.discard(process.pid)
    token.check()
    return Completed(exit_code=process.returncode, stdout=stdout, stderr=stderr or "".join(lines))


@contextmanager
def _followed(
    process: subprocess.Popen[str], on_stderr: Callable[[str], None] | None
) -> Iterator[Sequence[str]]:
    """Read the standard error line by line in here, and give what was read; nobody who asks: leave it."""
    lines: list[str] = []
    stream = process.stderr
    if on_stderr is None or stream is None:
        yield lines
        return

    def follow() -> None:
        for line in stream:
            lines.append(line)
            with contextlib.suppress(Exception):  # who writes waits for ever if nobody reads
                on_stderr(line.rstrip("\n"))

    process.stderr = None  # not for `communicate`
    thread = threading.Thread(target=follow, name="standard error", daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        thread.join()
        stream.close()


def _kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a helper with what it has started: uv runs builds."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class Run(Struct, frozen=True, kw_only=True):
    """How a supervised command ended. Durations in seconds, memory in bytes."""

    pid: int
    exit_code: int | None
    """Negative: killed by that signal; None: it was killed when its time was over."""
    timed_out: bool
    wall_s: float
    cpu_s: float
    peak_bytes: int
    output_tail: str
    metric_lines: tuple[str, ...] = ()
    """Printed lines that report metrics, of each name the last."""
    other_load: float | None = None
    """How many processor cores other programs kept busy meanwhile; None: the system does not say."""


class _Tail(Struct):
    """The last of a stream, whatever its length."""

    data: bytearray = field(default_factory=bytearray)

    def add(self, chunk: bytes) -> None:
        self.data += chunk
        if len(self.data) > 2 * TAIL_BYTES:
            del self.data[:-TAIL_BYTES]

    def text(self) -> str:
        return bytes(self.data[-TAIL_BYTES:]).decode("utf-8", errors="replace")


def run_supervised(
    argv: Sequence[str],
    *,
    cwd: Path,
    report: Path,
    environ: Mapping[str, str],
    timeout_s: float,
    token: CancelToken,
    on_output: Callable[[str], None] | None = None,
    is_driver: bool = False,
) -> Run:
    """Run a command until it ends or its time is over; nothing of it runs when this returns.

    `report` is the folder in which its Python processes leave their reports. A driver only starts what is
    to be measured: its own memory does not count.

    Raises:
        Cancelled: the token was cancelled.
        OSError: the command could not be started.
    """
    request = {
        "argv": list(argv),
        "environ": dict(environ),
        "cwd": str(cwd),
        "report": str(report),
        "timeout_s": timeout_s,
    }
    others = _Others()
    supervisor = start_supervisor()
    with closing(supervisor), token.on_cancel(supervisor.let_go):
        supervisor.send(json.dumps(request).encode() + b"\n")
        seen = _attend(supervisor, on_output, is_driver=is_driver)
        text = _read_all(supervisor.results)
    token.check()
    result = json.loads(text or '{"error": "its supervisor was killed"}')
    if "error" in result:
        raise OSError(result["error"])
    return Run(
        pid=result["pid"],
        exit_code=result["exit_code"],
        timed_out=result["end"] == "time-out",
        wall_s=result["wall_s"],
        cpu_s=result["cpu_s"],
        peak_bytes=seen.peak_bytes if is_driver else max(seen.peak_bytes, result["peak_bytes"]),
        output_tail=seen.tail.text(),
        metric_lines=seen.marked.end(),
        other_load=others.other_load(result["cpu_s"] + result["own_cpu_s"]),
    )


class _Others:
    """What other programs take of the processors, from its making on."""

    def __init__(self) -> None:
        self._busy_s, self._all_s = _processor_seconds()
        self._since, self._own_s = time.monotonic(), own_seconds()

    def other_load(self, run_s: float) -> float | None:
        """How many cores they kept busy, with `run_s` seconds of processor time being the run's.

        The kernel counts in ticks of ten milliseconds: a run of less than half a second tells little.
        None: it does not count.
        """
        elapsed = time.monotonic() - self._since
        own_s = own_seconds() - self._own_s
        busy_s, all_s = _processor_seconds()
        if all_s <= self._all_s or elapsed <= 0:
            return None
        return max(0.0, busy_s - self._busy_s - run_s - own_s) / elapsed


def own_seconds() -> float:
    """The processor time of this tool so far: of its threads and of its helpers, which build beside a run.

    What runs under a supervisor is no part of it: that has another parent.
    """
    running_s = sum(_tree_seconds(pid) for pid in tuple(_helpers))
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime + running_s


def _tree_seconds(pid: int) -> float:
    """The processor time of a process and all that it started, as far as they are still there."""
    found = 0.0
    for each in (pid, *descendants(pid)):
        with contextlib.suppress(psutil.Error):
            used = psutil.Process(each).cpu_times()
            found += used.user + used.system + used.children_user + used.children_system
    return found


def _processor_seconds() -> tuple[float, float]:
    """How long this machine's cores were busy since it started, and busy or idle."""
    times = psutil.cpu_times()._asdict()
    idle_s = times["idle"] + times.get("iowait", 0.0)
    # A guest's time is in the user's, too.
    all_s = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return all_s - idle_s, all_s


def _read_all(descriptor: int) -> str:
    chunks = []
    while chunk := os.read(descriptor, 1 << 16):
        chunks.append(chunk)
    return b"".join(chunks).decode()


class _Seen(Struct):
    """What was seen of a run from outside while it went on."""

    tail: _Tail = field(default_factory=_Tail)
    marked: MarkedLines = field(default_factory=MarkedLines)
    peak_bytes: int = 0
    """The largest memory of the tree that was sampled."""


class _Lines:
    """Tells output line by line: without a buffer, Python writes each argument of a `print` by itself."""

    def __init__(self, on_output: Callable[[str], None] | None) -> None:
        self._on_output = on_output
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def add(self, chunk: bytes) -> None:
        """Tell what ends in this piece; all of a piece that is as long as many lines."""
        if self._on_output is None:
            return
        text = self._rest + self._decoder.decode(chunk)
        whole, newline, self._rest = text.rpartition("\n")
        if len(self._rest) > _LONGEST_LINE:
            whole, newline, self._rest = text, "", ""
        if whole or newline:
            self._on_output(whole + newline)

    def end(self) -> None:
        """Tell the last line that has no end."""
        if self._on_output is not None and (rest := self._rest + self._decoder.decode(b"", final=True)):
            self._on_output(rest)


def _attend(supervisor: Supervisor, on_output: Callable[[str], None] | None, *, is_driver: bool) -> _Seen:
    """Drain the output to its end, and sample the memory of the tree."""
    seen = _Seen()
    lines = _Lines(on_output)
    pause = _FIRST_SAMPLE_S
    next_sample = time.monotonic() + pause
    descriptor = supervisor.output
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if selector.select(max(0.0, next_sample - time.monotonic())):
                chunk = os.read(descriptor, 1 << 16)
                if not chunk:
                    lines.end()
                    return seen
                seen.tail.add(chunk)
                seen.marked.add(chunk)
                lines.add(chunk)
            if time.monotonic() >= next_sample:
                seen.peak_bytes = max(seen.peak_bytes, tree_memory(supervisor.pid, is_driver=is_driver))
                pause = min(pause * 1.5, _LONGEST_SAMPLE_S)
                next_sample = time.monotonic() + pause


def tree_memory(supervisor: int, *, is_driver: bool = False) -> int:
    """The memory of all processes below the supervisor, in bytes; what they share counts once.

    One process: its resident set. Several: the sum of their proportional sets (PSS), where the system has it.
    What is directly below it does not count if it is a driver.
    """
    drivers = _below(supervisor, is_deep=False) if is_driver else []
    return _memory_of_all([pid for pid in _below(supervisor) if pid not in drivers])


def memory_of(pid: int) -> int:
    """The memory of a process and all below it, in bytes, counted as `tree_memory` does."""
    return _memory_of_all([pid, *_below(pid)])


def _below(pid: int, *, is_deep: bool = True) -> list[int]:
    """The processes below one; where the system lists each one's children, without looking at all others."""
    if os.path.exists(f"/proc/{pid}/task/{pid}/children"):
        return descendants(pid, is_deep=is_deep)
    try:
        return [found.pid for found in psutil.Process(pid).children(recursive=is_deep)]
    except psutil.Error:
        return []


def _memory_of_all(pids: Sequence[int]) -> int:
    return sum(_memory(pid, alone=len(pids) == 1) for pid in pids)


def _memory(pid: int, *, alone: bool) -> int:
    try:
        process = psutil.Process(pid)
        if alone:
            return int(process.memory_info().rss)
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.Error:
        return 0


def is_alive(pid: int) -> bool:
    """Tell whether there is a process of that number."""
    return bool(psutil.pid_exists(pid))
