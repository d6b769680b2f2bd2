"""Run one search with everything that makes its answer sure: limit, boundary, confirmation, other changes.

The first search of a run, the search along a dependency's releases, and the one into commits are the same.

A bisection runs a few releases and infers the others. What it infers is wrong if the history changes more
than once, so the rest is looked at as long as it is nearly free: until everything was run, or for as long as
the search took. `core/search/history.py` says what is looked at first.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from bisect_asgi.core import answers, events
from bisect_asgi.core.answers import Result
from bisect_asgi.core.metrics import unit_of
from bisect_asgi.core.metrics.criteria import RATIO, TIMES, Limit, LimitSearch, values
from bisect_asgi.core.metrics.warnings import Drift, data_warnings, sentence
from bisect_asgi.core.model import Observation, Verdict
from bisect_asgi.core.plan import HistoryKind
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.releases import YANKED, between
from bisect_asgi.core.search import (
    AllBoundaries,
    AllChanges,
    Boundary,
    NoBoundary,
    Open,
    State,
    StopReason,
    is_monotonic,
)
from bisect_asgi.core.search.history import looks, spot_checks
from bisect_asgi.session.bisection import Search
from bisect_asgi.session.bisection.confirm import (
    confirm_changes,
    emit_confirmed,
    run_again,
    search_and_confirm,
)
from bisect_asgi.session.bisection.engine import Replay
from bisect_asgi.session.bisection.flaky import doubtful_ends, search_noisy

if TYPE_CHECKING:
    from bisect_asgi.session.bisection.levels import LevelSearch
    from bisect_asgi.session.bisection.limits import LimitFinder

COARSE = 32
"""A search for all changes looks at every 32nd candidate at least, unless all of them are wanted."""
_CHECKS = 4
"""Number of candidates elsewhere that show whether a flaky history changes more than once."""


class SearchResult(Struct, frozen=True, kw_only=True):
    """A search that has ended, and its answer."""

    search: Search
    answer: Result


def run_search(
    search: Search, *, elsewhere: Callable[[Search], Search | None] = lambda _: None
) -> SearchResult:
    """Take in what is known, find a limit if one is missing, search, confirm, and return the answer.

    If named ends are wrong, `elsewhere` may return another search to run instead.
    """
    search.recall()
    criteria = search.plan.criteria
    if criteria.limit_search and not criteria.limit:
        if answer := find_limit(search, criteria.limit_search):
            note_doubtful_samples(search)
            return SearchResult(search=search, answer=answer)
        search.check_ends()
    if search.plan.all_changes and search.plan.criteria.limit:
        _level_search(search).place()
    begun = time.monotonic()
    state, belief = _search(search)
    if search.judgement().contradicts(search.space.expectation) and (other := elsewhere(search)):
        return run_search(other)
    note_doubtful_samples(search)
    if isinstance(state, Boundary) and criteria.limit_search:
        note_other_steps(search, state)
    answer = _answer(search, state, belief)
    mapped = None if belief else look_around(search, state, search_s=time.monotonic() - begun)
    if _is_flaky(search) and not search.is_settled:  # the look at the rest of the history has shown that
        state, belief = search_noisy(search, checks=partial(_checks, search))
        answer = _answer(search, state, belief)
    if mapped:
        answer = answers.with_history(search.context, answer, state, mapped, search.judgement())
    if belief is None and (mapped is None or len(mapped.changes) < 2):  # the bound is for one change
        emit_confirmed(search, state)
    return SearchResult(search=search, answer=_with_excluded(search, answer))


def _with_excluded(search: Search, answer: Result) -> Result:
    """Add the excluded releases inside the boundary, or in a hint the yanked ones."""
    excluded = search.space.excluded
    answer = answers.with_yanked(answer, [out.version for out in excluded if out.reason.startswith(YANKED)])
    if (found := answer.found) is None:
        return answer
    sides = search.labels[found.low], search.labels[found.high]
    return replace(answer, excluded_between=between(excluded, *sides))


def find_limit(search: Search, limit_search: LimitSearch) -> Result | None:
    """Set the limit by samples of both ends; return an answer if there is no limit, or none is needed."""
    if search.plan.all_changes and limit_search.above is None and limit_search.below is None:
        return _level_search(search).find()
    return _limit_finder(search, limit_search).find_limit()


# Imported when a metric decides: most searches do without.


def _limit_finder(search: Search, limit_search: LimitSearch) -> LimitFinder:
    from bisect_asgi.session.bisection.limits import LimitFinder

    return LimitFinder(search, limit_search)


def _level_search(search: Search) -> LevelSearch:
    from bisect_asgi.session.bisection.levels import LevelSearch

    criteria = search.plan.criteria
    limit_search = criteria.limit_search or LimitSearch(metric=criteria.metric or "")
    return LevelSearch(search, limit_search, sampler=_limit_finder(search, limit_search))


def _search(search: Search) -> tuple[State, events.BeliefUpdated | None]:
    """Search, and expect a candidate's runs to agree until they do not."""
    state = _search_steady(search)
    return search_noisy(search, checks=partial(_checks, search)) if _is_flaky(search) else (state, None)


def _is_flaky(search: Search) -> bool:
    """Return whether runs of one candidate differ, which only a search for all changes leaves as it is."""
    return search.judgement().is_flaky and not search.plan.all_changes


def _checks(search: Search, found: Boundary) -> Collection[int]:
    """Return the candidates elsewhere that show whether a flaky history changes more than once."""
    # Whatever is known: so the same command chooses the same ones and finds them in the store.
    is_wanted = search.plan.history.kind is not HistoryKind.NONE
    return spot_checks(search.labels, found.low, found.high, known=(), most=_CHECKS if is_wanted else 0)


def _answer(search: Search, state: State, belief: events.BeliefUpdated | None) -> Result:
    context = replace(search.context, believed=belief, doubtful=doubtful_ends(search))
    return answers.result_of(context, state, search.judgement())


def _search_steady(search: Search) -> State:
    """Find the boundary, or all changes."""
    if search.plan.all_changes:
        return search_changes(search, all_changes(search, 1))
    state = search_and_confirm(search)
    if (
        not isinstance(state, Boundary)
        or search.judgement().is_flaky
        or is_monotonic(search.judgement().verdicts)
    ):
        return state
    # One change cannot explain this order of verdicts: either a run went wrong, or there are more changes.
    confirm_changes(search)
    return state if search.judgement().is_flaky else search_changes(search, all_changes(search))


def all_changes(search: Search, shortest: int | None = None, *, first: Sequence[int] = ()) -> Replay:
    """Return the algorithm that finds all changes, a coarse one unless `shortest` is given.

    The candidates of `first` are run before all others.
    """
    size = len(search.labels)
    finest = math.ceil(size / COARSE) if shortest is None else shortest
    # The newest end early: it says which side is which.
    return lambda verdicts: AllChanges.replay(size, verdicts, shortest=finest, first=(*first, size - 1, 0))


def search_changes(search: Search, replay: Replay) -> State:
    """Find all changes, and run both sides of each until they are no accident."""
    while True:
        state = search.engine.search(replay, looks_ahead=True)
        if not confirm_changes(search):
            return state


def note_doubtful_samples(search: Search) -> None:
    """Note what makes the samples doubtful: outliers, drift, growth from run to run, a busy machine."""
    criteria, engine = search.plan.criteria, search.engine
    if criteria.metric is None:
        return
    samples = {search.labels[key]: values(runs, criteria) for key, runs in sorted(engine.observed.items())}
    runs = [run for run in engine.taken if not run.is_warm_up]
    limit = criteria.limit or Limit(metric=criteria.metric)
    unit = unit_of(runs, criteria.metric) if limit.unit == RATIO else limit.unit
    found = data_warnings(
        {label: own for label, own in samples.items() if own},
        reference=_reference(runs, criteria.metric),
        other_load=[run.other_load for run in runs if run.other_load is not None and unit in TIMES],
        cores=os.cpu_count() or 1,
    )
    of_itself = Limit(metric=criteria.metric, unit=unit)
    for warning in found:
        shown = of_itself if isinstance(warning, Drift) else limit
        search.emit(events.Note(text=sentence(warning, show=shown.show)))


def _reference(runs: Sequence[Observation], metric: str) -> list[float]:
    """Return what the reference's runs measured, in the order of the runs; none without a reference."""
    of_reference = (run.reference_metrics.get(metric) for run in runs)
    return [value for value in of_reference if value is not None]


def note_other_steps(search: Search, found: Boundary) -> None:
    """Note if the step at a boundary is less than half of what the ends differ by: there are other steps."""
    criteria, ends = search.plan.criteria, search.space.expectation
    if ends.good is None or ends.bad is None or criteria.limit is None:
        return
    keys = (found.low, found.high, ends.good, ends.bad)
    samples = [values(search.engine.observed[key], criteria) for key in keys]
    if not all(samples):
        return
    low, high, good, bad = map(median, samples)
    step, whole, show = abs(high - low), abs(bad - good), criteria.limit.show
    if step < whole / 2:
        place = f"`{criteria.metric}` crosses the limit at {search.labels[found.high]}"
        share = f"by {show(step)} of the {show(whole)} that the ends differ by"
        search.emit(events.Note(text=f"{place}, but {share}; `--history all` tells every step"))


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

    def replay(verdicts: Mapping[int, Verdict], *, places_only: bool = False) -> AllChanges:
        return AllChanges.replay(len(labels), verdicts, first=first, never=never, places_only=places_only)

    if isinstance(replay(search.judgement().verdicts).state, Open):
        search.emit(events.Note(text=_beginning(search, boundary), is_live=True))
    begun = time.monotonic()
    search.engine.search(replay, until_s=begun + budget_s, hands_on=True)
    end_s = begun + max(budget_s, search.plan.history.longest_s)
    search.engine.search(partial(replay, places_only=True), until_s=end_s)
    _confirm_placed(search, until_s=end_s)
    if search.judgement().is_flaky:
        return None
    return _known_changes(search, replay(search.judgement().verdicts))


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


def _known_changes(search: Search, known: AllChanges) -> AllBoundaries:
    """Return the changes that have their place and are sure, and note the others."""
    labels, found = search.labels, known.so_far
    missing = search.confirmation.of_changes(search.judgement(), placed_only=True)
    doubtful = [change for change in found.changes if missing.keys() & {change.low, change.high}]
    for change in (*known.unplaced, *doubtful):
        sides = f"{labels[change.low]} and {labels[change.high]}"
        search.emit(events.Note(text=f"there may be another change between {sides}; `--history all` tells"))
    return replace(found, changes=tuple(change for change in found.changes if change not in doubtful))


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
