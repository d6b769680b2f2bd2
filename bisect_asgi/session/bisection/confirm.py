"""Confirm a result by as many runs as it needs.

A search starts as a plain bisection with one run of each candidate, which is enough if the probe always has
the same outcome. `core.search.confirmation` says which candidates to run again before the result is given;
here they are run. At the first candidate that both passes and fails, `flaky` takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from bisect_asgi.core import events
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Verdict
from bisect_asgi.core.search import Bisection, Boundary, NoBoundary, State, is_monotonic
from bisect_asgi.core.search.untestable_stretches import assumed
from bisect_asgi.core.text import plural
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.bisection import Search

SpotChecks = Callable[[Boundary], Collection[int]]
"""Returns which candidates to run to check for other changes than a boundary."""


def search_and_confirm(search: Search, *, checks: SpotChecks = lambda _: ()) -> State:
    """Search until no run is missing to confirm the result, or until the probe turns out to be flaky.

    The boundary is reported as soon as it is known, before the runs that confirm it. "Nothing changes" is not
    confirmed if there are other Pythons to search on, because it is not the result yet. Spot checks, and the
    other end if one is wrong, are run once, together with the runs that confirm the state. The state is
    returned as it is without them, even if one of them shows another change.
    """
    engine, space = search.engine, search.space

    def is_over(judgement: Judgement) -> bool:
        is_wrong = judgement.contradicts(space.expectation) or search.never_ran(judgement)
        return judgement.is_flaky or bool(is_wrong)

    def replay(verdicts: Mapping[int, Verdict]) -> Bisection:
        return Bisection.replay(
            len(space.candidates),
            verdicts,
            gallop=space.gallop,
            verify=space.expectation.named,
            seconds=engine.seconds,
            leaning=search.leaning,
            doubtful=assumed(search.judgement().skip_reasons, search.judgement().tallies),
        )

    told: Boundary | None = None
    while True:
        state = engine.search(replay, is_over=is_over, looks_ahead=True)
        if isinstance(state, NoBoundary) and search.goes_on_elsewhere:
            return state
        missing = search.confirmation.missing(state, search.judgement())
        if not missing or search.never_ran(search.judgement()) or engine.errors.keys() & missing.keys():
            return state
        if isinstance(state, Boundary) and missing.keys() <= {state.low, state.high} and state != told:
            told = state
            search.emit(events.Note(text=_found(search, state, sum(missing.values())), is_live=True))
        is_sure = isinstance(state, Boundary) and not state.skipped and not engine.errors
        others = checks(state) if isinstance(state, Boundary) and is_sure else ()
        if search.judgement().contradicts(space.expectation):
            others = space.expectation.named  # if both are wrong, the user has swapped them
        if not run_again(search, missing, others) or not is_monotonic(search.judgement().verdicts):
            return state


def _found(search: Search, boundary: Boundary, runs: int) -> str:
    """Return the note that names the change and the runs that will confirm it."""
    words = axis_of(search.plan).words_of(search.plan)
    low, high = (words.name(search.labels[key]) for key in (boundary.low, boundary.high))
    where = f"between {low} and {high}" if boundary.skipped else f"in {high}"
    return f"the change is {where}; confirming it with {plural(runs, 'more run')} (`--confirm`)"


def run_again(search: Search, wanted: Mapping[int, int], others: Collection[int] = ()) -> bool:
    """Run `wanted` again; return whether any of its rulings changed: if none did, more runs will not help.

    Those of `others` that were not run yet are run once, too.
    """
    before = search.judgement().rulings
    unknown = [key for key in others if key not in search.engine.observed and key not in wanted]
    search.engine.repeat_each({**wanted, **dict.fromkeys(unknown, 1)})
    after = search.judgement().rulings
    return any(after.get(key) != before.get(key) for key in wanted)


def emit_confirmed(search: Search, state: State) -> None:
    """Emit how sure a boundary is that all runs agree with."""
    if isinstance(state, Boundary) and not search.engine.errors:
        judgement = search.judgement()
        search.emit(
            events.Confirmed(
                low=state.low,
                high=state.high,
                runs=sum(tally.runs for tally in judgement.tallies.values()),
                error_bound=search.confirmation.error_bound(state, judgement),
            )
        )


def confirm_claim(search: Search, place: int) -> None:
    """Run both sides of a claimed change until chance cannot explain their outcomes."""
    if missing := search.confirmation.of_claim(place, search.judgement()):
        search.engine.repeat_each(missing)


def confirm_changes(search: Search) -> bool:
    """Run both sides of each change again, which may be an accident; return whether anything was run."""
    has_run = False
    while True:
        missing = search.confirmation.of_changes(search.judgement())
        if not missing or search.engine.errors.keys() & missing.keys() or not run_again(search, missing):
            return has_run
        has_run = True
