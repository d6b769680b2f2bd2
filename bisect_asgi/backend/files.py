"""Files and locks that other threads and processes may use at the same time."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from bisect_asgi.core import codec
from bisect_asgi.core.errors import Unavailable, not_writable


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds either all of the old content or all of the new.

    If several threads or processes write at once, the last one wins. Only the user can read the file.

    Raises:
        OSError: the file cannot be written; no part of it is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        os.rename(aside, path)
    except BaseException:
        os.unlink(aside)
        raise


def write_all(descriptor: int, content: bytes) -> None:
    """Write to a pipe or a terminal, which may take less at a time.

    Raises:
        OSError: the other side is closed.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a directory for temporary files, and remove it afterwards.

    If it cannot be removed then, because descriptors or memory are short, it is removed when this process
    ends.
    """
    folder = Path(tempfile.mkdtemp(prefix="bisect-asgi-"))
    try:
        yield folder
    finally:
        if not remove(folder):
            atexit.register(remove, folder)


def remove(path: Path) -> bool:
    """Remove a file or a directory, whatever a run has left in it; return whether it is gone."""
    # A RuntimeError says that it is nested too deep, or that there is no memory for the lock of a file.
    with suppress(OSError, RuntimeError, MemoryError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if os.path.lexists(path):
        _remove_by_force(path)
    return not os.path.lexists(path)


def _remove_by_force(path: Path) -> None:
    """Remove what is nested too deep for Python, without rights, or marked as immutable."""
    # Only those of directories: the rights of a file also hold in the other environments that share it.
    programs = [
        ["find", str(path), "-type", "d", "-execdir", "chmod", "u+rwx", "{}", ";"],
        ["rm", "-rf", str(path)],
    ]
    if os.geteuid() == 0:
        programs.insert(0, ["chattr", "-R", "-f", "-i", "-a", str(path)])
    for program in programs:
        # A machine need not have all of them, or the memory for their pipes (a RuntimeError).
        with suppress(OSError, MemoryError, RuntimeError):
            subprocess.run(program, env={"PATH": os.defpath}, capture_output=True, check=False)


def flush(folder: Path) -> None:
    """Write the files of a directory to the disk, so that a power cut cannot leave them empty.

    Raises:
        OSError: the disk is full or damaged.
    """
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


_POLL_S = 0.02
_STOPPED_S = 10.0
"""The seconds to wait for a lock before checking whether its holder is stopped."""


@contextmanager
def locked(path: Path, *, waiting: Callable[[], None], shared: bool = False) -> Iterator[None]:
    """Hold the lock file `path`; several processes can hold it if all of them use `shared`.

    While it is not free, `waiting` is called repeatedly; it may raise to give up.

    Raises:
        Unavailable: the file cannot be written, or a stopped process (SIGSTOP) holds it and may never end.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with _opened(path) as descriptor:
        look_at = time.monotonic() + _STOPPED_S
        while not _try(descriptor, kind):
            waiting()
            time.sleep(_POLL_S)  # no blocking flock, because a cancelled trial could not interrupt it
            if time.monotonic() > look_at:
                look_at += _STOPPED_S
                if (holder := _stopped_holder(descriptor)) is not None:
                    raise Unavailable(
                        f"process {holder} holds a lock and is stopped: `{path}`",
                        hint=f"let it go on with `kill -CONT {holder}`, or end it with `kill -KILL {holder}`",
                    )
        yield


def _stopped_holder(descriptor: int) -> int | None:
    """Return a stopped process that holds the lock of an open file, as far as the system says who does."""
    status = os.fstat(descriptor)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5] == place and _is_stopped(int(fields[4])):
                return int(fields[4])
    return None


def _is_stopped(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    return False


@contextmanager
def locked_if_free(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Hold the lock file `path` if it is free, alone or shared; yield whether it is held."""
    with _opened(path) as descriptor:
        yield _try(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def is_held(path: Path) -> bool:
    """Return whether anybody holds the lock file `path`, which is not made if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


@contextmanager
def inherited_if_free(path: Path) -> Iterator[int | None]:
    """Hold the lock file `path` if it is free; yield its descriptor, or None if it is not.

    A program that inherits the descriptor holds the lock as well, even if this process is killed.
    """
    with _opened(path) as descriptor:
        yield descriptor if _try(descriptor, fcntl.LOCK_EX) else None


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():  # this tool makes only files here
            remove(path)
        with suppress(OSError):
            if not os.access(path, os.R_OK | os.W_OK):
                path.chmod(0o644)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise not_writable("a lock", path, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)  # releases the lock


def kept(
    path: Path, ask: Callable[[], tuple[str, ...]], *, at_most: timedelta | None = None
) -> tuple[str, ...]:
    """Return the answer that is cached in `path`, or ask now and cache it.

    `at_most`: how old the answer may be; None for any age.
    """
    with suppress(OSError, codec.Unreadable):
        age = time.time() - path.stat().st_mtime
        if at_most is None or age < at_most.total_seconds():
            return codec.from_json(path.read_bytes(), tuple[str, ...])
    answer = ask()
    with suppress(OSError):  # the answer is good even if it cannot be cached
        write_whole(path, codec.to_json(answer))
    return answer


K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def once_each(ask: Callable[[K], T]) -> Callable[[K], T]:
    """Return a function that calls `ask` once for each argument. Other threads wait for its result.

    If the call raises an error, the next one is made.
    """
    answers: dict[K, T] = {}
    locks: dict[K, threading.Lock] = {}

    def answer(about: K) -> T:
        with locks.setdefault(about, threading.Lock()):
            if about not in answers:
                answers[about] = ask(about)
            return answers[about]

    return answer
