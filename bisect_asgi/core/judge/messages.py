"""What two sights of one message have in common.

The same failure is worded anew in every run: with the numbers, addresses, paths, versions, times and names
that this run happened to have. Those are taken out; words and names stay, for they are what tells
`No module named 'a1'` from `No module named 'b1'`. So a digit is a number's where no letter stands before it
(`port 8000`, `Thread-3`, `3rc1`) and a name's where one does (`h11`, `utf8`, `jinja2`, `x86_64`); runs of six
digits and more are in no name that a person gave.

Two failures that are taken for one make a wrong answer, two sights of one that are taken apart only a gap in
it. Where it cannot be told, nothing is taken out: a name made of letters alone may be random, but is no
number.
"""

from __future__ import annotations

import re

_NAMES_OF_TIME = (
    r"(?:ns|us|[µμ]s|ms|msecs?|milliseconds?|s|secs?|seconds?|min|mins|minutes?|h|hrs?|hours?|days?)"
)
_NAMES_OF_SIZE = r"(?:[kKMGT]i?B|bytes?|B)"
_NUMBER = r"\d[\d_]*(?:[.,]\d+)*(?:[eE][-+]?\d+)?"
_QUANTITY = rf"(?<![\w.])[-+]?{_NUMBER}"
_CLOCK = r"\d\d?:\d\d:\d\d(?:[.,]\d+)?"
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
# PEP 440: 1.2.3rc1, 2.0.dev5+g1234abc; a bare `v2` is a name, such as that of `pydantic.v1`.
_RELEASE = r"(?:\d+(?:\.\d+)*|v\d+(?:\.\d+)+)"
_STAGE = r"(?:[-_.]?(?:alpha|beta|a|b|c|rc|preview|pre|dev|post|rev)[-_.]?\d*)"
_LOCAL = r"(?:\+[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*)"

_REPLACEMENTS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<!\w)[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>(),]+", "<url>"),
        # A path in quotes or brackets ends where they do, blanks or not.
        (r"(?<=['\"(])(?:[A-Za-z]:[\\/]|…?/|\.\.?/)[^'\"()\n<>]+(?=['\")])", "<path>"),
        (r"(?<![\w.<>/])(?:[A-Za-z]:[\\/]|…?/|\.\.?/)(?=[\w.~@-])[^\s'\"():,;<>]+", "<path>"),
        (r"(?<![\w.<>/])(?:[\w.-]+/)+[\w.-]+\.(?:pyc?|pyd|pyx|so)\b", "<path>"),
        (r"(?<!\w)0x[0-9a-fA-F]+\b", "<address>"),
        (r"(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])", "<hash>"),
        (rf"(?<!\d)\d{{4}}-\d\d-\d\d(?:[T ]{_CLOCK}(?:Z|[-+]\d\d:?\d\d)?)?(?!\d)", "<time>"),
        (rf"\b(?:[A-Z][a-z]{{2}}, )?\d\d? (?:{_MONTHS}) \d{{4}}(?: {_CLOCK}(?: GMT)?)?", "<time>"),
        (rf"(?<![\w:]){_CLOCK}(?![\w:])", "<time>"),
        (rf"{_QUANTITY} ?{_NAMES_OF_TIME}\b(?: {_QUANTITY} ?{_NAMES_OF_TIME}\b)*", "<time>"),
        (rf"{_QUANTITY} ?{_NAMES_OF_SIZE}\b", "<size>"),
        (r"(?<![\w.+])(?=[A-Fa-f]*\d)(?=\d*[A-Fa-f])[0-9A-Fa-f]{7,}(?!\w)", "<hash>"),
        (r"(?<![\w.])tmp(?=[a-z_]*\d)[a-z0-9_]{8}(?!\w)", "<temporary>"),
        (rf"(?<![\w.]){_RELEASE}(?:{_STAGE}+{_LOCAL}?|{_LOCAL})(?!\w)", "N"),
        (r"(?<![\w.])v\d+(?:\.\d+)+(?!\w)", "N"),
        (_QUANTITY, "N"),
        (rf"(?<!\w){_NUMBER}", "N"),
        (r"\d{6,}", "N"),
        (r"\s+", " "),
    )
)
# A set, not a dictionary, which keeps its order; nor a set of sets.
_SET = re.compile(r"\{([^{}:]+)\}")


def normalise(message: str) -> str:
    """Return `message` without what may differ between two sights of one failure.

    It goes on until nothing is left to take out, so normalising twice is normalising once. That ends: every
    replacement takes digits or slashes away, and brings none.
    """
    before = None
    while message != before:
        before, message = message, _replaced(message)
    return message


def _replaced(message: str) -> str:
    for pattern, replacement in _REPLACEMENTS:
        message = pattern.sub(replacement, message)
    return _SET.sub(_in_order, message).strip().rstrip(".!:;, ")


def _in_order(found: re.Match[str]) -> str:
    return "{" + ", ".join(sorted(found[1].split(", "))) + "}"
