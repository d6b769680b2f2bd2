"""The content of a release, and the differences between two releases, as data.

These are plain values like those of `model`, because they are written to the log and into reports.
"""

from __future__ import annotations

from enum import StrEnum

from bisect_asgi.core.records import Struct


class FileKind(StrEnum):
    """The kind of a file's content. Only text has a diff."""

    TEXT = "text"
    BINARY = "binary"
    GENERATED = "generated"
    LARGE = "large"


class ChangeKind(StrEnum):
    """The change of a file or of a requirement."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


class Metadata(Struct, frozen=True, kw_only=True):
    """The metadata of a distribution as it is written, which need not be well formed."""

    name: str
    version: str
    summary: str = ""
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    requires_python: str | None = None
    urls: tuple[tuple[str, str], ...] = ()
    """The label and the address of each `Project-URL`."""
    home_page: str | None = None
    download_url: str | None = None
    description: str = ""


class ContentFile(Struct, frozen=True, kw_only=True):
    """An installed file."""

    path: str
    """The path below site-packages, with forward slashes."""
    digest: str
    """The SHA-256 digest in hexadecimal."""
    size_bytes: int
    kind: FileKind
    text: str | None = None
    """The content, or None if it is not text, is generated, or is too large."""


class Contents(Struct, frozen=True, kw_only=True):
    """A release of a distribution as it is installed."""

    metadata: Metadata
    files: tuple[ContentFile, ...]


class RequirementChange(Struct, frozen=True, kw_only=True):
    """A requirement that differs."""

    project: str
    old: str | None
    """The old specifier: "" for any version, None if the release does not have the requirement."""
    new: str | None
    """The new specifier, likewise."""
    marker: str = ""
    """The marker, if both releases have the same."""

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
    """The path in the newer release or, if the file was removed, in the older one."""
    change: ChangeKind
    kind: FileKind
    old_path: str | None = None
    """The path in the older release, if the file moved."""
    old_bytes: int | None = None
    new_bytes: int | None = None
    added: int = 0
    """The number of added lines. Ends of lines do not count."""
    removed: int = 0
    """The number of removed lines."""
    diff: str = ""
    """The unified diff, with three lines of context."""
    omitted: bool = False
    """Whether the diff is too large or too costly to keep. If too costly, the counts are estimates."""
    lines: tuple[int, ...] = ()
    """The lines of the file in the traceback, innermost frame first."""


class WhatChanged(Struct, frozen=True, kw_only=True):
    """All differences between two releases."""

    name: str
    old: str
    new: str
    requirements: tuple[RequirementChange, ...]
    old_python: str | None
    """The `Requires-Python` of the older release, or None if it has none."""
    new_python: str | None
    files: tuple[FileChange, ...]

    @property
    def omitted(self) -> int:
        """The number of diffs that are not kept."""
        return sum(file.omitted for file in self.files)


class LinkKind(StrEnum):
    """The kind of a link's target, in the order in which links are shown."""

    CHANGELOG = "changelog"
    SOURCE = "source"
    HOME = "home"
    ISSUES = "issues"
    DOCUMENTATION = "documentation"
    OTHER = "other"


class Link(Struct, frozen=True, kw_only=True):
    """An address in the metadata of a project, with the label that it has there."""

    label: str
    address: str
    kind: LinkKind
