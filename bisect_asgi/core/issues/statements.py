"""Read the versions in an issue: which works, which fails, where it broke and where it was fixed.

Each version is judged by the nearest words before it in its sentence, and by the words right behind it. A
version without such words is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from enum import StrEnum

from packaging.utils import canonicalize_name

from bisect_asgi.core.issues.markdown import Document, Paragraph
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.selection import is_version

_VERSION = re.compile(
    r"(?<![\w./@-])(?:v(?:ersion)?[ ]?)?(\d+(?:\.\d+)+(?:\.?(?:a|b|rc|post|dev)\d+)?)"
    r"(?![\w/]|[.-]\w|:\d)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)|\s*;\s+|\n+")
_NOT = re.compile(r"\b(?:not|no longer|never|without|cannot|stopp?e?d?)\b|n['’]?t\b", re.IGNORECASE)

_FIXED = r"(?:fix|resolv|solv|address)\w*"
_BROKE = r"broke(?:n)?|regress\w*|introduc\w*|start\w*|since|first bad|appear\w*"
_GOOD = (
    r"work\w*|fine|ok|okay|good|pass\w*|downgrad\w*(?: to)?|roll\w* back to|revert\w* to"
    r"|pin\w*(?: to)?|stay\w* on"
)
_BAD = (
    r"fail\w*|break\w*|crash\w*|errors?|rais\w*|hang\w*|leak\w*|bugs?|issue|problem|reproduc\w*"
    r"|affect\w*|happen\w*|upgrad\w* to|updat\w* to|bump\w* to|bad|wrong"
)
_WORDS = re.compile(
    rf"\b(?:(?P<fixed>{_FIXED})|(?P<good>{_GOOD})|(?P<broke>{_BROKE})|(?P<bad>{_BAD})"
    r"|(?P<before>before|prior to|until|up to|older than)|(?P<from>from)|(?P<to>to))\b",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    r"[\s),:(=-]*(?:it |this )?"
    r"(?:(?:is|was|are|do|does|did|has|have)(?:n['’]t| not)? |no longer |not |never )?"
    rf"(?:(?P<bad>{_BAD}|broken)|(?P<good>{_GOOD}))\b(?! (?:in|with|on|under|for|at|since|from|to|using)\b)",
    re.IGNORECASE,
)
_LATER = re.compile(r"\s*(?:\+|(?:or|and) (?:later|newer|above|higher|up|onwards?))", re.IGNORECASE)
_ADVICE = re.compile(r"^\W*(?:please |just |try to |simply )?(?:up(?:grade|date)|move) to\b", re.IGNORECASE)
_FROM_ON, _OLDER = re.compile(r">=\s*$"), re.compile(r"<\s*$")
_MOVE = re.compile(r"^\s*(?:to|->|→|=>)\s*(?:[\w.-]+\s+)?(?:v(?:ersion)?\s?)?$", re.IGNORECASE)
_IN_FIELD = re.compile(r"^\W*(?P<name>[A-Za-z][\w.-]*)\s+version\W*$", re.IGNORECASE)


_MOST_WORDS = 70
_WORD = re.compile(r"[A-Za-z][\w.-]*")
_JOINING = frozenset({"and", "or", "with", "plus", "version", "versions"})


class Kind(StrEnum):
    """The kind of a statement about a version."""

    GOOD = "works"
    BAD = "fails"
    BROKEN = "broke"
    FIXED = "fixed"
    USED = "used"
    """It is that of who wrote the issue."""


class Statement(Struct, frozen=True, kw_only=True):
    """A statement about a version, and its place in the text."""

    package: str
    """The normalized name; empty if no package is named beside the version."""
    version: str
    kind: Kind
    text: str
    """The words that say it."""

    def told(self, end: str) -> str:
        """Return a line with the guess and the words on which it is based."""
        return f'{end} end: {self.version} ("{self.text}")'


def statements_of(document: Document, names: Collection[str], *, default: str = "") -> list[Statement]:
    """Return the statements of a text on versions of the packages `names`, or of `default` if unnamed."""
    found: list[Statement] = []
    for paragraph in document.paragraphs:
        found += _of_field(paragraph)
        for sentence in _SENTENCE.split(paragraph.text):
            found += _of_sentence(sentence, names, default)
    return list(dict.fromkeys(found))


def _of_field(paragraph: Paragraph) -> Iterator[Statement]:
    """Yield the version in a field of a form, whose heading names a package: `FastAPI Version`."""
    field = _IN_FIELD.match(paragraph.heading)
    found = _VERSION.fullmatch(paragraph.text.strip())
    if field and found:
        name = canonicalize_name(field["name"])
        yield Statement(
            package=name, version=found[1], kind=Kind.USED, text=f"{field[0].strip()}: {found[1]}"
        )


def _of_sentence(sentence: str, names: Collection[str], default: str) -> Iterator[Statement]:
    """Yield the statements of a sentence on its versions, each with the last package named before it."""
    package, begin, before = default, 0, None
    matches = list(_VERSION.finditer(sentence))
    for place, match in enumerate(matches):
        left = sentence[begin : match.start()]
        end = matches[place + 1].start() if place + 1 < len(matches) else len(sentence)
        own = _named_in(left, names)
        package = own or package
        kind = _kind(left, sentence[match.end() : end], before, names)
        begin, before = match.end(), kind
        if kind is not None and is_version(match[1]):
            yield Statement(package=package, version=match[1], kind=kind, text=_words(left, match[0]))


def _words(left: str, version: str) -> str:
    """Return the last words before a version, with the version."""
    *before, _ = words = f"{left}{version}".split()
    while before and len(" ".join(words)) > _MOST_WORDS:
        before, words = before[1:], words[1:]
    return " ".join(words).lstrip(",;:()- ")


def _named_in(left: str, names: Collection[str]) -> str:
    """Return the package that is named last in the words before a version, or ""."""
    known = [name for word in _WORD.findall(left) if (name := canonicalize_name(word.rstrip(".-="))) in names]
    return known[-1] if known else ""


def _kind(left: str, right: str, before: Kind | None, names: Collection[str]) -> Kind | None:
    """Return the statement on the version between these words, or None.

    `before` is the statement about the version before it. It also holds for this one if only packages are
    named between the two.
    """
    if _ADVICE.match(left):
        return Kind.FIXED
    if _MOVE.match(left) and before is not None:
        return {Kind.GOOD: Kind.BAD, Kind.BAD: Kind.GOOD}.get(before, before)
    words = [match for match in _WORDS.finditer(left) if match.lastgroup != "to"]
    if behind := _BEHIND.match(right):
        is_bad = bool(behind["bad"]) is not bool(_NOT.search(behind[0]))
        if words and words[-1].lastgroup == "broke":
            return Kind.BROKEN if is_bad else Kind.FIXED
        return Kind.BAD if is_bad else Kind.GOOD
    if not words:
        between = {canonicalize_name(word) for word in _WORD.findall(left)} - _JOINING
        return before if between <= set(names) else None
    kind = _by_words(left, [str(word.lastgroup) for word in words], words)
    if kind is Kind.BAD and (_FROM_ON.search(left) or _LATER.match(right)):
        return Kind.BROKEN
    if kind in (Kind.GOOD, Kind.BAD) and _OLDER.search(left):
        return Kind.BROKEN if kind is Kind.GOOD else Kind.FIXED
    return kind


def _by_words(left: str, kinds: list[str], words: list[re.Match[str]]) -> Kind | None:
    """Return the statement of the nearest words before a version."""
    nearest, said = words[-1], kinds[-1]
    is_denied = bool(_NOT.search(left[max(0, nearest.start() - 24) : nearest.start()]))
    if said == "from":  # the version from which somebody upgraded
        return _left_behind(kinds[:-1])
    if said == "before":
        return _before(kinds[:-1], left, words)
    if said == "broke" and "good" in kinds[:-1] and nearest[0].lower().startswith(("since", "start")):
        denied = bool(_NOT.search(left))
        return Kind.BROKEN if denied else Kind.FIXED
    table = {"fixed": Kind.FIXED, "broke": Kind.BROKEN, "good": Kind.GOOD, "bad": Kind.BAD}
    kind = table[said]
    opposite = {Kind.GOOD: Kind.BAD, Kind.BAD: Kind.GOOD}
    return opposite.get(kind) if is_denied else kind


def _left_behind(kinds: list[str]) -> Kind | None:
    """Return what `upgrading from` says of a version: it worked; and `downgrading from`: it did not."""
    if "good" in kinds:
        return Kind.BAD
    return Kind.GOOD


def _before(kinds: list[str], left: str, words: list[re.Match[str]]) -> Kind | None:
    """Return what `works before` or `fails before` says of a version: it broke, or was fixed, there."""
    said = [kind for kind in kinds if kind in ("good", "bad")]
    if not said:
        return Kind.BROKEN if _NOT.search(left[: words[-1].start()]) else None
    is_denied = bool(_NOT.search(left[: words[-1].start()]))
    is_good = (said[-1] == "good") is not is_denied
    return Kind.BROKEN if is_good else Kind.FIXED
