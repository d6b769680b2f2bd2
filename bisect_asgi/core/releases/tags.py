"""Which tag of a repository is which release of a project.

Projects spell their tags as they like (`1.2.0`, `v1.2`, `release/1.2.0`, `rel_1_2_0`, `name-v1.2.0`), and a
repository of several projects has tags of all of them. A tag is read as an optional project's name, an
optional word for a release, and a version; nothing else may be in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

_WORDS = r"(?:(?:version|ver|v|release|rel)[-_./]*){0,2}"
_SEPARATOR = r"(?:[-_./@:]|==?)"


def tag_of(version: str, project: str, tags: Iterable[str]) -> str | None:
    """Return the tag of a release; None: no tag is spelled as one of it.

    A tag with the project's name wins over one without any name, the version as it is spelled over an
    equal one (`1.2` equals `1.2.0`, PEP 440), and a short tag over a long one. Names are compared
    normalised (PEP 503); a tag with another project's name is never that of the release.
    """
    pattern = _pattern(project)
    ranked = ((_rank(match, version), match.string) for tag in tags if (match := pattern.fullmatch(tag)))
    found = [(rank, len(tag), tag) for rank, tag in ranked if rank]
    return min(found)[-1] if found else None


def _pattern(project: str) -> re.Pattern[str]:
    name = "[-_.]+".join(map(re.escape, canonicalize_name(project).split("-")))
    named = rf"(?:{_WORDS}(?P<name>{name}){_SEPARATOR})?"
    return re.compile(rf"{named}{_WORDS}(?P<version>\d.*)", re.IGNORECASE)


def _rank(match: re.Match[str], version: str) -> tuple[bool, bool] | None:
    """How well a tag suits the version, the lowest best; None: it is of another."""
    named, text = match["name"] is not None, match["version"]
    if text == version:
        return not named, False
    return (not named, True) if _is_equal(_dotted(text, named=named), version) else None


def _dotted(text: str, *, named: bool) -> str:
    """Put dots where the tag has underscores or dashes for them."""
    if "." in text:
        return text
    if re.fullmatch(r"\d+(?:-\d+){2,}", text) and not named:  # `demo-2-1-0` may be a 1-0 of `demo-2`
        return text.replace("-", ".")
    return text.replace("_", ".")


def _is_equal(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False
