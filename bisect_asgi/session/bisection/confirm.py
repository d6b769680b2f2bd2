"""Make an answer sure by as many runs as it needs.

A search starts as a plain bisection with one run of each candidate, which is all that it takes where the
probe always answers the same. What it finds is confirmed on both sides, until luck can no longer explain
that everything agreed (`search/luck`); an end that is not what it should be is run again before it is said
to be wrong. At the first contradiction `flaky` takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import pairwise

from bisect_asgi.core import answers, events
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.plan.plan import Plan
from bisect_asgi.core.search import Bisection, Boundary, NoBoundary, State, is_monotonic
from bisect_asgi.core.search.confirmation import chance, wanted_runs
from bisect_asgi.core.tally import Tally
from bisect_asgi.session.axes.base import SearchSpace
from bisect_asgi.session.bisection.engine import Engine

Beside = Callable[[Boundary], Collection[int]]
"""Says where else to look for changes, once there is a boundary."""

_FEWEST_END_RUNS, _MOST_END_RUNS, _END_S = 3, 6, 30.0
"""How often an end is run before it is said to be wrong: as often as fits into half a minute."""
_FIRST_RUNS = 3
"""Runs that tell a change of its own from a run that went wrong."""


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
        return judgement.is_flaky or answers.contradicts(judgement, space.expectation)

    def told(verdicts: Mapping[int, Verdict]) -> Bisection:
        return Bisection.replay(
            len(space.candidates),
            verdicts,
            gallop=space.gallop,
            verify=space.expectation.named,
            seconds=engine.seconds,
        )

    while True:
        state = engine.search(told, is_over=is_over, looks_ahead=True)
        judgement = engine.judgement()
        wanted = {} if judgement.is_flaky else _unsure(engine, plan, space, state, judgement)
        if not wanted or engine.errors.keys() & wanted.keys():
            return state
        others = beside(state) if isinstance(state, Boundary) and not (state.skipped or engine.errors) else ()
        if not run_again(engine, wanted, others) or not is_monotonic(engine.judgement().verdicts):
            return state


def tell_sure(engine: Engine, state: State, space: SearchSpace) -> None:
    """Say how sure a boundary is that nothing contradicts."""
    tallies = engine.judgement().tallies
    if isinstance(state, Boundary) and not engine.errors:
        orders = 1 if space.expectation.named else 2
        error_bound = min(1.0, orders * chance(tallies, state.low, state.high))
        runs = sum(tally.runs for tally in tallies.values())
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


def _unsure(
    engine: Engine, plan: Plan, space: SearchSpace, state: State, judgement: Judgement
) -> dict[int, int]:
    """How many more runs of which candidates the claim needs that `state` makes."""
    if more := different_runs(engine, judgement, state):
        return more
    match state:
        case _ if answers.contradicts(judgement, space.expectation):
            wrong = [key for key in space.expectation.named if is_wrong(key, judgement, space)]
            return _end_runs(engine, plan, wrong, judgement)
        case Boundary(low=low, high=high):
            # Where nobody says which side is which, a run of luck may also have turned them round.
            orders = 1 if space.expectation.named else 2
            return confirmations(plan, judgement.tallies, low, high, orders=orders)
        case NoBoundary():
            tested = judgement.tallies
            return _end_runs(engine, plan, [min(tested), max(tested)] if tested else [], judgement)
        case _:
            return {}


def different_runs(engine: Engine, judgement: Judgement, state: State) -> dict[int, int]:
    """How many more runs it takes before some are said to fail otherwise than the bad end does."""
    if more := _unlearnt(judgement, _FEWEST_END_RUNS) or _hasty(judgement, state):
        return more
    if judgement.learnt_from is None or not _is_in_the_way(judgement, state):
        return {}
    return _unlearnt(judgement, _fitting(engine, judgement.learnt_from))


def _unlearnt(judgement: Judgement, runs: int) -> dict[int, int]:
    """Runs of the bad end, before others are said to fail otherwise: it may fail in more than one way."""
    key = judgement.learnt_from
    is_needed = any(ruling.fails_differently for ruling in judgement.rulings.values())
    if key is None or not is_needed or key not in judgement.tallies:
        return {}
    more = runs - judgement.tallies[key].runs
    return {key: more} if more > 0 else {}


def _is_in_the_way(judgement: Judgement, state: State) -> bool:
    """Tell whether a candidate that fails otherwise hides the boundary: then more runs are worth it."""
    keys = state.skipped if isinstance(state, Boundary) else ()
    return any(judgement.rulings[key].fails_differently for key in keys if key in judgement.rulings)


def _hasty(judgement: Judgement, state: State) -> dict[int, int]:
    """Runs of candidates that failed otherwise, once, and stand in the way: it may have been an accident."""
    keys = state.skipped if isinstance(state, Boundary) else tuple(judgement.rulings)
    rulings = {key: judgement.rulings[key] for key in keys if key in judgement.rulings}
    more = {
        key: _FEWEST_END_RUNS - ruling.failed for key, ruling in rulings.items() if ruling.fails_differently
    }
    return {key: count for key, count in more.items() if count > 0}


def is_wrong(key: int, judgement: Judgement, space: SearchSpace) -> bool:
    ruling = judgement.rulings.get(key)
    wanted = Outcome.PASSED if key == space.expectation.good else Outcome.FAILED
    return ruling is not None and ruling.verdict is not Verdict.SKIP and ruling.outcome is not wanted


def _end_runs(engine: Engine, plan: Plan, keys: list[int], judgement: Judgement) -> dict[int, int]:
    """What is missing before it may be said of ends that they are not as they should be."""
    if plan.confirm is not None:
        runs = dict.fromkeys(keys, 1 + plan.confirm)
    else:
        runs = {key: _fitting(engine, key) for key in keys}
    missing = {key: wanted - judgement.tallies[key].runs for key, wanted in runs.items()}
    return {key: more for key, more in missing.items() if more > 0}


def _fitting(engine: Engine, key: int) -> int:
    """So many runs of an end as fit into half a minute, from the fewest to the most."""
    return min(max(int(_END_S / engine.seconds(key)), _FEWEST_END_RUNS), _MOST_END_RUNS)


def confirmations(
    plan: Plan, tallies: Mapping[int, Tally], low: int, high: int, *, orders: int = 1
) -> dict[int, int]:
    """How many more runs both sides of a boundary need, of which everything agrees so far."""
    if plan.confirm is None:
        more = wanted_runs(tallies, low, high, confidence=1 - (1 - plan.confidence) / orders)
    else:
        wanted = 1 + plan.confirm
        more = (wanted - tallies[low].runs, wanted - tallies[high].runs)
    return {key: count for key, count in zip((low, high), more, strict=True) if count > 0}


def confirm_claim(engine: Engine, plan: Plan, place: int) -> None:
    """Run what a claim is about until luck cannot explain it: a change there, or none."""
    tallies = engine.judgement().tallies
    both = (place - 1, place)
    if engine.judgement().is_flaky or not all(key in tallies for key in both):
        return
    verdicts = engine.judgement().verdicts
    if verdicts[place - 1] is not verdicts[place]:
        wanted = confirmations(plan, tallies, *both)
    else:
        runs = _MOST_END_RUNS if plan.confirm is None else 1 + plan.confirm
        wanted = {key: more for key in both if (more := runs - tallies[key].runs) > 0}
    engine.repeat_each(wanted)


def confirm_changes(engine: Engine, plan: Plan) -> bool:
    """Run what lies beside each change again: it may be a run that went wrong, and no change.

    Returns whether anything was run.
    """
    has_run = False
    while True:
        judgement = engine.judgement()
        tested = sorted(judgement.tallies)
        beside = {
            key
            for low, high in pairwise(tested)
            if judgement.rulings[low].verdict is not judgement.rulings[high].verdict
            for key in (low, high)
        }
        wanted = 1 + plan.confirm if plan.confirm is not None else _FIRST_RUNS
        more = {key: wanted - judgement.tallies[key].runs for key in sorted(beside)}
        more = {key: count for key, count in more.items() if count > 0}
        if not more or judgement.is_flaky or engine.errors.keys() & more.keys():
            return has_run
        if not run_again(engine, more):
            return has_run
        has_run = True
