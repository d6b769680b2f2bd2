"""Inputs that were damaged, or written by somebody who wants to do harm."""

from __future__ import annotations

from hypothesis import strategies as st

HARMFUL = (
    *(
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xe2\x80\xae",
        b"\x1b[31m",
        b"\r",
        b"\n",
        b"\\ud800",
        b"\\",
        b'"',
        b"'",
    ),
    *(
        b"[" * 5_000,
        b"{" * 50,
        b"]]]",
        b"<![",
        b"<!ENTITY x 'y'>",
        b"&x;",
        b"%s %d",
        b"://",
        b"==",
        b"null",
        b"true",
    ),
    *(b"9" * 5_000, b"1e999", b"-1", b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59"),
)


@st.composite
def mutated(draw: st.DrawFn, sample: bytes) -> bytes:
    """Return `sample` with up to four places cut out, doubled or replaced by something harmful."""
    content = sample
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 1, 3, 20, 200])))
        between = draw(st.sampled_from([b"", content[start:end] * 2, *HARMFUL]))
        content = content[:start] + between + content[end:]
    return content
