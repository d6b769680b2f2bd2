"""Build environments once, name their folders by digest, and keep them while there is room.

A folder is built in a *slot* and renamed when it is complete, so that a folder under a digest is always
complete. The slots' paths are reused, because uv caches what it knows about an interpreter by its path, and
a new path costs it a quarter of a second. Moving the folder afterwards is safe: it is marked as relocatable,
and uv writes scripts that find their interpreter beside them.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from bisect_asgi.backend.environments.resolve import Resolution, Resolver, date_arguments
from bisect_asgi.backend.environments.reuse import FileReuse
from bisect_asgi.backend.environments.templates import Templates, installed, prove, site_packages
from bisect_asgi.backend.files import inherited_if_free, locked, locked_if_free, write_whole
from bisect_asgi.backend.process.usage import spending, waiting_for
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Unavailable, Unresolvable, not_writable
from bisect_asgi.core.model import Distribution, EnvironmentSpec, Interpreter, Step
from bisect_asgi.core.records import Struct

_INSIDE = Path(__file__).parent.parent / "in_candidate"
_HOOK = "bisect_asgi_inside"
_MARKER = "bisect-asgi.json"


class Marker(Struct, frozen=True, kw_only=True):
    """The file that is written last into a folder, and says that it is complete."""

    distributions: tuple[Distribution, ...]
    size_bytes: int


class Environment(Struct, frozen=True, kw_only=True):
    """The folder of an environment and what is installed in it; its lock is held while it is used."""

    folder: Path
    distributions: tuple[Distribution, ...]

    @property
    def bin(self) -> Path:
        """The folder of its programs."""
        return self.folder / "bin"

    def exists(self) -> bool:
        """Return whether the environment still exists: the lock does not stop a user from deleting it."""
        return (self.folder / _MARKER).exists()


class EnvironmentCache:
    """Builds, keeps and evicts environments; safe for threads and processes.

    Args:
        folder: where environments are kept, best on the file system of uv's cache, for hard links to it.
        uv: installs distributions.
        resolver: builds source distributions on which uv fails.
        limit_bytes: above this size, the least recently used environments are removed.
    """

    def __init__(self, folder: Path, *, uv: Uv, resolver: Resolver, limit_bytes: int) -> None:
        self._folder = folder
        self._uv = uv
        self._resolver = resolver
        self._limit_bytes = limit_bytes
        self._templates = Templates(folder.with_name("templates"))
        self._reuse = FileReuse(
            folder=folder.with_name("lenders"), environments=folder, locks=folder.with_name("locks")
        )
        self._used: set[str] = set()

    def import_ahead(self) -> None:
        """Start importing in a thread what the first build of this cache needs, if there was none yet."""
        self._templates.import_ahead()

    @contextmanager
    def holding(
        self, resolution: Resolution, spec: EnvironmentSpec, token: CancelToken
    ) -> Iterator[Environment]:
        """Hold the environment of `resolution`, building it unless it exists.

        Raises:
            BuildFailed: a distribution cannot be built or installed.
            NotProved: what is installed is not what `spec.must_install` demands.
            Unavailable: the index did not answer, or the folder cannot be written.
            Cancelled: the token was cancelled.
        """
        home = self._folder / resolution.digest
        lock = self._lock(resolution.digest)
        while True:
            with waiting_for(locked(lock, shared=True, waiting=token.check)):
                if marker := _read_marker(home):
                    os.utime(home / _MARKER)
                    yield Environment(folder=home, distributions=marker.distributions)
                    return
            with waiting_for(locked(lock, waiting=token.check)):
                if _read_marker(home) is None:
                    try:
                        self._build(home, resolution, spec, token)
                    except OSError as error:
                        raise not_writable("environments", self._folder, error) from error
            self._evict(spare=resolution.digest)

    def is_kept(self, resolution: Resolution) -> bool:
        """Return whether an environment is built already."""
        return (self._folder / resolution.digest / _MARKER).exists()

    def note_use(self, resolution: Resolution, interpreter: Interpreter) -> None:
        """Make an environment in which a probe has run a source of files for others."""
        if resolution.digest not in self._used:
            self._used.add(resolution.digest)
            with suppress(OSError):  # then others install the files again
                self._reuse.record(resolution.pins, interpreter, resolution.digest)

    def sizes(self) -> list[tuple[str, int]]:
        """Return the digest and the bytes of every environment, least recently used first.

        Files that environments share with each other and with uv's cache count in full in each.
        """
        found = []
        for home in self._folder.glob("*"):
            with suppress(FileNotFoundError):  # another command removed it meanwhile
                if marker := _read_marker(home):
                    found.append(((home / _MARKER).stat().st_mtime, home.name, marker.size_bytes))
        return [(name, size) for _, name, size in sorted(found)]

    def requirements(self, digest: str) -> Mapping[str, tuple[str, ...]]:
        """Return what each distribution of an environment requires, by name; empty if that is not kept."""
        found: dict[str, tuple[str, ...]] = {}
        for site in (self._folder / digest).glob("lib/python*/site-packages"):
            for distribution in metadata.distributions(path=[str(site)]):
                name = canonicalize_name(distribution.metadata["Name"] or "")
                found[name] = tuple(distribution.requires or ())
        if found:
            return found
        with suppress(OSError, codec.Unreadable):
            return codec.from_json(self._foreign(digest).read_bytes(), dict[str, tuple[str, ...]])
        return {}

    def keep_requirements(self, digest: str, requirements: Mapping[str, tuple[str, ...]]) -> None:
        """Keep what the distributions of another machine's environment require."""
        path = self._foreign(digest)
        if not path.exists():
            with suppress(OSError):  # they only make an explanation better
                write_whole(path, codec.to_json(requirements))

    def _foreign(self, digest: str) -> Path:
        return self._folder.with_name("requirements") / f"{digest}.json"

    def _lock(self, digest: str) -> Path:
        return self._folder.with_name("locks") / f"{digest}.lock"

    def _build(self, home: Path, resolution: Resolution, spec: EnvironmentSpec, token: CancelToken) -> None:
        with spending(Step.LINK), self._slot(spec.interpreter) as (slot, lock):
            self._templates.copy(spec.interpreter, slot, token)
            missing = self._reuse.link(resolution.pins, spec.interpreter, slot)
            if missing:
                self._install(slot, missing, resolution, spec.interpreter, token, lock=lock)
            distributions = installed(slot)
            prove(distributions, spec.must_install)
            _place_hook(slot)
            marker = Marker(distributions=distributions, size_bytes=_protect(slot))
            (slot / _MARKER).write_bytes(codec.to_json(marker))
            shutil.rmtree(home, ignore_errors=True)
            home.parent.mkdir(parents=True, exist_ok=True)
            slot.rename(home)

    @contextmanager
    def _slot(self, interpreter: Interpreter) -> Iterator[tuple[Path, int]]:
        """Yield the path of a free slot and the descriptor of its lock.

        uv inherits the lock: if this process is killed, uv goes on, and the slot is not free before it ends.
        """
        building = self._folder.with_name("building")
        for number in range(10_000):
            slot = building / f"{interpreter.version}-{number}"
            with inherited_if_free(slot.with_suffix(f"{slot.suffix}.lock")) as lock:
                if lock is not None:
                    shutil.rmtree(slot, ignore_errors=True)  # a killed build may have left it
                    try:
                        yield slot, lock
                    finally:
                        shutil.rmtree(slot, ignore_errors=True)
                    return
        raise Unavailable("every folder to build environments in is taken", hint="remove the cache folder")

    def _install(
        self,
        slot: Path,
        missing: Sequence[str],
        resolution: Resolution,
        interpreter: Interpreter,
        token: CancelToken,
        *,
        lock: int,
    ) -> None:
        """Have uv install what no other environment has."""
        pins = slot / "requirements.txt"
        pins.write_text("\n".join(missing))

        def install() -> str:
            return self._uv.run(
                *("install", "--no-deps", "--require-hashes", "--requirements", str(pins)),
                *("--python", str(slot / "bin" / "python")),
                *date_arguments(resolution.exclude_newer, resolution.exclude_newer_package),
                token=token,
                keeps=[lock],
            )

        try:
            self._resolver.built(install, interpreter, resolution.exclude_newer, token)
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
        """Remove one environment unless it is in use; return whether it was removed."""
        with locked_if_free(self._lock(digest)) as free:
            if free:
                home = self._folder / digest
                # The marker goes first, so that a folder that was removed in part does not count as complete.
                with suppress(OSError):
                    (home / _MARKER).unlink()
                shutil.rmtree(home, ignore_errors=True)
            return free


def _read_marker(home: Path) -> Marker | None:
    try:
        return codec.from_json((home / _MARKER).read_bytes(), Marker)
    except (OSError, codec.Unreadable):
        return None


def _place_hook(folder: Path) -> None:
    site = site_packages(folder)
    shutil.copy(_INSIDE / f"{_HOOK}.py", site)
    # The name sorts first, so that the hook is in place before others are imported.
    line = f'import os; "BISECT_ASGI_REPORT" in os.environ and __import__("{_HOOK}")\n'
    (site / f"__{_HOOK}.pth").write_text(line)


def _protect(folder: Path) -> int:
    """Make files read-only, because they are hard links into uv's cache; return their size in bytes."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                total += status.st_size
                if status.st_mode & 0o222:
                    os.chmod(path, status.st_mode & ~0o222)
    return total
