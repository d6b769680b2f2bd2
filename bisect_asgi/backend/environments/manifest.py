"""Record every file that an environment was built with, to find each change of it.

Environments share files with each other and with uv's cache through hard links, so one in-place edit would
change them all. A run cannot forge the time of a file's last status change (`ctime`). So a check reads the
status of all files, and the content only of those whose time differs: a new hard link also changes that time.

Byte-code that a run wrote is never used, because the run could have planted something else. It is removed,
and the same modules are compiled again from the checked sources. That byte-code is valid in each environment
with the same source. A confined run cannot write byte-code: the hook reports which modules it imported, and
these are compiled.

Several commands can use one environment at once, and each has a manifest of its own. So the same source
always gives the same byte-code, which otherwise depends on Python's hash seed.
"""

from __future__ import annotations

import glob
import hashlib
import os
import stat
import threading
import time
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from bisect_asgi.backend.files import write_whole
from bisect_asgi.backend.process.helper import run_helper
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.records import Struct, replace

NAME = "bisect-asgi-files.json"
COMPILED = "bisect-asgi-compiled"
"""The file that tells the hook that what is imported has been compiled."""
_WRITABLE = 0o222
_SHOWN = 200
_BYTE_CODE = "/__pycache__"


class File(Struct, frozen=True, array_like=True):
    """A file as it was built."""

    digest: str
    """The digest of the content, in the form of RECORD; or the target of a symbolic link."""
    size: int
    mode: int
    modified_ns: int
    changed_ns: int
    """The last change of its status that is known to have left it as it was."""
    inode: int = 0
    """Which file it is, if another one replaces it; 0 if that is not known."""


class Findings(Struct, frozen=True):
    """The differences between an environment and what was built, by path below its directory."""

    changed: tuple[str, ...] = ()
    """The files that are changed, missing or new."""
    shared: tuple[str, ...] = ()
    """The paths among `changed` that were edited in place and have further hard links."""
    compiled: tuple[str, ...] = ()
    """Byte-code that a run has added, removed or written anew, and what else it left in those directories."""


class _Kept(Struct, frozen=True):
    """The content of a manifest's file."""

    files: dict[str, File]
    folders: dict[str, int]


class Manifest:
    """The files of one environment; safe for threads.

    Args:
        folder: the environment.
        files: the files that it was built with, by path below the directory.
        folders: when each directory had last changed when its names were compared, in nanoseconds; 0 if it
            may have changed again without another time. A directory with the same time is not listed again.
            If empty, all are listed.
    """

    def __init__(
        self, folder: Path, files: Mapping[str, File], folders: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._folder = str(folder)
        self._files = dict(files)
        self._folders = dict(folders)
        self._guard = threading.RLock()
        self._is_saved = False
        self._are_times_saved = True

    @property
    def files(self) -> Mapping[str, File]:
        """The files by path below the directory."""
        return self._files

    @property
    def is_saved(self) -> bool:
        """Whether nothing but times has changed since it was read or written."""
        return self._is_saved

    @property
    def are_times_saved(self) -> bool:
        """Whether no file has got another time since it was read or written, as by a new hard link."""
        return self._are_times_saved

    def save(self, *, anew: bool = False) -> None:
        """Write the manifest into the environment if it has changed since the last time, or if `anew`.

        Raises:
            OSError: it cannot be written.
        """
        with self._guard:
            if anew or not self._is_saved:
                kept = _Kept(self._files, _to_keep(self._folders))
                write_whole(Path(self._folder, NAME), codec.to_json(kept))
                self._is_saved = self._are_times_saved = True

    def check(self, *, every: bool = False) -> Findings:
        """Return how the environment differs from what was built.

        If only permissions or times were changed, they are set back.

        `every`: read the contents of all files.
        """
        with self._guard:
            if not every and self._is_untouched():
                return Findings()
            seen: set[str] = set()
            changed: list[str] = []
            shared: list[str] = []
            compiled: list[str] = []
            folders: dict[str, int] = {}
            try:
                for name, status in walk(self._folder, folders):
                    seen.add(name)
                    if name not in self._files:
                        is_compiled = os.path.dirname(name).endswith(_BYTE_CODE)
                        (compiled if is_compiled else changed).append(name)
                    elif not self._is_same(name, status, every=every):
                        (compiled if self._is_replaced_byte_code(name, status) else changed).append(name)
                        if status.st_nlink > 1:
                            shared.append(name)
                for name in self._files.keys() - seen:
                    (compiled if self._source(name) else changed).append(name)
            except OSError as error:  # a directory that cannot be read, or is nested too deep
                changed.append(os.path.relpath(error.filename or self._folder, self._folder)[:_SHOWN])
            self._note_folders({} if changed or compiled else folders)
            return Findings(tuple(sorted(changed)), tuple(sorted(shared)), tuple(compiled))

    def _is_untouched(self) -> bool:
        """Return whether all files are as they were when they were last compared, and no other is there.

        A new hard link changes a file's status. Its content may still be known, if this process has read it
        through another link.
        """
        folder = self._folder
        try:
            times = {prefix: os.lstat(f"{folder}/{prefix}").st_ctime_ns for prefix in self._folders}
            others = {prefix for prefix, changed_ns in times.items() if changed_ns != self._folders[prefix]}
            if 2 * len(others) >= len(times):  # listing all directories is as fast then
                return False
            known = self._names_in(others)
            if any(self._listed(prefix) != known[prefix] for prefix in others):
                return False
            linked: dict[str, File] = {}
            for name, file in self._files.items():
                changed_ns = _known_time(f"{folder}/{name}", file)
                if changed_ns is None:
                    return False
                if changed_ns != file.changed_ns:
                    linked[name] = replace(file, changed_ns=changed_ns)
        except OSError:
            return False
        if linked:
            self._files |= linked
            self._are_times_saved = False
        self._note_folders({prefix: _settled(changed_ns) for prefix, changed_ns in times.items()})
        return True

    def _note_folders(self, folders: dict[str, int]) -> None:
        if _to_keep(folders) != _to_keep(self._folders):
            self._is_saved = False
        self._folders = folders

    def _names_in(self, prefixes: Collection[str]) -> Mapping[str, set[str]]:
        """Return the files and directories that are known in some directories."""
        known: dict[str, set[str]] = {prefix: set() for prefix in prefixes}
        for name in (*self._files, *self._folders):
            parent = f"{name.rstrip('/').rpartition('/')[0]}/".removeprefix("/")
            if parent in known and name:
                known[parent].add(name)
        return known

    def _listed(self, prefix: str) -> set[str]:
        """Return the files and directories in a directory, but this tool's own."""
        with os.scandir(f"{self._folder}/{prefix}") as entries:
            names = {
                f"{prefix}{entry.name}" + ("/" if entry.is_dir(follow_symlinks=False) else "")
                for entry in entries
            }
        return names - _OWN

    def link(self, name: str, target: Path) -> File | None:
        """Link a file into another environment, and return it; None if it is not what was built.

        Raises:
            OSError: `target` has a file of that name, or cannot be written.
        """
        known = self._files.get(name)
        source, path = f"{self._folder}/{name}", f"{target}/{name}"
        if known is None or not self._is_same(name, os.lstat(source)):
            return None
        try:
            os.link(source, path, follow_symlinks=False)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.link(source, path, follow_symlinks=False)
        status = os.lstat(path)
        _remember(status, known.digest)
        linked = replace(known, changed_ns=status.st_ctime_ns)
        self._files[name] = linked
        self._is_saved = False
        return linked

    def byte_code(self) -> Mapping[str, tuple[str, ...]]:
        """Return the byte-code of each module that has some."""
        found: dict[str, tuple[str, ...]] = defaultdict(tuple)
        with self._guard:
            for name in self._files:
                if source := self._source(name):
                    found[source] += (name,)
        return found

    def compile(self, compiled: Iterable[str], imported: Iterable[str], token: CancelToken) -> None:
        """Remove what `Findings.compiled` names, and compile the same modules.

        `imported`: paths of further modules. The run reported them, so they are not trusted: any text is
        possible.

        Raises:
            OSError: a file that a run has added cannot be removed.
            Cancelled: the token was cancelled.
        """
        own = (path.removeprefix(f"{self._folder}/") for path in imported if path.endswith(".py"))
        with self._guard:
            sources = {source for name in compiled if (source := self._source(name))}
            sources |= self._files.keys() & set(own)
            for name in compiled:
                self._files.pop(name, None)
                with suppress(FileNotFoundError):
                    os.unlink(f"{self._folder}/{name}")
            if missing := sorted(sources - self.byte_code().keys()):
                compile_sources(Path(self._folder), missing, token)
                self._adopt(missing)
            if imported:
                Path(self._folder, COMPILED).touch()

    def _adopt(self, sources: Iterable[str]) -> None:
        """Take in the byte-code of modules that was just compiled."""
        for source in sources:
            folder, _, base = source.rpartition("/")
            pattern = f"{glob.escape(base.removesuffix('.py'))}.*.pyc"
            for path in Path(self._folder, folder, "__pycache__").glob(pattern):
                self._files[f"{folder}/__pycache__/{path.name}"] = protected(str(path))
        self._is_saved = False

    def _is_same(self, name: str, status: os.stat_result, *, every: bool = False) -> bool:
        """Return whether a file has its content and its permissions."""
        known = self._files[name]
        if status.st_size != known.size or known.mode & ~status.st_mode:
            return False
        if status.st_ctime_ns == known.changed_ns and not every:
            return True
        path = f"{self._folder}/{name}"
        if _digest(path, status, anew=every) != known.digest:
            return False
        if not stat.S_ISLNK(known.mode):
            if status.st_mode != known.mode:
                os.chmod(path, stat.S_IMODE(known.mode))
            if status.st_mtime_ns != known.modified_ns:  # its byte-code would not be valid
                os.utime(path, ns=(known.modified_ns, known.modified_ns))
        self._files[name] = replace(known, changed_ns=os.lstat(path).st_ctime_ns, inode=status.st_ino)
        self._is_saved = False
        return True

    def _is_replaced_byte_code(self, name: str, status: os.stat_result) -> bool:
        """Return whether Python has written byte-code anew, as it does: another file that nothing shares."""
        is_other = self._files[name].inode not in (0, status.st_ino)
        return is_other and status.st_nlink == 1 and self._source(name) is not None

    def _source(self, name: str) -> str | None:
        """Return the module whose byte-code a file is, or None if it is no byte-code."""
        folder, _, base = name.rpartition("/")
        if not base.endswith(".pyc") or not folder.endswith(_BYTE_CODE):
            return None
        parts = base.split(".")  # a module's name has a dot only in rare cases, and a tag in more of them
        stems = (".".join(parts[:end]) for end in range(1, len(parts)))
        sources = (f"{folder.removesuffix('__pycache__')}{stem}.py" for stem in stems)
        return next((source for source in sources if source in self._files), None)


# The loader of modules compiles each source and writes its byte-code. The module `py_compile` takes twice as
# long to import as Python to start, and ends at the first error on Python 3.10 and later. Python would ignore
# the hash seed with `-I`, so the first place to import from, the working directory, is removed here.
_COMPILE = """\
import sys
del sys.path[0]
from _frozen_importlib_external import SourceFileLoader
class Compiler(SourceFileLoader):
    def get_data(self, path):
        if path.endswith(".pyc"):
            raise OSError("no byte-code that is already there is trusted")
        return super().get_data(path)
for line in sys.stdin:
    try:
        Compiler("module", line[:-1]).get_code("module")
    except Exception as error:
        print(error, file=sys.stderr)
"""


def compile_sources(folder: Path, sources: Iterable[str], token: CancelToken) -> None:
    """Compile modules of an environment with its Python, without running them; skip those with errors.

    Raises:
        Cancelled: the token was cancelled.
    """
    run_helper(
        [str(folder / "bin" / "python"), "-s", "-S", "-c", _COMPILE],
        environ={"PATH": os.defpath, "PYTHONHASHSEED": "0"},
        token=token,
        stdin="".join(f"{folder}/{source}\n" for source in sources),
    )


def of(folder: Path) -> Manifest:
    """Make all files of an environment read-only, and return what it has."""
    return Manifest(folder, {name: protected(f"{folder}/{name}") for name, _ in walk(str(folder))})


def load(folder: Path) -> tuple[Manifest, bool] | None:
    """Return the manifest of an environment, and whether it was written since the machine started.

    None if there is none that can be read.
    """
    path = folder / NAME
    try:
        written = path.stat().st_mtime
        kept = codec.from_json(path.read_bytes(), _Kept)
    except (OSError, codec.Unreadable):
        return None
    manifest = Manifest(folder, kept.files, kept.folders)
    manifest._is_saved = True
    return manifest, written > time.time() - time.clock_gettime(_SINCE_START)


# A power cut can lose content that was not on the disk yet, although names and sizes look right. So manifests
# from before the last start are checked in full.
_SINCE_START = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def walk(folder: str, folders: dict[str, int] | None = None) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the path and the status of each file in an environment, and of empty directories.

    `folders` gets the time of each directory's last change before it was listed, as `Manifest` has it.

    Raises:
        OSError: a directory cannot be read.
    """
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        is_empty = True
        if folders is not None:
            folders[prefix] = _settled(os.lstat(f"{folder}/{prefix}").st_ctime_ns)
        with os.scandir(f"{folder}/{prefix}") as entries:
            for entry in entries:
                is_empty = False
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                elif name not in _OWN and (status := _status_of(entry)):
                    yield name, status
        if is_empty and not prefix.endswith("/__pycache__/"):
            yield prefix, os.lstat(f"{folder}/{prefix}")


def _status_of(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return the status of a file; None if it is gone, as byte-code is renamed when Python has written it."""
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


_OWN = frozenset([NAME, COMPILED, "bisect-asgi.json"])


def protected(path: str) -> File:
    """Make a file read-only, because others will share it, and return it as it now is."""
    status = os.lstat(path)
    if stat.S_ISREG(status.st_mode) and status.st_mode & _WRITABLE:
        os.chmod(path, stat.S_IMODE(status.st_mode) & ~_WRITABLE)
        status = os.lstat(path)
    times = status.st_mtime_ns, status.st_ctime_ns
    return File(_digest(path, status), status.st_size, status.st_mode, *times, status.st_ino)


_READ: dict[tuple[int, int, int, int], str] = {}
"""The digests of contents that this process has read, by device, number, size and last change of status.

Environments share files, and each new link to a file changes that time for all of them. Without this, every
environment would read again the file that another one has just read.
"""
_MOST_READ = 200_000
_MOMENT_NS = 50_000_000


def _digest(path: str, status: os.stat_result, *, anew: bool = False) -> str:
    """Return the digest of a file's content; a FIFO or a device has none. `anew`: read it in any case."""
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)
    if not stat.S_ISREG(status.st_mode):
        return ""
    key = _key(status)
    if not anew and (known := _READ.get(key)):
        return known
    with open(path, "rb", buffering=0, opener=_open_file) as stream:
        found = hashlib.file_digest(stream, "sha256").digest()
        after = os.fstat(stream.fileno())
    digest = f"sha256={urlsafe_b64encode(found).rstrip(b'=').decode()}"
    if _key(after) == key and _settled(status.st_ctime_ns):
        _remember(after, digest)
    return digest


def _to_keep(folders: Mapping[str, int]) -> dict[str, int]:
    """Return the times of directories without that of the environment itself, which saving changes."""
    return {prefix: changed_ns if prefix else 0 for prefix, changed_ns in folders.items()}


def _settled(changed_ns: int) -> int:
    """Return the time of a last change, or 0 if it is too recent to be told from another change.

    Within one tick of the kernel's clock, a file or directory may change once more and keep the same time.
    """
    return changed_ns if time.time_ns() - changed_ns > _MOMENT_NS else 0


def _known_time(path: str, file: File) -> int | None:
    """Return when the status of a file last changed; None if the file may be another one.

    It is the same if it has its status, or at least its rights, its time and a content that was read.
    """
    status = os.lstat(path)
    if status.st_ctime_ns == file.changed_ns:
        return status.st_ctime_ns
    told = (status.st_mode, status.st_size, status.st_mtime_ns)
    if told != (file.mode, file.size, file.modified_ns):
        return None
    digest = os.readlink(path) if stat.S_ISLNK(status.st_mode) else _READ.get(_key(status), "unread")
    return status.st_ctime_ns if file.digest == digest else None


def _remember(status: os.stat_result, digest: str) -> None:
    """Remember the content of a regular file that has just been compared, or linked after that."""
    if stat.S_ISREG(status.st_mode):
        if len(_READ) >= _MOST_READ:
            _READ.clear()
        _READ[_key(status)] = digest


def _key(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns


def _open_file(path: str, flags: int) -> int:
    """Open a file that a run may just have replaced by a link, or by a FIFO nobody writes to."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
