"""Inputs that were damaged, or written by somebody who wants to do harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st

from bisect_asgi.core.errors import UsageError

T = TypeVar("T")

_CHARACTERS = (
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"\x1b[31m",
    b"\r",
    b"\n",
    b"\\ud800",
    b"\\",
)
_SYNTAX = (
    b'"',
    b"'",
    b"[" * 5_000,
    b"{" * 50,
    b"]]]",
    b"<![",
    b"<!ENTITY x 'y'>",
    b"&x;",
    b"%s",
    b"://",
    b"==",
)
_VALUES = (b"null", b"true", b"9" * 5_000, b"1e999", b"-1", b"0001-01-01T00:00:00+23:59")


@st.composite
def mutated(draw: st.DrawFn, sample: bytes) -> bytes:
    """Return `sample` with up to four places cut out, doubled or replaced by something harmful."""
    content = sample
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 1, 3, 20, 200])))
        harmful = draw(st.sampled_from([b"", content[start:end] * 2, *_CHARACTERS, *_SYNTAX, *_VALUES]))
        content = content[:start] + harmful + content[end:]
    return content


def attempt(read: Callable[[], T]) -> T | UsageError:
    """Return what was read, or the error with which it was refused."""
    try:
        return read()
    except UsageError as error:
        return error
