"""The pages and headers of a package index: those of another one read, and written as the public one does."""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
import zipfile
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urljoin

from mousebender import simple

from bisect_asgi.backend.index.pages import upload_times

_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")

File = dict[str, Any]
"""A file of a project as a JSON page has it (PEP 691)."""


def read_page(text: str, media_type: str, project: str, url: str) -> list[File]:
    """The files on another index's page, their addresses made absolute."""
    details: Any = simple.parse_project_details(text, media_type, project)
    times = upload_times(text) if media_type != simple.ACCEPT_JSON_V1 else {}
    return [
        {
            "filename": file["filename"],
            "url": urljoin(url, file["url"]).partition("#")[0],
            "hashes": dict(file.get("hashes") or {}),
            **_stated("requires-python", file.get("requires-python")),
            **_stated("yanked", file.get("yanked")),
            **_stated("upload-time", file.get("upload-time") or times.get(file["filename"])),
        }
        for file in details["files"]
    ]


def _stated(key: str, value: object) -> File:
    return {key: value} if value else {}


def served(file: File) -> File:
    """The file as this mirror offers it: from here, and wheels with their metadata beside them."""
    offered = file | {"url": f"/files/{key_of(file['url'])}/{quote(file['filename'])}"}
    return offered | {"core-metadata": True} if file["filename"].endswith(".whl") else offered


def key_of(url: str) -> str:
    """A short name for an address."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def as_json(project: str, files: Sequence[File]) -> bytes:
    """The page as PEP 691 has it."""
    return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": files}).encode()


def as_html(project: str, files: Sequence[File]) -> bytes:
    """Return the page in the form of PEP 503, with later additions as attributes."""
    links = "\n".join(_link(file) for file in files)
    return (
        f"<!DOCTYPE html><html><head><title>{project}</title></head><body>\n{links}\n</body></html>".encode()
    )


def _link(file: File) -> str:
    fragment = next((f"#{kind}={value}" for kind, value in sorted(file["hashes"].items(), reverse=True)), "")
    stated = {
        "data-requires-python": file.get("requires-python"),
        "data-upload-time": file.get("upload-time"),
        "data-core-metadata": "true" if file.get("core-metadata") else None,
        "data-yanked": None if not file.get("yanked") else str(file["yanked"]),
    }
    attributes = "".join(f' {name}="{html.escape(value)}"' for name, value in stated.items() if value)
    return f'<a href="{file["url"]}{fragment}"{attributes}>{html.escape(file["filename"])}</a><br>'


def metadata_of(wheel: bytes) -> bytes:
    """The metadata inside a wheel."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        return archive.read(
            next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        )


def part(wanted: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that a `Range` header asks for; None for the whole file."""
    match = _RANGE.match(wanted)
    if not match or match[1] == match[2] == "":
        return None
    if match[1] == "":
        return max(0, size - int(match[2])), size - 1
    return int(match[1]), min(size - 1, int(match[2] or size - 1))
