"""Run one search with all its steps: threshold, boundary, confirmation, other changes.

The first search of a run, the search along a dependency's releases, and the one into commits are the same.

The search and the look at the rest of the history are two steps. Between them, the cause of the change is
searched.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from bisect_asgi.core import answers, chains, events, hints
from bisect_asgi.core.answers.history import other_changes, with_history
from bisect_asgi.core.answers.result import Result, of_never_ran
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.metrics import unit_of
from bisect_asgi.core.metrics.criteria import RATIO, TIMES, Threshold, ThresholdSearch, values
from bisect_asgi.core.model import Observation, Outcome
from bisect_asgi.core.plan import HistoryKind
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.releases.selection import between
from bisect_asgi.core.search import (
    AllBoundaries,
    AllChanges,
    Boundary,
    State,
    is_monotonic,
)
from bisect_asgi.core.search.looks import spot_checks
from bisect_asgi.session.bisection import Search
from bisect_asgi.session.bisection.chain import search_chain
from bisect_asgi.session.bisection.confirm import (
    confirm_changes,
    emit_confirmed,
    search_and_confirm,
)
from bisect_asgi.session.bisection.engine import Replay
from bisect_asgi.session.bisection.flaky import doubtful_ends, search_noisy
from bisect_asgi.session.bisection.look_around import (
    from_source,
    look_around,
    note_out_of_reach,
    sure_changes,
)
from bisect_asgi.session.bisection.yanked import with_yanked

if TYPE_CHECKING:
    from bisect_asgi.session.bisection.levels import LevelSearch
    from bisect_asgi.session.bisection.thresholds import ThresholdFinder

COARSE = 32
"""A search for all changes runs at least every 32nd candidate, unless all changes are wanted."""
_CHECKS = 4
"""Number of candidates elsewhere that show whether a flaky history changes more than once."""


class SearchResult(Struct, frozen=True, kw_only=True):
    """A search that has ended, and its result."""

    search: Search
    answer: Result
    state: State | None = None
    """The last state of the search; None if there was nothing to search for."""
    belief: events.BeliefUpdated | None = None
    """The posterior for the place of the change, if runs contradict each other."""
    search_s: float = 0.0
    """Its duration in seconds."""
    is_only_newest: bool = False
    """Whether it ended before it began, because the newest candidate is not bad."""


def run_search(search: Search) -> SearchResult:
    """Find the change, look at the rest of the history, and return the result."""
    result = look(find(search))
    emit_sure(result)
    return result


def newest_that_passes(search: Search) -> SearchResult | None:
    """Run the newest candidate; return the result if it is not bad, or None if the search is to begin.

    If the candidate gives no result, the search begins as well, and reports what is wrong.
    """
    newest, context = len(search.labels) - 1, search.context
    search.recall()
    search.engine.repeat([] if newest in search.engine.observed else [newest], 1)
    search.engine.emit_rulings()
    ruling = search.judgement().rulings.get(newest)
    if ruling is None or ruling.outcome is Outcome.FAILED or search.never_ran(search.judgement()):
        return None
    name, noun = context.name(newest), context.axis.noun
    if ruling.outcome is Outcome.PASSED:
        message, kind = f"{name}, the newest {noun}, is {search.plan.term_old}", ResultKind.NOT_REPRODUCED
    else:
        reason = f": {ruling.signature.shown}" if ruling.signature else ""
        message, kind = f"{name}, the newest {noun}, is untestable{reason}", ResultKind.INCONCLUSIVE
    return SearchResult(search=search, answer=Result(kind=kind, message=message), is_only_newest=True)


def find(search: Search, *, elsewhere: Callable[[Search], Search | None] = lambda _: None) -> SearchResult:
    """Recall what is known, find a threshold if one is missing, search, confirm, and return the result.

    If named ends are wrong, `elsewhere` may return another search to run instead.
    """
    search.recall()
    if search.plan.all_changes:
        search.look_beyond(within=search.plan.releases)
    criteria = search.plan.criteria
    if criteria.threshold_search and not criteria.threshold:
        if answer := find_threshold(search, criteria.threshold_search):
            note_doubtful_samples(search)
            return SearchResult(search=search, answer=answer)
        search.check_ends()
    if search.plan.all_changes and search.plan.criteria.threshold:
        _level_search(search).place()
    begun = time.monotonic()
    state, belief = _search(search)
    if wrong := search.never_ran(search.judgement()):
        return SearchResult(search=search, answer=of_never_ran(search.context, wrong))
    if search.judgement().contradicts(search.space.expectation) and (other := elsewhere(search)):
        return find(other)
    search.note_extras()
    note_doubtful_samples(search)
    if isinstance(state, Boundary) and criteria.threshold_search:
        note_other_steps(search, state)
    if isinstance(state, Boundary) and not search.engine.spec.stage:
        note_missing_package(search, state)
    result = _result(search, state, belief)
    return replace(result, search_s=time.monotonic() - begun)


def look(result: SearchResult) -> SearchResult:
    """Look at the rest of the history and at yanked releases; return the answer with what they show."""
    seen = _look(result)
    answer = with_yanked(seen.search, seen.answer, search_s=result.search_s)
    if answer.found:
        note_out_of_reach(seen.search)
    return replace(seen, answer=answer)


def _look(result: SearchResult) -> SearchResult:
    search, state = result.search, result.state
    if state is None or result.belief:
        return result
    known = look_around(search, state, search_s=result.search_s)
    if _is_flaky(search):  # the look has shown that the probe is flaky
        return _result(search, *search_noisy(search, checks=partial(_checks, search)))
    seen = _with_changes(_result(search, state, None), state, known) if known else result
    known = state if isinstance(state, AllBoundaries) else known
    if known and (other := other_changes(search.context, seen.answer, known, search.judgement())):
        search.emit(events.Note(text=other))
    return seen


def emit_sure(result: SearchResult) -> None:
    """Emit how sure the boundary is, unless there are several or runs contradict each other."""
    changes = result.answer.mapped.changes if result.answer.mapped else ()
    if result.state is not None and result.belief is None and len(changes) < 2:
        emit_confirmed(result.search, result.state)


def so_far(result: SearchResult) -> Result:
    """Return the answer with all changes that are known before a look has ended."""
    state = result.state
    if state is None or result.belief or result.search.judgement().is_flaky:
        return result.answer
    found = state if isinstance(state, Boundary) else None
    return _with_changes(result, state, sure_changes(result.search, found)).answer


def _with_changes(result: SearchResult, state: State, known: AllBoundaries) -> SearchResult:
    search = result.search
    answer = with_history(search.context, result.answer, state, known, search.judgement())
    return replace(result, answer=_completed(search, answer))


def _result(search: Search, state: State, belief: events.BeliefUpdated | None) -> SearchResult:
    """Return the search with its answer."""
    context = replace(search.context, believed=belief, doubtful=doubtful_ends(search))
    answer = answers.result_of(context, state, search.judgement())
    return SearchResult(search=search, answer=_completed(search, answer), state=state, belief=belief)


def _completed(search: Search, answer: Result) -> Result:
    """Add the excluded releases inside the boundary, and the failures of a chain."""
    if (found := answer.found) is None:
        return answer
    sides = search.labels[found.low], search.labels[found.high]
    changes = (answer.mapped.changes if answer.mapped else ()) or (found,)
    failures = chains.stretches(search.judgement(), changes) if search.plan.criteria.also else ()
    return replace(answer, excluded_between=between(search.space.excluded, *sides), failures=failures)


def find_threshold(search: Search, threshold_search: ThresholdSearch) -> Result | None:
    """Set the threshold by samples of both ends; return a result if there is none, or none is needed."""
    if search.plan.all_changes and threshold_search.above is None and threshold_search.below is None:
        return _level_search(search).find()
    return _threshold_finder(search, threshold_search).find_threshold()


# This is imported only if a metric decides, because most searches have none.


def _threshold_finder(search: Search, threshold_search: ThresholdSearch) -> ThresholdFinder:
    from bisect_asgi.session.bisection.thresholds import ThresholdFinder

    return ThresholdFinder(search, threshold_search)


def _level_search(search: Search) -> LevelSearch:
    from bisect_asgi.session.bisection.levels import LevelSearch

    criteria = search.plan.criteria
    threshold_search = criteria.threshold_search or ThresholdSearch(metric=criteria.metric or "")
    return LevelSearch(search, threshold_search, sampler=_threshold_finder(search, threshold_search))


def _search(search: Search) -> tuple[State, events.BeliefUpdated | None]:
    """Search, and expect a candidate's runs to agree until they do not."""
    state = search_chain(search, _search_steady)
    return search_noisy(search, checks=partial(_checks, search)) if _is_flaky(search) else (state, None)


def _is_flaky(search: Search) -> bool:
    """Return whether runs of one candidate differ, and nothing explains that yet."""
    return search.judgement().is_flaky and not search.is_settled


def _checks(search: Search, found: Boundary) -> Collection[int]:
    """Return the candidates elsewhere that show whether a flaky history changes more than once."""
    # The choice does not depend on what is known, so that the same command chooses the same candidates and
    # finds their runs in the store.
    is_wanted = search.plan.history.kind is not HistoryKind.NONE
    return spot_checks(search.labels, found.low, found.high, known=(), most=_CHECKS if is_wanted else 0)


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
    if search.judgement().is_flaky:
        return state
    return search_changes(search, all_changes(search, never=from_source(search)))


def all_changes(
    search: Search,
    shortest: int | None = None,
    *,
    first: Sequence[int] = (),
    never: Collection[int] = (),
) -> Replay:
    """Return the algorithm that finds all changes, a coarse one unless `shortest` is given.

    The candidates of `first` are run before all others, and those of `never` are not run.
    """
    size = len(search.labels)
    finest = math.ceil(size / COARSE) if shortest is None else shortest
    wanted = (*first, size - 1, 0)  # the newest end early, because it decides which side is which
    return lambda verdicts: AllChanges.replay(size, verdicts, shortest=finest, first=wanted, never=never)


def search_changes(search: Search, replay: Replay) -> State:
    """Find all changes, and run both sides of each until they are no accident."""
    while True:
        is_wrong = partial(has_never_run, search)
        state = search.engine.search(replay, is_over=is_wrong, looks_ahead=True)
        if is_wrong(search.judgement()) or not confirm_changes(search):
            return state


def has_never_run(search: Search, judgement: Judgement) -> bool:
    """Return whether a search is to end because of a mistake in what it asks; see `Search.never_ran`."""
    return search.never_ran(judgement) is not None


def note_doubtful_samples(search: Search) -> None:
    """Emit warnings about the samples: outliers, drift, growth from run to run, a busy machine."""
    criteria, engine = search.plan.criteria, search.engine
    if criteria.metric is None:
        return
    # Most searches have no metric, and importing this takes long.
    from bisect_asgi.core.metrics.warnings import Drift, data_warnings, sentence

    samples = {search.labels[key]: values(runs, criteria) for key, runs in sorted(engine.observed.items())}
    runs = [run for run in engine.taken if not run.is_warm_up]
    threshold = criteria.threshold or Threshold(metric=criteria.metric)
    unit = unit_of(runs, criteria.metric) if threshold.unit == RATIO else threshold.unit
    found = data_warnings(
        {label: own for label, own in samples.items() if own},
        reference=_reference(runs, criteria.metric),
        other_load=[run.other_load for run in runs if run.other_load is not None and unit in TIMES],
        cores=os.cpu_count() or 1,
    )
    of_itself = Threshold(metric=criteria.metric, unit=unit)
    for warning in found:
        shown = of_itself if isinstance(warning, Drift) else threshold
        search.emit(events.Note(text=sentence(warning, show=shown.show)))


def _reference(runs: Sequence[Observation], metric: str) -> list[float]:
    """Return what the reference's runs measured, in the order of the runs; none without a reference."""
    of_reference = (run.reference_metrics.get(metric) for run in runs)
    return [value for value in of_reference if value is not None]


def note_missing_package(search: Search, found: Boundary) -> None:
    """Emit a note if the failing side of a boundary lacks a package, because that may hide the user's bug."""
    rulings = search.judgement().rulings
    failing = [key for key in (found.low, found.high) if rulings[key].outcome is Outcome.FAILED]
    if hint := hints.for_module(search.circumstances, failing):
        search.emit(events.Note(text=f"{hint}, unless that is the bug"))


def note_other_steps(search: Search, found: Boundary) -> None:
    """Emit a note if the step at a boundary is less than half of the difference of the ends."""
    criteria, ends = search.plan.criteria, search.space.expectation
    if ends.good is None or ends.bad is None or criteria.threshold is None:
        return
    keys = (found.low, found.high, ends.good, ends.bad)
    samples = [values(search.engine.observed[key], criteria) for key in keys]
    if not all(samples):
        return
    from statistics import median  # most searches have no metric, and importing it takes long

    low, high, good, bad = map(median, samples)
    step, whole, show = abs(high - low), abs(bad - good), criteria.threshold.show
    if step < whole / 2:
        place = f"`{criteria.metric}` crosses the threshold at {search.labels[found.high]}"
        share = f"by {show(step)} of the {show(whole)} that the ends differ by"
        search.emit(events.Note(text=f"{place}, but {share}; pass `--history all` to find every step"))
