"""Keep copies of the user's projects, so that later changes to the projects have no effect.

The name of a copy is the digest of its content. A build gets a copy of that copy, because it may write into
it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bisect_asgi.backend.files import remove
from bisect_asgi.backend.own_projects.archives import unpack
from bisect_asgi.backend.own_projects.folders import content_of
from bisect_asgi.backend.repository import Repository, run_git
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import OwnProject

_DATE_S = 1577836800
_KEPT_FOR_S = 30 * 24 * 3600


def copy_to_build(project: OwnProject, target: Path) -> Path:
    """Copy a project to where it may be built, below the new directory `target`; return its directory."""
    kept = Path(project.path)
    if kept.is_file():
        unpacked = unpack(kept, target)
        _date_alike(target)
        return unpacked
    top = next(parent for parent in (kept, *kept.parents) if parent.name == project.content)
    shutil.copytree(top, target / project.name, symlinks=True)
    copied = target / project.name / kept.relative_to(top)
    _date_alike(copied)
    return copied


def _date_alike(folder: Path) -> None:
    """Give all files one date, so that equal files build equal wheels; a zip has no date before 1980."""
    for place, _, names in os.walk(folder):
        if ".git" not in Path(place).relative_to(folder).parts:
            for name in names:
                os.utime(Path(place, name), (_DATE_S, _DATE_S), follow_symlinks=False)


def keep_folder(
    source: Path, files: Sequence[str], projects: Path, *, git: str | None, token: CancelToken
) -> tuple[str, Path]:
    """Return the content of a directory, and a kept copy of it; with its history if `git` is known."""
    content = content_of(source, files, git=git)
    below = Path(_prefix(source, token) if git else "")
    if not (projects / content).is_dir():
        with _aside(projects) as aside:
            if git:
                _clone(source, aside, below, token)
            for name in files:
                place = aside / below / name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source / name, place)
            content = content_of(aside / below, files, git=git)
            _move(aside, projects / content)
    os.utime(projects / content)
    return content, projects / content / below


def keep_file(path: Path, projects: Path) -> tuple[str, Path]:
    """Return the content of an archive, and a copy of it that is kept."""
    with _aside(projects) as aside:
        copied = Path(shutil.copy(path, aside))
        content = hashlib.sha256(copied.read_bytes()).hexdigest()
        _move(aside, projects / content)
    os.utime(projects / content)
    return content, projects / content / path.name


@contextmanager
def _aside(projects: Path) -> Iterator[Path]:
    """Yield a new directory next to the copies, and remove copies that were not used for long."""
    projects.mkdir(parents=True, exist_ok=True)
    oldest = time.time() - _KEPT_FOR_S
    for old in projects.iterdir():
        with suppress(OSError):
            if old.stat().st_mtime < oldest:
                remove(old)
    aside = Path(tempfile.mkdtemp(prefix="new-", dir=projects))
    try:
        yield aside
    finally:
        remove(aside)


def _move(aside: Path, home: Path) -> None:
    """Give a copy its name, unless another command has done so meanwhile."""
    try:
        aside.rename(home)
    except OSError:
        if not home.is_dir():
            raise


def _prefix(source: Path, token: CancelToken) -> str:
    """Return the path of a directory below the top of its repository."""
    return run_git("-C", str(source), "rev-parse", "--show-prefix", token=token).stdout.strip()


def _clone(source: Path, target: Path, below: Path, token: CancelToken) -> None:
    """Clone the repository of a directory to an empty directory, without files in the directory's place."""
    Repository.open(str(source), target, token).checkout("HEAD", target)
    place = target / below
    for entry in place.iterdir() if place.is_dir() else ():
        if entry.name != ".git":
            remove(entry)
