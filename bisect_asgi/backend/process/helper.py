"""Run helper programs such as uv and git, so that a cancelled one leaves nothing running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.records import Struct

_running: set[int] = set()
_supervised_s: list[float] = []
"""The processor time of each supervised helper that has ended."""


def running_helpers() -> tuple[int, ...]:
    """Return the process numbers of the helpers that are running now, in any thread."""
    return tuple(_running)


@contextmanager
def supervised_helper(supervisor: int) -> Iterator[Callable[[float], None]]:
    """Count what is below a supervisor as a helper; yield a function that takes its seconds at the end."""
    _running.add(supervisor)
    try:
        yield _supervised_s.append
    finally:
        _running.discard(supervisor)


def supervised_seconds() -> float:
    """Return the processor time of the supervised helpers that have ended: no child of this tool's."""
    return sum(_supervised_s)


class Completed(Struct, frozen=True, kw_only=True):
    """The output and the exit code of a helper program."""

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
    limit_s: float | None = None,
) -> Completed:
    """Run a short-lived program of this tool to its end.

    Args:
        on_stderr: called with each line of its standard error as it appears, in another thread.
        keeps: descriptors that the program keeps open; if this tool is killed, the program outlives it.
        limit_s: how long it may take.

    Raises:
        TimeoutExpired: it took longer, and was ended.
        Cancelled: the token was cancelled.
        OSError: the program could not be started.
        MemoryError: this machine has too little memory to read what it writes; it was ended.
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
        start_new_session=True,  # Ctrl-C reaches only this tool, which then ends the program
        pass_fds=keeps,
    )
    _running.add(process.pid)
    with _followed(process, on_stderr) as lines:
        try:
            with token.on_cancel(lambda: _kill_group(process)):
                stdout, stderr = process.communicate(stdin, timeout=limit_s)
        finally:
            if process.poll() is None:
                _kill_group(process)
                process.wait()
            _running.discard(process.pid)
    token.check()
    return Completed(exit_code=process.returncode, stdout=stdout, stderr=stderr or "".join(lines))


_Lines = list[str]


@contextmanager
def _followed(
    process: subprocess.Popen[str], on_stderr: Callable[[str], None] | None
) -> Iterator[Sequence[str]]:
    """Yield the lines of the standard error, which a thread reads; without `on_stderr`, leave it unread."""
    lines = _Lines()
    stream = process.stderr
    if on_stderr is None or stream is None:
        yield lines
        return

    failed: list[MemoryError] = []

    def follow() -> None:
        try:
            for line in stream:
                lines.append(line)
                with contextlib.suppress(Exception):  # reading must go on, or the program waits for ever
                    on_stderr(line.rstrip("\n"))
        except MemoryError as error:
            failed.append(error)
            _kill_group(process)

    process.stderr = None  # `communicate` would read from it as well
    thread = threading.Thread(target=follow, name="standard error", daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        thread.join()
        stream.close()
    if failed:
        raise failed[0]


def _kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a helper with all that it has started: uv runs builds."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
