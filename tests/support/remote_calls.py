"""What tests have executors do: in a module that the workers of a cluster can import."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from bisect_asgi.backend.executors.dask.calls import Unsuitable
from bisect_asgi.backend.process.run import run_supervised
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError

PATIENCE_S = 60.0

SLEEPER = """\
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
note = pathlib.Path(sys.argv[1])
note.with_suffix(".part").write_text(str(child.pid))
note.with_suffix(".part").rename(note)
time.sleep(600)
"""


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come about in time"
        time.sleep(0.01)


def queued() -> int:
    """Return how many calls wait at this worker of a cluster for another one to end."""
    from distributed import Worker

    return sum(len(worker.state.ready) for worker in Worker._instances)


def square(number: int) -> int:
    return number * number


def refuse(what: str) -> None:
    raise UsageError(f"not `{what}`", hint="something else")


def length(content: bytes) -> int:
    return len(content)


def note(diary: Path) -> None:
    """Add a line to a file."""
    with diary.open("a") as lines:
        lines.write("done\n")


def touch_and_wait(mine: Path, other: Path) -> str:
    """Say that one is there, and wait for another call."""
    mine.touch()
    wait_for(other)
    return mine.name


def run_family(folder: Path, pid: Path, token: CancelToken) -> None:
    """Run a process that has a child, until the token ends it; `pid` will hold the child's number."""
    run_supervised(
        [sys.executable, "-c", SLEEPER, str(pid)],
        cwd=folder,
        report=folder,
        environ={"PATH": os.environ["PATH"]},
        timeout_s=PATIENCE_S * 10,
        token=token,
    )


def die_once(marker: Path) -> str:
    """Kill the own process, unless somebody has done so before."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def host() -> str:
    return platform.node()


class Declining:
    """Says where it is, but not on some hosts."""

    def __init__(self, hosts: tuple[str, ...]) -> None:
        self._hosts = hosts

    def __call__(self, token: CancelToken) -> str:
        token.check()
        if platform.node() in self._hosts:
            raise Unsuitable("has no Python 2.7", hint="install it")
        return platform.node()


class Unpicklable(Exception):
    """Holds something that does not travel."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


def raise_unpicklable() -> None:
    raise Unpicklable("it holds a lock")


class InParts:
    """A call with two files is made in two parts, each of which waits until the other has begun."""

    def __call__(self, mine: Path, other: Path, _: str) -> str:
        return touch_and_wait(mine, other)

    def parts(self, *arguments: object) -> Sequence[tuple[object, ...]]:
        match arguments:
            case (one, other):
                return [(one, other, "a part"), (other, one, "a part")]
        return [arguments]

    def join(self, results: Sequence[object]) -> object:
        return tuple(results)
