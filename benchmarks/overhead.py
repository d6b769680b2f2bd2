"""Measure the processor time that this tool itself needs for a trial, and how soon it shows something.

A separate installation has a small program in place of uv, which runs uv and records its processor time. The
tool's own time is that of the whole command, without uv, without that program, and without the probes, whose
time is in the report. It consists of imports, supervisors and bookkeeping. A second command, with all runs
cached, measures the part that does not depend on trials.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bisect_asgi.backend.network.configured import binary

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
    """Return the tool's own time for each trial, without that of a command that makes no trial."""
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


def times_of_nothing(argv: Sequence[str], environ: Mapping[str, str]) -> float:
    """How many times as long a command takes as a Python that does nothing (median of pairs)."""
    nothing = [str(Path(argv[0]).with_name("python")), "-I", "-c", "pass"]
    return median(_taken_s(argv, environ) / _taken_s(nothing, environ) for _ in range(_TIMES))


def _taken_s(argv: Sequence[str], environ: Mapping[str, str]) -> float:
    begun = time.monotonic()
    subprocess.run(argv, env=dict(environ), capture_output=True, stdin=subprocess.DEVNULL, check=True)
    return time.monotonic() - begun


BUDGET_MS: Mapping[str, float] = {
    "Python's own": 65,
    "bisect_asgi.core": 20,
    "bisect_asgi.backend": 15,
    "bisect_asgi.cli": 5,
    "bisect_asgi.session": 5,
    "bisect_asgi.report": 5,
    "packaging": 12,
    "typer": 11,
    "msgspec": 4,
    "typing_extensions": 3,
    "platformdirs": 3,
    "httpx": 0,
    "httpcore": 0,
    "mousebender": 0,
    "psutil": 0,
    "rich": 0,
    "tenacity": 0,
}
"""The limits in milliseconds of each package's imports, in a command with a cached result and a fresh page.

Each limit is 1.5 times the imports' time when the limit was set: the least of eleven, on a busy machine with
two cores (44 ms for the standard library; 13.5, 10, 2.7, 2.8 and 2.8 ms for the rooms; 7.8, 6.9, 2.0, 1.8 and
1.5 ms for the others).
"""


def imports(argv: Sequence[str], environ: Mapping[str, str]) -> dict[str, float]:
    """Return the milliseconds that a command spends on importing each package (the least of several times).

    Each room of our own package counts as a package; the standard library counts as one.
    """
    python = str(Path(argv[0]).with_name("python"))
    found = [by_package(_profile([python, "-X", "importtime", *argv], environ)) for _ in range(_TIMES)]
    names = {name for each in found for name in each}
    return {name: min(each.get(name, 0.0) for each in found) for name in names}


def _profile(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    done = subprocess.run(argv, env=dict(environ), capture_output=True, text=True, check=True)
    return done.stderr


def by_package(profile: str) -> dict[str, float]:
    """Return the milliseconds of each package in the output of `-X importtime`."""
    found: dict[str, float] = {}
    for line in profile.splitlines():
        if match := re.fullmatch(r"import time: +(\d+) \| +\d+ \| *(\S+)", line):
            own, _, rest = match[2].partition(".")
            name = "Python's own" if own in sys.stdlib_module_names else own
            if own == "bisect_asgi" and rest:
                name = f"{own}.{rest.partition('.')[0]}"
            found[name] = found.get(name, 0.0) + int(match[1]) / 1000
    return found


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
