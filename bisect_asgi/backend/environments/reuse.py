"""Reuse the distributions of other environments, because neighboring releases differ in few of them.

If another environment has a distribution under the same pin, hashes included, its files are linked instead of
installed again. Its byte-code is linked as well, so that a module is compiled once for all releases. It stays
valid, because Python compares date and size of the source (PEP 552), which are the same for a hard link.

For each pin, the files come from the environment that was used last. It has the most byte-code: what it got
from its own source, and what its own runs added. An environment that was never used has none. A file is
linked only if it is as it was built.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from packaging.utils import canonicalize_name

from bisect_asgi.backend.environments.manifest import File, Manifest
from bisect_asgi.backend.environments.templates import site_packages
from bisect_asgi.backend.files import locked_if_free, write_whole
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Interpreter
from bisect_asgi.core.records import Struct


class FileReuse(Struct, frozen=True, kw_only=True):
    """Links distributions from environments that have them.

    Args:
        folder: where a small file for each pin has the digest of the environment to link from.
        environments: the directory of the environments.
        locks: the directory of their locks, each under the environment's digest.
        manifest: returns the files of an environment; None if it is not complete.
    """

    folder: Path
    environments: Path
    locks: Path
    manifest: Callable[[str, CancelToken], Manifest | None]

    def record(self, pins: Iterable[str], interpreter: Interpreter, digest: str) -> None:
        """Make the environment `digest`, in which a probe has run, the source of these pins."""
        for pin in pins:
            write_whole(self._record(pin, interpreter), digest.encode())

    def link(
        self, pins: Sequence[str], interpreter: Interpreter, target: Path, token: CancelToken
    ) -> tuple[tuple[str, ...], dict[str, File]]:
        """Link the distributions into the environment `target`.

        Return the pins that have no source, and the files that were linked.
        """
        by_source: dict[str, list[str]] = defaultdict(list)
        missing: list[str] = []
        linked: dict[str, File] = {}
        for pin in pins:
            try:
                by_source[self._record(pin, interpreter).read_text()].append(pin)
            except (OSError, UnicodeDecodeError):
                missing.append(pin)
        for digest, wanted in by_source.items():
            missing += self._link_from(digest, wanted, target, linked, token)
        return tuple(missing), linked

    def _link_from(
        self, digest: str, pins: Sequence[str], target: Path, linked: dict[str, File], token: CancelToken
    ) -> Iterator[str]:
        """Link distributions of one environment; yield the pins that it does not have whole."""
        with ExitStack() as held:
            # A shared lock, because others may use the environment; it only must not be removed meanwhile.
            lock = locked_if_free(self.locks / f"{digest}.lock", shared=True)
            if not held.enter_context(lock) or (manifest := self.manifest(digest, token)) is None:
                yield from pins
                return
            environment = self.environments / digest
            source = _Source(manifest, environment)
            for pin in pins:
                if not source.link(project_of(pin), target, linked):
                    yield pin

    def _record(self, pin: str, interpreter: Interpreter) -> Path:
        return self.folder / codec.digest("lender", pin, interpreter)


def project_of(pin: str) -> str:
    """Return the project of `name==version …` or `name @ address …`."""
    return pin.partition(" ")[0].partition("==")[0]


class _Source:
    """An environment that has distributions for others."""

    def __init__(self, manifest: Manifest, environment: Path) -> None:
        self._manifest = manifest
        self._site = site_packages(environment)
        self._below = str(self._site.relative_to(environment))
        self._dist_infos = _dist_infos(self._site)
        self._byte_code: Mapping[str, tuple[str, ...]] = manifest.byte_code()

    def link(self, project: str, target: Path, linked: dict[str, File]) -> bool:
        """Link all files of a distribution and their byte-code, or none; return whether they are linked."""
        dist_info = self._dist_infos.get(project)
        names = self._names(dist_info) if dist_info else None
        if names is None:
            return False
        made: dict[str, File] = {}
        try:
            for name in names:
                file = self._manifest.link(name, target)
                if file is None:
                    break
                made[name] = file
            else:
                linked.update(made)
                return True
        except OSError:  # another distribution has a file of that name, or the source was changed meanwhile
            pass
        for name in made:
            os.unlink(target / name)
        # uv counts a distribution as installed even if this directory is empty.
        shutil.rmtree(target / self._below / str(dist_info), ignore_errors=True)
        return False

    def _names(self, dist_info: str) -> list[str] | None:
        """Return the files of a distribution below the environment; None if RECORD cannot be read."""
        recorded = read_record(self._site / dist_info)
        if recorded is None:
            return None
        names = [os.path.normpath(f"{self._below}/{name}") for name in recorded if not name.endswith(".pyc")]
        return names + [compiled for name in names for compiled in self._byte_code.get(name, ())]


def read_record(dist_info: Path) -> dict[str, str] | None:
    """Return the digest of each file that RECORD lists, by its path; None if RECORD cannot be read."""
    try:
        with (dist_info / "RECORD").open(newline="", encoding="utf-8") as stream:
            return {row[0]: row[1] for row in csv.reader(stream) if row}
    except (OSError, IndexError, csv.Error, UnicodeDecodeError):
        return None


def _dist_infos(source: Path) -> dict[str, str]:
    """Map the normalized name of each project to the name of its directory of metadata."""
    names = (entry.name for entry in os.scandir(source) if entry.name.endswith(".dist-info"))
    return {canonicalize_name(name.partition("-")[0]): name for name in names}
