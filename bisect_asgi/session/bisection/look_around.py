"""Run the rest of the history, to find other changes than the one that a search has found.

A bisection runs a few releases and infers the others. The inferred verdicts are wrong if the history changes
more than once. So the rest is run, until everything was run or for as long as the search took.
`core/search/looks.py` chooses what is run first. A change that is found is placed, and both its sides are
confirmed, although that takes longer.

This look comes after the search for the cause, not in parallel with it, because the user asked for the cause.
Both keep all processors busy, so together they would take as long, and each would delay the other. The look
also lasts until its time is over, while the search for the cause ends when the cause is known. If the ends
agree, there is nothing to explain yet, and the look comes first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import partial

from packaging.specifiers import SpecifierSet

from bisect_asgi.core import events
from bisect_asgi.core.model import Boundary, Outcome, Verdict
from bisect_asgi.core.plan import HistoryKind
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import AllBoundaries, AllChanges, NoBoundary, Open, State, StopReason
from bisect_asgi.core.search.looks import looks
from bisect_asgi.core.search.untestable_stretches import exhausted
from bisect_asgi.session.bisection import Search
from bisect_asgi.session.bisection.confirm import run_again

_AGREE = (StopReason.ALL_OLD, StopReason.ALL_NEW)


def look_around(search: Search, state: State, *, search_s: float) -> AllBoundaries | None:
    """Run candidates away from the boundary; return the changes that are then known.

    Return None if nothing was run, or if a candidate both passed and failed, which one more run does not
    explain. `search_s` is how long the search took, in seconds.
    """
    budget_s = search.plan.history.budget_s(search_s)
    if budget_s <= 0 or not _is_worth_a_look(search, state):
        return None
    asked = 2 + math.ceil(math.log2(len(search.labels)))
    # A change in the range may have been fixed in a newer release. Without a change, only the range matters.
    search.look_beyond(within=SpecifierSet() if isinstance(state, Boundary) else search.plan.releases)
    if search.plan.history.kind is HistoryKind.AUTO and _has_looked(search, asked):
        budget_s = 0.0
    boundary, never = state if isinstance(state, Boundary) else None, from_source(search)

    def replay(verdicts: Mapping[int, Verdict], *, places_only: bool = False) -> AllChanges:
        size, skips = len(search.labels), search.judgement().skip_reasons
        changes = AllChanges.replay(size, verdicts).so_far.changes
        return AllChanges.replay(
            size,
            verdicts,
            first=looks(search.labels, changes, skips=skips),
            never=never,
            last=exhausted(skips, verdicts.keys() - skips.keys(), size=size),
            places_only=places_only,
        )

    if budget_s and isinstance(replay(search.judgement().verdicts).state, Open):
        search.emit(events.Note(text=_beginning(search, boundary), is_live=True))
    begun = time.monotonic()
    search.engine.search(replay, until_s=begun + budget_s, hands_on=True)
    # Without a boundary, a change that is found is the result, so the search for its place has no time limit.
    end_s = begun + search.plan.history.placing_s(search_s) if boundary else math.inf
    search.engine.search(partial(replay, places_only=True), until_s=end_s)
    _confirm_placed(search, until_s=end_s)
    if search.judgement().is_flaky:
        return None
    _note_unsure(search, boundary)
    return sure_changes(search, boundary)


def _has_looked(search: Search, asked: int) -> bool:
    """Return whether this command made no run, and earlier ones looked for as long as they searched.

    `asked` is how many candidates a search for one change takes. Without this, the same command would look on
    each time that it is given.
    """
    return search.engine.made == 0 and len(search.judgement().rulings) >= 2 * asked


def _confirm_placed(search: Search, *, until_s: float) -> None:
    """Run both sides of each change that has its place again, those of the newest first, in the time left."""
    engine = search.engine
    while missing := search.confirmation.of_changes(search.judgement(), placed_only=True):
        left_s = (until_s - time.monotonic()) * search.plan.jobs
        fitting: dict[int, int] = {}
        for key, runs in sorted(missing.items(), reverse=True):
            left_s -= runs * engine.seconds(key)
            if left_s >= 0 and key not in engine.errors:
                fitting[key] = runs
        if not fitting or not run_again(search, fitting):
            return


def sure_changes(search: Search, found: Boundary | None) -> AllBoundaries:
    """Return the changes that are known by now, without those that lack a place or enough runs.

    Args:
        found: the boundary that the search has found and already confirmed.
    """
    known, unsure = _known(search).so_far, _unsure(search, found)
    return replace(known, changes=tuple(change for change in known.changes if change not in unsure))


def _note_unsure(search: Search, found: Boundary | None) -> None:
    for change in (*_known(search).unplaced, *_unsure(search, found)):
        sides = f"{search.labels[change.low]} and {search.labels[change.high]}"
        a_change = "another change" if found else "a change"
        search.emit(
            events.Note(text=f"there may be {a_change} between {sides}; pass `--history all` to find it")
        )


def note_out_of_reach(search: Search) -> None:
    """Emit a note if the newest candidate is bad, and only another Python can install newer releases.

    Without it, the bug would seem not to be fixed although newer releases exist.
    """
    rulings = search.judgement().rulings
    newest = max((key for key, ruling in rulings.items() if ruling.verdict is not Verdict.SKIP), default=None)
    is_wanted = search.plan.history.kind is not HistoryKind.NONE and not search.engine.spec.stage
    if (
        is_wanted
        and newest is not None
        and rulings[newest].outcome is Outcome.FAILED
        and search.space.out_of_reach
    ):
        search.emit(events.Note(text=search.space.out_of_reach))


def _known(search: Search) -> AllChanges:
    return AllChanges.replay(len(search.labels), search.judgement().verdicts)


def _unsure(search: Search, found: Boundary | None) -> list[Boundary]:
    """Return the located changes whose sides were not run often enough."""
    missing = search.confirmation.of_changes(search.judgement(), placed_only=True)
    changes = _known(search).so_far.changes
    return [each for each in changes if each != found and missing.keys() & {each.low, each.high}]


def _is_worth_a_look(search: Search, state: State) -> bool:
    """Return whether other changes can be searched: there is a boundary, or the ends agree."""
    judgement = search.judgement()
    if judgement.is_flaky or search.engine.errors or search.plan.criteria.threshold_search:
        return False
    is_contradicted = judgement.contradicts(search.space.expectation)
    agrees = isinstance(state, NoBoundary) and state.reason in _AGREE
    return isinstance(state, Boundary) or agrees or is_contradicted


def from_source(search: Search) -> frozenset[int]:
    """Return the candidates that would have to be built from source: that takes minutes, and often fails."""
    known = search.engine.observed.keys()
    every = enumerate(search.space.candidates)
    return frozenset(key for key, candidate in every if candidate.needs_build and key not in known)


def _beginning(search: Search, boundary: Boundary | None) -> str:
    """Return what is known before the look, which an interrupt leaves as it is."""
    nouns = search.context.axis.nouns
    if boundary is None:
        is_contradicted = search.judgement().contradicts(search.space.expectation)
        known = "the ends are not as given" if is_contradicted else "the ends agree"
        return f"{known}; looking for a change between them (`--history`)"
    first = search.context.name(boundary.high)
    return f"the change is in {first}; running other {nouns} (`--history`)"
