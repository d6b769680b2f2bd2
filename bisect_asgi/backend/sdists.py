"""Read texts out of source distributions: changelogs are often there and not in the wheel."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence

LARGEST_BYTES = 50 * 1024 * 1024
"""Source distributions above this are not fetched for a text in them."""
_LARGEST_TEXT = 2 * 1024 * 1024


def texts(content: bytes, choose: Callable[[Iterable[str]], Sequence[str]]) -> tuple[str, ...]:
    """Return the files that `choose` picks by their paths below the archive's folder, in its order.

    Nothing is written to the disk. What is no archive, no text or above 2 MiB is passed over.
    """
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            return _from_zip(content, choose)
        return _from_tar(content, choose)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError):
        return ()
    except (ValueError, RuntimeError):  # of zipfile: names that cannot be, passwords, unknown methods
        return ()


def _from_tar(content: bytes, choose: Callable[[Iterable[str]], Sequence[str]]) -> tuple[str, ...]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {_below(member.name): member for member in archive if _is_wanted(member)}
        opened = (archive.extractfile(members[path]) for path in choose(members))
        return tuple(_text(stream.read()) for stream in opened if stream)


def _is_wanted(member: tarfile.TarInfo) -> bool:
    return member.isfile() and member.size <= _LARGEST_TEXT


def _from_zip(content: bytes, choose: Callable[[Iterable[str]], Sequence[str]]) -> tuple[str, ...]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = {_below(i.filename): i for i in archive.infolist() if i.file_size <= _LARGEST_TEXT}
        return tuple(_text(archive.read(infos[path])) for path in choose(infos))


def _below(path: str) -> str:
    """The path without the folder that all of a source distribution is in."""
    return path.partition("/")[2] or path


def _text(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")
