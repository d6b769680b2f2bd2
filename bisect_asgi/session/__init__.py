"""The commands of a session, each from its plan to its result: `bisect`, `verify`, `check`.

The search for the culprit is imported only when there is a boundary, because the import takes time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bisect_asgi.core import answers, claims, events
from bisect_asgi.core.answers.result import CAUSE, REST, Result, interrupted, of_never_ran, out_of_time
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.claims import Finding
from bisect_asgi.core.errors import BisectError, TimeIsUp, UsageError
from bisect_asgi.core.events import ResultKind, Stretch
from bisect_asgi.core.judge.judge import Expectation, judge
from bisect_asgi.core.model import Ruling, Trial, TrialRequest
from bisect_asgi.core.plan import COMMITS, Claim, HistoryKind, Plan
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.interpreters import InterpreterChoice
from bisect_asgi.core.search import AllBoundaries, Boundary
from bisect_asgi.core.services import Emit, Services
from bisect_asgi.core.text import listing
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.axes import releases as release_axis
from bisect_asgi.session.batch import limited
from bisect_asgi.session.bisection import Search, announce
from bisect_asgi.session.bisection.confirm import confirm_claim
from bisect_asgi.session.bisection.extras import Extras
from bisect_asgi.session.bisection.flaky import search_noisy
from bisect_asgi.session.bisection.run import (
    SearchResult,
    all_changes,
    emit_sure,
    find,
    find_threshold,
    has_never_run,
    look,
    newest_that_passes,
    search_changes,
    so_far,
)
from bisect_asgi.session.bisection.stages import Stages, ending, show, started


def bisect(plan: Plan, services: Services, emit: Emit) -> ResultKind:
    """Find the boundary and its culprit; emit everything that happens, and the result last.

    Raises:
        BisectError: the search that was asked for is impossible, or the index, the network or the disk
            failed; the last event has the error, too.
        KeyboardInterrupt: likewise.
    """
    try:
        with limited(services.executor, plan.time_limit_s) as executor:
            return _bisect(plan, replace(services, executor=executor), emit)
    except TimeIsUp:  # the events have everything that is known by then
        return ResultKind.OUT_OF_TIME


def _bisect(plan: Plan, services: Services, emit: Emit) -> ResultKind:
    """Do what `bisect` does, without a time limit.

    Raises:
        TimeIsUp: the time was over before there was a result; the last event says so.
        BisectError, KeyboardInterrupt: as `bisect`.
    """
    with ending(emit) as end:
        emit(started(plan))
        emit(events.StretchesPlanned(stretches=_stretches(plan)))
        if plan.drill and plan.repository:
            services.repositories.open(plan.repository)  # to report a wrong path before the search
        stages, explained = Stages(services, emit), set[Boundary]()
        result, unfinished = _search(plan, stages), CAUSE
        if result.is_only_newest:
            end(result.answer)
            return result.answer.kind
        try:
            _explain(result, plan, stages, explained)
            unfinished = REST
            with _noted(stages):
                if Stretch.HISTORY in _stretches(plan):
                    emit(events.StretchStarted(stretch=Stretch.HISTORY))
                result = look(result)
            unfinished = CAUSE
            _explain(result, plan, stages, explained)
        except KeyboardInterrupt as interrupt:
            known = so_far(result)
            emit_sure(replace(result, answer=known))
            if isinstance(interrupt, TimeIsUp):
                end(out_of_time(known, unfinished))
                return known.kind
            end(interrupted(known, unfinished))
            raise
        emit_sure(result)
        end(result.answer)
    return result.answer.kind


_WITHOUT_BOUNDARY = (ResultKind.NOT_REPRODUCED, ResultKind.INCONCLUSIVE)


def _stretches(plan: Plan) -> tuple[Stretch, ...]:
    """Return the stretches of a run with this plan, as far as they are known before it."""
    is_left_out = {
        Stretch.CAUSE: not (plan.culprit and axis_of(plan).is_explained),
        Stretch.HISTORY: plan.history.kind is HistoryKind.NONE,
    }
    return tuple(stretch for stretch in Stretch if not is_left_out.get(stretch))


def _search(plan: Plan, stages: Stages) -> SearchResult:
    """Search; search again if environments contained packages whose uploads were no candidates."""
    axis, services, emit = axis_of(plan), stages.services, stages.emit
    space = axis.prepare(plan, services)
    while True:
        announce(space, emit)
        search = Search(plan, space, services, emit)
        if plan.if_newest_fails and (only := newest_that_passes(search)):
            return only
        result = find(search, elsewhere=lambda search: _elsewhere(search, stages))
        result = _further(result, stages)
        more, plan = _overlooked(result.search), replace(plan, python=result.search.plan.python)
        space = result.search.space
        if not more or space.projects is None:
            return result
        emit(events.Note(text=f"also searching the uploads of {listing(sorted(more))}"))
        space = axis.widen(plan, services, space.projects | more)


def _elsewhere(search: Search, stages: Stages) -> Search | None:
    """Return the search on a Python on which its named ends are not wrong, or None if there is none."""
    from bisect_asgi.session.bisection.elsewhere import elsewhere

    return elsewhere(search, stages)


def _further(result: SearchResult, stages: Stages) -> SearchResult:
    """Return the result on a Python that can test other releases, if this one shows no boundary."""
    choice = result.search.space.choice
    if result.answer.kind not in _WITHOUT_BOUNDARY or choice is None or not choice.others:
        return result
    from bisect_asgi.session.bisection.elsewhere import further

    return further(result, stages.services, find)


def _overlooked(search: Search) -> frozenset[str]:
    """Return the installed packages whose uploads are no candidates."""
    environments = search.engine.environments.values()
    found = {distribution.name for built in environments for distribution in built.distributions}
    return frozenset(found) - (search.space.projects or frozenset(found))


def _explain(result: SearchResult, plan: Plan, stages: Stages, explained: set[Boundary]) -> None:
    """Find the culprits of the changes that were not explained yet: the one that was found, or all changes.

    The change that was found comes first, because the user asked for it, and an interrupt may end the rest.
    The others are explained only with `--history all`: each takes as long as the search, and the user did not
    ask for them.
    """
    answer = result.answer
    if answer.found is None or answer.kind not in (ResultKind.FOUND, ResultKind.INCONCLUSIVE):
        return
    others = answer.mapped.changes if answer.mapped and plan.all_changes else ()
    is_found = answer.kind is ResultKind.FOUND  # else the change lies among untestable releases
    for found in (*([answer.found] if is_found else ()), *(each for each in others if not each.skipped)):
        if found not in explained:
            explained.add(found)
            _find_culprit(replace(result, answer=replace(answer, found=found)), plan, stages)


def _find_culprit(result: SearchResult, plan: Plan, stages: Stages) -> None:
    """Find the culprit of the change, the differences of its releases, and the commits."""
    show(result, stages.services, stages.emit)
    if Stretch.CAUSE in _stretches(plan):
        stages.emit(events.StretchStarted(stretch=Stretch.CAUSE))
    is_wanted = (plan.culprit or plan.drill) and axis_of(plan).is_explained
    if not is_wanted and plan.over != COMMITS:
        return
    from bisect_asgi.session.culprit import explain
    from bisect_asgi.session.culprit.drill import go_into, go_into_merges

    for target in explain(result, stages):
        with _noted(stages):
            go_into(target, plan, stages)
    if not plan.first_parent:
        with _noted(stages):
            go_into_merges(plan, result, stages)


@contextmanager
def _noted(stages: Stages) -> Iterator[None]:
    """Emit an error as a note: it does not undo the result that was found before it."""
    try:
        yield
    except BisectError as error:
        stages.emit(events.Note(text=str(error)))


def verify(plan: Plan, claim: Claim, services: Services, emit: Emit, *, with_cause: bool = False) -> Finding:
    """Judge a claim by running its own two releases, and enough others to see other changes.

    `with_cause`: find the cause of the claimed change, or of the newest one if there is no such change.

    Raises:
        UsageError: the claimed release cannot be a candidate, or is the oldest one; or the probe never ran.
        Unavailable: there is no result.
    """
    with ending(emit) as end:
        emit(started(plan))
        cause = (Stretch.CAUSE,) if with_cause else ()
        emit(events.StretchesPlanned(stretches=(Stretch.SEARCH, Stretch.CONFIRM, *cause)))
        space, place = release_axis.prepare_claim(plan, claim, services)
        announce(space, emit)
        search = Search(plan, space, services, emit)
        stages = Stages(services, emit) if with_cause else None
        return _verify(search, claim, place, end, stages)


def _verify(
    search: Search, claim: Claim, place: int, end: Callable[[Result], None], stages: Stages | None
) -> Finding:
    """Judge a claim about the candidate at `place`; give the result of the search to `end`.

    With `stages`, the cause of the change is found in them.
    """
    search.recall()
    threshold_search = search.plan.criteria.threshold_search
    if threshold_search and (answer := find_threshold(search, threshold_search)):
        if answer.kind is ResultKind.NOT_ASKED:
            raise _mistake(answer)
        end(answer)
        return claims.inconclusive(claim, answer.message)
    engine, replay = search.engine, all_changes(search, first=(place, place - 1))
    engine.search(replay, is_over=partial(has_never_run, search), looks_ahead=True)
    if wrong := search.never_ran(search.judgement()):
        raise _mistake(of_never_ran(search.context, wrong))
    search.note_extras()
    engine.repeat([key for key in (place - 1, place) if key in engine.observed], search.plan.repeats)
    state = search_changes(search, replay)
    confirm_claim(search, place)
    belief = None
    if search.judgement().is_flaky:
        state, belief = search_noisy(search)
    judgement = search.judgement()
    answer = answers.result_of(replace(search.context, believed=belief), state, judgement)
    if stages and answer.found:
        changes = answer.mapped.changes if answer.mapped else ()
        found = next((each for each in changes if each.high == place), answer.found)
        claimed = SearchResult(search=search, answer=replace(answer, found=found), state=state)
        with _noted(stages):
            _find_culprit(claimed, search.plan, stages)
    end(answer)
    if belief is not None and not isinstance(state, Boundary):
        return claims.inconclusive(claim, answer.message)
    if isinstance(state, Boundary):  # a flaky probe can show only one change
        state = AllBoundaries(changes=(state,), shortest=len(search.labels))
    return claims.judge_claim(claim, place, search.labels, judgement, state, is_settled=search.is_settled)


def _mistake(answer: Result) -> UsageError:
    return UsageError(answer.message, hint=answer.hint)


def check(
    plan: Plan, version: str, services: Services, emit: Emit = lambda _: None
) -> tuple[InterpreterChoice, Trial]:
    """Run the probe on one release; emit a note if it lacks an extra that is asked for.

    Raises:
        UsageError: there is no such release, or no interpreter that installs it.
        Unavailable: there is no result.
    """
    space, choice = release_axis.prepare_one(plan, version, services)
    (candidate,) = space.candidates
    request = TrialRequest(
        key=0, label=candidate.label, spec=candidate.spec, probe=plan.probe, fresh=plan.fresh
    )
    token = CancelToken()
    future = services.executor.submit(services.trials.run, request, token)
    try:
        trial = future.result()
    except KeyboardInterrupt:
        token.cancel()
        raise
    if trial.environment:
        for text in Extras(plan, [candidate], services).notes({0: trial.environment}, [candidate.label]):
            emit(events.Note(text=text))
    return choice, trial


def rule_on(plan: Plan, trial: Trial) -> Ruling | None:
    """Rule on one release by itself: any failure is bad; return None if there is no result."""
    judgement = judge({0: trial.observations}, size=1, expectation=Expectation(), criteria=plan.criteria)
    return judgement.rulings.get(0)
