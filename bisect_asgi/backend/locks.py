"""Locks between processes and threads: flock(2) on files that stay where they are."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_S = 0.02


@contextmanager
def locked(path: Path, *, waiting: Callable[[], None], shared: bool = False) -> Iterator[None]:
    """Hold the lock `path`; several may hold it when all of them share.

    While somebody else holds it, `waiting` is called again and again; it may raise to give up.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with _opened(path) as descriptor:
        while not _try(descriptor, kind):
            waiting()
            time.sleep(_POLL_S)  # not a blocking flock: a cancelled trial has to get out of it
        yield


@contextmanager
def locked_if_free(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Hold the lock `path`, alone or with others that share it, if nobody is in the way; tell whether so."""
    with _opened(path) as descriptor:
        yield _try(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


@contextmanager
def inherited_if_free(path: Path) -> Iterator[int | None]:
    """Hold the lock `path` if nobody else does; give its descriptor, or None.

    A program that is handed the descriptor holds the lock as well, also when we are killed.
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
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)  # releases the lock
