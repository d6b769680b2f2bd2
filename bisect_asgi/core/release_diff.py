"""What is in a release of a distribution, and what differs between two of them, as data.

Plain values like those of `model`: they go into the log and into reports.
"""

from __future__ import annotations

from enum import StrEnum

from bisect_asgi.core.records import Struct


class FileKind(StrEnum):
    """What a file holds; only text has a diff."""

    TEXT = "text"
    BINARY = "binary"
    GENERATED = "generated"
    LARGE = "large"


class ChangeKind(StrEnum):
    """What became of a file, or of a requirement."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


class Metadata(Struct, frozen=True, kw_only=True):
    """What a distribution says of itself, as it wrote it; nothing here need be well formed."""

    name: str
    version: str
    summary: str = ""
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    urls: tuple[tuple[str, str], ...] = ()
    """Label and address of each `Project-URL`."""
    home_page: str | None = None
    download_url: str | None = None
    description: str = ""


class ContentFile(Struct, frozen=True, kw_only=True):
    """One installed file."""

    path: str
    """Below site-packages, with forward slashes."""
    digest: str
    """SHA-256, hexadecimal."""
    size_bytes: int
    kind: FileKind
    text: str | None = None
    """None: it is no text, or generated, or too large."""


class Contents(Struct, frozen=True, kw_only=True):
    """One release of a distribution, as it is installed."""

    metadata: Metadata
    files: tuple[ContentFile, ...]


class RequirementChange(Struct, frozen=True, kw_only=True):
    """A requirement that differs; None: that release has it not, "": any version will do."""

    project: str
    old: str | None
    new: str | None
    marker: str = ""
    """The marker that both have."""

    def __str__(self) -> str:
        marker = f"; {self.marker}" if self.marker else ""
        if self.old is None or self.new is None:
            end = "(added)" if self.old is None else "(removed)"
            return " ".join(filter(None, (self.project, self.new or self.old, marker, end)))
        change = f"{self.old or 'any version'} → {self.new or 'any version'}"
        return " ".join(filter(None, (self.project, change, marker)))


class FileChange(Struct, frozen=True, kw_only=True):
    """A file that differs."""

    path: str
    """In the newer release; in the older one, where it was removed."""
    change: ChangeKind
    kind: FileKind
    old_path: str | None = None
    """Where it was, when it moved."""
    old_bytes: int | None = None
    new_bytes: int | None = None
    added: int = 0
    """Lines; 0 as well where only the ends of lines differ."""
    removed: int = 0
    diff: str = ""
    """Unified, with three lines of context."""
    omitted: bool = False
    """There is a diff that is not kept: it is too large or too costly, and the counts are then estimates."""
    lines: tuple[int, ...] = ()
    """Its lines in the traceback, innermost frame first."""


class WhatChanged(Struct, frozen=True, kw_only=True):
    """All that differs between two releases."""

    name: str
    old: str
    new: str
    requirements: tuple[RequirementChange, ...]
    old_python: str | None
    """`Requires-Python`; None: it had none."""
    new_python: str | None
    files: tuple[FileChange, ...]

    @property
    def omitted(self) -> int:
        """How many diffs are not kept."""
        return sum(file.omitted for file in self.files)


class LinkKind(StrEnum):
    """What a link leads to; the order is the one in which links are shown."""

    CHANGELOG = "changelog"
    SOURCE = "source"
    HOME = "home"
    ISSUES = "issues"
    DOCUMENTATION = "documentation"
    OTHER = "other"


class Link(Struct, frozen=True, kw_only=True):
    """An address that the project gives, under the project's own label."""

    label: str
    address: str
    kind: LinkKind
