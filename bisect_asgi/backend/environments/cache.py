"""Environment folders: built once, named by their digest, kept while there is room.

A folder is built in a *slot* and renamed when it is whole, so that what stands under a digest is always
complete. The slots' paths are used again and again because uv remembers what it knows of an interpreter by
its path, and a new one costs it a quarter of a second. Moving the folder afterwards is safe: it is marked
as relocatable, and uv then writes scripts that find their interpreter beside them.
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
from bisect_asgi.backend.process.timing import spending, waiting_for
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
    """Written last into a folder: it is whole, and this is in it."""

    distributions: tuple[Distribution, ...]
    size_bytes: int


class Environment(Struct, frozen=True, kw_only=True):
    """A folder that is held while it is used, and what is installed in it."""

    folder: Path
    distributions: tuple[Distribution, ...]

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return self.folder / "bin"

    def is_there(self) -> bool:
        """Tell whether nobody has removed it by hand, whom the lock on it does not keep out."""
        return (self.folder / _MARKER).exists()


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
        self._templates = Templates(folder.with_name("templates"))
        self._lenders = FileReuse(
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
        """Hold the environment of `resolution`, building it unless it is there.

        Raises:
            BuildFailed: a distribution cannot be built or installed.
            NotProved: what is installed is not what `spec.proves`.
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
        """Tell whether an environment is there and whole."""
        return (self._folder / resolution.digest / _MARKER).exists()

    def note_use(self, resolution: Resolution, interpreter: Interpreter) -> None:
        """Have an environment that a probe has run in lend what is in it to others."""
        if resolution.digest not in self._used:
            self._used.add(resolution.digest)
            with suppress(OSError):  # then they install it themselves
                self._lenders.note(resolution.pins, interpreter, resolution.digest)

    def sizes(self) -> list[tuple[str, int]]:
        """The digest and the bytes of every environment, least recently used first.

        Bytes of files that it shares with uv's cache and other environments count in full.
        """
        found = []
        for home in self._folder.glob("*"):
            with suppress(FileNotFoundError):  # another command removes it meanwhile
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
            missing = self._lenders.lend(resolution.pins, spec.interpreter, slot)
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
        """An empty place to build in, at a path that was used for this interpreter before, and its lock.

        Who installs into it holds the lock as well: when we are killed, uv goes on, and it is not free yet.
        """
        building = self._folder.with_name("building")
        for number in range(10_000):
            slot = building / f"{interpreter.version}-{number}"
            with inherited_if_free(slot.with_suffix(f"{slot.suffix}.lock")) as lock:
                if lock is not None:
                    shutil.rmtree(slot, ignore_errors=True)  # what a killed build left
                    try:
                        yield slot, lock
                    finally:
                        shutil.rmtree(slot, ignore_errors=True)
                    return
        raise Unavailable("every place to build environments in is taken", hint="remove the cache folder")

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
        """Have uv install what nobody lends."""
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
        """Remove one environment unless it is in use; tell whether it is gone."""
        with locked_if_free(self._lock(digest)) as free:
            if free:
                home = self._folder / digest
                # First, or what is left when this is killed would be taken for whole.
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
                if status.st_mode & 0o222:
                    os.chmod(path, status.st_mode & ~0o222)
    return total
