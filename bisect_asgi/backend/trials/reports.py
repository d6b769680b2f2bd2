"""Read the reports that the processes of a run left in its report directory.

A probe may add anything to this directory. So these cases are guarded against: a link to a file outside of
the run, a FIFO, whose opening would wait for its other end, and a file of any size. The directory is opened
before the run, because a probe may move or replace it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from bisect_asgi.core.records import Struct

_LARGEST = 16 * 2**20
_MOST_FILES = 4096


class Reports(Struct, frozen=True, kw_only=True):
    """The report directory of a run."""

    folder: Path
    _descriptor: int

    def named(self, pattern: str) -> tuple[str, ...]:
        """Return the names of the files of a pattern, the oldest change first; of very many, only some."""
        names = [name for name in sorted(os.listdir(self._descriptor)) if fnmatch(name, pattern)]
        return tuple(sorted(names[:_MOST_FILES], key=self._changed))

    def has(self, name: str) -> bool:
        """Return whether there is anything of that name."""
        return name in os.listdir(self._descriptor)

    def read(self, name: str, most: int = _LARGEST) -> bytes | None:
        """Return the first bytes of a regular file, `most` at most, or None if there is none."""
        try:
            with open(name, "rb", opener=self._open) as stream:
                is_file = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
                return stream.read(most) if is_file else None
        except OSError:
            return None

    def text(self, name: str) -> str:
        """Return the text of a file, or "" if there is no regular one."""
        return (self.read(name) or b"").decode(errors="replace")

    def _open(self, name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._descriptor)

    def _changed(self, name: str) -> int:
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_mtime_ns
        except OSError:
            return 0


@contextmanager
def opened(folder: Path) -> Iterator[Reports]:
    """Open the report directory of a run that has not begun."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield Reports(folder=folder, _descriptor=descriptor)
    finally:
        os.close(descriptor)
