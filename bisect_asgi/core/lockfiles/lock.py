"""A lock file's content in one form, whichever tool wrote it."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Distribution
from bisect_asgi.core.records import Struct

T = TypeVar("T")


class LockKind(StrEnum):
    """The forms of lock files that can be read."""

    REQUIREMENTS = "requirements"
    UV = "uv.lock"
    POETRY = "poetry.lock"
    PYLOCK = "pylock.toml"
    PIPFILE = "Pipfile.lock"


class PassedOver(Struct, frozen=True, kw_only=True):
    """Something in a lock file that is not installed as a release of the index, and why."""

    name: str
    """A distribution's normalised name, a path or an option; never an address, which may hold a password."""
    reason: str


class Lock(Struct, frozen=True, kw_only=True):
    """What a lock file installs on one interpreter, ordered by name."""

    kind: LockKind
    distributions: tuple[Distribution, ...]
    requires_python: str | None = None
    """Version specifiers (PEP 440); None: the file has none, or none that can be written so."""
    passed_over: tuple[PassedOver, ...] = ()


class Content(Struct, frozen=True, kw_only=True):
    """What a reader found in a file: pins as written, and what is passed over."""

    pins: tuple[Distribution, ...]
    passed_over: tuple[PassedOver, ...] = ()
    requires_python: str | None = None


_REASONS = {
    "git": "it is built from a repository, not taken from the index",
    "url": "it comes from an address, not from the index",
    "archive": "it comes from an address or a file, not from the index",
    "file": "it is a local file, not a release of the index",
    "path": "it is a local file or folder, not a release of the index",
    "directory": "it is a local folder, not a release of the index",
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
    """Pass over what comes from `origin`: `git`, `url`, `file`, `directory`, as the tools call them."""
    return PassedOver(name=name, reason=_REASONS[_OTHER_NAMES.get(origin, origin)])


def is_elsewhere(origin: str) -> bool:
    """Tell whether `origin` is a place other than an index."""
    return _OTHER_NAMES.get(origin, origin) in _REASONS


def pin(name: str, version: str | None, *, file: str) -> Distribution:
    """Name and version in their normal forms (PEP 503, PEP 440); a version of no PEP stays as it is.

    Raises:
        UsageError: there is no version.
    """
    if not version:
        raise UsageError(
            f"`{file}` gives no version of `{name}`", hint="write the lock anew with the tool that made it"
        )
    try:
        normal = str(Version(version))
    except InvalidVersion:
        normal = version
    return Distribution(name=canonicalize_name(name), version=normal)


def settle(content: Content, *, kind: LockKind, file: str) -> Lock:
    """Order what was found, each name once.

    Raises:
        UsageError: nothing is pinned, or one name at two versions.
    """
    chosen: dict[str, Distribution] = {}
    for found in content.pins:
        other = chosen.setdefault(found.name, found)
        if not _is_same(other.version, found.version):
            raise UsageError(
                f"`{file}` pins `{found.name}` at two versions for one interpreter: "
                f"{other.version} and {found.version}",
                hint="keep one; of extras or groups that exclude each other, export one as requirements",
            )
    if not chosen:
        raise UsageError(
            f"`{file}` pins no distribution for this interpreter",
            hint="a lock names each distribution with its version, such as `name==1.0`",
        )
    return Lock(
        kind=kind,
        distributions=tuple(chosen[name] for name in sorted(chosen)),
        requires_python=content.requires_python,
        passed_over=tuple(dict.fromkeys(content.passed_over)),
    )


def shaped(document: object, kind: type[T], *, file: str) -> T:
    """Read a parsed document as `kind`; what `kind` does not know is passed over.

    Raises:
        UsageError: a value is missing, or of another type.
    """
    try:
        return codec.convert(document, kind)
    except codec.Unreadable as error:
        raise not_as_expected(file, str(error).replace("$.", "")) from error


def not_as_expected(file: str, complaint: str) -> UsageError:
    """Return the error about a file that is not as its format demands."""
    return UsageError(
        f"`{file}` is not as expected: {complaint}", hint="write the lock anew with the tool that made it"
    )


def _is_same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other
