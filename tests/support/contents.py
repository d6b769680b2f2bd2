"""Contents of made-up releases."""

from __future__ import annotations

import hashlib

from bisect_asgi.core.release_diff import (
    ContentFile,
    Contents,
    FileKind,
    Metadata,
)


def file(
    path: str, text: str | None = "", *, kind: FileKind = FileKind.TEXT, size: int | None = None
) -> ContentFile:
    content = (text or f"{kind}{size}").encode() if text != "" else b""
    return ContentFile(
        path=path,
        digest=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content) if size is None else size,
        kind=kind,
        text=text if kind == FileKind.TEXT else None,
    )


def release(
    version: str, *files: ContentFile, requires: tuple[str, ...] = (), python: str | None = None
) -> Contents:
    return Contents(
        metadata=Metadata(name="demo", version=version, requires=requires, requires_python=python),
        files=files,
    )
