"""Run a probe's command under a supervisor, which leaves no process of it behind.

`supervisor.py` describes how the processes are contained. This module drains the output, samples the memory
of the process tree, and kills the tree when the run is cancelled. It waits for the supervisor's result, not
for the end of the output, because a process outside the tree may keep the output open. It waits only a little
longer than the time limit, because a command may have killed or stopped its supervisor.
"""

from __future__ import annotations

import codecs
import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

from bisect_asgi.backend.process.forkserver import Supervisor, start_supervisor
from bisect_asgi.backend.process.helper import supervised_helper
from bisect_asgi.backend.process.limits import exceeded
from bisect_asgi.backend.process.usage import OtherLoad, tree_memory, tree_processes
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import NoResult
from bisect_asgi.core.model import Limits
from bisect_asgi.core.records import Struct, field

TAIL_BYTES = 64 * 1024
_LONGEST_LINE = 8 * 1024
_FIRST_SAMPLE_S, _LONGEST_SAMPLE_S = 0.05, 0.5
_GRACE_S = 6.0
"""The seconds after the limit that a supervisor has to collect stacks (1 s) and to kill its tree (3 s)."""
_LONGEST_RESULT, _LONGEST_PIPE = 64 * 1024, 1024 * 1024
_STRAYS_S = 2.0


class Run(Struct, frozen=True, kw_only=True):
    """The end of a supervised command. Durations in seconds, memory in bytes."""

    pid: int
    exit_code: int | None
    """Negative if a signal killed it; None if it was killed at the time limit."""
    timed_out: bool
    over_limit: str = ""
    """The limit other than the time limit at which it was killed, or ""."""
    wall_s: float
    cpu_s: float
    peak_bytes: int
    output_tail: str
    other_load: float | None = None
    """Processor cores that other programs kept busy meanwhile; None if the system does not say."""
    processes: int = 0
    """The number of a helper's processes at the last sample."""


class _Tail(Struct):
    """The last bytes of a stream of any length."""

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
    confine: Mapping[str, object] | None = None,
    limits: Limits | None = None,
    keeps: Sequence[int] = (),
    on_output: Callable[[str], None] | None = None,
    on_chunk: Callable[[bytes], None] | None = None,
    is_driver: bool = False,
    is_helper: bool = False,
) -> Run:
    """Run a command until it ends or reaches the time limit; no process of it is left afterwards.

    Args:
        report: the directory in which its Python processes leave their reports.
        confine: the rules of `sandbox_calls.enter`, or None.
        limits: the limits of what it may use, or None; its disk space is that of the directory of `report`.
        keeps: descriptors that stay open until all of its processes have ended, even if the tool is killed.
        on_output: called with the output as text, in whole lines.
        on_chunk: called with the output as bytes, in pieces as they arrive.
        is_driver: whether the command only starts what is measured, so that its own memory does not count.
        is_helper: whether it builds for this tool, so that its processor time counts as this tool's.

    Raises:
        Cancelled: the token was cancelled.
        OSError: the command could not be started.
        NoResult: it killed or stopped its supervisor, or left a process that may not be killed.
    """
    request = {
        "argv": list(argv),
        "environ": dict(environ),
        "cwd": str(cwd),
        "report": str(report),
        "timeout_s": timeout_s,
        "confine": confine,
    }
    tail, lines = _Tail(), _Lines(on_output)

    def take(chunk: bytes) -> None:
        tail.add(chunk)
        lines.add(chunk)
        if on_chunk:
            on_chunk(chunk)

    others = OtherLoad()
    supervisor = start_supervisor(keeps)
    with closing(supervisor), token.on_cancel(supervisor.let_go), ExitStack() as counted:
        used = counted.enter_context(supervised_helper(supervisor.pid)) if is_helper else _no_helper
        supervisor.send(json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + timeout_s + _GRACE_S
        limited = partial(exceeded, limits or Limits(), supervisor.pid, report.parent, is_driver=is_driver)
        samples = _Samples(supervisor, limited if limits else None, is_driver=is_driver, is_helper=is_helper)
        result = _result(_attend(supervisor, take, samples, deadline=deadline))
        if result is None:
            _end(supervisor.pid, report)
    used(result["cpu_s"] if result and "cpu_s" in result else 0.0)
    lines.end()
    token.check()
    if result is None:
        raise NoResult("its supervisor was killed or stopped")
    if "error" in result:
        raise OSError(result["error"])
    if result["left"]:
        raise NoResult(f"it left processes that may not be killed: {result['left']}")
    return Run(
        pid=result["pid"],
        exit_code=result["exit_code"],
        timed_out=result["end"] == "time-out",
        over_limit=samples.over_limit if result["end"] == "cancelled" else "",
        wall_s=result["wall_s"],
        cpu_s=result["cpu_s"],
        peak_bytes=samples.peak_bytes if is_driver else max(samples.peak_bytes, result["peak_bytes"]),
        output_tail=tail.text(),
        other_load=others.cores(result["cpu_s"] + result["own_cpu_s"]),
        processes=samples.processes,
    )


def _no_helper(seconds: float) -> None:
    """Ignore the processor time of a run that is none of this tool's helpers."""


def _result(line: bytes) -> dict[str, Any] | None:
    """Return the supervisor's result, or None if it wrote none, or something else was written."""
    with suppress(ValueError):
        found = json.loads(line)
        return found if isinstance(found, dict) else None
    return None


def _end(supervisor: int, report: Path) -> None:
    """Kill a supervisor that gave no result, and what its command has left.

    The fork server kills the tree. If the command has killed the fork server too, the processes can only be
    recognized by the variable of the run.
    """
    with suppress(ProcessLookupError):
        os.kill(supervisor, signal.SIGKILL)
    mark = b"BISECT_ASGI_REPORT=" + os.fsencode(report)
    give_up = time.monotonic() + _STRAYS_S
    while (strays := _having(mark)) and time.monotonic() < give_up:
        for pid in strays:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _having(variable: bytes) -> list[int]:
    """Return the processes that were started with a variable (Linux)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended, or belong to another user
            if variable in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


class _Samples:
    """Samples of a tree's memory at growing intervals, or of everything that is limited at short intervals.

    Args:
        supervisor: the process number of the tree's supervisor.
        limited: returns the limit that the tree has exceeded, or ""; None if nothing is limited. The tree is
            ended as soon as it exceeds a limit.
        is_driver, is_helper: see `run_supervised`.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        limited: Callable[[], str] | None,
        *,
        is_driver: bool,
        is_helper: bool,
    ) -> None:
        self.peak_bytes = 0
        self.processes = 0
        self.over_limit = ""
        self._supervisor = supervisor
        self._limited = limited
        self._is_driver = is_driver
        self._is_helper = is_helper
        self._pause = _FIRST_SAMPLE_S
        self.next = time.monotonic() + self._pause
        """When the next one is due."""

    def take(self) -> None:
        """Take a sample if one is due."""
        if time.monotonic() < self.next:
            return
        sample = tree_memory(self._supervisor.pid, is_driver=self._is_driver)
        self.peak_bytes = max(self.peak_bytes, sample)
        if self._is_helper:
            self.processes = tree_processes(self._supervisor.pid)
        if self._limited and not self.over_limit and (limit := self._limited()):
            self.over_limit = limit
            self._supervisor.let_go()
        if not self._limited:
            # Most runs are short and have an early peak. Later samples are rarer, because they cost time.
            self._pause = min(self._pause * 1.5, _LONGEST_SAMPLE_S)
        self.next = time.monotonic() + self._pause


class _Lines:
    """Hands output on in whole lines: unbuffered, Python writes each argument of a `print` by itself."""

    def __init__(self, on_output: Callable[[str], None] | None) -> None:
        self._on_output = on_output
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def add(self, chunk: bytes) -> None:
        """Hand on the lines that end in this chunk; without any end in a long piece, hand on all of it."""
        if self._on_output is None:
            return
        text = self._rest + self._decoder.decode(chunk)
        whole, newline, self._rest = text.rpartition("\n")
        if len(self._rest) > _LONGEST_LINE:
            whole, newline, self._rest = text, "", ""
        if whole or newline:
            self._on_output(whole + newline)

    def end(self) -> None:
        """Hand on the last line if it has no end."""
        if self._on_output is not None and (rest := self._rest + self._decoder.decode(b"", final=True)):
            self._on_output(rest)


def _attend(
    supervisor: Supervisor, take: Callable[[bytes], None], samples: _Samples, *, deadline: float
) -> bytes:
    """Drain the output until there is a result, and return that; empty if there is none in time."""
    result = b""
    os.set_blocking(supervisor.output, False)
    with selectors.DefaultSelector() as selector:
        selector.register(supervisor.output, selectors.EVENT_READ)
        selector.register(supervisor.results, selectors.EVENT_READ)
        is_over = False
        while not is_over:
            now = time.monotonic()
            if supervisor.lifeline < 0:  # the run was cancelled
                deadline = min(deadline, now + _GRACE_S)
            is_over = now > deadline  # read once more after it: this tool may have been stopped (SIGSTOP)
            for key, _ in selector.select(max(0.0, min(samples.next, deadline) - now)):
                if key.fd == supervisor.results:
                    result += os.read(key.fd, _LONGEST_RESULT)
                    is_over = True
                elif chunk := os.read(key.fd, 1 << 16):
                    take(chunk)
                else:
                    selector.unregister(key.fd)
            samples.take()
    _take_rest(supervisor.output, take)
    return result


def _take_rest(output: int, take: Callable[[bytes], None]) -> None:
    """Read what is in the pipe, and not its end, which may never come."""
    for _ in range(_LONGEST_PIPE >> 16):
        try:
            chunk = os.read(output, 1 << 16)
        except BlockingIOError:
            return
        if not chunk:
            return
        take(chunk)
