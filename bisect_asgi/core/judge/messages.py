"""Normalize the message of a failure, so that it is the same in every run that fails this way.

The message of one failure differs from run to run in numbers, addresses, paths, versions and times. These
are replaced by placeholders. Words and names stay, because they tell `No module named 'a1'` from
`No module named 'b1'`. A digit belongs to a number if no letter precedes it (`port 8000`, `Thread-3`,
`3rc1`), and to a name if one does (`h11`, `utf8`, `jinja2`, `x86_64`). Six or more digits in a row are always
a number, because nobody gives such a name (`lambda_140234711`).

If two different failures become equal, the result is wrong. If one failure stays two, the result has only a
gap. Where it is unclear what a part of the message is, it therefore stays: a name of letters may be random.
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
# Versions as in PEP 440, such as 1.2.3rc1 and 2.0.dev5+g1234abc. A bare `v1` is a name: `pydantic.v1`.
_RELEASE = r"(?:\d+(?:\.\d+)*|v\d+(?:\.\d+)+)"
_STAGE = r"(?:[-_.]?(?:alpha|beta|a|b|c|rc|preview|pre|dev|post|rev)[-_.]?\d*)"
_LOCAL = r"(?:\+[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*)"

_REPLACEMENTS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<!\w)[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>(),]+", "<url>"),
        # In quotes or brackets a path may have blanks, because the closing one ends it.
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
        # Without a digit, it may be a word of such letters: `facade`, `deadbeef`.
        (r"(?<![\w.+])(?=[A-Fa-f]*\d)(?=\d*[A-Fa-f])[0-9A-Fa-f]{7,}(?!\w)", "<hash>"),
        # A name that `tempfile` makes. Without a digit, it may be a word: `tmpdirectory`.
        (r"(?<![\w.])tmp(?=[a-z_]*\d)[a-z0-9_]{8}(?!\w)", "<temporary>"),
        (rf"(?<![\w.]){_RELEASE}(?:{_STAGE}+{_LOCAL}?|{_LOCAL})(?!\w)", "N"),
        (r"(?<![\w.])v\d+(?:\.\d+)+(?!\w)", "N"),
        (_QUANTITY, "N"),
        (rf"(?<!\w){_NUMBER}", "N"),
        (r"\d{6,}", "N"),
        (r"\s+", " "),
    )
)
# Python prints a set in another order in every run. A dictionary, which has colons, keeps its order.
_SET = re.compile(r"\{([^{}:]+)\}")


def normalise(message: str) -> str:
    """Return `message` with placeholders for all parts that may differ between two runs of one failure.

    The replacements are repeated until none applies, so that normalizing twice is normalizing once. They come
    to an end, because each removes digits, slashes or blanks and adds none.
    """
    before = None
    while message != before:
        before, message = message, _replaced(message)
    return message


def _replaced(message: str) -> str:
    for pattern, replacement in _REPLACEMENTS:
        message = pattern.sub(replacement, message)
    return _SET.sub(_sorted, message).strip().rstrip(".!:;, ")


def _sorted(set_in_braces: re.Match[str]) -> str:
    return "{" + ", ".join(sorted(set_in_braces[1].split(", "))) + "}"
