"""Search on by passing and failing where only different failures lead to the bad end's; see `core.chains`."""

from __future__ import annotations

from collections.abc import Callable

from bisect_asgi.core import chains
from bisect_asgi.core.search import State
from bisect_asgi.session.bisection import Search


def search_chain(search: Search, find: Callable[[Search], State]) -> State:
    """Search with `find` until no different failures are left in the gap of a boundary.

    Then find where each of the failures begins. Search once more if any candidate was run for that, because
    it may be good.
    """
    while True:
        state = find(search)
        known, judgement, is_chain = search.circumstances, search.judgement(), bool(search.plan.criteria.also)
        if more := chains.to_count(known, state, judgement, is_chain=is_chain):
            search.count_as_bad(more)
        elif not is_chain or not _place(search, state):
            return state


def _place(search: Search, state: State) -> bool:
    """Run candidates until it is known where each failure begins; return whether any was run."""
    observed, before = search.engine.observed, len(search.engine.observed)
    while keys := chains.to_place(search.judgement(), state, limit=search.plan.jobs):
        known = len(observed)
        search.engine.repeat(keys, 1)
        if len(observed) == known:  # the remaining candidates have no result
            break
    return len(observed) > before
