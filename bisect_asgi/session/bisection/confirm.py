"""Make an answer sure by as many runs as it needs.

A search starts as a plain bisection with one run of each candidate, which is all that it takes where the
probe always answers the same. What it finds is confirmed on both sides, until luck can no longer explain
that everything agreed (`search/luck`); an end that is not what it should be is run again before it is said
to be wrong. At the first contradiction `flaky` takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from bisect_asgi.core import events
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Verdict
from bisect_asgi.core.plan.plan import Plan
from bisect_asgi.core.search import Bisection, Boundary, State, is_monotonic
from bisect_asgi.core.search.confirmation import Confirmation
from bisect_asgi.session.axes.base import SearchSpace
from bisect_asgi.session.bisection.engine import Engine

Beside = Callable[[Boundary], Collection[int]]
"""Says where else to look for changes, once there is a boundary."""


def search_and_confirm(
    engine: Engine,
    plan: Plan,
    space: SearchSpace,
    *,
    beside: Beside = lambda _: (),
) -> State:
    """Search until what was found is sure, or until the probe contradicts itself.

    What `beside` says of a boundary is run once where that leaves places free. If one of these shows that
    the history changes more than once, the boundary is as it was.
    """

    def is_over(judgement: Judgement) -> bool:
        return judgement.is_flaky or judgement.contradicts(space.expectation)

    def told(verdicts: Mapping[int, Verdict]) -> Bisection:
        return Bisection.replay(
            len(space.candidates),
            verdicts,
            gallop=space.gallop,
            verify=space.expectation.named,
            seconds=engine.seconds,
        )

    confirmation = confirmation_of(engine, plan, space)
    while True:
        state = engine.search(told, is_over=is_over, looks_ahead=True)
        judgement = engine.judgement()
        wanted = confirmation.missing(state, judgement)
        if not wanted or engine.errors.keys() & wanted.keys():
            return state
        others = beside(state) if isinstance(state, Boundary) and not (state.skipped or engine.errors) else ()
        if not run_again(engine, wanted, others) or not is_monotonic(engine.judgement().verdicts):
            return state


def tell_sure(engine: Engine, state: State, plan: Plan, space: SearchSpace) -> None:
    """Say how sure a boundary is that nothing contradicts."""
    if isinstance(state, Boundary) and not engine.errors:
        judgement = engine.judgement()
        error_bound = confirmation_of(engine, plan, space).error_bound(state, judgement)
        runs = sum(tally.runs for tally in judgement.tallies.values())
        engine.emit(events.Confirmed(low=state.low, high=state.high, runs=runs, error_bound=error_bound))


def run_again(engine: Engine, wanted: Mapping[int, int], others: Collection[int] = ()) -> bool:
    """Run these once more; tell whether any of it told anything: else it never will.

    `others` are run with them, if nothing is known of them.
    """
    before = engine.judgement().rulings
    unknown = [key for key in others if key not in engine.observed and key not in wanted]
    engine.repeat_each({**wanted, **dict.fromkeys(unknown, 1)})
    after = engine.judgement().rulings
    return any(after.get(key) != before.get(key) for key in wanted)


def confirmation_of(engine: Engine, plan: Plan, space: SearchSpace) -> Confirmation:
    """Return what decides how often to run candidates again."""
    return Confirmation(
        expectation=space.expectation,
        confidence=plan.confidence,
        repeats=plan.confirm,
        seconds=engine.seconds,
    )


def confirm_claim(engine: Engine, plan: Plan, space: SearchSpace, place: int) -> None:
    """Run what a claim is about until luck cannot explain it: a change there, or none."""
    if more := confirmation_of(engine, plan, space).of_claim(place, engine.judgement()):
        engine.repeat_each(more)


def confirm_changes(engine: Engine, plan: Plan, space: SearchSpace) -> bool:
    """Run what lies beside each change again: it may be a run that went wrong, and no change.

    Returns whether anything was run.
    """
    has_run = False
    while True:
        more = confirmation_of(engine, plan, space).of_changes(engine.judgement())
        if not more or engine.errors.keys() & more.keys() or not run_again(engine, more):
            return has_run
        has_run = True
