"""A page that is made again only if its content has changed, and not too often."""

from __future__ import annotations

import time
from collections.abc import Callable

_PAUSE_S = 1.0
_SHARE = 20
"""Making a page takes at most one part in so many of the time."""


class Kept:
    """The text of a page.

    Args:
        make: makes the text.
        version: returns another number whenever the text would change.
        clock: returns seconds.
    """

    def __init__(
        self,
        make: Callable[[], str],
        version: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._version = version
        self._clock = clock
        self._made: object = None
        self._text = ""
        self._next_s = 0.0

    def text(self, *, is_last: bool = False) -> str:
        """Return the text; with `is_last` it is up to date, because no later request will follow."""
        version, now = self._version(), self._clock()
        is_due = self._made is None or is_last or now >= self._next_s
        if version != self._made and is_due:
            self._text, self._made = self._make(), version
            ended = self._clock()
            self._next_s = ended + max(_PAUSE_S, _SHARE * (ended - now))
        return self._text
