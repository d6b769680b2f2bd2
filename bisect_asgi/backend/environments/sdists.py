"""Build source distributions, each in a box of its own, and keep the wheels.

Building a source distribution runs its code. These rules keep one build from influencing others:

- The box has its own cache of uv, and its processes can write nowhere else. So a build cannot change another
  build, a wheel that is kept, or a cache that a later command reads.
- uv compares the source distribution with its hash before it runs any of it.
- When all processes of the box have ended, its wheel is kept. It has to be a regular file, a whole archive,
  and the only wheel with this name and version, also in its metadata. The wheel is kept under the hash of its
  source distribution and one interpreter, where no other build can write.

So a hostile build influences nothing but the wheel that it was started for, as a hostile wheel would.

The key of a wheel does not include the tools that built it: environments as of any date share the first
build, as they share everything that has the same hashes of files. For the same reason, `--fresh` does not
build anew: a wheel is no observation, and comes from the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from bisect_asgi.backend.environments.builds import BuildTools, later, stamp, when
from bisect_asgi.backend.files import flush, locked, remove
from bisect_asgi.backend.process.usage import spending
from bisect_asgi.backend.uv import Metadata, Uv
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, not_writable
from bisect_asgi.core.model import Interpreter, Step
from bisect_asgi.core.records import Struct, replace

if TYPE_CHECKING:
    from email.message import Message

_NOTE = "wheel.json"
_COMPILERS = ("CC", "CXX", "CFLAGS", "LDFLAGS")
_LONGEST_METADATA = 4 * 2**20


class Sdist(Struct, frozen=True, kw_only=True):
    """A source distribution for which the index has no wheel that fits."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """Each with its kind, such as `sha256:…`."""

    def __str__(self) -> str:
        """Return it as a requirement."""
        return f"{self.name}=={self.version}"


class Wheel(Struct, frozen=True, kw_only=True):
    """A wheel that was built and is kept."""

    folder: str = ""
    """The path of the wheel; it is not stored, because the cache may be moved."""
    file: str
    digest: str
    """SHA-256 of the file."""
    tools: str
    """The date of the tools that built it; "" if those of the date of its first environment did."""
    metadata: Metadata | None
    """The metadata that saves uv a build; None if some of it is malformed."""

    @property
    def pin(self) -> str:
        """The requirement that installs it, from among the files in its directory."""
        name, version, *_ = parse_wheel_filename(self.file)
        return f"{name}=={version} --hash=sha256:{self.digest}"


class SdistBuilder:
    """Builds and keeps the wheels of source distributions; safe for threads and processes.

    Args:
        uv: builds.
        folder: the directory of the wheels.
        recall_failure, record_failure: see `BuildTools`.
    """

    def __init__(
        self,
        uv: Uv,
        *,
        folder: Path,
        recall_failure: Callable[[str], str | None],
        record_failure: Callable[[str, str], None],
    ) -> None:
        self._uv = uv
        self._folder = folder
        self._tools = BuildTools(recall_failure=recall_failure, record_failure=record_failure)
        self._sound: dict[str, Wheel] = {}

    def kept(self, sdist: Sdist, interpreter: Interpreter) -> Wheel | None:
        """Return the cached wheel, or None if it is damaged; its file is read once a command."""
        home = self._home(sdist, interpreter)
        if home.name not in self._sound:
            with suppress(OSError, codec.Unreadable):
                wheel = codec.from_json((home / _NOTE).read_bytes(), Wheel)
                if _sha256(home / wheel.file) == wheel.digest:
                    self._sound[home.name] = replace(wheel, folder=str(home))
        return self._sound.get(home.name)

    def all_built(
        self,
        sdists: Iterable[Sdist],
        interpreter: Interpreter,
        exclude_newer: datetime | None,
        token: CancelToken,
    ) -> dict[str, Wheel]:
        """Return the wheels of source distributions by their names, building those that are not kept.

        Raises:
            BuildFailed: one of them cannot be built with the tools of any date that was tried.
            Unavailable, NoResult, Cancelled: as `wheel`.
        """
        limits = [exclude_newer, *later(exclude_newer)]
        return {
            sdist.name: self.built(sdist, interpreter, limits, token, own=exclude_newer) for sdist in sdists
        }

    def built(
        self,
        sdist: Sdist,
        interpreter: Interpreter,
        limits: Sequence[datetime | None],
        token: CancelToken,
        *,
        own: datetime | None,
    ) -> Wheel:
        """Return the wheel as `wheel` does; the message of a failure says why it had to be built."""
        try:
            with spending(Step.BUILD):
                return self.wheel(sdist, interpreter, limits, token, own=own)
        except BuildFailed as error:
            message = f"`{sdist}` has no wheel for this Python and cannot be built: {error}"
            raise BuildFailed(message, is_lasting=error.is_lasting) from error

    def wheel(
        self,
        sdist: Sdist,
        interpreter: Interpreter,
        limits: Sequence[datetime | None],
        token: CancelToken,
        *,
        own: datetime | None,
    ) -> Wheel:
        """Return the cached wheel, or build it with tools as of the first date that succeeds.

        `own`: the date of the environment; a build with tools of another date is noted.

        Raises:
            BuildFailed: tools of none of the dates build it.
            Unavailable: the index did not answer, or the directory cannot be written.
            NoResult: this machine ran out of something that a build needs, such as memory.
            Cancelled: the token was cancelled.
        """
        if wheel := self.kept(sdist, interpreter):
            return wheel
        home = self._home(sdist, interpreter)
        with locked(self._folder.with_name("locks") / f"sdist-{home.name}.lock", waiting=token.check):
            if self.kept(sdist, interpreter) is None:
                self._make(home, sdist, interpreter, limits, token, own)
        wheel = self.kept(sdist, interpreter)
        if wheel is None:
            raise BuildFailed(f"what was built of `{sdist}` is gone", is_lasting=False)
        return wheel

    def _home(self, sdist: Sdist, interpreter: Interpreter) -> Path:
        compilers = [os.environ.get(name, "") for name in _COMPILERS]
        machine = (sys.platform, platform.machine())
        return self._folder / codec.digest("sdist", sdist, interpreter, compilers, *machine)

    def _make(
        self,
        home: Path,
        sdist: Sdist,
        interpreter: Interpreter,
        limits: Sequence[datetime | None],
        token: CancelToken,
        own: datetime | None,
    ) -> None:
        def build(limit: datetime | None) -> None:
            tools = "" if limit == own else when(limit)
            self._build(home, sdist, interpreter, limit, tools, token)

        self._tools.build(str(sdist), interpreter, limits, build)

    def _build(
        self,
        home: Path,
        sdist: Sdist,
        interpreter: Interpreter,
        limit: datetime | None,
        tools: str,
        token: CancelToken,
    ) -> None:
        """Build with tools up to a date, and keep the wheel."""
        pin = " ".join((str(sdist), *(f"--hash={each}" for each in sdist.hashes)))
        dated: tuple[str, ...] = ()
        if limit is not None:  # the date limits the tools; the source distribution itself may be newer
            now = stamp(datetime.now(UTC) + timedelta(days=1))
            dated = ("--exclude-newer", stamp(limit), "--exclude-newer-package", f"{sdist.name}={now}")
        with self._uv.built(sdist.name, pin, "--python", interpreter.path, *dated, token=token) as box:
            found = next((path for path in _wheels(box, sdist) if _says(path, sdist) is not None), None)
            if found is None:
                raise BuildFailed(f"its build left no wheel of `{sdist}`", is_lasting=False)
            try:
                self._keep(home, sdist, found, tools)
            except OSError as error:
                raise not_writable("wheels", self._folder, error) from error

    def _keep(self, home: Path, sdist: Sdist, built: Path, tools: str) -> None:
        """Copy a wheel out of the box, and have it on the disk before it has its name."""
        aside = home.with_name(
            f"{home.name}.new"
        )  # under the lock of `home`; a killed command may have left it
        remove(aside)
        aside.mkdir(parents=True)
        with _opened(built) as source, open(aside / built.name, "xb") as target:
            shutil.copyfileobj(source, target)
        headers = _says(aside / built.name, sdist)
        wheel = Wheel(
            file=built.name,
            digest=_sha256(aside / built.name),
            tools=tools,
            metadata=_metadata(sdist, headers) if headers else None,
        )
        (aside / _NOTE).write_bytes(codec.to_json(wheel))
        flush(aside)
        remove(home)
        aside.rename(home)


def _wheels(box: Path, sdist: Sdist) -> Iterator[Path]:
    """Yield what has the name of a wheel of this release, below a directory that a build could write."""
    for parent, _, names in os.walk(box):  # os.walk follows no links, which could lead out of the box
        for name in sorted(names):
            with suppress(InvalidWheelFilename, InvalidVersion):
                project, version, *_ = parse_wheel_filename(name)
                if project == sdist.name and version == Version(sdist.version):
                    yield Path(parent, name)


def _says(path: Path, sdist: Sdist) -> Message | None:
    """Return the headers of a wheel's metadata if it is a whole archive and they are of this release."""
    import zipfile  # most commands build nothing
    from email.parser import HeaderParser

    with suppress(OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        with _opened(path) as stream, zipfile.ZipFile(stream) as archive:
            (name,) = [
                name
                for name in archive.namelist()
                if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            ]
            if archive.getinfo(name).file_size > _LONGEST_METADATA or archive.testzip() is not None:
                return None
            text = archive.read(name).decode("utf-8", errors="replace")
        headers = HeaderParser().parsestr(text.partition("\n\n")[0])
        is_it = canonicalize_name(headers["Name"] or "") == sdist.name
        if is_it and Version(headers["Version"] or "") == Version(sdist.version):
            return headers
    return None


def _metadata(sdist: Sdist, headers: Message) -> Metadata | None:
    """Return what uv reads of metadata; None if any of it is not as it should be, which uv would mend."""
    requires, python = headers.get_all("Requires-Dist") or [], headers["Requires-Python"]
    try:
        for line in requires:
            Requirement(line)
        SpecifierSet(python or "")
    except (InvalidRequirement, InvalidSpecifier):
        return None
    return Metadata(
        name=sdist.name,
        version=sdist.version,
        requires_dist=tuple(requires),
        requires_python=python,
        extras=tuple(headers.get_all("Provides-Extra") or ()),
    )


def _opened(path: Path) -> BinaryIO:
    """Open a regular file that a build may have made: no link is followed, and nothing is waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"`{path}` is no regular file")
    return os.fdopen(descriptor, "rb")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
