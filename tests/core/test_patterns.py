"""A pattern that is compiled late is the pattern that it would have been."""

from __future__ import annotations

import re

import pytest

from bisect_asgi.core import patterns
from bisect_asgi.core.patterns import pattern


def test_it_is_compiled_once_at_its_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[tuple[str, int]] = []
    original = re.compile

    def counted(text: str, flags: int = 0) -> re.Pattern[str]:
        compiled.append((text, flags))
        return original(text, flags)

    monkeypatch.setattr(patterns.re, "compile", counted)
    late = pattern(r"(?P<name>a+)B", re.IGNORECASE)
    before = list(compiled)

    match = late.search("xAAb")

    assert before == []
    assert match is not None
    assert match["name"] == "AA"
    assert late.sub("-", "aab AB") == "- -"
    assert late.pattern == r"(?P<name>a+)B"
    assert late.flags & re.IGNORECASE
    assert compiled == [(r"(?P<name>a+)B", re.IGNORECASE)]


def test_what_is_no_pattern_is_an_error_at_its_first_use() -> None:
    broken = pattern("(")

    with pytest.raises(re.error):
        broken.search("")
