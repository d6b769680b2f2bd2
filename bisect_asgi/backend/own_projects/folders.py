"""List the files of a project's directory, and compute the digest of their content.

The files count that git tracks or does not ignore; without git, all files except those that tools leave
behind.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePath

from bisect_asgi.backend.own_projects.facts import NAMING
from bisect_asgi.backend.repository import run_git
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable, UsageError
from bisect_asgi.core.model import ProbeFile
from bisect_asgi.core.text import size

_LARGEST_BYTES = 1024**3
_LEFT_BEHIND = re.compile(
    r"\.(git|hg|svn|venv|tox|nox|eggs|mypy_cache|pytest_cache|ruff_cache|hypothesis)|__pycache__"
    r"|node_modules|.*\.egg-info"
)
_MADE = ("build", "dist")
"""Directories at the top that a build makes."""


def probe_file(folder: Path, name: str) -> ProbeFile:
    """Return a file of a project that is not built, as each run finds it."""
    path = folder / name
    return ProbeFile(name=name, content=path.read_bytes(), executable=os.access(path, os.X_OK))


def folder_files(folder: Path, token: CancelToken) -> tuple[str, ...]:
    """Return the files of a project as relative paths with forward slashes, sorted."""
    known = _known_to_git(folder, token)
    if not set(known) & set(NAMING):  # the directory is in no repository, or is ignored
        known = tuple(_walked(folder))
    caches = {place: _is_cache(folder / place) for name in known for place in PurePath(name).parents[:-1]}
    return tuple(
        sorted(
            name
            for name in known
            if (folder / name).is_file() and not any(caches[place] for place in PurePath(name).parents[:-1])
        )
    )


def _is_cache(folder: Path) -> bool:
    """Return whether a tool has marked a directory as its cache, as this one marks its own."""
    return (folder / "CACHEDIR.TAG").exists()


def _known_to_git(folder: Path, token: CancelToken) -> tuple[str, ...]:
    how = ("--cached", "--others", "--exclude-standard", "-z")
    try:
        asked = run_git("-C", str(folder), "ls-files", *how, token=token)
    except Unavailable:  # without git, all files count
        return ()
    return tuple(asked.stdout.split("\0")[:-1]) if asked.exit_code == 0 else ()


def _walked(folder: Path) -> Iterator[str]:
    for place, below, names in os.walk(folder):
        here = Path(place)
        is_top = here == folder
        below[:] = sorted(name for name in below if not _is_left_behind(here / name, is_top=is_top))
        yield from ((here / name).relative_to(folder).as_posix() for name in names if name[-4:] != ".pyc")


def _is_left_behind(path: Path, *, is_top: bool) -> bool:
    if _LEFT_BEHIND.fullmatch(path.name):
        return True
    return _is_cache(path) or (path / "pyvenv.cfg").exists() or (is_top and path.name in _MADE)


def check_size(folder: Path, files: Sequence[str], shown: str, option: str) -> None:
    """Raise `UsageError` if the files are too large to be copied for each build."""
    sizes = {name: (folder / name).stat().st_size for name in files}
    if (total := sum(sizes.values())) > _LARGEST_BYTES:
        largest = max(sizes, key=lambda name: sizes[name])
        raise UsageError(
            f"`{shown}` has {size(total)} of files, `{largest}` the largest of them ({option})",
            hint="have git ignore what the project does not need, or build it: `uv build --wheel`",
        )


def content_of(folder: Path, files: Sequence[str], *, git: str | None) -> str:
    """Return the digest of a directory's files, with the state of its repository if that counts."""
    found = []
    for name in files:
        path = folder / name
        executable = bool(path.stat().st_mode & stat.S_IXUSR)
        found.append((name, executable, hashlib.sha256(path.read_bytes()).hexdigest()))
    return codec.digest("folder", found, git)


def git_state(folder: Path, token: CancelToken) -> str | None:
    """Return the commit and the tags that a build can ask git for, or None without a repository."""
    with suppress(Unavailable):
        asked = run_git(
            "-C", str(folder), "describe", "--tags", "--long", "--always", "--abbrev=40", token=token
        )
        head = run_git("-C", str(folder), "rev-parse", "HEAD", token=token)
        if head.exit_code == 0:
            return f"{head.stdout.strip()} {asked.stdout.strip()}"
    return None
