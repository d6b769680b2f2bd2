"""Environment folders: built once, named by their digest, kept while there is room.

A folder is built in a *slot* and renamed when it is whole, so that what stands under a digest is always
complete. The slots' paths are used again and again because uv remembers what it knows of an interpreter by
its path, and a new one costs it a quarter of a second. Moving the folder afterwards is safe: it is marked
as relocatable, and uv then writes scripts that find their interpreter beside them.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi import codec
from bisect_asgi.environments.resolution import Resolution, Resolver, date_arguments
from bisect_asgi.environments.uv import Uv
from bisect_asgi.errors import BuildFailed, Unavailable, Unresolvable
from bisect_asgi.locks import locked, locked_if_free
from bisect_asgi.model import Distribution, EnvironmentSpec, Interpreter
from bisect_asgi.process import Lifeline, run_helper

_INSIDE = Path(__file__).parent.parent / "inside"
_HOOK = "bisect_asgi_inside"
_MARKER = "bisect-asgi.json"
# virtualenv configures logging and its app-data for the whole process.
_VIRTUALENV = threading.Lock()


class NotProved(Exception):
    """The environment was built and is not what it says; nothing can be learnt from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Written last into a folder: it is whole, and this is in it."""

    distributions: tuple[Distribution, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A folder that is held while it is used, and what is installed in it."""

    folder: Path
    distributions: tuple[Distribution, ...]

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return self.folder / "bin"


class EnvironmentCache:
    """Builds, keeps and evicts environments; safe for threads and processes.

    Args:
        folder: where they are kept, best on the file system of uv's cache: files are hard links there.
        limit_bytes: beyond it, those that were not used for longest are removed.
    """

    def __init__(self, folder: Path, *, uv: Uv, resolver: Resolver, limit_bytes: int) -> None:
        self._folder = folder
        self._uv = uv
        self._resolver = resolver
        self._limit_bytes = limit_bytes

    @contextmanager
    def holding(
        self, resolution: Resolution, spec: EnvironmentSpec, lifeline: Lifeline
    ) -> Iterator[Environment]:
        """Hold the environment of `resolution`, building it unless it is there.

        Raises:
            BuildFailed: a distribution cannot be built or installed.
            NotProved: what is installed is not what `spec.proves`.
            Unavailable: the index did not answer, or the folder cannot be written.
            Cancelled: the lifeline was cancelled.
        """
        home = self._folder / resolution.digest
        lock = self._lock(resolution.digest)
        while True:
            with locked(lock, shared=True, waiting=lifeline.check):
                if marker := _read_marker(home):
                    os.utime(home / _MARKER)
                    yield Environment(folder=home, distributions=marker.distributions)
                    return
            with locked(lock, waiting=lifeline.check):
                if _read_marker(home) is None:
                    try:
                        self._build(home, resolution, spec, lifeline)
                    except OSError as error:
                        raise _not_writable(self._folder, error) from error
            self._evict(spare=resolution.digest)

    def sizes(self) -> list[tuple[str, int]]:
        """The digest and the bytes of every environment, least recently used first.

        Bytes of files that it shares with uv's cache and other environments count in full.
        """
        found = []
        for home in self._folder.glob("*"):
            if marker := _read_marker(home):
                found.append(((home / _MARKER).stat().st_mtime, home.name, marker.size_bytes))
        return [(name, size) for _, name, size in sorted(found)]

    def requirements(self, digest: str) -> dict[str, tuple[str, ...]]:
        """What each distribution of an environment requires, by name; empty where it is not kept."""
        found: dict[str, tuple[str, ...]] = {}
        for site in (self._folder / digest).glob("lib/python*/site-packages"):
            for distribution in metadata.distributions(path=[str(site)]):
                name = canonicalize_name(distribution.metadata["Name"] or "")
                found[name] = tuple(distribution.requires or ())
        return found

    def _lock(self, digest: str) -> Path:
        return self._folder.with_name("locks") / f"{digest}.lock"

    def _build(self, home: Path, resolution: Resolution, spec: EnvironmentSpec, lifeline: Lifeline) -> None:
        with self._slot(spec.interpreter) as slot:
            _make_skeleton(slot, spec.interpreter)
            self._install(slot, resolution, spec.interpreter, lifeline)
            distributions = _installed(slot, lifeline)
            _prove(distributions, spec.proves)
            _place_hook(slot)
            marker = Marker(distributions=distributions, size_bytes=_protect(slot))
            (slot / _MARKER).write_bytes(codec.to_json(marker))
            shutil.rmtree(home, ignore_errors=True)
            home.parent.mkdir(parents=True, exist_ok=True)
            slot.rename(home)

    @contextmanager
    def _slot(self, interpreter: Interpreter) -> Iterator[Path]:
        """An empty place to build in, at a path that was used for this interpreter before."""
        building = self._folder.with_name("building")
        for number in range(10_000):
            slot = building / f"{interpreter.version}-{number}"
            with locked_if_free(slot.with_suffix(f"{slot.suffix}.lock")) as free:
                if free:
                    shutil.rmtree(slot, ignore_errors=True)  # what a killed build left
                    try:
                        yield slot
                    finally:
                        shutil.rmtree(slot, ignore_errors=True)
                    return
        raise Unavailable("every place to build environments in is taken", hint="remove the cache folder")

    def _install(
        self, slot: Path, resolution: Resolution, interpreter: Interpreter, lifeline: Lifeline
    ) -> None:
        pins = slot / "requirements.txt"
        pins.write_text("\n".join(resolution.pins))

        def install() -> str:
            return self._uv.run(
                *("install", "--no-deps", "--require-hashes", "--requirements", str(pins)),
                *("--python", str(slot / "bin" / "python")),
                *date_arguments(resolution.not_after, resolution.exempt),
                lifeline=lifeline,
            )

        try:
            self._resolver.built(install, interpreter, resolution.not_after, lifeline)
        except Unresolvable as error:
            raise BuildFailed(str(error)) from error

    def _evict(self, *, spare: str) -> None:
        sizes = self.sizes()
        total = sum(size for _, size in sizes)
        for digest, size in sizes:
            if total <= self._limit_bytes:
                return
            if digest != spare and self.remove(digest):
                total -= size

    def remove(self, digest: str) -> bool:
        """Remove one environment unless it is in use; tell whether it is gone."""
        with locked_if_free(self._lock(digest)) as free:
            if free:
                shutil.rmtree(self._folder / digest, ignore_errors=True)
            return free


def _read_marker(home: Path) -> Marker | None:
    try:
        return codec.from_json((home / _MARKER).read_bytes(), Marker)
    except (OSError, codec.Unreadable):
        return None


def _make_skeleton(folder: Path, interpreter: Interpreter) -> None:
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


def _installed(folder: Path, lifeline: Lifeline) -> tuple[Distribution, ...]:
    """Ask the environment's Python what is installed."""
    asked = run_helper(
        [str(folder / "bin" / "python"), "-I", str(_INSIDE / "list_installed.py")],
        environ={"PATH": os.defpath},
        lifeline=lifeline,
    )
    if asked.exit_code != 0:
        raise NotProved(f"its Python does not run: {asked.stderr.strip().rpartition(chr(10))[2]}")
    pairs = json.loads(asked.stdout)
    found = (Distribution(name=canonicalize_name(name), version=version) for name, version in pairs)
    return tuple(sorted(found, key=lambda distribution: distribution.name))


def _prove(distributions: tuple[Distribution, ...], wanted: Distribution | None) -> None:
    """Hold what is installed against what should be."""
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


def _place_hook(folder: Path) -> None:
    site = next(folder.glob("lib/python*/site-packages"))
    shutil.copy(_INSIDE / f"{_HOOK}.py", site)
    # Sorts first, so that it watches while others are imported; does nothing outside a run.
    line = f'import os; "BISECT_ASGI_REPORT" in os.environ and __import__("{_HOOK}")\n'
    (site / f"__{_HOOK}.pth").write_text(line)


def _protect(folder: Path) -> int:
    """Make files read-only, because they are hard links into uv's cache; return their bytes."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                total += status.st_size
                os.chmod(path, status.st_mode & ~0o222)
    return total


def _not_writable(folder: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"environments cannot be written: `{error.filename or folder}` ({error.strerror or error})",
        hint="free some room, make the folder writable, or name another one in `BISECT_ASGI_CACHE_DIR`",
    )
