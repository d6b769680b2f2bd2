"""Fit text into the cells of a terminal: a character may take two of them, or none."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size

from bisect_asgi.core.text import printable

_ELLIPSIS = "…"
_LEAST_REASON = 12
"""A reason that would be cut to fewer cells is omitted."""
_LEAST_HEAD = 6
"""A head that would be cut to fewer cells is cut together with the verdict."""


def one_line(text: str) -> str:
    """Return text as one line that does nothing to a terminal."""
    return printable(" ".join(text.split("\n")))


def cut(text: str, width: int) -> str:
    """Return the text as one line of at most `width` cells; an ellipsis stands for what is cut off."""
    line = one_line(text)
    if cell_len(line) <= width:
        return line
    if width <= 0:
        return ""
    return set_cell_size(line, width - 1).rstrip() + _ELLIPSIS


def fit(head: str, verdict: str, reason: str, tail: str, width: int) -> str:
    """Return four parts as one line of at most `width` cells.

    Parts that do not fit are cut in this order: the end of the reason, the reason, the tail, the end of the
    head.
    """
    head, verdict, reason, tail = map(one_line, (head, verdict, reason, tail))
    least = cell_len(head) + cell_len(verdict)
    room = width - least - cell_len(tail)
    if cell_len(reason) <= room:
        return head + verdict + reason + tail
    if room >= _LEAST_REASON:
        closing = ")" if reason.endswith(")") else ""
        return head + verdict + cut(reason, room - len(closing)) + closing + tail
    if room >= 0:
        return head + verdict + tail
    if least <= width:
        return head + verdict
    rest = width - cell_len(verdict)
    return cut(head, rest) + verdict if rest >= _LEAST_HEAD else cut(head + verdict, width)


def wrapped(text: str, width: int, *, indent: int = 0) -> Iterator[str]:
    """Yield the lines of a sentence, broken between words; all but the first are indented."""
    line, room = "", max(1, width)
    for word in one_line(text).split(" "):
        joined = f"{line} {word}" if line else word
        if line and cell_len(joined) > room:
            yield line
            joined = " " * min(indent, room // 2) + word
        while cell_len(joined) > room:
            start = set_cell_size(joined, room)
            yield start
            joined = joined[len(start.rstrip(" ")) or 1 :]
        line = joined
    yield line
