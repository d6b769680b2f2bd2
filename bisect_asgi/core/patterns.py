"""Patterns that are compiled when they are first used: a command uses few of those that its modules have.

Compiling all of them takes as long as importing all that an answer from the cache needs of this package.
"""

from __future__ import annotations

import re
from typing import Any, cast


class _Lazy:
    """A stand-in for a compiled pattern, with its methods and attributes."""

    __slots__ = ("_compiled", "_flags", "_text")

    def __init__(self, text: str, flags: int) -> None:
        self._text, self._flags = text, flags
        self._compiled: re.Pattern[str] | None = None

    def __getattr__(self, name: str) -> Any:
        if self._compiled is None:
            self._compiled = re.compile(self._text, self._flags)
        return getattr(self._compiled, name)


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what `re.compile` returns, compiled at its first use.

    It is no argument for the functions of `re`. A text that is no pattern is an error at the first use.
    """
    return cast("re.Pattern[str]", _Lazy(text, flags))
