"""Reuse the distributions of other environments, because neighbouring releases differ in few of them.

If another environment has a distribution under the same pin, hashes included, its files are linked instead of
installed again. Its byte-code is linked as well: a file and its hard link have one date and one size, which
is what Python compares byte-code with (PEP 552). So a module is compiled once for all releases.

For each pin, the environment that was used last is the source. One that was never used has no byte-code yet;
the last one has the byte-code of its own source and of its own runs. A source with a missing file, or with
one of another size than RECORD has, was changed by a probe and is not used.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from packaging.utils import canonicalize_name

from bisect_asgi.backend.environments.templates import site_packages
from bisect_asgi.backend.files import locked_if_free, write_whole
from bisect_asgi.core import codec
from bisect_asgi.core.model import Interpreter
from bisect_asgi.core.records import Struct


class FileReuse(Struct, frozen=True, kw_only=True):
    """Links distributions from environments that have them.

    Args:
        folder: has a small file for each pin, with the digest of its source.
        environments: the folder of the environments.
        locks: the folder of their locks, each under the environment's digest.
    """

    folder: Path
    environments: Path
    locks: Path

    def record(self, pins: Iterable[str], interpreter: Interpreter, digest: str) -> None:
        """Make the environment `digest`, in which a probe has run, the source of these pins."""
        for pin in pins:
            write_whole(self._record(pin, interpreter), digest.encode())

    def link(self, pins: Sequence[str], interpreter: Interpreter, target: Path) -> tuple[str, ...]:
        """Link the distributions into the environment `target`; return the pins that have no source."""
        by_source: dict[str, list[str]] = defaultdict(list)
        missing = []
        for pin in pins:
            try:
                by_source[self._record(pin, interpreter).read_text()].append(pin)
            except OSError:
                missing.append(pin)
        for digest, linked in by_source.items():
            missing += self._link_from(digest, linked, target)
        return tuple(missing)

    def _link_from(self, digest: str, pins: Sequence[str], target: Path) -> Iterator[str]:
        """Link distributions of one environment; yield the pins that it does not have whole."""
        with ExitStack() as held:
            environment = self.environments / digest
            # Shared: the environment may be in use, but it must not be removed meanwhile.
            lock = locked_if_free(self.locks / f"{digest}.lock", shared=True)
            if not held.enter_context(lock) or not environment.exists():
                yield from pins
                return
            source, goal = site_packages(environment), site_packages(target)
            folders = _dist_infos(source)
            for pin in pins:
                if not _link(source, goal, folders.get(_name_of(pin))):
                    yield pin

    def _record(self, pin: str, interpreter: Interpreter) -> Path:
        return self.folder / codec.digest("lender", pin, interpreter)


def _name_of(pin: str) -> str:
    """Return the project of `name==version …` or `name @ address …`."""
    return pin.partition(" ")[0].partition("==")[0]


def _dist_infos(source: Path) -> dict[str, str]:
    """Map the normalised name of each project to the name of its folder of metadata."""
    names = (entry.name for entry in os.scandir(source) if entry.name.endswith(".dist-info"))
    return {canonicalize_name(name.partition("-")[0]): name for name in names}


def _link(source: Path, goal: Path, dist_info: str | None) -> bool:
    """Link all files of a distribution and their byte-code, or none; return whether they are linked."""
    if dist_info is None:
        return False
    try:
        with (source / dist_info / "RECORD").open(newline="", encoding="utf-8") as stream:
            recorded = [(row[0], row[2]) for row in csv.reader(stream) if row]
    except (OSError, IndexError, csv.Error, UnicodeDecodeError):
        return False
    names = [name for name, _ in recorded if not name.endswith(".pyc")]
    if not all(_is_whole(source, name, size) for name, size in recorded if not name.endswith(".pyc")):
        return False
    made: list[str] = []
    try:
        for name in (*names, *_byte_code(source, names)):
            _link_one(source, goal, name, made)
    except OSError:  # another distribution has a file of that name, or the source was changed meanwhile
        for path in made:
            os.unlink(path)
        # uv would take an empty folder of that name for the installed distribution.
        shutil.rmtree(goal / dist_info, ignore_errors=True)
        return False
    return True


def _is_whole(source: Path, name: str, size: str) -> bool:
    """Return whether a file exists with the size with which it was installed."""
    if name.startswith("/"):
        return False
    with suppress(OSError):
        return not size or os.stat(f"{source}/{name}").st_size == int(size)
    return False


def _byte_code(source: Path, names: Iterable[str]) -> Iterator[str]:
    """Yield the byte-code of the modules among `names`."""
    stems: dict[str, set[str]] = defaultdict(set)
    for name in names:
        folder, _, base = name.rpartition("/")
        if base.endswith(".py"):
            stems[folder].add(base.removesuffix(".py"))
    for folder, modules in stems.items():
        cache = f"{folder}/__pycache__" if folder else "__pycache__"
        with suppress(FileNotFoundError), os.scandir(f"{source}/{cache}") as entries:
            for entry in entries:
                # Python first writes `name.tag.pyc.number`, which is not complete yet.
                if entry.name.endswith(".pyc") and entry.name.partition(".")[0] in modules:
                    yield f"{cache}/{entry.name}"


def _link_one(source: Path, goal: Path, name: str, made: list[str]) -> None:
    path = f"{goal}/{name}"
    try:
        os.link(f"{source}/{name}", path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.link(f"{source}/{name}", path)
    made.append(path)
