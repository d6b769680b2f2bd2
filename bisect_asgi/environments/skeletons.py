"""Environments without anything in them: made and proved once for each interpreter, then copied.

virtualenv makes one in milliseconds, once it is imported, which takes a third of a second. A copy of four
links and a file is the same environment: nothing in it says where it is.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from pathlib import Path

from bisect_asgi import codec
from bisect_asgi.locks import locked
from bisect_asgi.model import Interpreter
from bisect_asgi.process import Lifeline, run_helper

# virtualenv configures logging and its app-data for the whole process.
_VIRTUALENV = threading.Lock()
_ASK = "import json, sys; print(json.dumps(sys.path))"


class NotProved(Exception):
    """The environment was built and is not what it says; nothing can be learnt from it."""


def site_packages(environment: Path) -> Path:
    """Where an environment's Python looks for what is installed."""
    return next(environment.glob("lib/python*/site-packages"))


class Skeletons:
    """Keeps one skeleton for each interpreter as it is now.

    Args:
        folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def copy(self, interpreter: Interpreter, target: Path, lifeline: Lifeline) -> None:
        """Make an empty environment in `target`, which is not there yet.

        Raises:
            NotProved: the interpreter does not run in an environment.
            Cancelled: the lifeline was cancelled.
        """
        status = os.stat(interpreter.path)
        # An interpreter that was replaced is another one.
        name = codec.digest(interpreter, status.st_mtime_ns, status.st_size)
        kept = self._folder / name
        if not kept.exists():
            with locked(self._folder / f"{name}.lock", waiting=lifeline.check):
                if not kept.exists():
                    self._make(kept, interpreter, lifeline)
        shutil.copytree(kept, target, symlinks=True)

    def _make(self, kept: Path, interpreter: Interpreter, lifeline: Lifeline) -> None:
        aside = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            make_skeleton(aside / "new", interpreter)
            _prove(aside / "new", lifeline)
            (aside / "new").rename(kept)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def make_skeleton(folder: Path, interpreter: Interpreter) -> None:
    """Make an environment without anything in it: no pip, no setuptools."""
    with _VIRTUALENV:
        import virtualenv

        virtualenv.session_via_cli(
            [str(folder), "--python", interpreter.path, "--no-seed", "--no-vcs-ignore", "--activators", ""]
        ).run()
    with (folder / "pyvenv.cfg").open("a") as configuration:
        configuration.write("relocatable = true\n")
    for patch in folder.glob("lib/python*/site-packages/_virtualenv.*"):
        patch.unlink()  # guards installing from inside, which nobody does here; does not compile before 3.8


def _prove(folder: Path, lifeline: Lifeline) -> None:
    """Ask the environment's Python where it looks: in its own folder, or it would see nothing of it."""
    asked = run_helper(
        [str(folder / "bin" / "python"), "-I", "-c", _ASK], environ={"PATH": os.defpath}, lifeline=lifeline
    )
    if asked.exit_code != 0:
        raise NotProved(f"its Python does not run: {asked.stderr.strip().rpartition(chr(10))[2]}")
    looks = [os.path.realpath(entry) for entry in json.loads(asked.stdout)]
    if os.path.realpath(site_packages(folder)) not in looks:
        raise NotProved("its Python does not look into it")
