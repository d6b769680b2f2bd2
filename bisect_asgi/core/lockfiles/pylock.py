"""The lock file that is no tool's own: `pylock.toml` (PEP 751)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Required, TypedDict

from packaging.utils import canonicalize_name

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles.lock import Content, passed_over, pin, shaped
from bisect_asgi.core.markers import holds_in_lock


class _Package(TypedDict, total=False):
    name: Required[str]
    version: str
    marker: str
    vcs: dict[str, object]
    directory: dict[str, object]
    archive: dict[str, object]


_Document = TypedDict(
    "_Document",
    {
        "lock-version": Required[str],
        "requires-python": str,
        "extras": list[str],
        "dependency-groups": list[str],
        "packages": list[_Package],
    },
    total=False,
)


def read(document: Mapping[str, object], environment: Mapping[str, str], *, file: str) -> Content:
    """Read the packages whose markers hold with all extras and dependency groups of the file.

    Raises:
        UsageError: the file is of another major version of the format, or not as that demands.
    """
    lock = shaped(document, _Document, file=file)
    if lock["lock-version"].split(".")[0] != "1":
        raise UsageError(
            f"`{file}` is of version {lock['lock-version']} of its format; 1 is understood",
            hint="export the lock as requirements.txt",
        )
    chosen = [package for package in lock.get("packages", []) if _is_chosen(package, lock, environment, file)]
    return Content(
        pins=tuple(pin(p["name"], p.get("version"), file=file) for p in chosen if not _origin(p)),
        passed_over=tuple(passed_over(canonicalize_name(p["name"]), o) for p in chosen if (o := _origin(p))),
        requires_python=lock.get("requires-python"),
    )


def _is_chosen(package: _Package, lock: _Document, environment: Mapping[str, str], file: str) -> bool:
    return holds_in_lock(
        package.get("marker"),
        environment,
        file=file,
        extras=lock.get("extras", []),
        groups=lock.get("dependency-groups", []),
    )


def _origin(package: _Package) -> str | None:
    return next((origin for origin in ("vcs", "directory", "archive") if origin in package), None)
