"""Extract from a changelog the sections of the releases after one version, up to another.

Changelogs have no common format. What they share is headings with a version: in Markdown (`## 1.2`, or
underlined), in reStructuredText (underlined, overlined, or `.. rubric:: 1.2`), in AsciiDoc (`== 1.2`), and
plain (`v1.2 / 2020-01-01` on a line by itself). A heading belongs to a version if only words such as
"Release" or the name of the project precede the version, and only a date, a name in quotes or a remark after
punctuation follows it. "Support for 3.6" and "3.6 is no longer supported" are therefore not such headings. On
a plain line only a date may follow, because otherwise sentences would count.

The section of a version ends at the next heading of any version, or of a higher level. The excerpt has all
sections of the wanted versions in the order of the file. It does not matter whether the newest version is
first or last, or whether releases of an older series are in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from packaging.version import InvalidVersion, Version

from bisect_asgi.core.patterns import pattern
from bisect_asgi.core.records import Struct

# A version as in PEP 440, without an epoch. A single number is too often something else.
_VERSION = (
    r"[0-9]+(?:\.[0-9]+)+(?:[-_.]?(?:alpha|beta|preview|pre|rc|a|b|c)[-_.]?[0-9]*)?"
    r"(?:[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?(?:[-_.]?dev[-_.]?[0-9]*)?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?"
)
_BEFORE = (
    r"(?:(?:the|version|ver|release[sd]?|changes|changelog|new|what['’]?s new|notes|in|for|of|{name})\b"
    r"[\s:.–—-]*)*"
)
_MONTH = r"(?:on )?\w*\.?,? ?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_AFTER = rf"(?:\.?$|[^\w\s.]|\s+(?:[^\w\s]|\d|(?:un)?released?|final|yanked|{_MONTH}))"
# On a plain line, only a date may follow, or a word such as "unreleased" in its place.
_PLAIN_AFTER = r"(?:\W*$|\W+(?:(?:un)?released?\b|(?:[a-z]+\W+){0,2}\d).{0,30}$)"
_ATX = pattern(r"^(?P<marks>#{1,6}|={1,6})\s+(?P<text>\S.*)$")
_RUBRIC = pattern(r"^\.\. rubric::\s*(?P<text>\S.*)$")
# Three backticks begin a block of code in Markdown. Four or more underline a title in reStructuredText.
_UNDERLINE = pattern(r"^(?:([-=~^\"'#*+])\1{2,}|`{4,})\s*$")
_FENCE = pattern(r"^```(?!`)")
_BULLET = pattern(r"^[-*+]\s")
_LINK = pattern(r"\]\([^)]*\)|\]\[[^\]]*\]")
_DECORATION = pattern(r"^[^\w.<>=!~$]+|(?<=\w)[\]*_`]+")
# Lines at the end of a section that belong to the next heading (link targets), or separate the two.
_TRAILING = pattern(r"^(?:\.\. _.*:|<a (?:name|id)=.*|\s*|[-=*_~]{3,}\s*)$")
# The patterns take quadratic time if brackets are not closed. Real headings with links are much shorter.
_LONGEST_HEADING = 400
_RUBRIC_LEVEL, _PLAIN_LEVEL = 98, 99

_NAMES = pattern(
    r"^(?:change[-_]?logs?|changes|history|news|release[-_]?(?:notes|history)|releases?|what[-_]?s[-_]?new)"
    r"(?:[-_.][\w.-]*)?$",
    re.I,
)
_SUFFIXES = frozenset({"", ".md", ".markdown", ".rst", ".txt", ".adoc", ".asciidoc"})
_DOCUMENTATION = frozenset({"doc", "docs"})
_DEEPEST = 2


def excerpt(text: str, old: str, new: str, *, name: str) -> str | None:
    """Return the sections of a changelog for the versions after `old`, up to `new`, as they are written.

    Return None if `new` has no section, if a version is not PEP 440, or if `old` is the newer one: then the
    changes were undone. `old` needs no section. `name` is the name of the project, which headings may have.
    """
    try:
        after, last = Version(old), Version(new)
    except InvalidVersion:
        return None
    if last <= after:
        return None
    lines = text.replace("\r\n", "\n").split("\n")
    sections = list(_sections(lines, name))
    if all(section.version != last for section in sections):
        return None
    wanted = (section for section in sections if after < section.version <= last)
    return "\n\n".join(_trimmed(lines[section.start : section.end]) for section in wanted)


def candidates(files: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that may be changelogs, the likeliest first. Some only refer to another file."""
    changelogs = (path for path in files if _is_changelog(PurePosixPath(path)))
    return tuple(sorted(changelogs, key=lambda path: (path.count("/"), _rank(PurePosixPath(path)), path)))


def _is_changelog(path: PurePosixPath) -> bool:
    is_near = len(path.parts) <= _DEEPEST or path.parts[0].lower() in _DOCUMENTATION
    suffix = path.suffix.lower() if not re.search(r"\d$", path.suffix) else ""  # `CHANGES-2.0` has no suffix
    return is_near and suffix in _SUFFIXES and _NAMES.match(path.name) is not None


def _rank(path: PurePosixPath) -> int:
    """Return the rank of a file name, lower if it is more certain to be a changelog."""
    stems = ("change", "history", "release", "what", "news")
    return next(rank for rank, stem in enumerate(stems) if path.name.lower().startswith(stem))


class _Heading(Struct, frozen=True, kw_only=True):
    start: int
    level: int
    version: Version | None


class _Section(Struct, frozen=True, kw_only=True):
    version: Version
    start: int
    end: int


def _sections(lines: Sequence[str], name: str) -> Iterator[_Section]:
    headings = list(_headings(lines, name))
    for index, heading in enumerate(headings):
        if heading.version is not None:
            later = headings[index + 1 :]
            ends = (each.start for each in later if each.version is not None or each.level < heading.level)
            yield _Section(version=heading.version, start=heading.start, end=next(ends, len(lines)))


def _headings(lines: Sequence[str], name: str) -> Iterator[_Heading]:
    pattern, plain = _heading_pattern(name, _AFTER), _heading_pattern(name, _PLAIN_AFTER)
    # The underline that is used first is the highest level, as in reStructuredText.
    styles: list[str] = []
    is_fenced = False
    for index, line in enumerate(lines):
        is_fenced ^= _FENCE.match(line) is not None
        above = lines[index - 1] if index else ""
        below = lines[index + 1] if index + 1 < len(lines) else ""
        style = _style(above, below)
        line = line.strip() if len(style) == 2 else line  # a title between two lines may be indented
        if is_fenced or not _may_be_heading(line):
            continue
        if style:
            styles += [] if style in styles else [style]
            start = index - (len(style) - 1)
            yield _Heading(start=start, level=styles.index(style) + 1, version=_version(line, pattern))
        elif marked := _marked(line):
            yield _Heading(start=index, level=marked[0], version=_version(marked[1], pattern))
        elif not above.strip() and not _BULLET.match(line) and (version := _version(line, plain)):
            yield _Heading(start=index, level=_PLAIN_LEVEL, version=version)


def _may_be_heading(line: str) -> bool:
    is_text = line.strip() != "" and line[0] not in " \t"
    return is_text and len(line) <= _LONGEST_HEADING and not _UNDERLINE.match(line)


def _style(above: str, below: str) -> str:
    """Return the character of the underline, twice if the line above is the same, or "" without one."""
    if not _UNDERLINE.match(below):
        return ""
    return below[0] * (2 if above.rstrip() == below.rstrip() else 1)


def _marked(line: str) -> tuple[int, str] | None:
    """Return the level and the text of a heading that is marked on its own line, or None if it is none."""
    if match := _ATX.match(line):
        return len(match["marks"]), match["text"]
    if match := _RUBRIC.match(line):
        return _RUBRIC_LEVEL, match["text"]
    return None


def _heading_pattern(name: str, after: str) -> re.Pattern[str]:
    spelt = "[-_. ]?".join(re.escape(part) for part in re.split(r"[-_.]+", name) if part) or "version"
    return re.compile(rf"{_BEFORE.replace('{name}', spelt)}v?(?P<version>{_VERSION}){after}", re.I)


def _version(text: str, pattern: re.Pattern[str]) -> Version | None:
    """Return the version that a heading belongs to, or None if it belongs to none."""
    match = pattern.match(_DECORATION.sub("", _LINK.sub("]", text)))
    return Version(match["version"]) if match else None


def _trimmed(lines: Sequence[str]) -> str:
    end = len(lines)
    while end > 1 and _TRAILING.match(lines[end - 1]):
        end -= 1
    return "\n".join(lines[:end])
