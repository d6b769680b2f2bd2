"""Read texts from the archive of a source distribution."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence

LARGEST_BYTES = 50 * 1024 * 1024
"""Source distributions above this size are not downloaded for a changelog."""
_LARGEST_TEXT = 2 * 1024 * 1024


def texts(content: bytes, choose: Callable[[Iterable[str]], Sequence[str]]) -> tuple[str, ...]:
    """Return the texts of the files that `choose` picks by their paths in the archive, in its order.

    Files above 2 MiB are left out. If the content is no archive, there are none. Nothing is written to the
    disk.
    """
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            return _from_zip(content, choose)
        return _from_tar(content, choose)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError):
        return ()
    except (ValueError, RuntimeError):  # zipfile raises them for impossible names, passwords, unknown methods
        return ()


def _from_tar(content: bytes, choose: Callable[[Iterable[str]], Sequence[str]]) -> tuple[str, ...]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {_below(member.name): member for member in archive if _is_wanted(member)}
        opened = (archive.extractfile(members[path]) for path in choose(members))
        return tuple(_decoded(stream.read()) for stream in opened if stream)


def _is_wanted(member: tarfile.TarInfo) -> bool:
    return member.isfile() and member.size <= _LARGEST_TEXT


def _from_zip(content: bytes, choose: Callable[[Iterable[str]], Sequence[str]]) -> tuple[str, ...]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = {_below(i.filename): i for i in archive.infolist() if i.file_size <= _LARGEST_TEXT}
        return tuple(_decoded(archive.read(infos[path])) for path in choose(infos))


def _below(path: str) -> str:
    """Return the path without the directory that contains the whole source distribution."""
    return path.partition("/")[2] or path


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")
