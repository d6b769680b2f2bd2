"""Build environments once, name their folders by digest, and keep them while there is room.

A folder is built in a *slot* and renamed when it is complete, so that a folder under a digest is always
complete. The slots' paths are reused, because uv caches what it knows about an interpreter by its path, and
a new path costs it a quarter of a second. Moving the folder afterwards is safe: it is marked as relocatable,
and uv writes scripts that find their interpreter beside them.

A folder is not written to the disk before it is renamed, because that takes longer than to build it: of 90
files on a busy machine 40 to 100 ms by syncfs(2), which also writes what others have, and 200 to 1,000
ms by fsync(2) of each. Instead, after a restart, all files of an environment are read once and compared with
the hashes of its manifest; what a power cut has left incomplete, the manifest included, is built anew.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from packaging.utils import canonicalize_name

from bisect_asgi.backend.environments import manifest as manifests
from bisect_asgi.backend.environments.manifest import File, Findings, Manifest
from bisect_asgi.backend.environments.resolve import Resolution, Resolver, date_arguments
from bisect_asgi.backend.environments.reuse import FileReuse, project_of, read_record
from bisect_asgi.backend.environments.templates import (
    Templates,
    installed,
    prove,
    site_packages,
)
from bisect_asgi.backend.files import inherited_if_free, locked, locked_if_free, remove, write_whole
from bisect_asgi.backend.process.usage import spending, waiting_for
from bisect_asgi.backend.uv import Uv
from bisect_asgi.backend.uv_output import UnsoundWheel
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Unavailable, Unresolvable, not_writable
from bisect_asgi.core.model import Distribution, EnvironmentSpec, Interpreter, Step
from bisect_asgi.core.records import Struct

_MARKER = "bisect-asgi.json"


class Marker(Struct, frozen=True, kw_only=True):
    """The file that is written last into a folder, and says that it is complete."""

    distributions: tuple[Distribution, ...]
    size_bytes: int
    is_own: bool = False
    """Whether it shares no file with anything."""


class Disturbed(Exception):
    """The environment was changed or removed while the probe ran, so that the run says nothing."""


class Environment(Struct, frozen=True, kw_only=True):
    """The folder of an environment and what is installed in it; its lock is held while it is used."""

    folder: Path
    distributions: tuple[Distribution, ...]
    is_own: bool = False
    """Whether it shares no file with anything, and nothing else runs in it."""

    @property
    def bin(self) -> Path:
        """The folder of its programs."""
        return self.folder / "bin"

    def exists(self) -> bool:
        """Return whether the environment still exists: the lock does not stop a user from deleting it."""
        return os.path.exists(self.folder / _MARKER)  # of a folder without rights it is not known: no


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
            folder=folder.with_name("lenders"),
            environments=folder,
            locks=folder.with_name("locks"),
            manifest=self._manifest,
        )
        self._used: set[str] = set()
        self._manifests: dict[str, Manifest] = {}
        self._changed_by_runs: set[str] = set()
        """Distributions whose files runs of this command have changed: their environments share nothing."""
        self._guard = threading.Lock()

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
        digest = resolution.digest
        home, lock = self._folder / digest, self._lock(digest)
        while True:
            is_own = self._is_own(resolution)
            with waiting_for(locked(lock, shared=not is_own, waiting=token.check)):
                if environment := self._held(home, token, is_own=is_own):
                    try:
                        yield environment
                    finally:
                        self._save(digest)
                    return
            with waiting_for(locked(lock, waiting=token.check)):
                if self._held(home, token, is_own=is_own) is None:
                    try:
                        self._build(home, resolution, spec, token, is_own=is_own)
                    except OSError as error:
                        raise not_writable("environments", self._folder, error) from error
            self._evict(spare=digest)

    def _held(self, home: Path, token: CancelToken, *, is_own: bool) -> Environment | None:
        """Return an environment if it is complete and as it was built, else None."""
        marker = _read_marker(home)
        if marker is None or marker.is_own != is_own:
            return None
        with spending(Step.LINK):
            if self._manifest(home.name, token) is None:
                return None
        os.utime(home / _MARKER)
        return Environment(folder=home, distributions=marker.distributions, is_own=is_own)

    def _is_own(self, resolution: Resolution) -> bool:
        """Return whether the environment must share nothing, because a run has changed it before."""
        names = {distribution.name for distribution in resolution.distributions}
        return not names.isdisjoint(self._changed_by_runs) or self._own_note(resolution.digest).exists()

    def _own_note(self, digest: str) -> Path:
        return self._folder.with_name("own") / digest

    def _manifest(self, digest: str, token: CancelToken | None = None) -> Manifest | None:
        """Return the files of a complete environment, which are checked once a command; else None."""
        home = self._folder / digest
        if _read_marker(home) is None:
            return None
        with self._guard:
            if known := self._manifests.get(digest):
                return known
        loaded = manifests.load(home)
        if loaded is None:
            return None
        found, is_recent = loaded
        findings = found.check(every=not is_recent)
        if findings.changed:  # by hand, by a power cut, or by a run whose tool was killed
            self._discard(home, findings, token or CancelToken())
            return None
        if findings.compiled and token:
            found.compile(findings.compiled, (), token)
        with suppress(OSError):
            found.save(anew=not is_recent)
        with self._guard:
            return self._manifests.setdefault(digest, found)

    def after_run(
        self, environment: Environment, token: CancelToken, imported: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Check that a run has left the environment as it was; return the paths of what it changed.

        What it imported, as it reported that, is compiled.

        A changed environment is discarded with what shares its files. If it shares nothing, the run stands.

        Raises:
            Unavailable: uv's cache could not be cleaned.
            Cancelled: the token was cancelled.
        """
        with self._guard:
            known = self._manifests.get(environment.folder.name)
        if known is None or not environment.exists():
            return ()
        with spending(Step.LINK):
            findings = known.check()
            if findings.changed:
                if not environment.is_own:
                    self._changed_by_runs |= _owners(environment.folder, findings.changed)
                    write_whole(self._own_note(environment.folder.name), b"")
                self._discard(environment.folder, findings, token)
            elif findings.compiled or imported:
                known.compile(findings.compiled, imported, token)
        return findings.changed

    def _discard(self, home: Path, findings: Findings, token: CancelToken) -> None:
        """Have a changed environment and all that share the change built anew, also in uv's cache.

        A run that is still going on in one of them says nothing.
        """
        for each in (home, *self._sharers(home, findings.shared)):
            with suppress(OSError):
                (each / _MARKER).unlink()
            with self._guard:
                self._manifests.pop(each.name, None)
        if findings.shared:
            self._uv.clean(sorted(_owners(home, findings.shared)), token)

    def _sharers(self, home: Path, names: Sequence[str]) -> Iterator[Path]:
        """Yield the other environments that have one of these files of an environment under its name."""
        inodes = {inode for name in names if (inode := _inode(home / name))}
        if not inodes:
            return
        for other in self._folder.iterdir():
            if other != home and any(_inode(path) in inodes for path in _namesakes(other, names)):
                yield other

    def _save(self, digest: str) -> None:
        """Write down what is known about an environment's files, so that the next command knows it."""
        with self._guard:
            known = self._manifests.get(digest)
        if known:
            with suppress(OSError):  # then they are read again
                known.save()

    def is_kept(self, resolution: Resolution) -> bool:
        """Return whether an environment is built already."""
        return os.path.exists(self._folder / resolution.digest / _MARKER)

    def note_use(self, resolution: Resolution, interpreter: Interpreter) -> None:
        """Make an environment in which a probe has run a source of files for others."""
        if resolution.digest not in self._used and not self._is_own(resolution):
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
        with suppress(OSError, codec.Unreadable):
            return codec.from_json(self._required(digest).read_bytes(), dict[str, tuple[str, ...]])
        if found := self._read_requirements(digest):
            self.keep_requirements(digest, found)
        return found

    def _read_requirements(self, digest: str) -> dict[str, tuple[str, ...]]:
        from importlib import metadata

        found: dict[str, tuple[str, ...]] = {}
        for site in (self._folder / digest).glob("lib/python*/site-packages"):
            for distribution in metadata.distributions(path=[str(site)]):
                name = canonicalize_name(distribution.metadata["Name"] or "")
                found[name] = tuple(distribution.requires or ())
        return found

    def keep_requirements(self, digest: str, requirements: Mapping[str, tuple[str, ...]]) -> None:
        """Keep what the distributions of an environment require, which may be another machine's."""
        path = self._required(digest)
        if not path.exists():
            with suppress(OSError):  # they only make an explanation better
                write_whole(path, codec.to_json(requirements))

    def _required(self, digest: str) -> Path:
        return self._folder.with_name("requirements") / f"{digest}.json"

    def _lock(self, digest: str) -> Path:
        return self._folder.with_name("locks") / f"{digest}.lock"

    def _build(
        self, home: Path, resolution: Resolution, spec: EnvironmentSpec, token: CancelToken, *, is_own: bool
    ) -> None:
        try:
            self._build_once(home, resolution, spec, token, is_own=is_own)
        except _Unsound as error:
            self._uv.clean(sorted(error.names), token)
            # If RECORD is wrong again, it was written so.
            self._build_once(home, resolution, spec, token, is_own=is_own, is_last=True)

    def _build_once(
        self,
        home: Path,
        resolution: Resolution,
        spec: EnvironmentSpec,
        token: CancelToken,
        *,
        is_own: bool,
        is_last: bool = False,
    ) -> None:
        """Build an environment in a slot, and move it to `home`.

        Raises:
            _Unsound: files are not what they should be, unless it `is_last`.
        """
        with spending(Step.LINK), self._slot(spec.interpreter) as (slot, lock):
            self._templates.copy(spec.interpreter, slot, token)
            missing, linked = resolution.pins, dict[str, File]()
            if not is_own and not is_last:
                missing, linked = self._reuse.link(resolution.pins, spec.interpreter, slot)
            if missing:
                how = ("--link-mode", "copy") if is_own else ()
                self._install(
                    slot, missing, resolution, spec.interpreter, token, *how, lock=lock, is_last=is_last
                )
            distributions = installed(slot)
            prove(distributions, spec.must_install)
            files = _files(slot, linked)
            if not is_last and (wrong := _unsound(slot, files, linked)):
                raise _Unsound(wrong)
            Manifest(slot, files).save()
            size_bytes = sum(file.size for file in files.values() if stat.S_ISREG(file.mode))
            marker = Marker(distributions=distributions, size_bytes=size_bytes, is_own=is_own)
            (slot / _MARKER).write_bytes(codec.to_json(marker))
            remove(home)
            home.parent.mkdir(parents=True, exist_ok=True)
            slot.rename(home)
        with self._guard:
            self._manifests[home.name] = Manifest(home, files)

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
                    remove(slot)  # a killed build may have left it
                    try:
                        yield slot, lock
                    finally:
                        remove(slot)
                    return
        raise Unavailable("every folder to build environments in is taken", hint="remove the cache folder")

    def _install(
        self,
        slot: Path,
        missing: Sequence[str],
        resolution: Resolution,
        interpreter: Interpreter,
        token: CancelToken,
        *how: str,
        lock: int,
        is_last: bool,
    ) -> None:
        """Have uv install what no other environment has; `how` has further options.

        Raises:
            _Unsound: a wheel is not as it should be, unless it `is_last`.
        """
        unbuilt = [sdist for sdist in resolution.sdists if sdist.name in set(map(project_of, missing))]
        built = self._resolver.built(unbuilt, interpreter, resolution.exclude_newer, token)
        for wheel in built.values():
            how = (*how, "--find-links", wheel.folder)
        pins = slot / "requirements.txt"
        pins.write_text(
            "\n".join(built[name].pin if (name := project_of(pin)) in built else pin for pin in missing)
        )
        try:
            self._uv.run(
                *("install", "--no-deps", "--require-hashes", "--requirements", str(pins)),
                *("--python", str(slot / "bin" / "python")),
                *date_arguments(resolution.exclude_newer, resolution.exclude_newer_package),
                *how,
                token=token,
                keeps=[lock],
                writable=[slot],
            )
        except UnsoundWheel as error:
            if is_last:
                raise
            raise _Unsound({project_of(pin) for pin in missing}) from error
        except Unresolvable as error:
            # It was resolved before, so the index has changed meanwhile.
            raise BuildFailed(str(error), is_lasting=False) from error

    def _evict(self, *, spare: str) -> None:
        """Remove what was discarded while it was in use, and the least recently used above the limit."""
        for home in self._folder.glob("*"):
            if home.name != spare and not os.path.exists(home / _MARKER):
                self.remove(home.name)
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
                remove(home)
            return free


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


def _read_marker(home: Path) -> Marker | None:
    try:
        return codec.from_json((home / _MARKER).read_bytes(), Marker)
    except (OSError, codec.Unreadable):
        return None


class _Unsound(Exception):
    """Files of these distributions are not what their RECORD or their source says."""

    def __init__(self, names: set[str]) -> None:
        super().__init__(names)
        self.names = names


def _files(slot: Path, linked: Mapping[str, File]) -> dict[str, File]:
    """Make all files of an environment read-only, because uv's cache shares them, and return them."""
    files = {}
    for name, status in manifests.walk(str(slot)):
        known = linked.get(name)
        is_known = known is not None and known.changed_ns == status.st_ctime_ns
        files[name] = known if known and is_known else manifests.protected(f"{slot}/{name}")
    return files


def _unsound(slot: Path, files: Mapping[str, File], linked: Mapping[str, File]) -> set[str]:
    """Return the distributions with a file of another content than RECORD or the source of a link has.

    uv does not compare what it unpacked with RECORD. After a power cut, or a run that wrote into uv's cache,
    it may be something else.
    """
    site = site_packages(slot)
    below = site.relative_to(slot)
    wrong: set[str] = set()
    for dist_info in site.glob("*.dist-info"):
        for name, digest in (read_record(dist_info) or {}).items():
            path = os.path.normpath(f"{below}/{name}")
            wanted = linked[path].digest if path in linked else digest
            if wanted.startswith("sha256=") and (path not in files or files[path].digest != wanted):
                wrong.add(canonicalize_name(dist_info.name.partition("-")[0]))
    return wrong


def _owners(home: Path, paths: Sequence[str]) -> set[str]:
    """Return the distributions that have files at these paths, or beside them in folders of their own."""
    found: set[str] = set()
    for site in home.glob("lib/python*/site-packages"):
        below = str(site.relative_to(home))
        own = set(paths) | ({os.path.dirname(path) for path in paths} - {below, "bin"})
        for dist_info in site.glob("*.dist-info"):
            recorded = {os.path.normpath(f"{below}/{path}") for path in read_record(dist_info) or ()}
            if not own.isdisjoint(recorded | {os.path.dirname(path) for path in recorded}):
                found.add(canonicalize_name(dist_info.name.partition("-")[0]))
    return found
