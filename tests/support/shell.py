"""The command as a user meets it: a directory with a probe, a cache of its own, and releases to look at."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bisect_asgi.backend.network.configured import binary
from support import forked
from support.builders import command_environ
from support.local_index import LocalIndex
from support.processes import PATIENCE_S
from support.schemas import problems

PYTHON = sys._base_executable  # type: ignore[attr-defined]


DIARY = ("--env", "DIARY", "--sandbox", "none")
"""For probes that write a file for the test: a confined run may not write outside its own directories."""
# Writes into the diary which release it runs on, and at its end that it was not killed.
PROBE = """\
import os

def note(what):
    with open(os.environ["DIARY"], "a") as diary:
        diary.write(what + " " + demo.version + "\\n")

import demo
note("start")
note("end")
assert demo.works, "it does not work"
"""


class Shell:
    """A directory with a probe in it, a cache of its own, and the command."""

    prefix: tuple[str, ...] = ()
    """What stands in front of all arguments."""

    def __init__(self, index: LocalIndex, folder: Path, *, patience_s: float = PATIENCE_S) -> None:
        self.index = index
        self.folder = folder
        self.cache = folder / "cache"
        self.diary = folder / "diary"
        self.patience_s = patience_s
        self.write("leak.py", PROBE)
        self.environ = command_environ(folder, index.url) | {"DIARY": str(self.diary)}

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, *arguments: str, file_limit: int | None = None) -> subprocess.Popen[str]:
        """Start the command with a Python of its own, for tests that meet it on the way."""

        def prepare() -> None:
            # A shell starts background jobs with interrupts ignored, and the tests themselves may be one.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        return subprocess.Popen(
            [sys.executable, "-m", "bisect_asgi", *self.prefix, *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=prepare,
        )

    def run(self, *arguments: str, file_limit: int | None = None) -> subprocess.CompletedProcess[str]:
        if file_limit is None:
            done = forked.run(
                [*self.prefix, *arguments],
                folder=self.folder,
                environ=self.environ,
                patience_s=self.patience_s,
            )
        else:
            process = self.start(*arguments, file_limit=file_limit)
            said = process.communicate(timeout=self.patience_s)
            done = subprocess.CompletedProcess(arguments, process.returncode, *said)
        assert "Traceback" not in done.stderr, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        if "--json" in arguments and done.stdout.startswith("{"):
            assert problems(done.stdout) == []
        return done

    def bisect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(*BISECT, *arguments)

    def report(self, *arguments: str) -> dict[str, object]:
        """The JSON document of a bisection."""
        document: dict[str, object] = json.loads(self.bisect("--json", "--quiet", *arguments).stdout)
        return document

    def noted(self, what: str) -> Counter[str]:
        """How often the probe noted `what`, by release."""
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        return Counter(line.split()[1] for line in lines if line.split()[0] == what)


Document = dict[str, Any]
"""The JSON report, as a script reads it."""


class Command(Shell):
    """The command for tests that say of each command what it bisects."""

    def paste(self, line: str) -> subprocess.CompletedProcess[str]:
        """What a shell makes of a line, with uv and the command on its path."""
        own = self.write("bisect-asgi", f'#!/bin/sh\nexec {sys.executable} -m bisect_asgi "$@"\n')
        own.chmod(0o755)
        path = os.pathsep.join([str(self.folder), str(Path(binary()).parent), self.environ["PATH"]])
        return subprocess.run(
            ["sh", "-c", line],
            cwd=self.folder,
            env={**self.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=self.patience_s,
        )

    def document(self, *arguments: str) -> Document:
        """The JSON document of a command."""
        done = self.run(*arguments, "--json", "--quiet")
        assert done.stdout, done.stderr
        document: Document = json.loads(done.stdout)
        assert document["exit_code"] == done.returncode, done.stderr
        return document


# Without spot checks, because they would only add runs to count.
BISECT = (
    *("demo", "--probe", "leak.py", "--python", PYTHON, *DIARY),
    *("--jobs", "1", "--history", "none"),
)


def publish(index: LocalIndex, works: str, *, requires: Sequence[str] = (), project: str = "demo") -> None:
    """Releases 1.0, 1.1, …, one a month: `+` works, `-` does not, `x` cannot even be imported."""
    for minor, mark in enumerate(works):
        version = f"1.{minor}"
        source = f"version = {version!r}\nworks = {mark == '+'}\n"
        if mark == "x":
            source = "import a_module_that_is_long_gone\n"
        index.add_wheel(
            project,
            version,
            uploaded=f"2021-{minor + 1:02}-01",
            modules={"demo.py": source},
            requires=requires,
        )


def told(message: str, hint: str) -> str:
    """What the standard error has, whole."""
    return f"error: {message}\n\nhint: {hint}\n"
