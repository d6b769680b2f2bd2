"""Look at the rest of the history, once a boundary stands or both ends of the range agree.

A bisection runs a few releases and infers the others. What it infers is wrong if the history changes more
than once, so the rest is looked at as long as it is nearly free: until everything was run, or for as long as
the search took. `core/search/history.py` says what is looked at first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from bisect_asgi.core import events
from bisect_asgi.core.model import Boundary, Verdict
from bisect_asgi.core.search import AllBoundaries, AllChanges, NoBoundary, Open, State, StopReason
from bisect_asgi.core.search.history import looks
from bisect_asgi.session.bisection.confirm import confirm_changes
from bisect_asgi.session.bisection.search import Search

_AGREE = (StopReason.ALL_OLD, StopReason.ALL_NEW)


def look_around(search: Search, state: State, *, search_s: float) -> AllBoundaries | None:
    """Look at candidates beside what a search ended with; return the changes that are then known.

    None: nothing was looked at, or a candidate both passed and failed, which one more run does not explain.
    `search_s` is how long the search took, in seconds.
    """
    budget_s = search.plan.history.budget_s(search_s)
    if budget_s <= 0 or not _is_worth_a_look(search, state):
        return None
    search.look_beyond()
    labels = search.labels
    boundary = state if isinstance(state, Boundary) else None
    first, never = looks(labels, boundary), _never(search)

    def replay(verdicts: Mapping[int, Verdict]) -> AllChanges:
        return AllChanges.replay(len(labels), verdicts, first=first, never=never)

    if isinstance(replay(search.judgement().verdicts).state, Open):
        search.emit(events.Note(text=_beginning(search, boundary), is_live=True))
    search.engine.search(replay, until_s=time.monotonic() + budget_s)
    confirm_changes(search)
    if search.judgement().is_flaky:
        return None
    known = replay(search.judgement().verdicts)
    for change in known.unplaced:
        sides = f"{labels[change.low]} and {labels[change.high]}"
        search.emit(events.Note(text=f"there is another change between {sides}; `--history all` places it"))
    return known.so_far


def _is_worth_a_look(search: Search, state: State) -> bool:
    """Return whether other changes can be told from what was found: a boundary, or ends that agree."""
    judgement = search.judgement()
    if judgement.is_flaky or search.engine.errors or search.plan.criteria.limit_search:
        return False
    is_contradicted = judgement.contradicts(search.space.expectation)
    agrees = isinstance(state, NoBoundary) and state.reason in _AGREE
    return isinstance(state, Boundary) or agrees or is_contradicted


def _never(search: Search) -> frozenset[int]:
    """Return the candidates that would have to be built from source: that takes minutes, and often fails."""
    known = search.engine.observed.keys()
    every = enumerate(search.space.candidates)
    return frozenset(key for key, candidate in every if candidate.needs_build and key not in known)


def _beginning(search: Search, boundary: Boundary | None) -> str:
    """Return what is known before the look, which an interrupt leaves as it is."""
    nouns = search.context.axis.nouns
    if boundary is None:
        return "the ends agree; looking for a change between them (`--history`)"
    first = search.context.name(boundary.high)
    return f"the change is in {first}; looking at other {nouns} (`--history`)"
