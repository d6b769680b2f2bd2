"""Environments without anything in them: made and proved once for each interpreter, then copied.

A copy of four links and a file is the same environment: nothing in it says where it is. uv makes the one
that is copied; to import virtualenv takes a third of a second, which is as long as some bisections.

What is installed is read from files:
Not by asking its Python, which takes as long as many a probe: that it looks there was proved of the skeleton.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi.backend.files import locked
from bisect_asgi.backend.process.run import run_helper
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Distribution, Interpreter

_ASK = "import json, sys; print(json.dumps(sys.path))"


class NotProved(Exception):
    """The environment was built and is not what it says; nothing can be learnt from it."""


def site_packages(environment: Path) -> Path:
    """Where an environment's Python looks for what is installed."""
    return next(environment.glob("lib/python*/site-packages"))


class Templates:
    """Keeps one skeleton for each interpreter as it is now.

    Args:
        folder: where they are kept.
        uv: makes them.
    """

    def __init__(self, folder: Path, uv: Uv) -> None:
        self._folder = folder
        self._uv = uv

    def copy(self, interpreter: Interpreter, target: Path, token: CancelToken) -> None:
        """Make an empty environment in `target`, which is not there yet.

        Raises:
            NotProved: the interpreter does not run in an environment.
            Unavailable: none can be made with it.
            Cancelled: the token was cancelled.
        """
        status = os.stat(interpreter.path)
        # An interpreter that was replaced is another one.
        name = codec.digest(interpreter, status.st_mtime_ns, status.st_size)
        kept = self._folder / name
        if not kept.exists():
            with locked(self._folder / f"{name}.lock", waiting=token.check):
                if not kept.exists():
                    self._make(kept, interpreter, token)
        shutil.copytree(kept, target, symlinks=True)

    def _make(self, kept: Path, interpreter: Interpreter, token: CancelToken) -> None:
        aside = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            make_template(aside / "new", interpreter, self._uv, token)
            _prove(aside / "new", token)
            (aside / "new").rename(kept)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def make_template(folder: Path, interpreter: Interpreter, uv: Uv, token: CancelToken) -> None:
    """Make an environment without anything in it: no pip, no setuptools, no scripts for shells.

    Raises:
        Unavailable: none can be made with this interpreter.
        Cancelled: the token was cancelled.
    """
    uv.make_environment(folder, interpreter.path, token=token)
    for script in folder.glob("bin/*"):
        if not script.name.startswith("python"):
            script.unlink()
    for patch in folder.glob("lib/python*/site-packages/_virtualenv.*"):
        patch.unlink()  # guards installing from inside, which nobody does here; does not compile before 3.8


def _prove(folder: Path, token: CancelToken) -> None:
    """Ask the environment's Python where it looks: in its own folder, or it would see nothing of it."""
    asked = run_helper(
        [str(folder / "bin" / "python"), "-I", "-c", _ASK], environ={"PATH": os.defpath}, token=token
    )
    if asked.exit_code != 0:
        raise NotProved(f"its Python does not run: {asked.stderr.strip().rpartition(chr(10))[2]}")
    looks = [os.path.realpath(entry) for entry in json.loads(asked.stdout)]
    if os.path.realpath(site_packages(folder)) not in looks:
        raise NotProved("its Python does not look into it")


def installed(environment: Path) -> tuple[Distribution, ...]:
    """The environment's distributions, in the order of their names.

    Raises:
        NotProved: one of them does not say what it is.
    """
    found = map(_read, metadata.distributions(path=[str(site_packages(environment))]))
    return tuple(sorted(found, key=lambda distribution: distribution.name))


def _read(distribution: metadata.Distribution) -> Distribution:
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    headers = HeaderParser().parsestr(text.partition("\n\n")[0])  # not the description, which may be long
    name, version = headers["Name"], headers["Version"]
    if not name or not version:
        raise NotProved(f"`{getattr(distribution, '_path', distribution)}` does not say what it is")
    return Distribution(name=canonicalize_name(name), version=version)


def prove(distributions: tuple[Distribution, ...], wanted: Distribution | None) -> None:
    """Hold what is installed against what should be.

    Raises:
        NotProved: it is not there, or another version.
    """
    if wanted is None:
        return
    found = next((d.version for d in distributions if d.name == wanted.name), None)
    if found is None:
        raise NotProved(f"`{wanted}` was installed, and its Python does not see it")
    try:
        same = Version(found) == Version(wanted.version)
    except InvalidVersion:
        same = found == wanted.version
    if not same:
        raise NotProved(f"`{wanted}` was installed, and its metadata says {found}")
