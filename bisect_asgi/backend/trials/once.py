"""Do something only once, in whichever thread comes first."""

from __future__ import annotations

import threading
from collections.abc import Hashable

from bisect_asgi.core.records import Struct, field


class Once(Struct, frozen=True, kw_only=True, eq=False):
    """Knows which keys it was asked for; safe for threads."""

    _seen: set[Hashable] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def is_first(self, key: Hashable) -> bool:
        """Return True at the first call for this key, and False after that."""
        with self._guard:
            is_first = key not in self._seen
            self._seen.add(key)
            return is_first
