"""Find the owners of files: the distributions that have them, and the environments that share them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from packaging.utils import canonicalize_name

from bisect_asgi.backend.environments.reuse import read_record


def sharers(folder: Path, home: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield the other environments of `folder` that share one of these files of `home`, under its name."""
    inodes = {inode for name in names if (inode := _inode(home / name))}
    if not inodes:
        return
    for other in folder.iterdir():
        if other != home and any(_inode(path) in inodes for path in _namesakes(other, names)):
            yield other


def _inode(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from every other one, whatever its names are; None if there is none."""
    with suppress(OSError):
        status = os.lstat(path)
        return status.st_dev, status.st_ino
    return None


def _namesakes(home: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield where an environment, perhaps of another Python, may have the same files."""
    for name in names:
        yield home / name
        _, found, module = name.partition("/site-packages/")
        if found:
            yield from (site / module for site in home.glob("lib/python*/site-packages"))


def owners(home: Path, paths: Sequence[str]) -> set[str]:
    """Return the distributions that have files at these paths, or in the same directories."""
    found: set[str] = set()
    for site in home.glob("lib/python*/site-packages"):
        below = str(site.relative_to(home))
        own = set(paths) | ({os.path.dirname(path) for path in paths} - {below, "bin"})
        for dist_info in site.glob("*.dist-info"):
            recorded = {os.path.normpath(f"{below}/{path}") for path in read_record(dist_info) or ()}
            if not own.isdisjoint(recorded | {os.path.dirname(path) for path in recorded}):
                found.add(canonicalize_name(dist_info.name.partition("-")[0]))
    return found
