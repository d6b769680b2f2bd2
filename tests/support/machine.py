"""Find out once what a first command or bench learns about this machine, and copy it into all caches."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import EnvironmentSpec
from support.local_index import LocalIndex
from support.processes import PATIENCE_S
from support.shell import DIARY, PYTHON, Shell, publish

# Discovered interpreters, the empty environments made for them, and uv's facts about interpreters. None of
# these depends on a release, so tests can share them.
_KNOWN = ("cache/interpreters", "cache/templates", "uv-cache/interpreter-*")
_LOCKS = shutil.ignore_patterns("*.lock")
_SLOTS, _SLOT = "slots", re.compile(rb"/same-place/(cache/)?building/")
"""The directory of what uv knows of environments at the same place, and what a file about one contains."""


def learn(folder: Path) -> None:
    """Run two first commands below `folder`: for the Python of the tests, and for the one that is chosen."""
    folder.mkdir()
    with LocalIndex() as index:
        shell = Shell(index, folder, patience_s=5 * PATIENCE_S)  # it asks every interpreter, which is slow
        publish(index, "+")
        for python in (("--python", PYTHON), ()):
            done = shell.run("check", "demo==1.0", "--probe", "leak.py", *DIARY, *python)
            assert done.returncode == 0, done.stderr


def learn_python(folder: Path) -> None:
    """Build an environment in a first bench below `folder`, for the Python of the tests."""
    from support.environments import THIS_PYTHON, Bench

    with pytest.MonkeyPatch.context() as patch, LocalIndex() as index:
        patch.setenv("UV_CACHE_DIR", str(folder / "uv-cache"))
        index.add_wheel("demo", "1.0")
        bench = Bench(folder / "cache", index.url)
        spec = EnvironmentSpec(interpreter=THIS_PYTHON, requirements=("demo==1.0",))
        with bench.environments().holding(bench.resolve(spec), spec, CancelToken()):
            pass


def tell_python(known: Path, *, uv_cache: Path | None = None, bench: Path | None = None) -> None:
    """Put what `learn_python` found out into a cache of uv, or into the directory of a bench."""
    if uv_cache:
        for found in known.glob("uv-cache/interpreter-*"):
            shutil.copytree(found, uv_cache / found.name)
        _tell_slots(uv_cache)
    if bench:
        shutil.copytree(known / "cache" / "templates", bench / "templates", symlinks=True, ignore=_LOCKS)


def tell(known: Path, folder: Path, *, suffix: str = "") -> None:
    """Put what was found out below `known` into the caches below `folder`; `suffix`: of their names."""
    for pattern in _KNOWN:
        for found in known.glob(pattern):
            cache, name = found.relative_to(known).parts
            shutil.copytree(found, folder / f"{cache}{suffix}" / name, symlinks=True, ignore=_LOCKS)
    if not suffix:
        _tell_slots(folder / "uv-cache")


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A directory at the same path as those of the tests before it, until the test ends.

    uv asks the interpreter at each path that it does not know, which takes longer than many a probe. So all
    tests of a worker build their environments at the same paths, and begin with what uv knows of these.
    """
    same = tmp_path.with_name("same-place")
    if same.exists():  # a process of a test before this one wrote there once more, after that test had ended
        same.rename(tmp_path.with_name(f"late-before-{tmp_path.name}"))
    tmp_path.rename(same)
    try:
        yield same
        _keep_slots(same / "uv-cache", tmp_path.with_name(_SLOTS))
    finally:
        same.rename(tmp_path)


def _tell_slots(uv_cache: Path) -> None:
    slots = uv_cache.parent.with_name(_SLOTS)
    if slots.exists():
        shutil.copytree(slots, uv_cache, dirs_exist_ok=True)


def _keep_slots(uv_cache: Path, slots: Path) -> None:
    for found in uv_cache.glob("interpreter-*/*/*.msgpack"):
        kept = slots / found.relative_to(uv_cache)
        if not kept.exists() and _SLOT.search(found.read_bytes()):
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, kept)
