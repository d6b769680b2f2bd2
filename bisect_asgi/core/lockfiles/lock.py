"""The content of a lock file in one form, whichever tool wrote it."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Distribution
from bisect_asgi.core.records import Struct

T = TypeVar("T")


class LockKind(StrEnum):
    """The formats of lock files that can be read."""

    REQUIREMENTS = "requirements"
    UV = "uv.lock"
    POETRY = "poetry.lock"
    PYLOCK = "pylock.toml"
    PIPFILE = "Pipfile.lock"


class PassedOver(Struct, frozen=True, kw_only=True):
    """An entry of a lock file that is not a release of the index, with the reason."""

    name: str
    """A normalized name, a path or an option, but never an address, because that may have a password."""
    reason: str


class Lock(Struct, frozen=True, kw_only=True):
    """The distributions that a lock file installs on one interpreter, sorted by name."""

    kind: LockKind
    distributions: tuple[Distribution, ...]
    requires_python: str | None = None
    """Version specifiers (PEP 440), or None if the file has none that can be written as such."""
    passed_over: tuple[PassedOver, ...] = ()


class Content(Struct, frozen=True, kw_only=True):
    """The entries of a lock file as its reader found them."""

    pins: tuple[Distribution, ...]
    passed_over: tuple[PassedOver, ...] = ()
    requires_python: str | None = None


_REASONS = {
    "git": "it is built from a repository, not taken from the index",
    "url": "it comes from an address, not from the index",
    "archive": "it comes from an address or a file, not from the index",
    "file": "it is a local file, not a release of the index",
    "path": "it is a local file or directory, not a release of the index",
    "directory": "it is a local directory, not a release of the index",
}
_OTHER_NAMES = {
    "vcs": "git",
    "hg": "git",
    "svn": "git",
    "bzr": "git",
    "editable": "directory",
    "virtual": "directory",
}


def passed_over(name: str, origin: str) -> PassedOver:
    """Return an entry that is not used because of its origin, such as `git`, `url`, `file` or `directory`."""
    return PassedOver(name=name, reason=_REASONS[_OTHER_NAMES.get(origin, origin)])


def is_elsewhere(origin: str) -> bool:
    """Return whether a distribution of this origin is not from an index."""
    return _OTHER_NAMES.get(origin, origin) in _REASONS


def pin(name: str, version: str | None, *, file: str) -> Distribution:
    """Return a distribution with its name and version normalized (PEP 503, PEP 440).

    A version that is not PEP 440 is unchanged.

    Raises:
        UsageError: there is no version.
    """
    if not version:
        raise UsageError(
            f"`{file}` gives no version of `{name}`",
            hint="write the file again with the tool that made it",
        )
    try:
        normal = str(Version(version))
    except InvalidVersion:
        normal = version
    return Distribution(name=canonicalize_name(name), version=normal)


def settle(content: Content, *, kind: LockKind, file: str) -> Lock:
    """Return the content as a lock, with each name once.

    Raises:
        UsageError: nothing is pinned, or one name is pinned at two versions.
    """
    chosen: dict[str, Distribution] = {}
    for pinned in content.pins:
        other = chosen.setdefault(pinned.name, pinned)
        if not _is_same(other.version, pinned.version):
            raise UsageError(
                f"`{file}` pins `{pinned.name}` at two versions for one interpreter: "
                f"{other.version} and {pinned.version}",
                hint="keep one; of extras or groups that exclude each other, export one as requirements",
            )
    if not chosen:
        raise UsageError(
            f"`{file}` pins no package for this Python",
            hint="pin each package with its version, such as `name==1.0`",
        )
    return Lock(
        kind=kind,
        distributions=tuple(chosen[name] for name in sorted(chosen)),
        requires_python=_if_specifiers(content.requires_python),
        passed_over=tuple(dict.fromkeys(content.passed_over)),
    )


def _if_specifiers(requires_python: str | None) -> str | None:
    try:
        SpecifierSet(requires_python or "")
    except InvalidSpecifier:
        return None
    return requires_python


def shaped(document: object, kind: type[T], *, file: str) -> T:
    """Return a parsed document as `kind`, without the fields that `kind` does not have.

    Raises:
        UsageError: a value is missing, or of another type.
    """
    try:
        return codec.convert(document, kind)
    except codec.Unreadable as error:
        raise not_as_expected(file, str(error).replace("$.", "")) from error


def not_as_expected(file: str, complaint: str) -> UsageError:
    """Return the error for a file that violates its format."""
    return UsageError(
        f"`{file}` is not as expected: {complaint}",
        hint="write the file again with the tool that made it",
    )


def _is_same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other
