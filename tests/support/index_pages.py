"""The pages of a package index, as JSON and HTML."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """One file of a project and what the index says about it."""

    filename: str
    content: bytes = field(repr=False)
    uploaded: str | None = None
    """In UTC as the JSON page has it; without one, `--exclude-newer` shuts the file out."""
    requires_python: str | None = None
    yanked: str | None = None
    """The reason, which may be empty; `None` is not yanked."""
    metadata: bytes | None = field(default=None, repr=False)
    """Served at `<file>.metadata` (PEP 658)."""

    @property
    def path(self) -> str:
        return f"/files/{quote(self.filename)}"

    @property
    def version(self) -> str:
        """The version in the name; empty when the name has none."""
        if self.filename.endswith(".whl"):
            return [*self.filename.split("-"), ""][1]
        return re.sub(r"\.(tar\.\w+|zip|tgz)$", "", self.filename.rpartition("-")[2])


def utc(moment: str) -> str:
    """A date, or a date and time, as PEP 700 wants it; without an offset it is UTC already."""
    when = datetime.fromisoformat(moment)
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def json_page(name: str, files: Sequence[PublishedFile]) -> bytes:
    versions = sorted({file.version for file in files} - {""})
    page = {
        "meta": {"api-version": "1.1"},
        "name": name,
        "versions": versions,
        "files": [json_file(file) for file in files],
    }
    return json.dumps(page).encode()


def json_file(file: PublishedFile) -> dict[str, object]:
    entry: dict[str, object] = {
        "filename": file.filename,
        "url": file.path,
        "hashes": {"sha256": hashlib.sha256(file.content).hexdigest()},
        "size": len(file.content),
        "yanked": False if file.yanked is None else file.yanked or True,
    }
    if file.uploaded is not None:
        entry["upload-time"] = file.uploaded
    if file.requires_python is not None:
        entry["requires-python"] = file.requires_python
    if file.metadata is not None:
        entry["core-metadata"] = {"sha256": hashlib.sha256(file.metadata).hexdigest()}
    return entry


def html_page(title: str, anchors: Sequence[str]) -> bytes:
    meta = '<meta name="pypi:repository-version" content="1.0">'
    links = "".join(f"    {anchor}<br>\n" for anchor in anchors)
    head = f"<head>{meta}<title>{html.escape(title)}</title></head>"
    return f"<!DOCTYPE html>\n<html>\n  {head}\n  <body>\n{links}  </body>\n</html>\n".encode()


def html_anchor(file: PublishedFile) -> str:
    attributes = {"href": f"{file.path}#sha256={hashlib.sha256(file.content).hexdigest()}"}
    if file.requires_python is not None:
        attributes["data-requires-python"] = file.requires_python
    if file.yanked is not None:
        attributes["data-yanked"] = file.yanked
    if file.metadata is not None:
        attributes["data-core-metadata"] = f"sha256={hashlib.sha256(file.metadata).hexdigest()}"
    written = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{html.escape(file.filename)}</a>"
