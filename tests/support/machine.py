"""What a first command finds out about this machine: found out once, and known in the caches of all tests."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.local_index import LocalIndex
from support.processes import PATIENCE_S
from support.shell import DIARY, PYTHON, Shell, publish

# Discovered interpreters, the empty environments made for them, and what uv knows of interpreters. Nothing of
# any release is among it.
_KNOWN = ("cache/interpreters", "cache/templates", "uv-cache/interpreter-*")
_LOCKS = shutil.ignore_patterns("*.lock")


def learn(folder: Path) -> None:
    """Run two first commands below `folder`: for the Python of the tests, and for the one that is chosen."""
    folder.mkdir()
    with LocalIndex() as index:
        shell = Shell(index, folder, patience_s=5 * PATIENCE_S)  # it asks each interpreter
        publish(index, "+")
        for python in (("--python", PYTHON), ()):
            done = shell.run("check", "demo==1.0", "--probe", "leak.py", *DIARY, *python)
            assert done.returncode == 0, done.stderr


def tell(known: Path, folder: Path, *, suffix: str = "") -> None:
    """Put what was found out below `known` into the caches below `folder`; `suffix`: of their names."""
    for pattern in _KNOWN:
        for found in known.glob(pattern):
            cache, name = found.relative_to(known).parts
            shutil.copytree(found, folder / f"{cache}{suffix}" / name, symlinks=True, ignore=_LOCKS)
