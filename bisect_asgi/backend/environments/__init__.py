"""Build environments once, name their directories by digest, and keep them while there is room.

`assemble` builds them. A run must find its environment as it was built, so each command checks the manifest
before the first run and after every run.

Several commands can use an environment at once. While one of them writes into it (byte-code, the manifest),
to the others it looks as if a run had changed it. So who writes holds a second lock, and a difference counts
only if it is still there under that lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from packaging.utils import canonicalize_name

from bisect_asgi.backend.environments import manifest as manifests
from bisect_asgi.backend.environments.assemble import MARKER, Assembler, read_marker
from bisect_asgi.backend.environments.manifest import Findings, Manifest
from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.environments.reuse import FileReuse
from bisect_asgi.backend.environments.sdists import SdistBuilder
from bisect_asgi.backend.environments.sharing import owners, sharers
from bisect_asgi.backend.environments.templates import Templates
from bisect_asgi.backend.files import locked, locked_if_free, remove, write_whole
from bisect_asgi.backend.process.usage import spending, waiting_for
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import NoResult, Unavailable, not_writable
from bisect_asgi.core.extras import declared
from bisect_asgi.core.model import Declared, Distribution, EnvironmentSpec, Interpreter, Step
from bisect_asgi.core.records import Struct


class Disturbed(Exception):
    """The environment was changed or removed while the probe ran, so that the run says nothing."""


class Environment(Struct, frozen=True, kw_only=True):
    """The directory of an environment and what is installed in it; its lock is held while it is used."""

    folder: Path
    distributions: tuple[Distribution, ...]
    is_own: bool = False
    """Whether it shares no file with anything, and nothing else runs in it."""

    @property
    def bin(self) -> Path:
        """The directory of its programs."""
        return self.folder / "bin"

    def exists(self) -> bool:
        """Return whether the environment still exists: the lock does not stop a user from deleting it."""
        return os.path.exists(self.folder / MARKER)  # False also if it cannot be read


class EnvironmentCache:
    """Builds, keeps and evicts environments; safe for threads and processes.

    Args:
        folder: where environments are kept; uv can hard-link files only on the file system of its cache.
        uv: installs distributions.
        sdists: builds source distributions.
        limit_bytes: above this size, the least recently used environments are removed.
    """

    def __init__(self, folder: Path, *, uv: Uv, sdists: SdistBuilder, limit_bytes: int) -> None:
        self._folder = folder
        self._uv = uv
        self._limit_bytes = limit_bytes
        self._templates = Templates(folder.with_name("templates"))
        self._reuse = FileReuse(
            folder=folder.with_name("lenders"),
            environments=folder,
            locks=folder.with_name("locks"),
            manifest=self._manifest,
        )
        self._assembler = Assembler(
            folder.with_name("building"), uv=uv, sdists=sdists, templates=self._templates, reuse=self._reuse
        )
        self._used: set[str] = set()
        self._manifests: dict[str, Manifest] = {}
        self._has_built = False
        self._changed_by_runs: set[str] = set()
        """Distributions whose files runs of this command have changed: their environments share nothing."""
        self._guard = threading.Lock()

    def import_ahead(self) -> None:
        """Start importing in a thread what the first build of this cache needs, if there was none yet."""
        self._templates.import_ahead()

    def needs_template(self, interpreter: Interpreter) -> bool:
        """Return whether the first build for an interpreter has to make its empty environment."""
        return not self._templates.has_any(interpreter)

    def make_template(self, interpreter: Interpreter, token: CancelToken) -> None:
        """Make the empty environment of an interpreter ahead of its first build, which says what fails."""
        with suppress(NoResult, Unavailable, OSError):
            self._templates.make(interpreter, token)

    @contextmanager
    def holding(
        self, resolution: Resolution, spec: EnvironmentSpec, token: CancelToken
    ) -> Iterator[Environment]:
        """Hold the environment of `resolution`, building it unless it exists.

        Raises:
            BuildFailed: a distribution cannot be built or installed.
            NotProved: what is installed is not what `spec.must_install` demands.
            Unavailable: the index did not answer, or the directory cannot be written.
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
                        if known := self._manifests.get(digest):
                            self._save(known, digest)
                    return
            with waiting_for(locked(lock, waiting=token.check)):
                if self._held(home, token, is_own=is_own) is None:
                    # Also if it is canceled: it may have linked files, and removed them again.
                    self._has_built = True
                    try:
                        built = self._assembler.assemble(home, resolution, spec, token, is_own=is_own)
                    except OSError as error:
                        raise not_writable("environments", self._folder, error) from error
                    with self._guard:
                        self._manifests[digest] = built
            self._evict(spare=digest)

    def _held(self, home: Path, token: CancelToken, *, is_own: bool) -> Environment | None:
        """Return an environment if it is complete and as it was built, else None."""
        marker = read_marker(home)
        if marker is None or marker.is_own != is_own:
            return None
        with spending(Step.LINK):
            if self._manifest(home.name, token) is None:
                return None
        with suppress(FileNotFoundError):  # another command has just found it changed
            os.utime(home / MARKER)
            return Environment(folder=home, distributions=marker.distributions, is_own=is_own)
        return None

    def _is_own(self, resolution: Resolution) -> bool:
        """Return whether the environment must share nothing, because a run has changed it before."""
        names = {distribution.name for distribution in resolution.distributions}
        return not names.isdisjoint(self._changed_by_runs) or self._own_note(resolution.digest).exists()

    def _own_note(self, digest: str) -> Path:
        return self._folder.with_name("own") / digest

    def _manifest(self, digest: str, token: CancelToken) -> Manifest | None:
        """Return the files of a complete environment, which are checked once a command; else None."""
        home = self._folder / digest
        if read_marker(home) is None:
            return None
        with self._guard:
            if known := self._manifests.get(digest):
                return known
        loaded = manifests.load(home)
        if loaded is None:
            return None
        found, is_recent = loaded
        findings = self._checked(found, digest, token, every=not is_recent)
        if findings.changed:  # by the user, a power cut, or a run whose tool was killed
            self._discard(home, findings, token)
            return None
        self._save(found, digest, anew=not is_recent)
        with self._guard:
            return self._manifests.setdefault(digest, found)

    def after_run(
        self, environment: Environment, token: CancelToken, imported: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Check that a run has left the environment as it was; return the paths of what it changed.

        The modules in `imported`, as the run reported them, are compiled for later runs.

        A changed environment is discarded, and all environments that share the changed files with it. If it
        shares no files (`is_own`), the result of the run still counts.

        Raises:
            Unavailable: uv's cache could not be cleaned, or a stopped process keeps the environment's lock.
            Cancelled: the token was cancelled.
        """
        digest = environment.folder.name
        with self._guard:
            known = self._manifests.get(digest)
        if known is None or not environment.exists():
            return ()
        with spending(Step.LINK):
            findings = self._checked(known, digest, token, imported)
            if findings.changed:
                if not environment.is_own:
                    self._changed_by_runs |= owners(environment.folder, findings.changed)
                    write_whole(self._own_note(digest), b"")
                self._discard(environment.folder, findings, token)
        return findings.changed

    def _checked(
        self,
        known: Manifest,
        digest: str,
        token: CancelToken,
        imported: Sequence[str] = (),
        *,
        every: bool = False,
    ) -> Findings:
        """Check an environment, and return what is changed; if nothing is, compile what is to be compiled."""
        findings = known.check(every=every)
        if findings == Findings() and not imported:
            return findings
        with locked(self._writing(digest), waiting=token.check):
            if findings != Findings():  # another command may have been writing
                findings = known.check(every=every)
            if not findings.changed and (findings.compiled or imported):
                known.compile(findings.compiled, imported, token)
        return findings

    def _discard(self, home: Path, findings: Findings, token: CancelToken) -> None:
        """Have a changed environment and all that share the change built anew, also in uv's cache.

        Without its marker, an environment does not exist. So a run that is still going on in one of them
        gives no result.
        """
        for each in (home, *sharers(self._folder, home, findings.shared)):
            with suppress(OSError):
                (each / MARKER).unlink()
            with self._guard:
                self._manifests.pop(each.name, None)
        if findings.shared:
            self._uv.clean(sorted(owners(home, findings.shared)), token)

    def settle(self) -> None:
        """Write down how builds of this command have changed environments that it has used.

        Each new hard link, and each that is removed, changes the status of a file. This process mostly knows
        the content; the next command would have to read it again.
        """
        if not self._has_built:
            return
        for digest, known in list(self._manifests.items()):
            # The result stands already: what cannot be locked now is left to the next command.
            with suppress(Unavailable), locked_if_free(self._lock(digest), shared=True) as is_held:
                is_there = is_held and os.path.exists(self._folder / digest / MARKER)
                if is_there and not known.check().changed:
                    self._save(known, digest, anew=not known.are_times_saved)

    def _save(self, known: Manifest, digest: str, *, anew: bool = False) -> None:
        """Write down what is known about an environment's files, so that the next command knows it."""
        if known.is_saved and not anew:
            return
        # Without it, the next command reads all files again.
        with suppress(OSError, Unavailable), locked_if_free(self._writing(digest)) as is_free:
            if is_free:
                known.save(anew=anew)

    def is_kept(self, resolution: Resolution) -> bool:
        """Return whether an environment is built already."""
        return os.path.exists(self._folder / resolution.digest / MARKER)

    def note_use(self, resolution: Resolution, interpreter: Interpreter) -> None:
        """Make an environment in which a probe has run a source of files for others.

        It has been made one by an earlier command if it was built then, and has not got byte-code since.
        """
        known = self._manifests.get(resolution.digest)
        is_new = known is not None and not known.is_saved
        if is_new and resolution.digest not in self._used and not self._is_own(resolution):
            self._used.add(resolution.digest)
            with suppress(OSError):  # then other environments install the files themselves
                self._reuse.record(resolution.pins, interpreter, resolution.digest)

    def sizes(self) -> list[tuple[str, int]]:
        """Return the digest and the bytes of every environment, least recently used first.

        Files that environments share with each other and with uv's cache count in full in each.
        """
        found = []
        for home in self._folder.glob("*"):
            with suppress(FileNotFoundError):  # another command removed it meanwhile
                if marker := read_marker(home):
                    found.append(((home / MARKER).stat().st_mtime, home.name, marker.size_bytes))
        return [(name, size) for _, name, size in sorted(found)]

    def declared(self, digest: str) -> Mapping[str, Declared]:
        """Return what each distribution of an environment declares, by name; empty if that is not kept."""
        with suppress(OSError, codec.Unreadable):
            return codec.from_json(self._declared(digest).read_bytes(), dict[str, Declared])
        if found := self._read_declared(digest):
            self.keep_declared(digest, found)
        return found

    def _read_declared(self, digest: str) -> dict[str, Declared]:
        from importlib import metadata

        found: dict[str, Declared] = {}
        for site in (self._folder / digest).glob("lib/python*/site-packages"):
            for distribution in metadata.distributions(path=[str(site)]):
                headers = distribution.metadata
                name = canonicalize_name(headers["Name"] or "")
                provides = headers.get_all("Provides-Extra") or ()
                found[name] = declared(distribution.requires or (), provides)
        return found

    def keep_declared(self, digest: str, found: Mapping[str, Declared]) -> None:
        """Keep what the distributions of an environment declare, which may be another machine's."""
        path = self._declared(digest)
        if not path.exists():
            with suppress(OSError):  # optional: they only improve the explanation of a cause
                write_whole(path, codec.to_json(found))

    def _declared(self, digest: str) -> Path:
        return self._folder.with_name("declared") / f"{digest}.json"

    def _lock(self, digest: str) -> Path:
        return self._folder.with_name("locks") / f"{digest}.lock"

    def _writing(self, digest: str) -> Path:
        """Return the lock of who writes into an environment that others may hold too."""
        return self._lock(f"{digest}.writing")

    def _evict(self, *, spare: str) -> None:
        """Remove what was discarded while it was in use, and the least recently used above the limit."""
        for home in self._folder.glob("*"):
            if home.name != spare and not os.path.exists(home / MARKER):
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
                # The marker is removed first: without it, a partly removed directory does not count as
                # complete.
                with suppress(OSError):
                    (home / MARKER).unlink()
                remove(home)
            return free
