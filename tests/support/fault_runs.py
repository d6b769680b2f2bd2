"""Start a command in a faulty way, or disturb it while it runs."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from support.processes import PATIENCE_S, eventually
from support.shell import Shell

Done = subprocess.CompletedProcess[str]
_APART_S = 0.05
"""Between two interrupts: a finger that slips."""
_MOMENTS, _EARLY_S = 20, 0.5
_ROUNDS, _AT_ONCE, _MODULES = 5, 4, 100


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


def full_streams(shell: Shell, command: Sequence[str]) -> Done:
    return _run(shell, command, lambda: (_onto_full(1), _onto_full(2)))


def gone_reader(shell: Shell, command: Sequence[str]) -> Done:
    def prepare() -> None:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)

    return _run(shell, command, prepare)


def _limited(shell: Shell, command: Sequence[str], what: int, most: int) -> Done:
    return _run(shell, command, lambda: resource.setrlimit(what, (most, most)))


def few_files(shell: Shell, command: Sequence[str]) -> Done:
    return _limited(shell, command, resource.RLIMIT_NOFILE, 16)


def few_threads(shell: Shell, command: Sequence[str]) -> Done:
    return _limited(shell, command, resource.RLIMIT_NPROC, 4)


def little_memory(shell: Shell, command: Sequence[str]) -> Done:
    return _limited(shell, command, resource.RLIMIT_AS, 100 * 2**20)


def little_data(shell: Shell, command: Sequence[str]) -> Done:
    return _limited(shell, command, resource.RLIMIT_DATA, 511 * 2**20)


def small_files(shell: Shell, command: Sequence[str]) -> Done:
    return _limited(shell, command, resource.RLIMIT_FSIZE, 4096)


# --- A quota of the disk, as the system calls report it


def used_up_files(shell: Shell, command: Sequence[str]) -> Done:
    """No file may be made any more."""
    makes_files = [*_is_call("openat"), *_has_bits(2, os.O_CREAT), _FAIL]
    return _run(shell, command, lambda: _filter_calls(makes_files))


def used_up_room(shell: Shell, command: Sequence[str]) -> Done:
    """No file may be written at a place, as databases are."""
    writes = [*_is_call("pwrite64"), _FAIL]
    return _run(shell, command, lambda: _filter_calls(writes))


_CALLS = {"x86_64": {"openat": 257, "pwrite64": 18}, "aarch64": {"openat": 56, "pwrite64": 68}}
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # of classic BPF
_ALLOW, _FAIL = (_RETURN, 0, 0, 0x7FFF0000), (_RETURN, 0, 0, 0x50000 | errno.EDQUOT)


def _is_call(name: str) -> list[tuple[int, int, int, int]]:
    calls = _CALLS.get(platform.machine())
    if calls is None:
        pytest.skip("no filter of system calls is known for this processor")
    return [(_LOAD, 0, 0, 0), (_EQUAL, 1, 0, calls[name]), _ALLOW]


def _has_bits(argument: int, bits: int) -> list[tuple[int, int, int, int]]:
    return [(_LOAD, 0, 0, 16 + 8 * argument), (_ANY_BIT, 1, 0, bits), _ALLOW]


def _filter_calls(instructions: Sequence[tuple[int, int, int, int]]) -> None:
    """Have the system calls of this process and its children fail as a program of BPF says (seccomp(2))."""

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    code = b"".join(struct.pack("HBBI", *each) for each in instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0, "no new privileges"
    assert libc.prctl(22, 2, ctypes.byref(Program(len(instructions), code)), 0, 0) == 0, "a filter"


# --- Others of its kind


def beside_each_other(shell: Shell, command: Sequence[str]) -> Done:
    """Run it several times at once, again and again without environments; return the first wrong end.

    Each has a probe of its own, because commands with one probe wait for each other. The probes import many
    modules. Python compiles them where it may write; in a sandbox, each command does after its first run.
    """
    many = {f"many/each_{number}.py": "x = 1\n" * 200 for number in range(_MODULES)}
    shell.index.add_wheel("dep", "1.1", modules={**many, "many/__init__.py": ""}, uploaded="2020-01-02")
    imports = "".join(f"import many.each_{number}\n" for number in range(_MODULES))
    probes = [shell.write(f"many_{place}.py", imports + f"{place}\n").name for place in range(_AT_ONCE)]
    for _ in range(_ROUNDS):
        shutil.rmtree(shell.cache / "environments", ignore_errors=True)
        commands = [[probe if part == "leak.py" else part for part in command] for probe in probes]
        started = [
            shell.start(*command, "--fresh", "--sandbox", ("none", "auto")[place % 2])
            for place, command in enumerate(commands)
        ]
        outputs = [process.communicate(timeout=PATIENCE_S) for process in started]
        for process, (stdout, stderr) in zip(started, outputs, strict=True):
            assert "changed its environment" not in stderr  # no run has
            done = subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
            if process.returncode or "Traceback" in stderr:
                return done
    return done


# --- Signals


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


def terminated(shell: Shell, command: Sequence[str]) -> Done:
    return _signaled(shell, command, signal.SIGTERM)


def interrupted_early(shell: Shell, command: Sequence[str]) -> Done:
    return _signaled_early(shell, command, signal.SIGINT)


def terminated_early(shell: Shell, command: Sequence[str]) -> Done:
    return _signaled_early(shell, command, signal.SIGTERM)


def _signaled_early(shell: Shell, command: Sequence[str], number: signal.Signals) -> Done:
    """Send a signal at each of many moments after the start; return the first run with a wrong end.

    It waits until the command handles SIGTERM: before that, the signal kills it as any program, rightly. The
    probe hangs meanwhile, so that no command has ended before its moment.
    """
    probe = shell.folder / "leak.py"
    kept = probe.read_bytes()
    probe.write_text("import time\n\ntime.sleep(600)\n")
    try:
        for moment in range(_MOMENTS):
            process = shell.start(*command)
            eventually(partial(_has_begun, process))
            time.sleep(moment * _EARLY_S / _MOMENTS)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
            done = subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
            if process.returncode != 130 or "Traceback" in stderr:
                break
    finally:
        probe.write_bytes(kept)
    return done


def _has_begun(process: subprocess.Popen[str]) -> bool:
    """Return whether it handles SIGTERM, which Python by itself does not, or has ended."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    caught = int(next((line.split()[1] for line in lines if line.startswith("SigCgt")), "0"), 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1) or process.poll() is not None


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
