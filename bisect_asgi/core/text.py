"""Format numbers, dates and lists for people."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_ADDRESS = re.compile(r"(?P<scheme>\w[\w+.-]*://)(?P<rest>.*)", re.DOTALL)
_ADDRESSES = re.compile(r"\w[\w+.-]*://\S+")
_SPANS = re.compile(r"(?:`[^`]*`|\S)+")
"""Words, and texts in backticks with the characters right next to them."""
_HOST = re.compile(r"(?:localhost|[^:@]*\.[^:@]*|\[[^]@]*\])(?::\d+)?")


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 release`, `2 releases`, `2 dependencies`, `2 patches`."""
    if count == 1:
        return f"{count:,} {noun}"
    if noun.endswith(("s", "x", "ch")):
        return f"{count:,} {noun}es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """Return a duration as `0.07 s`, `3.2 s`, `48 s`, `1 min 48 s` or `2 h 5 min`."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return elapsed(seconds)


def elapsed(seconds: float) -> str:
    """Return a duration in whole seconds, for a display that counts: `7 s`, `1 min 48 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def roughly(seconds: float) -> str:
    """Return an estimate of a duration, rounded up: `3 s`, `40 s`, `3 min`, `1.5 h`."""
    whole = max(1, math.ceil(seconds))
    if whole < 10:
        return f"{whole} s"
    if whole <= 55:
        return f"{5 * math.ceil(whole / 5)} s"
    minutes = math.ceil(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes / 60:.1f} h"


def size(count: int) -> str:
    """Return a number of bytes in binary units: `512 B`, `1.4 MiB`, `31 MiB`."""
    value, unit = in_binary_unit(count)
    return f"{value:.1f} {unit}" if unit != "B" and value < 9.95 else f"{value:.0f} {unit}"


def in_binary_unit(count: float) -> tuple[float, str]:
    """Return bytes in the smallest unit in which they round to less than 1024, and the name of the unit."""
    step = 0
    while count >= 1023.5 * 1024**step and step < len(_BYTE_UNITS) - 1:
        step += 1
    return count / 1024**step, _BYTE_UNITS[step]


def date(moment: datetime | None) -> str:
    """Return the day in UTC as `2021-10-07`, or a dash if the index gives no time."""
    return moment.astimezone(UTC).date().isoformat() if moment else "-"


def listing(words: Iterable[str], *, most: int = 4) -> str:
    """Return `a`, `a and b` or `a, b and c`. Of more than `most` words, the last ones are only counted."""
    items = list(words)
    if len(items) > most:
        return f"{', '.join(items[: most - 1])} and {len(items) - most + 1} more"
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def folded(text: str, width: int) -> str:
    """Return text with its lines broken between words, so that they fit the width as far as words do.

    A text in backticks is one word if it fits on a line, so that a command can be copied whole.
    """
    return "\n".join(_folded(line, width) for line in text.split("\n"))


def _folded(line: str, width: int) -> str:
    if len(line) <= width or line.isspace():
        return line
    spans = _SPANS.findall(line)
    words = [word for span in spans for word in ([span] if len(span) <= width else span.split())]
    lines = [line[: len(line) - len(line.lstrip())] + words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def printable(text: str) -> str:
    """Return text without what a terminal would execute, and without characters that hide or reorder text.

    Ends of lines stay, and a tab becomes a space. Control characters, bidirectional overrides (UTR 36),
    separators of lines and surrogates become `�`.
    """
    return _replaced(text, _printable)


def printable_json(text: str) -> str:
    """Return the same JSON text with what `printable` replaces as JSON's own escapes."""
    return _replaced(text, _escaped)


def _replaced(text: str, replace: Callable[[str], str]) -> str:
    """Return text with each character replaced, but those of lines that are printable."""
    lines = text.split("\n")
    return "\n".join(line if line.isprintable() else "".join(map(replace, line)) for line in lines)


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char == "\t" or unicodedata.category(char) == "Zs" else "�"


def _escaped(char: str) -> str:
    if char.isprintable():
        return char
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def without_credentials(address: str) -> str:
    """Return an address without its password; over HTTP also without the user name, which may be a token.

    A password may have a `/` or `@` in it that should have been escaped. In doubt, more is left out.
    """
    parts = _ADDRESS.match(address)
    if parts is None or "@" not in parts["rest"]:
        return address
    scheme, rest = parts["scheme"], parts["rest"]
    authority = rest.partition("/")[0]
    credentials, at, host = authority.rpartition("@")
    if not at and (":" not in authority or _HOST.fullmatch(authority)):
        return address  # the `@` is in the path
    end = len(credentials) if at and _HOST.fullmatch(host) else rest.rindex("@")
    name = "" if scheme.lower().startswith("http") else f"{re.split('[:@]', rest, maxsplit=1)[0]}@"
    return f"{scheme}{name}{rest[end + 1 :]}"


def hide_credentials(text: str) -> str:
    """Return a text of another program with each address in it as `without_credentials` shows it."""
    return _ADDRESSES.sub(lambda found: without_credentials(found[0]), text)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return a text with `****` in place of each secret."""
    for secret in secrets:
        text = text.replace(secret, "****")
    return text
