"""Read requirements files as pip does: written by `pip freeze`, pip-compile, `uv export` or by hand.

Continued lines, comments and hashes have the same meaning as for pip. Options are ignored, because the index
is the one that the user has configured for uv, as everywhere in this tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles.lock import Content, PassedOver, passed_over, pin
from bisect_asgi.core.model import Distribution
from bisect_asgi.core.releases.interpreters import holds

_COMMENT = re.compile(r"(^|\s+)#.*$")  # as in pip, a `#` within a word does not begin a comment
_OPTIONS_BEHIND = re.compile(r"\s+--?[a-zA-Z].*$")
_OPTION = re.compile(r"--?[a-zA-Z][a-zA-Z-]*")
_ADDRESS = re.compile(r"[a-z+]+:(//|/|\.)|[A-Za-z]:[\\/]|\.{1,2}([\\/]|$)|[/\\~]", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(whl|zip|tar\.gz|tar\.bz2|tgz)$")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_FREEZE = "`pip freeze` or `uv pip compile` write a pin for each distribution"


def read(text: str, environment: Mapping[str, str], *, file: str) -> Content:
    """Return the pins, and the other entries of the file.

    Raises:
        UsageError: a line is not a requirement, is not pinned, or includes another file.
    """
    entries = [
        entry
        for number, line in _logical_lines(text)
        if line
        for entry in _entries(line, environment, f"line {number} of `{file}`", file)
    ]
    return Content(
        pins=tuple(entry for entry in entries if isinstance(entry, Distribution)),
        passed_over=tuple(entry for entry in entries if isinstance(entry, PassedOver)),
    )


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines without comments, continued ones joined, each with the number of its first line."""
    start, parts = 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        start = start if parts else number
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            parts.append(line[:-1])
            continue
        joined = "".join([*parts, " " + line if is_comment else line])
        yield start, _COMMENT.sub("", joined).strip()
        parts = []


def _entries(
    line: str, environment: Mapping[str, str], place: str, file: str
) -> Iterator[Distribution | PassedOver]:
    if line.startswith("-"):
        yield _option(line, place)
    elif _is_address(text := _OPTIONS_BEHIND.sub("", line)):
        yield _from_address(text)
    else:
        yield from _requirement(text, environment, place, file)


def _option(line: str, place: str) -> PassedOver:
    match = _OPTION.match(line)
    if not match:
        raise UsageError(f"{place} cannot be read: `{line}`", hint=_FREEZE)
    option = match[0]
    if option in ("--requirement", "-r") or re.match(r"-r\S", line):
        raise UsageError(
            f"{place} includes another file: `{_without_address(line)}`",
            hint="give one file with everything in it, as `pip freeze` or `uv export` write it",
        )
    if option in ("--editable", "-e"):
        return _from_address(line[len(option) :].lstrip(" ="))
    if option in ("--constraint", "-c"):
        return PassedOver(name=option, reason="a lock is installed as it is; constraints change nothing")
    if line[1] != "-":
        option = line[:2]  # pip reads `-ihttps://…` as `-i https://…`
    return PassedOver(name=option, reason="the index and its options are those of uv's configuration")


def _is_address(text: str) -> bool:
    word = text.split(";")[0].split(" @ ")[0].strip()
    return _ADDRESS.match(word) is not None or (" " not in word and _ARCHIVE.search(word) is not None)


def _from_address(text: str) -> PassedOver:
    """Return the entry of a path or an address. It shows only the end of an address, without a password."""
    egg = _EGG.search(text)
    path = re.split(r"[;#?]| @ ", text)[0].strip()
    scheme, separator, rest = path.partition("://")
    if not separator:
        return passed_over(canonicalize_name(egg[1]) if egg else path.strip("'\""), "path")
    host, _, location = rest.rstrip("/").partition("/")
    end = location.rsplit("/", 1)[-1] or host.rsplit("@", 1)[-1]
    return passed_over(canonicalize_name(egg[1]) if egg else end, _origin(scheme))


def _origin(address: str) -> str:
    """Return the origin of a distribution by the scheme of its address."""
    scheme = re.match(r"git|hg|svn|bzr|file", address)
    return scheme[0] if scheme else "url"


def _requirement(
    text: str, environment: Mapping[str, str], place: str, file: str
) -> Iterator[Distribution | PassedOver]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(f"{place} cannot be read: `{_without_address(text)}`", hint=_FREEZE) from error
    if not holds(str(requirement.marker or ""), environment, file=file):
        return
    if requirement.url:
        yield passed_over(canonicalize_name(requirement.name), _origin(requirement.url))
        return
    pins = [
        each.version
        for each in requirement.specifier
        if each.operator in ("==", "===") and "*" not in each.version
    ]
    if not pins:
        raise UsageError(f"{place} is not pinned: `{text}`", hint=_FREEZE)
    yield pin(requirement.name, pins[0], file=file)


def _without_address(text: str) -> str:
    return re.sub(r"\S+://\S+", "…", text)
