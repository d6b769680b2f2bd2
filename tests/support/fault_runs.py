"""How a command may be started, and disturbed, so that something is wrong with that."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from support.processes import PATIENCE_S, eventually
from support.shell import Shell

Done = subprocess.CompletedProcess[str]
_APART_S = 0.05
"""Between two interrupts: a finger that slips."""


def _run(shell: Shell, command: Sequence[str], prepare: Callable[[], object], **environ: str) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "bisect_asgi", *command],
        cwd=shell.folder,
        env={**shell.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=prepare,
        timeout=PATIENCE_S,
        check=False,
    )


def closed_output(shell: Shell, command: Sequence[str]) -> Done:
    return _run(shell, command, lambda: os.close(1))


def closed_streams(shell: Shell, command: Sequence[str]) -> Done:
    return _run(shell, command, lambda: os.closerange(0, 3))


def _onto_full(number: int) -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)


def full_output(shell: Shell, command: Sequence[str]) -> Done:
    return _run(shell, command, lambda: _onto_full(1))


def full_errors(shell: Shell, command: Sequence[str]) -> Done:
    return _run(shell, command, lambda: _onto_full(2))


def _written_in(shell: Shell, command: Sequence[str], encoding: str) -> Done:
    return _run(shell, command, lambda: None, PYTHONIOENCODING=encoding)


def ascii_output(shell: Shell, command: Sequence[str]) -> Done:
    return _written_in(shell, command, "ascii")


def latin1_output(shell: Shell, command: Sequence[str]) -> Done:
    return _written_in(shell, command, "latin-1")


def _limited(shell: Shell, command: Sequence[str], what: int, most: int) -> Done:
    return _run(shell, command, lambda: resource.setrlimit(what, (most, most)))


def few_files(shell: Shell, command: Sequence[str]) -> Done:
    return _limited(shell, command, resource.RLIMIT_NOFILE, 16)


def few_threads(shell: Shell, command: Sequence[str]) -> Done:
    return _limited(shell, command, resource.RLIMIT_NPROC, 4)


def little_memory(shell: Shell, command: Sequence[str]) -> Done:
    return _limited(shell, command, resource.RLIMIT_AS, 100 * 2**20)


def small_files(shell: Shell, command: Sequence[str]) -> Done:
    return _limited(shell, command, resource.RLIMIT_FSIZE, 4096)


def _signaled(shell: Shell, command: Sequence[str], *numbers: signal.Signals) -> Done:
    """Send signals one after the other once the search has begun."""
    process = shell.start(*command)
    eventually(lambda: any(path.stat().st_size for path in shell.cache.glob("logs/*.jsonl")))
    for number in numbers:
        process.send_signal(number)
        time.sleep(_APART_S)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def interrupted(shell: Shell, command: Sequence[str]) -> Done:
    return _signaled(shell, command, signal.SIGINT)


def interrupted_twice(shell: Shell, command: Sequence[str]) -> Done:
    return _signaled(shell, command, signal.SIGINT, signal.SIGINT)


def terminated_twice(shell: Shell, command: Sequence[str]) -> Done:
    return _signaled(shell, command, signal.SIGTERM, signal.SIGTERM)


def hung_up(shell: Shell, command: Sequence[str]) -> Done:
    return _signaled(shell, command, signal.SIGHUP)


def _probing(shell: Shell, command: Sequence[str], name: str) -> Done:
    """Run with another probe."""
    return shell.run(*(name if part == "leak.py" else part for part in command))


def probe_with_a_dash(shell: Shell, command: Sequence[str]) -> Done:
    (shell.folder / "leak.py").rename(shell.folder / "-x.py")
    try:
        return _probing(shell, command, "./-x.py")
    finally:
        (shell.folder / "-x.py").rename(shell.folder / "leak.py")


def probe_in_latin1(shell: Shell, command: Sequence[str]) -> Done:
    name = os.fsdecode(b"\xff.py")
    (shell.folder / name).write_text("")
    return _probing(shell, command, name)


def linked_probe(shell: Shell, command: Sequence[str]) -> Done:
    (shell.folder / "link.py").symlink_to("leak.py")
    return _probing(shell, command, "link.py")


def link_to_itself(shell: Shell, command: Sequence[str]) -> Done:
    (shell.folder / "loop.py").symlink_to("loop.py")
    return _probing(shell, command, "loop.py")


def folder_for_a_probe(shell: Shell, command: Sequence[str]) -> Done:
    (shell.folder / "folder.py").mkdir()
    return _probing(shell, command, "folder.py")


def crash_that_is_no_verdict(shell: Shell, command: Sequence[str]) -> Done:
    return _probing(shell, command, "nowhere.py")
