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
from bisect_asgi.core.answers import Answer
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.metrics.criteria import RATIO, TIMES, Aim, Limit, values
from bisect_asgi.core.metrics.readings import unit_of
from bisect_asgi.core.metrics.warnings import Drift, findings, sentence
from bisect_asgi.core.model import Candidate, Commit, Observation
from bisect_asgi.core.plan.plan import Plan
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.releases.select import between
from bisect_asgi.core.search import AllChanges, Found, State, is_monotonic
from bisect_asgi.core.search.spot_checks import spots
from bisect_asgi.core.services import Emit, World
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.axes.base import Setting
from bisect_asgi.session.bisection.confirm import Beside, confirm_changes, search_and_confirm, tell_sure
from bisect_asgi.session.bisection.engine import Engine, MakeSearch, Question
from bisect_asgi.session.bisection.flaky import doubtful_ends, search_noisy
from bisect_asgi.session.bisection.prebuild import Preparing

if TYPE_CHECKING:
    from bisect_asgi.session.bisection.levels import Levelling
    from bisect_asgi.session.bisection.limits import EndSampler

COARSE = 32
"""A history that turns out to change more than once is looked through in pieces of a 32nd of it."""


class Hunt(Struct, frozen=True, kw_only=True):
    """A search that has ended, and what it is known from."""

    engine: Engine
    setting: Setting
    answer: Answer
    plan: Plan
    """As it was asked, with the limit that was found."""


def open_engine(plan: Plan, setting: Setting, world: World, emit: Emit, *, stage: int = 0) -> Engine:
    """Return the engine for the setting's candidates."""
    question = Question(
        candidates=setting.candidates,
        probe=plan.probe,
        expectation=setting.expectation,
        rules=plan.rules,
        measuring=plan.measuring,
        fresh=plan.fresh,
        stage=stage,
    )
    preparing = None
    if world.prepare and world.builders and plan.measuring is None:  # samples have the machine to themselves
        preparing = Preparing(world.prepare, world.builders, emit=emit, clock=time.monotonic)
    return Engine(
        question,
        run_trial=world.run_trial,
        executor=world.executor,
        jobs=plan.jobs,
        most=plan.most_jobs if plan.measuring is None else plan.jobs,
        emit=emit,
        preparing=preparing,
    )


def find(plan: Plan, setting: Setting, engine: Engine, world: World) -> Hunt:
    """Take in what is known, search, confirm both sides of what was found, and say what it means."""
    recall(plan, engine, world)
    if plan.rules.aim and not plan.rules.limit:
        expectation = find_limit(plan, setting, engine, world, plan.rules.aim)
        plan = replace(plan, rules=engine.question.rules, measuring=engine.question.measuring)
        if isinstance(expectation, Answer):
            tell_quality(engine, setting.labels)
            return Hunt(engine=engine, setting=setting, answer=expectation, plan=plan)
        setting = replace(setting, expectation=expectation, gallop=False)
    if plan.all_changes and plan.shortest == 1 and plan.rules.limit:
        _levelling(plan, setting, engine, world).place()
    state, believed = _search(engine, plan, setting)
    tell_quality(engine, setting.labels)
    if isinstance(state, Found) and plan.rules.aim:
        tell_share(engine, state, setting.expectation, setting.labels)
    doubtful = doubtful_ends(engine, plan, setting)
    case = replace(case_of(plan, setting, engine), believed=believed, doubtful=doubtful)
    answer = answers.answer(case, state, engine.judgement())
    if found := answer.found:
        sides = setting.labels[found.low], setting.labels[found.high]
        answer = replace(answer, left_between=between(setting.left_out, *sides))
    return Hunt(engine=engine, setting=setting, answer=answer, plan=plan)


def find_limit(plan: Plan, setting: Setting, engine: Engine, world: World, aim: Aim) -> Answer | Expectation:
    """Set the limit by samples of both ends; or answer by samples of all, or that there is none."""
    if plan.all_changes and aim.above is None and aim.below is None:
        return _levelling(plan, setting, engine, world).find()
    return _sampler(plan, setting, engine, world, aim).find_limit()


def _sampler(plan: Plan, setting: Setting, engine: Engine, world: World, aim: Aim) -> EndSampler:
    from bisect_asgi.session.bisection.limits import EndSampler

    return EndSampler(engine, plan, setting, aim, recall=lambda: recall(plan, engine, world))


def _levelling(plan: Plan, setting: Setting, engine: Engine, world: World) -> Levelling:
    aim = plan.rules.aim or Aim(metric=plan.rules.metric or "")
    sampler = _sampler(plan, setting, engine, world, aim)
    from bisect_asgi.session.bisection.levels import Levelling

    return Levelling(engine, plan, aim, sampler=sampler, case=case_of(plan, setting, engine))


def recall(plan: Plan, engine: Engine, world: World) -> None:
    """Take in what earlier commands observed, unless the user wants none of it."""
    if not plan.fresh:
        engine.recall(world.recall, world.is_built)


def case_of(plan: Plan, setting: Setting, engine: Engine) -> answers.Case:
    """What messages need to know of the search."""
    axis = axis_of(plan)
    return answers.Case(
        subject=axis.subject(plan),
        noun=axis.noun,
        probe=plan.probe.name,
        labels=setting.labels,
        expectation=setting.expectation,
        broken={key: str(run.signature.shown) for key, run in engine.broken.items() if run.signature},
        budget=str(plan.budget),
        metric=plan.rules.metric,
        limit=_bound(engine),
        is_settled=engine.noise is not None,
    )


def _bound(engine: Engine) -> str:
    """The limit in words, a plain number in the unit that it counts in; empty: there is none."""
    limit = engine.question.rules.limit
    if limit is None:
        return ""
    runs = (run for runs in engine.observed.values() for run in runs)
    return replace(limit, unit=limit.unit or unit_of(runs, limit.metric)).bound


def announce(setting: Setting, emit: Emit) -> None:
    """Tell what was found out before the first trial."""
    if setting.choice:
        emit(events.InterpreterChosen(interpreter=setting.choice.interpreter, reason=setting.choice.reason))
    for note in setting.notes:
        emit(events.Noted(text=note))
    every = tuple(map(listed, setting.candidates))
    emit(events.CandidatesListed(candidates=every, left_out=setting.left_out))


def listed(candidate: Candidate) -> events.CandidateListed:
    """The candidate as reports know it."""
    spec = candidate.spec
    return events.CandidateListed(
        version=candidate.label,
        uploaded=candidate.uploaded,
        not_after=spec.not_after,
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


def _search(engine: Engine, plan: Plan, setting: Setting) -> tuple[State, events.Believed | None]:
    """Search, taking the probe at its word until it contradicts itself."""

    def elsewhere(found: Found) -> Collection[int]:
        # Whatever is known: so the same command chooses the same ones and finds them in the store.
        return spots(setting.labels, found.low, found.high, known=(), most=plan.spot_checks)

    state = _search_plainly(engine, plan, setting, elsewhere)
    if engine.judgement().is_flaky and not plan.all_changes:
        return search_noisy(engine, plan, setting, beside=elsewhere)
    tell_sure(engine, state, setting)
    return state, None


def _search_plainly(engine: Engine, plan: Plan, setting: Setting, elsewhere: Beside) -> State:
    """Find the boundary and look whether it is the only change; or find all changes."""
    size = len(setting.candidates)
    if plan.all_changes:
        return search_changes(engine, plan, mapping(size, plan.shortest))
    state = search_and_confirm(engine, plan, setting, beside=elsewhere)
    is_sure = isinstance(state, Found) and not engine.judgement().is_flaky
    if not isinstance(state, Found) or not is_sure or state.skipped:
        return state
    chosen = elsewhere(state)
    if engine.broken.keys() - set(chosen):
        return state
    if unknown := [key for key in chosen if key not in engine.observed.keys() | engine.broken.keys()]:
        engine.repeat(unknown, 1)
    if is_monotonic(engine.judgement().verdicts):
        return search_and_confirm(engine, plan, setting)
    # An order that cannot be, if there is one change: is it a run that went wrong, or a history?
    confirm_changes(engine, plan)
    return state if engine.judgement().is_flaky else search_changes(engine, plan, mapping(size))


def search_changes(engine: Engine, plan: Plan, told: MakeSearch) -> State:
    """Find all changes, and run both sides of each until they are no accident."""
    while True:
        state = engine.search(told, looks_ahead=True)
        if not confirm_changes(engine, plan):
            return state


def tell_quality(engine: Engine, labels: Sequence[str]) -> None:
    """Say what makes the samples doubtful: outliers, drift, growth from run to run, a busy machine."""
    rules = engine.question.rules
    if rules.metric is None:
        return
    samples = {labels[key]: values(runs, rules) for key, runs in sorted(engine.observed.items())}
    runs = [run for run in engine.taken if not run.is_warm_up]
    limit = rules.limit or Limit(metric=rules.metric)
    unit = unit_of(runs, rules.metric) if limit.unit == RATIO else limit.unit
    found = findings(
        {label: own for label, own in samples.items() if own},
        reference=_reference(runs, rules.metric),
        busy=[run.busy for run in runs if run.busy is not None and unit in TIMES],
        cores=os.cpu_count() or 1,
    )
    of_itself = Limit(metric=rules.metric, unit=unit)
    for finding in found:
        shown = of_itself if isinstance(finding, Drift) else limit
        engine.emit(events.Noted(text=sentence(finding, show=shown.show)))


def tell_share(engine: Engine, found: Found, ends: Expectation, labels: Sequence[str]) -> None:
    """Say so where the step at a boundary is less than half of what the ends differ by: there are others."""
    rules = engine.question.rules
    if ends.good is None or ends.bad is None or rules.limit is None:
        return
    samples = [values(engine.observed[key], rules) for key in (found.low, found.high, ends.good, ends.bad)]
    if not all(samples):
        return
    low, high, good, bad = map(median, samples)
    step, whole = abs(high - low), abs(bad - good)
    if step < whole / 2:
        show = rules.limit.show
        told = f"`{rules.metric}` crosses the limit at {labels[found.high]}, but by {show(step)} of the "
        engine.emit(
            events.Noted(text=f"{told}{show(whole)} that the ends differ by; `--all` tells every step")
        )


def _reference(runs: Sequence[Observation], metric: str) -> list[float]:
    """What the reference's runs measured, in the order in which they were made; none without a reference."""
    beside = (run.beside.get(metric) for run in runs)
    return [value for value in beside if value is not None]
