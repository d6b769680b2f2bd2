"""Patterns that are compiled at their first use, because a command uses few of the patterns of its modules.

Compiling all of them would take as long as importing everything of this package that a cached result needs.
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

    The functions of `re` do not accept it. A text that is not a pattern raises its error at the first use.
    """
    return cast("re.Pattern[str]", _Lazy(text, flags))
