"""Put an environment together: an empty one, files of other environments, and what uv installs.

A directory is built in a *slot* and renamed when it is complete, so that a directory under a digest is always
complete. The paths of the slots are reused, because uv caches facts about an interpreter by its path, and a
new path costs it a quarter of a second. The directory can be moved afterwards: it is marked as relocatable,
so that uv writes scripts that find their interpreter in their own directory.

A directory is not flushed to the disk before it is renamed, because that takes longer than to build it. For
90 files on a busy machine, syncfs(2) takes 40 to 100 ms, as it also flushes the files of other programs, and
fsync(2) of each file takes 200 to 1,000 ms. Instead, after a restart, all files of an environment are read
once and compared with the hashes of its manifest. If a power cut has left a file or the manifest incomplete,
the environment is built anew.
"""

from __future__ import annotations

import atexit
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from packaging.utils import canonicalize_name

from bisect_asgi.backend.environments import manifest as manifests
from bisect_asgi.backend.environments.lock_file import date_arguments
from bisect_asgi.backend.environments.manifest import File, Manifest
from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.environments.reuse import FileReuse, project_of, read_record
from bisect_asgi.backend.environments.sdists import SdistBuilder
from bisect_asgi.backend.environments.templates import (
    Templates,
    installed,
    prove,
    site_packages,
)
from bisect_asgi.backend.files import inherited_if_free, remove
from bisect_asgi.backend.process.usage import spending
from bisect_asgi.backend.uv import Uv
from bisect_asgi.backend.uv_output import UnsoundWheel
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Unavailable, Unresolvable
from bisect_asgi.core.model import Distribution, EnvironmentSpec, Interpreter, Step
from bisect_asgi.core.records import Struct

MARKER = "bisect-asgi.json"


class Marker(Struct, frozen=True, kw_only=True):
    """The file that is written last into a directory, and says that it is complete."""

    distributions: tuple[Distribution, ...]
    size_bytes: int
    is_own: bool = False
    """Whether it shares no file with anything."""


class Assembler:
    """Puts environments together in slots, and moves them to where they are kept.

    Args:
        slots: the directory of the slots.
        uv: installs distributions.
        sdists: builds source distributions.
        templates: copies empty environments.
        reuse: links files of other environments.
    """

    def __init__(
        self, slots: Path, *, uv: Uv, sdists: SdistBuilder, templates: Templates, reuse: FileReuse
    ) -> None:
        self._slots = slots
        self._uv = uv
        self._sdists = sdists
        self._templates = templates
        self._reuse = reuse

    def assemble(
        self, home: Path, resolution: Resolution, spec: EnvironmentSpec, token: CancelToken, *, is_own: bool
    ) -> Manifest:
        """Have an environment at `home`; return its files. If it `is_own`, it shares no file with anything.

        Raises:
            BuildFailed, NotProved, Unavailable, Cancelled: as `EnvironmentCache.holding`.
            OSError: a directory cannot be written.
        """
        try:
            return self._assemble_once(home, resolution, spec, token, is_own=is_own)
        except _Unsound as error:
            self._uv.clean(sorted(error.names), token)
            # If a new download does not fit its RECORD either, the wheel itself has a wrong RECORD.
            return self._assemble_once(home, resolution, spec, token, is_own=is_own, is_last=True)

    def _assemble_once(
        self,
        home: Path,
        resolution: Resolution,
        spec: EnvironmentSpec,
        token: CancelToken,
        *,
        is_own: bool,
        is_last: bool = False,
    ) -> Manifest:
        """Build an environment in a slot, and move it to `home`.

        Raises:
            _Unsound: files do not fit their RECORD; not raised if `is_last`.
        """
        with spending(Step.LINK), self._slot(spec.interpreter) as (slot, lock):
            self._templates.copy(spec.interpreter, slot, token)
            missing, linked = resolution.pins, dict[str, File]()
            if not is_own and not is_last:
                missing, linked = self._reuse.link(resolution.pins, spec.interpreter, slot, token)
            if missing:
                how = ("--link-mode", "copy") if is_own else ()
                self._install(
                    slot, missing, resolution, spec.interpreter, token, *how, lock=lock, is_last=is_last
                )
            distributions = installed(slot)
            prove(distributions, spec.must_install)
            files = _files(slot, linked)
            if not is_last and (wrong := unsound(slot, files, linked)):
                raise _Unsound(wrong)
            Manifest(slot, files).save()
            size_bytes = sum(file.size for file in files.values() if stat.S_ISREG(file.mode))
            marker = Marker(distributions=distributions, size_bytes=size_bytes, is_own=is_own)
            (slot / MARKER).write_bytes(codec.to_json(marker))
            remove(home)
            home.parent.mkdir(parents=True, exist_ok=True)
            slot.rename(home)
        return Manifest(home, files)

    @contextmanager
    def _slot(self, interpreter: Interpreter) -> Iterator[tuple[Path, int]]:
        """Yield the path of a free slot and the descriptor of its lock.

        uv inherits the lock: if this process is killed, uv goes on, and the slot stays locked until uv ends.
        """
        for number in range(10_000):
            slot = self._slots / f"{interpreter.version}-{number}"
            with inherited_if_free(_lock_of(slot)) as lock:
                if lock is not None:
                    remove(slot)  # a killed build may have left it
                    try:
                        yield slot, lock
                    finally:
                        if not remove(slot):  # memory or descriptors may be short until this process ends
                            atexit.register(_remove_if_free, slot)
                    return
        raise Unavailable(
            "every directory to build environments in is taken", hint="remove the cache directory"
        )

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
            _Unsound: a wheel does not fit its RECORD; not raised if `is_last`.
        """
        unbuilt = [sdist for sdist in resolution.sdists if sdist.name in set(map(project_of, missing))]
        built = self._sdists.all_built(unbuilt, interpreter, resolution.exclude_newer, token)
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
            # It could be resolved before, so the index has changed since: the failure may not last.
            raise BuildFailed(str(error), is_lasting=False) from error


def _lock_of(slot: Path) -> Path:
    return slot.with_suffix(f"{slot.suffix}.lock")


def _remove_if_free(slot: Path) -> None:
    """Remove a slot that could not be removed, unless another build uses it now."""
    with suppress(OSError, Unavailable), inherited_if_free(_lock_of(slot)) as lock:
        if lock is not None:
            remove(slot)


def read_marker(home: Path) -> Marker | None:
    try:
        return codec.from_json((home / MARKER).read_bytes(), Marker)
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


def unsound(slot: Path, files: Mapping[str, File], linked: Mapping[str, File]) -> set[str]:
    """Return the distributions with a file of another content than RECORD or the source of a link has.

    uv does not compare the files in its cache with RECORD. A power cut, or a run that wrote into the cache,
    may have changed them.
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
