"""Run a command as a user would, and return what it cost.

Processor time includes all processes that the command waited for. The size of a directory counts hard-linked
files once. Downloaded bytes are those that this machine's network interfaces received.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

# Variables of this shell that would change the contenders' settings; the benchmark sets its own.
_NOT_PASSED_ON = re.compile(r"(PYTHON|UV_|BISECT_ASGI_|VIRTUAL_ENV|GIT_DIR|PIP_(?!CERT$)).*")
_LIMIT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a command said and cost."""

    exit_code: int
    output: str
    """Standard output; what went to standard error is in `errors`."""
    errors: str
    wall_s: float
    cpu_s: float
    received_bytes: int
    marked_s: float | None = None
    """When the standard error had what was looked for; None if it never had."""


def clean_environment() -> dict[str, str]:
    """This shell's variables without those that are meant for one of the contenders."""
    return {name: value for name, value in os.environ.items() if not _NOT_PASSED_ON.fullmatch(name)}


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    limit_s: float = _LIMIT_S,
    mark: str = "",
) -> Cost:
    """Run a command to its end, its output going to files.

    `mark`: a pattern; `marked_s` is the time of the first line of standard error that has it.

    Raises:
        TimeoutError: it takes longer than any contender may.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        received, begun = received_bytes(), time.monotonic()
        ours, theirs = os.pipe()
        watch = _Watch(ours, errors, mark)
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        status, usage = _wait(process.pid, begun + limit_s)
        wall_s = time.monotonic() - begun
        watch.join(10)  # not for ever: a process that a contender left may keep its standard error open
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (output, errors):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    return Cost(
        exit_code=process.returncode,
        output=texts[0],
        errors=texts[1],
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        received_bytes=received_bytes() - received,
        # The thread that reads may see the line only after the command has ended.
        marked_s=min(watch.marked - begun, wall_s) if watch.marked is not None else None,
    )


class _Watch(threading.Thread):
    """Copies what comes out of a pipe into a file, and notes when it has a pattern for the first time."""

    def __init__(self, pipe: int, file: IO[bytes], mark: str) -> None:
        super().__init__(daemon=True)
        self._pipe, self._file = pipe, file
        self._mark = re.compile(mark.encode(), re.MULTILINE) if mark else None
        self.marked: float | None = None
        self.start()

    def run(self) -> None:
        seen = b""
        while part := os.read(self._pipe, 1 << 16):
            now = time.monotonic()
            self._file.write(part)
            if self._mark and self.marked is None:
                seen += part
                self.marked = now if self._mark.search(seen) else None
        os.close(self._pipe)


def _wait(pid: int, until: float) -> tuple[int, resource.struct_rusage]:
    """The status of a child, and the usage of it and its own; if this is broken off, none of them is left."""
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.setitimer(signal.ITIMER_REAL, max(0.1, until - time.monotonic()))
    try:
        _, status, usage = os.wait4(pid, 0)
    except BaseException:
        _end(pid)
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return status, usage


def _end(pid: int) -> None:
    """Kill a process with all below it, whatever groups they are in."""
    with suppress(psutil.Error, ChildProcessError):
        process = psutil.Process(pid)
        for each in (*process.children(recursive=True), process):
            with suppress(psutil.Error):
                each.kill()
        os.wait4(pid, 0)


def _out_of_time(*_: object) -> None:
    raise TimeoutError("the contender did not come to an end")


def received_bytes() -> int:
    """What the network interfaces but the loopback have received so far; 0 if the machine does not say."""
    try:
        lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    except OSError:
        return 0
    pairs = (line.split(":", 1) for line in lines)
    return sum(int(counts.split()[0]) for name, counts in pairs if name.strip() != "lo")


def disk_bytes(folder: Path) -> int:
    """Return the bytes of a directory, counting hard-linked files once."""
    seen: dict[tuple[int, int], int] = {}
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            found = os.lstat(Path(root, name))
            seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())
