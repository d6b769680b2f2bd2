"""Run a probe's command under a supervisor, which leaves no process of it behind.

See `supervisor.py` for how the processes are contained. This side drains the output, samples the memory of
the process tree, and kills the tree when the run is cancelled.
"""

from __future__ import annotations

import codecs
import json
import os
import selectors
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from bisect_asgi.backend.process.forkserver import Supervisor, start_supervisor
from bisect_asgi.backend.process.usage import OtherLoad, tree_memory
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.records import Struct, field

TAIL_BYTES = 64 * 1024
_LONGEST_LINE = 8 * 1024
_FIRST_SAMPLE_S, _LONGEST_SAMPLE_S = 0.05, 0.5


class Run(Struct, frozen=True, kw_only=True):
    """How a supervised command ended. Durations in seconds, memory in bytes."""

    pid: int
    exit_code: int | None
    """Negative if a signal killed it; None if it was killed at the time limit."""
    timed_out: bool
    wall_s: float
    cpu_s: float
    peak_bytes: int
    output_tail: str
    other_load: float | None = None
    """Processor cores that other programs kept busy meanwhile; None if the system does not say."""


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
    on_output: Callable[[str], None] | None = None,
    on_chunk: Callable[[bytes], None] | None = None,
    is_driver: bool = False,
) -> Run:
    """Run a command until it ends or reaches the time limit; no process of it is left afterwards.

    Args:
        report: the folder in which its Python processes leave their reports.
        on_output: is given the output as text, in whole lines.
        on_chunk: is given the output as bytes, in pieces as they arrive.
        is_driver: the command only starts what is measured, so its own memory does not count.

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
    others = OtherLoad()
    supervisor = start_supervisor()
    with closing(supervisor), token.on_cancel(supervisor.let_go):
        supervisor.send(json.dumps(request).encode() + b"\n")
        seen = _attend(supervisor, _Lines(on_output), on_chunk, is_driver=is_driver)
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
        other_load=others.cores(result["cpu_s"] + result["own_cpu_s"]),
    )


def _read_all(descriptor: int) -> str:
    chunks = []
    while chunk := os.read(descriptor, 1 << 16):
        chunks.append(chunk)
    return b"".join(chunks).decode()


class _Seen(Struct):
    """What this side observes of a run."""

    tail: _Tail = field(default_factory=_Tail)
    peak_bytes: int = 0
    """The largest sample of the tree's memory."""


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
    supervisor: Supervisor, lines: _Lines, on_chunk: Callable[[bytes], None] | None, *, is_driver: bool
) -> _Seen:
    """Drain the output to its end, and sample the memory of the tree at growing intervals."""
    seen = _Seen()
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
                lines.add(chunk)
                if on_chunk:
                    on_chunk(chunk)
            if time.monotonic() >= next_sample:
                seen.peak_bytes = max(seen.peak_bytes, tree_memory(supervisor.pid, is_driver=is_driver))
                # Most runs are short, and their peak is early; each sample of a large tree takes a while.
                pause = min(pause * 1.5, _LONGEST_SAMPLE_S)
                next_sample = time.monotonic() + pause
