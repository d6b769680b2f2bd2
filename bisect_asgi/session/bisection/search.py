"""One search with everything that makes its answer sure: ends, boundary, confirmation, other changes.

The first search of a run, the search along a dependency's releases, and the one into commits are the same.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Collection, Sequence
from statistics import median
from typing import TYPE_CHECKING

from bisect_asgi.core import answers, events
from bisect_asgi.core.answers import Result
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.metrics.criteria import RATIO, TIMES, Limit, LimitSearch, values
from bisect_asgi.core.metrics.readings import unit_of
from bisect_asgi.core.metrics.warnings import Drift, data_warnings, sentence
from bisect_asgi.core.model import Candidate, Commit, Observation
from bisect_asgi.core.plan.plan import Plan
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.releases.select import between
from bisect_asgi.core.search import AllChanges, Boundary, State, is_monotonic
from bisect_asgi.core.search.spot_checks import spot_checks
from bisect_asgi.core.services import Emit, Services
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.axes.base import SearchSpace
from bisect_asgi.session.bisection.confirm import Beside, confirm_changes, search_and_confirm, tell_sure
from bisect_asgi.session.bisection.engine import Engine, MakeSearch, SearchSpec
from bisect_asgi.session.bisection.flaky import doubtful_ends, search_noisy
from bisect_asgi.session.bisection.prebuild import Prebuilder

if TYPE_CHECKING:
    from bisect_asgi.session.bisection.levels import LevelSearch
    from bisect_asgi.session.bisection.limits import LimitFinder

COARSE = 32
"""A history that turns out to change more than once is looked through in pieces of a 32nd of it."""


class SearchResult(Struct, frozen=True, kw_only=True):
    """A search that has ended, and what it is known from."""

    engine: Engine
    space: SearchSpace
    answer: Result
    plan: Plan
    """As it was asked, with the limit that was found."""


def open_engine(plan: Plan, space: SearchSpace, services: Services, emit: Emit, *, stage: int = 0) -> Engine:
    """Return the engine for the setting's candidates."""
    question = SearchSpec(
        candidates=space.candidates,
        probe=plan.probe,
        expectation=space.expectation,
        criteria=plan.criteria,
        sampling=plan.sampling,
        fresh=plan.fresh,
        stage=stage,
    )
    trials, preparing = services.trials, None
    if trials.builders and plan.sampling is None:  # samples have the machine to themselves
        preparing = Prebuilder(trials.prepare, trials.builders, emit=emit, clock=time.monotonic)
    return Engine(
        question,
        run_trial=trials.run,
        executor=services.executor,
        jobs=plan.jobs,
        most=plan.most_jobs if plan.sampling is None else plan.jobs,
        emit=emit,
        preparing=preparing,
    )


def run_search(plan: Plan, space: SearchSpace, engine: Engine, services: Services) -> SearchResult:
    """Take in what is known, search, confirm both sides of what was found, and say what it means."""
    recall(plan, engine, services)
    if plan.criteria.limit_search and not plan.criteria.limit:
        expectation = find_limit(plan, space, engine, services, plan.criteria.limit_search)
        plan = replace(plan, criteria=engine.question.criteria, sampling=engine.question.sampling)
        if isinstance(expectation, Result):
            tell_quality(engine, space.labels)
            return SearchResult(engine=engine, space=space, answer=expectation, plan=plan)
        space = replace(space, expectation=expectation, gallop=False)
    if plan.all_changes and plan.shortest == 1 and plan.criteria.limit:
        _levelling(plan, space, engine, services).place()
    state, believed = _search(engine, plan, space)
    tell_quality(engine, space.labels)
    if isinstance(state, Boundary) and plan.criteria.limit_search:
        tell_share(engine, state, space.expectation, space.labels)
    doubtful = doubtful_ends(engine, plan, space)
    case = replace(context_of(plan, space, engine), believed=believed, doubtful=doubtful)
    answer = answers.result_of(case, state, engine.judgement())
    if found := answer.found:
        sides = space.labels[found.low], space.labels[found.high]
        answer = replace(answer, excluded_between=between(space.excluded, *sides))
    return SearchResult(engine=engine, space=space, answer=answer, plan=plan)


def find_limit(
    plan: Plan, space: SearchSpace, engine: Engine, services: Services, limit_search: LimitSearch
) -> Result | Expectation:
    """Set the limit by samples of both ends; or answer by samples of all, or that there is none."""
    if plan.all_changes and limit_search.above is None and limit_search.below is None:
        return _levelling(plan, space, engine, services).find()
    return _sampler(plan, space, engine, services, limit_search).find_limit()


def _sampler(
    plan: Plan, space: SearchSpace, engine: Engine, services: Services, limit_search: LimitSearch
) -> LimitFinder:
    from bisect_asgi.session.bisection.limits import LimitFinder

    return LimitFinder(engine, plan, space, limit_search, recall=lambda: recall(plan, engine, services))


def _levelling(plan: Plan, space: SearchSpace, engine: Engine, services: Services) -> LevelSearch:
    limit_search = plan.criteria.limit_search or LimitSearch(metric=plan.criteria.metric or "")
    sampler = _sampler(plan, space, engine, services, limit_search)
    from bisect_asgi.session.bisection.levels import LevelSearch

    return LevelSearch(engine, plan, limit_search, sampler=sampler, case=context_of(plan, space, engine))


def recall(plan: Plan, engine: Engine, services: Services) -> None:
    """Take in what earlier commands observed, unless the user wants none of it."""
    if not plan.fresh:
        engine.recall(services.trials.recall, services.trials.is_built)


def context_of(plan: Plan, space: SearchSpace, engine: Engine) -> answers.ResultContext:
    """What messages need to know of the search."""
    axis = axis_of(plan)
    return answers.ResultContext(
        axis=axis.words_of(plan),
        hints=axis.hints,
        probe=plan.probe.name,
        labels=space.labels,
        expectation=space.expectation,
        errors={key: str(run.signature.shown) for key, run in engine.errors.items() if run.signature},
        budget=str(plan.budget),
        metric=plan.criteria.metric,
        limit=_bound(engine),
        is_settled=engine.noise is not None,
    )


def _bound(engine: Engine) -> str:
    """The limit in words, a plain number in the unit that it counts in; empty: there is none."""
    limit = engine.question.criteria.limit
    if limit is None:
        return ""
    runs = (run for runs in engine.observed.values() for run in runs)
    return replace(limit, unit=limit.unit or unit_of(runs, limit.metric)).bound


def announce(space: SearchSpace, emit: Emit) -> None:
    """Tell what was found out before the first trial."""
    if space.choice:
        emit(events.InterpreterChosen(interpreter=space.choice.interpreter, reason=space.choice.reason))
    for note in space.notes:
        emit(events.Note(text=note))
    every = tuple(map(listed, space.candidates))
    emit(events.CandidatesListed(candidates=every, excluded=space.excluded))


def listed(candidate: Candidate) -> events.CandidateListed:
    """The candidate as reports know it."""
    spec = candidate.spec
    return events.CandidateListed(
        version=candidate.label,
        uploaded=candidate.uploaded,
        exclude_newer=spec.exclude_newer,
        python=spec.interpreter.version,
        source=_source(spec.commit) if spec.commit else None,
        is_exact=bool(spec.overrides),
    )


def _source(commit: Commit) -> str:
    """The requirement (PEP 508) that has the commit built again."""
    address = commit.repository if "://" in commit.repository else f"file://{commit.repository}"
    return f"{commit.project} @ git+{address}@{commit.sha}"


def mapping(size: int, shortest: int | None = None, *, first: Sequence[int] = ()) -> MakeSearch:
    """The search for all changes, coarse unless `shortest` says otherwise."""
    finest = math.ceil(size / COARSE) if shortest is None else shortest
    # The newest end early: it says which side is which.
    return lambda told: AllChanges.replay(size, told, shortest=finest, first=(*first, size - 1, 0))


def _search(engine: Engine, plan: Plan, space: SearchSpace) -> tuple[State, events.BeliefUpdated | None]:
    """Search, taking the probe at its word until it contradicts itself."""

    def elsewhere(found: Boundary) -> Collection[int]:
        # Whatever is known: so the same command chooses the same ones and finds them in the store.
        return spot_checks(space.labels, found.low, found.high, known=(), most=plan.spot_checks)

    state = _search_plainly(engine, plan, space, elsewhere)
    if engine.judgement().is_flaky and not plan.all_changes:
        return search_noisy(engine, plan, space, beside=elsewhere)
    tell_sure(engine, state, plan, space)
    return state, None


def _search_plainly(engine: Engine, plan: Plan, space: SearchSpace, elsewhere: Beside) -> State:
    """Find the boundary and look whether it is the only change; or find all changes."""
    size = len(space.candidates)
    if plan.all_changes:
        return search_changes(engine, plan, space, mapping(size, plan.shortest))
    state = search_and_confirm(engine, plan, space, beside=elsewhere)
    is_sure = isinstance(state, Boundary) and not engine.judgement().is_flaky
    if not isinstance(state, Boundary) or not is_sure or state.skipped:
        return state
    chosen = elsewhere(state)
    if engine.errors.keys() - set(chosen):
        return state
    if unknown := [key for key in chosen if key not in engine.observed.keys() | engine.errors.keys()]:
        engine.repeat(unknown, 1)
    if is_monotonic(engine.judgement().verdicts):
        return search_and_confirm(engine, plan, space)
    # An order that cannot be, if there is one change: is it a run that went wrong, or a history?
    confirm_changes(engine, plan, space)
    return state if engine.judgement().is_flaky else search_changes(engine, plan, space, mapping(size))


def search_changes(engine: Engine, plan: Plan, space: SearchSpace, told: MakeSearch) -> State:
    """Find all changes, and run both sides of each until they are no accident."""
    while True:
        state = engine.search(told, looks_ahead=True)
        if not confirm_changes(engine, plan, space):
            return state


def tell_quality(engine: Engine, labels: Sequence[str]) -> None:
    """Say what makes the samples doubtful: outliers, drift, growth from run to run, a busy machine."""
    criteria = engine.question.criteria
    if criteria.metric is None:
        return
    samples = {labels[key]: values(runs, criteria) for key, runs in sorted(engine.observed.items())}
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
    for finding in found:
        shown = of_itself if isinstance(finding, Drift) else limit
        engine.emit(events.Note(text=sentence(finding, show=shown.show)))


def tell_share(engine: Engine, found: Boundary, ends: Expectation, labels: Sequence[str]) -> None:
    """Say so where the step at a boundary is less than half of what the ends differ by: there are others."""
    criteria = engine.question.criteria
    if ends.good is None or ends.bad is None or criteria.limit is None:
        return
    samples = [values(engine.observed[key], criteria) for key in (found.low, found.high, ends.good, ends.bad)]
    if not all(samples):
        return
    low, high, good, bad = map(median, samples)
    step, whole = abs(high - low), abs(bad - good)
    if step < whole / 2:
        show = criteria.limit.show
        told = f"`{criteria.metric}` crosses the limit at {labels[found.high]}, but by {show(step)} of the "
        engine.emit(
            events.Note(text=f"{told}{show(whole)} that the ends differ by; `--all` tells every step")
        )


def _reference(runs: Sequence[Observation], metric: str) -> list[float]:
    """What the reference's runs measured, in the order in which they were made; none without a reference."""
    of_reference = (run.reference_metrics.get(metric) for run in runs)
    return [value for value in of_reference if value is not None]
