"""Install each release to compare into a folder of its own, and read its files.

uv installs them as it does environments: from its cache, which has the files once a candidate was built, and
from wheels where there are some. No script runs, and nothing is imported.

A diff of some files says nothing to a person, so their text is not kept: binary files (a NUL byte, or no
UTF-8), large ones, and generated ones. Generated files are recognised by their names (lock files, source
maps, `*.min.js`), by a comment in the first lines that says so, or, for scripts and styles, by long lines.
"""

from __future__ import annotations

import csv
import email
import hashlib
import io
import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from bisect_asgi.backend.files import locked, remove
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import NO_ROOM, Unavailable
from bisect_asgi.core.model import Distribution, Interpreter
from bisect_asgi.core.release_diff import ContentFile, Contents, FileKind, Metadata

MOST_TEXT_BYTES = 1024 * 1024
_LONG_LINES = 500
_FIRST_LINES = 10
_INFO = (".dist-info", ".egg-info")
_GENERATED_NAME = re.compile(
    r"(\.min\.(js|css|mjs)|\.map|\.lock|/?(package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml))$", re.I
)
# After the start of a comment; some phrases count anywhere in the line, others only right behind it.
_GENERATED_TEXT = re.compile(
    r"^\s*(?:#|//|/?\*+|--|;|<!--|\"\"\"|\.\.)(?:\W*generated (?:by|from|with)\b"
    r"|.*(?:do not edit|@generated|auto-?generated|automatically generated|file (?:(?:is|was) )?generated))",
    re.I,
)
_INDENTED = re.compile(r"^(?: {8}| {7}\|)", re.MULTILINE)


class ContentsCache:
    """Keeps the installed trees of releases; safe for threads and processes.

    Args:
        folder: where they are kept, best on the file system of uv's cache, for hard links to it.
        uv: installs them.
    """

    def __init__(self, folder: Path, uv: Uv) -> None:
        self._folder = folder
        self._uv = uv

    def contents(self, distribution: Distribution, interpreter: Interpreter, token: CancelToken) -> Contents:
        """Return what a release installs for this interpreter.

        Raises:
            Unresolvable: the index has no file of the release for this interpreter.
            BuildFailed: it has only a source distribution, and that cannot be built.
            Unavailable: the index did not answer, or the folder cannot be written.
            Cancelled: the token was cancelled.
        """
        # The indexes are in the digest, because another index may have another file under the same name.
        home = self._folder / codec.digest(distribution, interpreter, self._uv.indexes.identity)
        try:
            with locked(home.with_suffix(".lock"), waiting=token.check):
                if not is_whole(home):
                    if home.exists():  # uv's cache shares its files
                        remove(home)
                        self._uv.clean([distribution.name], token)
                    self._install(home, distribution, interpreter, token)
            return _read(home, distribution)
        except OSError as error:
            raise Unavailable(
                f"`{distribution}` cannot be kept for comparing: `{error.filename or self._folder}` "
                f"({error.strerror or error})",
                hint=NO_ROOM,
            ) from error

    def _install(
        self, home: Path, distribution: Distribution, interpreter: Interpreter, token: CancelToken
    ) -> None:
        aside = home.with_suffix(".part")
        remove(aside)  # a killed run may have left it
        aside.mkdir(parents=True)
        try:
            self._uv.run(
                *("install", "--no-deps", "--target", str(aside), str(distribution)),
                *("--python", interpreter.path),
                token=token,
                writable=[aside],
            )
            aside.rename(home)
        finally:
            remove(aside)


def is_whole(home: Path) -> bool:
    """Return whether a tree has all its files in the sizes of RECORD: after a power cut, it may not."""
    try:
        rows = [row for path in home.glob("*.dist-info/RECORD") for row in _rows(path)]
        return bool(rows) and all(
            (path := home / name).is_file() and path.stat().st_size == int(size) for name, size in rows
        )
    except (OSError, ValueError, csv.Error):  # of names and numbers that are none
        return False


def _rows(record: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and the size of each file in a RECORD that has them."""
    with record.open(newline="", encoding="utf-8", errors="replace") as stream:
        for row in csv.reader(stream):
            if len(row) == 3 and row[2].isdecimal() and not row[0].startswith(("/", "..")):
                yield row[0], row[2]


def _read(home: Path, distribution: Distribution) -> Contents:
    described = next(
        (path for name in ("METADATA", "PKG-INFO") for path in home.glob(f"*-info/{name}")), None
    )
    return Contents(
        metadata=read_fields(described.read_bytes() if described else b"", distribution),
        files=tuple(read_file(path, (home / path).read_bytes()) for path in sorted(_paths(home))),
    )


def _paths(home: Path) -> Iterator[str]:
    """Yield the files of the release itself, without metadata, scripts, and what installing adds."""
    for parent, folders, names in os.walk(home):
        at = Path(parent).relative_to(home)
        folders[:] = [name for name in folders if not _is_no_content(at / name)]
        yield from ((at / name).as_posix() for name in names if not _is_no_content(at / name))


def _is_no_content(path: Path) -> bool:
    if len(path.parts) == 1 and (path.name in ("bin", ".lock") or path.name.endswith(_INFO)):
        return True
    return path.name in ("RECORD", "__pycache__") or path.suffix == ".pyc"


def read_file(path: str, content: bytes) -> ContentFile:
    """Return the kind of a file, and its text if a diff of it is useful."""
    text = _text(content)
    kind = (
        FileKind.BINARY if text is None else FileKind.GENERATED if is_generated(path, text) else FileKind.TEXT
    )
    if kind == FileKind.TEXT and len(content) > MOST_TEXT_BYTES:
        kind = FileKind.LARGE
    return ContentFile(
        path=path,
        digest=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        kind=kind,
        text=text if kind == FileKind.TEXT else None,
    )


def _text(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def is_generated(path: str, text: str) -> bool:
    """Return whether a program wrote the file, judging by its name, its first lines, and long lines."""
    lines = text.split("\n", _FIRST_LINES)[:_FIRST_LINES]
    return (
        _GENERATED_NAME.search(path) is not None
        or any(map(_GENERATED_TEXT.search, lines))
        or (path.endswith((".js", ".mjs", ".css")) and len(text) > _LONG_LINES * (text.count("\n") + 1))
    )


def read_fields(content: bytes, distribution: Distribution) -> Metadata:
    """Return the fields of a METADATA or PKG-INFO of any age; malformed ones are taken as they are."""
    # Not packaging's reader, which drops fields that old files have twice or in Latin-1.
    message = email.message_from_string(content.decode("utf-8", errors="replace"))
    body = message.get_payload()
    description = str(message["Description"] or "") or (body if isinstance(body, str) else "")
    return Metadata(
        name=distribution.name,
        version=distribution.version,
        summary=_field(message["Summary"]) or "",
        requires=tuple(str(text).strip() for text in message.get_all("Requires-Dist", [])),
        extras=tuple(str(text).strip() for text in message.get_all("Provides-Extra", [])),
        requires_python=_field(message["Requires-Python"]),
        urls=tuple(_labelled(str(text)) for text in message.get_all("Project-URL", [])),
        home_page=_field(message["Home-page"]),
        download_url=_field(message["Download-URL"]),
        description=_INDENTED.sub("", description) if message["Description"] else description,
    )


def _labelled(text: str) -> tuple[str, str]:
    """Return the label and the address; the label is "" if there is only an address."""
    label, comma, address = text.partition(",")
    return (label.strip(), address.strip()) if comma else ("", text.strip())


def _field(value: object) -> str | None:
    """Return a header's text on one line, or None; old tools wrote UNKNOWN for none."""
    text = " ".join(str(value or "").split())
    return None if text in ("", "UNKNOWN") else text


LARGEST_BYTES = 50 * 1024 * 1024
"""Source distributions above this size are not downloaded for a changelog."""
_LARGEST_TEXT = 2 * 1024 * 1024


def texts(content: bytes, choose: Callable[[Iterable[str]], Sequence[str]]) -> tuple[str, ...]:
    """Return the texts of the files that `choose` picks by their paths in the archive's folder, in its order.

    Files above 2 MiB are left out. Content that is no archive has no files. Nothing is written to the disk.
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
    """Return the path without the folder that contains the whole source distribution."""
    return path.partition("/")[2] or path


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")
