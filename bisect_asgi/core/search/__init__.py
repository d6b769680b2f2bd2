"""Searches: pure state machines that choose the candidates to run next."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from bisect_asgi.core.model import Boundary, Verdict
from bisect_asgi.core.search.all_changes import AllBoundaries, AllChanges, State
from bisect_asgi.core.search.bisection import Bisection, NoBoundary, Open, StopReason
from bisect_asgi.core.search.noisy import NoisySearch
from bisect_asgi.core.search.posterior import Belief
from bisect_asgi.core.tally import Rate, Tally


class SearchAlgorithm(Protocol):
    """Decides which candidates to run; it is made of all that is known, and made anew when more is."""

    @property
    def state(self) -> State:
        """Return the state of the search."""
        ...

    def ask(self, limit: int, pending: Collection[int] = ()) -> tuple[int, ...]:
        """Return at most `limit` candidates to run next, none of those that are `pending`."""
        ...

    def is_relevant(self, key: int) -> bool:
        """Return whether a result for `key` can still change the answer."""
        ...


def is_monotonic(verdicts: Mapping[int, Verdict]) -> bool:
    """Return whether no OLD is above a NEW, so that one change explains all verdicts."""
    old = [key for key, verdict in verdicts.items() if verdict is Verdict.OLD]
    new = [key for key, verdict in verdicts.items() if verdict is Verdict.NEW]
    return not old or not new or max(old) < min(new)


__all__ = [
    "AllBoundaries",
    "AllChanges",
    "Belief",
    "Bisection",
    "Boundary",
    "NoBoundary",
    "NoisySearch",
    "Open",
    "Rate",
    "SearchAlgorithm",
    "State",
    "StopReason",
    "Tally",
    "is_monotonic",
]
