"""What this tool itself takes of the processor for a trial, and how soon it shows something.

An installation of its own has a small program in uv's place, which runs uv and writes down what that took.
What is left of the whole command, without uv, without the probes (their time is in the report) and without
that program, is the tool's own: its imports, its supervisors and its bookkeeping. A second command that only
remembers says what is not for a trial.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bisect_asgi.backend.uv import binary

_TIMES = 9

_COUNTING = """\
#!{python} -IS
import os, sys, time
pid = os.posix_spawn({uv!r}, [{uv!r}, *sys.argv[1:]], os.environ)
_, status, usage = os.wait4(pid, 0)
spent = f"{{usage.ru_utime + usage.ru_stime}} {{time.process_time()}}\\n"
with open({log!r}, "a") as file:
    file.write(spent)
os._exit(os.waitstatus_to_exitcode(status) & 255)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The processor time of a command, in seconds."""

    whole: float
    uv: float
    counting: float
    """Of the program in uv's place."""
    probes: float
    trials: int

    @property
    def own(self) -> float:
        """What is neither uv's nor the probes'."""
        return self.whole - self.uv - self.counting - self.probes


def of_a_trial(command: Spent, remembering: Spent) -> float:
    """What is the tool's own in each trial, beside what a command that makes no trial takes."""
    return (command.own - remembering.own) / command.trials if command.trials else 0.0


@dataclass(frozen=True, slots=True)
class Counted:
    """An installation of the tool in which uv's processor time is written down."""

    program: Path
    log: Path

    def spent(self) -> tuple[float, float]:
        """What uv has taken since the last time, and the program in its place."""
        lines = [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return sum(float(uv) for uv, _ in lines), sum(float(own) for _, own in lines)


def install(folder: Path) -> None:
    """Install the tool as it is now into a new environment, as a user does: nothing else is in there."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([binary(), "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    options = ["--quiet", "--no-cache", "--compile-bytecode", "--python", str(folder)]
    subprocess.run([binary(), "pip", "install", *options, str(Path(__file__).parent.parent)], check=True)


def installation(folder: Path) -> Counted:
    """Install the tool with a uv that is counted."""
    install(folder)
    python = str(Path(sys.executable).resolve())
    log, place, kept = folder / "uv.log", folder / "bin" / "uv", folder / "bin" / "uv-itself"
    place.rename(kept)
    place.write_text(_COUNTING.format(python=python, uv=str(kept), log=str(log)))
    place.chmod(0o755)
    return Counted(folder / "bin" / "bisect-asgi", log)


def first_line_s(argv: Sequence[str], environ: Mapping[str, str]) -> float:
    """How long a command takes to show its first line on a terminal (median)."""
    return median(_first_line_s(argv, environ) for _ in range(_TIMES))


def _first_line_s(argv: Sequence[str], environ: Mapping[str, str]) -> float:
    ours, theirs = pty.openpty()
    begun = time.monotonic()
    process = subprocess.Popen(
        argv, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(environ), start_new_session=True
    )
    os.close(theirs)
    try:
        seen = b""
        while b"\n" not in seen:
            if not select.select([ours], [], [], 30)[0]:
                raise SystemExit("error: nothing was shown in half a minute")
            seen += os.read(ours, 4096)
        return time.monotonic() - begun
    finally:
        process.terminate()
        os.close(ours)
        process.wait()
