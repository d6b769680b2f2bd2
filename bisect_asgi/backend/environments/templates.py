"""Environments without anything in them: made and proved once for each interpreter, then copied.

A copy of four links and a file is the same environment: nothing in it says where it is. uv makes the one
that is copied; to import virtualenv takes a third of a second, which is as long as some bisections.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from bisect_asgi.backend.locks import locked
from bisect_asgi.backend.process.run import run_helper
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import Lifeline
from bisect_asgi.core.model import Interpreter

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
        uv: makes them.
    """

    def __init__(self, folder: Path, uv: Uv) -> None:
        self._folder = folder
        self._uv = uv

    def copy(self, interpreter: Interpreter, target: Path, lifeline: Lifeline) -> None:
        """Make an empty environment in `target`, which is not there yet.

        Raises:
            NotProved: the interpreter does not run in an environment.
            Unavailable: none can be made with it.
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
            make_skeleton(aside / "new", interpreter, self._uv, lifeline)
            _prove(aside / "new", lifeline)
            (aside / "new").rename(kept)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def make_skeleton(folder: Path, interpreter: Interpreter, uv: Uv, lifeline: Lifeline) -> None:
    """Make an environment without anything in it: no pip, no setuptools, no scripts for shells.

    Raises:
        Unavailable: none can be made with this interpreter.
        Cancelled: the lifeline was cancelled.
    """
    uv.make_environment(folder, interpreter.path, lifeline=lifeline)
    for script in folder.glob("bin/*"):
        if not script.name.startswith("python"):
            script.unlink()
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
