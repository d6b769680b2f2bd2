"""What every search has: a number of candidates, and what it was told of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from bisect_asgi.core.model import Verdict


class Told:
    """The mapping that is a search's whole state, so that replaying it is resuming.

    Args:
        size: number of candidates, at least 1.

    Raises:
        ValueError: `size` is below 1.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"a search needs at least one candidate, not {size}")
        self.size = size
        self._told: dict[int, Verdict] = {}

    def tell(self, key: int, verdict: Verdict) -> None:
        """Take in what candidate `key` showed; a second verdict replaces the first.

        Raises:
            IndexError: `key` is no candidate.
        """
        if not 0 <= key < self.size:
            raise IndexError(f"candidate {key} of {self.size}")
        self._told[key] = verdict

    def after(self, told: Mapping[int, Verdict]) -> Self:
        """Take in all of `told`, in any order, and return the search."""
        for key, verdict in told.items():
            self.tell(key, verdict)
        return self
