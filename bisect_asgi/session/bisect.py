"""One run from the plan to the answer: setting, search, what carries the change.

What comes after a boundary is imported when there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bisect_asgi.core import answers, claims, events
from bisect_asgi.core.answers import Result
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.claims import Finding
from bisect_asgi.core.errors import BisectError, UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Expectation, judge
from bisect_asgi.core.model import Ruling, Trial, TrialRequest
from bisect_asgi.core.plan.plan import Claim, Plan
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.interpreters import InterpreterChoice
from bisect_asgi.core.search import AllBoundaries, Boundary
from bisect_asgi.core.services import Emit, Services
from bisect_asgi.core.text import listing
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.axes import releases as release_axis
from bisect_asgi.session.bisection.confirm import confirm_claim
from bisect_asgi.session.bisection.flaky import search_noisy
from bisect_asgi.session.bisection.search import (
    SearchResult,
    announce,
    context_of,
    find_limit,
    mapping,
    open_engine,
    recall,
    run_search,
    search_changes,
)
from bisect_asgi.session.bisection.stages import Stages, ending, started


def bisect(plan: Plan, services: Services, emit: Emit) -> ResultKind:
    """Find the boundary, telling everything that happens to `emit`; the last event is the answer.

    Raises:
        BisectError: the question cannot be asked, or the outside world failed; told as the last event, too.
        KeyboardInterrupt: likewise.
    """
    emit(started(plan))
    with ending(emit) as end:
        if plan.drill and plan.repository:
            services.repositories.open(plan.repository)  # to find out early that it is none
        hunt = _hunt(plan, services, emit)
        answer = hunt.answer
        try:
            if answer.kind is ResultKind.FOUND:
                _look_behind(plan, hunt, services, Stages(emit))
        except KeyboardInterrupt:
            end(replace(answers.INTERRUPTED, found=answer.found, mapped=answer.mapped))
            raise
        end(answer)
    return answer.kind


def _look_behind(plan: Plan, hunt: SearchResult, services: Services, stages: Stages) -> None:
    """Find out what carries the change that was found, what changed in it, and in which commits."""
    from bisect_asgi.session.culprit.drill import go_into, go_into_merges
    from bisect_asgi.session.culprit.explain import explain

    for carrier in explain(hunt, services, stages):
        with _standing(stages):
            go_into(carrier, plan, services, stages)
    if not plan.first_parent:
        with _standing(stages):
            go_into_merges(plan, hunt, services, stages)


@contextmanager
def _standing(stages: Stages) -> Iterator[None]:
    """Have what was found stand, whatever happens behind it."""
    try:
        yield
    except BisectError as error:
        stages.emit(events.Note(text=str(error)))


def _hunt(plan: Plan, services: Services, emit: Emit) -> SearchResult:
    """Search; and again, where runs had something in them whose uploads were not looked at."""
    axis = axis_of(plan)
    space = axis.prepare(plan, services)
    while True:
        announce(space, emit)
        hunt = run_search(plan, space, open_engine(plan, space, services, emit), services)
        more = _overlooked(hunt)
        if not more or space.projects is None:
            return hunt
        emit(events.Note(text=f"the uploads of {listing(sorted(more))} are looked at as well"))
        space = axis.widen(plan, services, space.projects | more)


def _overlooked(hunt: SearchResult) -> frozenset[str]:
    """The projects that a run had in its environment and that were not looked at."""
    environments = hunt.engine.environments.values()
    found = {distribution.name for built in environments for distribution in built.distributions}
    return frozenset(found) - (hunt.space.projects or frozenset(found))


def verify(plan: Plan, claim: Claim, services: Services, emit: Emit) -> Finding:
    """Hold a claim against the releases: its own two, and enough around them to see other changes.

    Raises:
        UsageError: the claimed release cannot be a candidate, or is the oldest one.
        Unavailable: nothing was learnt.
    """
    emit(started(plan))
    with ending(emit) as end:
        return _verify(plan, claim, services, emit, end)


def _verify(
    plan: Plan, claim: Claim, services: Services, emit: Emit, end: Callable[[Result], None]
) -> Finding:
    space = release_axis.AXIS.prepare(
        replace(plan, good=None, bad=None), services, named={claim.option: claim.version}
    )
    announce(space, emit)
    place = release_axis.place_of(space, claim.version)
    if place == 0:
        raise UsageError(
            f"`{claim.option} {claim.version}` is the oldest release that can be looked at",
            hint="there is nothing before it to compare it with; widen `--releases`",
        )
    engine = open_engine(plan, space, services, emit)
    recall(plan, engine, services)
    if plan.criteria.limit_search:
        expectation = find_limit(plan, space, engine, services, plan.criteria.limit_search)
        if isinstance(expectation, Result):
            end(expectation)
            return claims.inconclusive(claim, expectation.message)
    told = mapping(len(space.labels), first=(place, place - 1))
    engine.search(told, looks_ahead=True)
    engine.repeat([key for key in (place - 1, place) if key in engine.observed], plan.repeats)
    state = search_changes(engine, plan, space, told)
    confirm_claim(engine, plan, space, place)
    believed = None
    if engine.judgement().is_flaky:
        state, believed = search_noisy(engine, plan, space)
    judgement = engine.judgement()
    answer = answers.result_of(replace(context_of(plan, space, engine), believed=believed), state, judgement)
    end(answer)
    if believed is not None and not isinstance(state, Boundary):
        return claims.inconclusive(claim, answer.message)
    if isinstance(state, Boundary):  # of a probe that contradicts itself: one change is all that it can show
        state = AllBoundaries(changes=(state,), shortest=len(space.labels))
    return claims.judge_claim(
        claim, place, space.labels, judgement, state, is_settled=engine.noise is not None
    )


def check(plan: Plan, version: str, services: Services) -> tuple[InterpreterChoice, Trial]:
    """Run the probe on one release.

    Raises:
        UsageError: there is no such release, or no interpreter that installs it.
        Unavailable: nothing was learnt.
    """
    space, choice = release_axis.prepare_one(plan, version, services)
    (candidate,) = space.candidates
    request = TrialRequest(
        key=0, label=candidate.label, spec=candidate.spec, probe=plan.probe, fresh=plan.fresh
    )
    token = CancelToken()
    future = services.executor.submit(services.trials.run, request, token)
    try:
        return choice, future.result()
    except KeyboardInterrupt:
        token.cancel()
        raise


def rule_on(plan: Plan, trial: Trial) -> Ruling | None:
    """Rule on one release by itself, where any failure is the failure; None: nothing was learnt."""
    judged = judge({0: trial.observations}, size=1, expectation=Expectation(), criteria=plan.criteria)
    return judged.rulings.get(0)
