"""Find the statement at a line of a probe, as text that stays the same if lines above it change."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator

from bisect_asgi.core.records import Struct

_NO_CODE = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING})


class Statement(Struct, frozen=True, kw_only=True):
    """A statement of a source file."""

    text: str
    """The statement on one line, without its comments."""
    number: int = 1
    """Its number among the statements of the file that have the same text."""

    def __str__(self) -> str:
        return self.text if self.number == 1 else f"{self.text} #{self.number}"


def at_line(source: bytes, line: int) -> Statement | None:
    """Return the statement that `line` is a part of, or None if there is none or `source` is no Python.

    A statement may have several lines. Python releases differ in which of them a traceback names.
    """
    seen: list[str] = []
    try:
        for first, last, text in _statements(source):
            seen.append(text)
            if first <= line <= last:
                return Statement(text=text, number=seen.count(text))
    except (tokenize.TokenError, SyntaxError):
        return None
    return None


def _statements(source: bytes) -> Iterator[tuple[int, int, str]]:
    """Yield the first line, the last line and the text of each logical line.

    Tokens are enough for this. To parse the file could print warnings about it.
    """
    tokens: list[tokenize.TokenInfo] = []
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.NEWLINE and tokens:
            yield tokens[0].start[0], token.start[0], _joined(tokens)
            tokens = []
        elif token.type not in _NO_CODE:
            tokens.append(token)


def _joined(tokens: list[tokenize.TokenInfo]) -> str:
    """Return the text of the tokens, with one blank wherever there is any space between two of them."""
    text, end = "", tokens[0].start
    for token in tokens:
        text += token.string if token.start == end else f" {token.string}"
        end = token.end
    return " ".join(text.split())
