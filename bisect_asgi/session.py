"""One bisection from the plan to the answer: interpreter, candidates, ends, boundary, confirmation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bisect_asgi import __version__, answers, claims, events
from bisect_asgi.answers import Answer
from bisect_asgi.axes import releases as release_axis
from bisect_asgi.claims import Claim, Finding
from bisect_asgi.engine import Emit, Engine, MakeSearch, Question, RunTrial
from bisect_asgi.errors import BisectError, UsageError
from bisect_asgi.events import AnswerKind
from bisect_asgi.judge import Expectation, Judgement, judge
from bisect_asgi.model import Candidate, Release, Ruling, Trial, TrialRequest, Verdict
from bisect_asgi.plan import Plan, PolicyKind
from bisect_asgi.process import Lifeline
from bisect_asgi.releases import Range, Selection, Usable, Wanted, select
from bisect_asgi.search import AllChanges, Bisection, Found, State, is_monotonic
from bisect_asgi.spots import spots
from bisect_asgi.suitability import Choice, choose


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a session needs of the outside; each is replaced by a fake in offline tests."""

    releases_of: Callable[[str], Sequence[Release]]
    """Asks the index for a project's releases."""
    interpreters: Callable[[], Sequence[Usable]]
    """Finds the interpreters of this machine."""
    interpreter: Callable[[str], Usable]
    """Finds the interpreter that the user names."""
    downloadable: Callable[[], Sequence[Usable]]
    """Lists the interpreters that uv could download."""
    run_trial: RunTrial
    recall: Callable[[TrialRequest], Trial | None]
    """Asks the store what is known of a candidate."""
    executor: Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What was found out before the first trial."""

    choice: Choice
    selection: Selection
    candidates: tuple[Candidate, ...]
    expectation: Expectation
    gallop: bool


def bisect(plan: Plan, world: World, emit: Emit) -> AnswerKind:
    """Find the boundary, telling everything that happens to `emit`; the last event is the answer.

    Raises:
        BisectError: the question cannot be asked, or the outside world failed; told as the last event, too.
        KeyboardInterrupt: likewise.
    """
    started = time.monotonic()

    def finish(answer: Answer) -> AnswerKind:
        emit(answer.event(elapsed_s=time.monotonic() - started))
        return answer.kind

    emit(_run_started(plan))
    try:
        setting = prepare(plan, world)
        _announce(setting, emit)
        return finish(_find(plan, setting, world, emit))
    except BisectError as error:
        finish(Answer(kind=answers.kind_of(error), message=str(error), hint=error.hint))
        raise
    except KeyboardInterrupt:
        finish(answers.INTERRUPTED)
        raise


def prepare(plan: Plan, world: World, *, named: tuple[str, ...] = ()) -> Setting:
    """Choose the interpreter and the candidates; `named` ones come in whatever the switches say.

    Raises:
        UsageError: a named release cannot be a candidate, none is left, or no interpreter fits.
        Unavailable: the index did not answer.
    """
    every = world.releases_of(plan.project)
    pinned = release_axis.pinned_releases(plan, world.releases_of)
    wanted = Wanted(
        within=plan.releases,
        pre=plan.pre,
        yanked=plan.yanked,
        by_upload=plan.by_upload,
        named=(*named, *(str(version) for version in (plan.good, plan.bad) if version is not None)),
    )
    anywhere = select(every, wanted, None).between(plan.good, plan.bad)
    newest = anywhere.releases[-1:] if plan.bad is None else ()
    choice = choose_interpreter(plan, world, anywhere, pinned=pinned, newest=newest)
    selection = select(every, wanted, choice.usable)
    span = selection.between(plan.good, plan.bad)
    if len(span.releases) < 2:
        raise _too_few(plan, selection, span)
    _check_dates(plan, span.releases)
    return Setting(
        choice=choice,
        selection=selection,
        candidates=release_axis.candidates(plan, span.releases, choice.interpreter, pinned),
        expectation=Expectation(good=span.good, bad=span.bad),
        gallop=plan.good is None,
    )


def verify(plan: Plan, claim: Claim, world: World, emit: Emit) -> Finding:
    """Hold a claim against the releases: its own two, and enough around them to see other changes.

    Raises:
        UsageError: the claimed release cannot be a candidate, or is the oldest one.
        Unavailable: nothing was learnt.
    """
    emit(_run_started(plan))
    started = time.monotonic()
    setting = prepare(replace(plan, good=None, bad=None), world, named=(claim.version,))
    _announce(setting, emit)
    labels = tuple(candidate.label for candidate in setting.candidates)
    place = setting.selection.position(claim.version, option=claim.option)
    if place == 0:
        raise UsageError(
            f"`{claim.option} {claim.version}` is the oldest release that can be looked at",
            hint="there is nothing before it to compare it with; widen `--releases`",
        )
    engine = _engine(plan, setting, world, emit)
    told = _mapping(len(labels), first=(place, place - 1))
    engine.search(told)
    engine.repeat([key for key in (place - 1, place) if key in engine.observed], plan.confirm)
    state = engine.search(told)
    judgement = engine.judgement()
    case = _case(plan, setting, engine)
    emit(answers.answer(case, state, judgement).event(elapsed_s=time.monotonic() - started))
    return claims.judge_claim(claim, place, labels, judgement, state)


def check(plan: Plan, version: str, world: World) -> tuple[Choice, Trial]:
    """Run the probe on one release.

    Raises:
        UsageError: there is no such release, or no interpreter that installs it.
        Unavailable: nothing was learnt.
    """
    every = world.releases_of(plan.project)
    pinned = release_axis.pinned_releases(plan, world.releases_of)
    wanted = Wanted(named=(version,))
    alone = _alone(select(every, wanted, None), version, plan)
    choice = choose_interpreter(plan, world, alone, pinned=pinned, newest=())
    (release,) = _alone(select(every, wanted, choice.usable), version, plan).releases
    _check_dates(plan, (release,))
    candidate = release_axis.candidate(plan, release, choice.interpreter, pinned)
    request = TrialRequest(
        key=0, label=candidate.label, spec=candidate.spec, probe=plan.probe, fresh=plan.fresh
    )
    lifeline = Lifeline()
    future = world.executor.submit(world.run_trial, request, lifeline)
    try:
        return choice, future.result()
    except KeyboardInterrupt:
        lifeline.cancel()
        raise


def _alone(selection: Selection, version: str, plan: Plan) -> Range:
    """The range of one named release."""
    place = selection.position(version, option=plan.project)
    return Range(releases=selection.kept[place : place + 1], good=0)


def rule_on(plan: Plan, trial: Trial) -> Ruling | None:
    """Rule on one release by itself, where any failure is the failure; None: nothing was learnt."""
    judged = judge({0: trial.observations}, size=1, expectation=Expectation(), rules=plan.rules)
    return judged.rulings.get(0)


def choose_interpreter(
    plan: Plan,
    world: World,
    span: Range,
    *,
    pinned: Sequence[Release],
    newest: Sequence[Release],
) -> Choice:
    """The user's choice, else the probe's wish, else the one that suits the range best.

    It has to install the named ends; if possible also what is pinned, and `newest`.

    Raises:
        UsageError: there is none that can install the named ends.
    """
    if plan.python is not None:
        return Choice(usable=world.interpreter(plan.python), reason=f"`--python {plan.python}`")
    found = [u for u in world.interpreters() if plan.requires_python.contains(u.interpreter.version)]
    if not found:
        raise UsageError(
            f"no Python on this machine satisfies the probe's `requires-python`: `{plan.requires_python}`",
            hint=_offer(plan, world, Range(releases=span.releases)),
        )
    for required in ([*span.ends, *pinned], span.ends):
        if choice := choose(found, span.releases, required=required, wished=newest):
            if not plan.requires_python:
                return choice
            return replace(choice, reason=f"the probe requires {plan.requires_python}; {choice.reason}")
    names = " and ".join(f"{plan.project} {release.version}" for release in span.ends)
    raise UsageError(f"no Python on this machine can install {names}", hint=_offer(plan, world, span))


def _offer(plan: Plan, world: World, span: Range) -> str:
    """Which interpreter to get, if uv has one that would do."""
    offered = [u for u in world.downloadable() if plan.requires_python.contains(u.interpreter.version)]
    if best := choose(offered, span.releases, required=span.ends):
        return f"uv can get one that does: `uv python install {best.interpreter.short}`"
    return "`bisect-asgi releases` shows which Python each release requires"


def _too_few(plan: Plan, selection: Selection, span: Range) -> UsageError:
    reasons = sorted({out.reason for out in selection.left_out})
    told = f"; left out: {'; '.join(reasons[:3])}" if reasons else ""
    count = "only one release" if span.releases else "no release"
    return UsageError(
        f"there is {count} of `{plan.project}` to look at{told}",
        hint=f"`bisect-asgi releases {plan.project}` lists them all; widen `--releases` or the ends",
    )


def _check_dates(plan: Plan, kept: Sequence[Release]) -> None:
    """A policy by date needs dates: without them it would silently be another policy."""
    undated = [release.version for release in kept if release.uploaded is None]
    if undated and plan.policy.kind is not PolicyKind.LATEST:
        raise UsageError(
            f"the index gives no upload time for {plan.project} {undated[0]}, "
            f"and `--deps {plan.policy}` needs one",
            hint="use `--deps latest`, or an index that gives them (JSON pages, PEP 700)",
        )


def _find(plan: Plan, setting: Setting, world: World, emit: Emit) -> Answer:
    """Search, confirm both sides of what was found, and say what it means."""
    engine = _engine(plan, setting, world, emit)
    state = _search(engine, plan, setting)
    return answers.answer(_case(plan, setting, engine), state, engine.judgement())


def _engine(plan: Plan, setting: Setting, world: World, emit: Emit) -> Engine:
    """The engine for the setting's candidates, with what is known of them taken in."""
    question = Question(
        candidates=setting.candidates,
        probe=plan.probe,
        expectation=setting.expectation,
        rules=plan.rules,
        fresh=plan.fresh,
    )
    engine = Engine(question, run_trial=world.run_trial, executor=world.executor, jobs=plan.jobs, emit=emit)
    if not plan.fresh:
        engine.recall(world.recall)
    return engine


def _case(plan: Plan, setting: Setting, engine: Engine) -> answers.Case:
    return answers.Case(
        project=plan.project,
        probe=plan.probe.name,
        labels=tuple(candidate.label for candidate in setting.candidates),
        expectation=setting.expectation,
        broken={key: str(run.signature.shown) for key, run in engine.broken.items() if run.signature},
    )


COARSE = 32
"""A history that turns out to change more than once is looked through in pieces of a 32nd of it."""


def _search(engine: Engine, plan: Plan, setting: Setting) -> State:
    """Find the boundary and look whether it is the only change; or find all changes."""
    size = len(setting.candidates)
    if plan.all_changes:
        return engine.search(_mapping(size, plan.shortest))
    state = _search_and_confirm(engine, plan, setting)
    if not isinstance(state, Found) or state.skipped or _is_flaky(engine) or engine.broken:
        return state
    labels = [candidate.label for candidate in setting.candidates]
    # Chosen whatever is known, so that the same command chooses the same ones and finds them in the store.
    chosen = spots(labels, state.low, state.high, known=(), most=plan.spot_checks)
    if unknown := [key for key in chosen if key not in engine.observed]:
        engine.repeat(unknown, 1)
    if is_monotonic(engine.judgement().verdicts):
        return _search_and_confirm(engine, plan, setting)
    return engine.search(_mapping(size))


def _mapping(size: int, shortest: int | None = None, *, first: Sequence[int] = ()) -> MakeSearch:
    """The search for all changes, coarse unless `shortest` says otherwise."""
    finest = math.ceil(size / COARSE) if shortest is None else shortest
    # The newest end early: it says which side is which.
    return lambda told: AllChanges.replay(size, told, shortest=finest, first=(*first, size - 1, 0))


def _is_flaky(engine: Engine) -> bool:
    return any(ruling.is_flaky for ruling in engine.judgement().rulings.values())


def _search_and_confirm(engine: Engine, plan: Plan, setting: Setting) -> State:
    """Search until the boundary has been run once more on both sides, and both agree with themselves."""

    def is_over(judgement: Judgement) -> bool:
        return answers.contradicts(judgement, setting.expectation)

    def told(verdicts: Mapping[int, Verdict]) -> Bisection:
        return Bisection.replay(
            len(setting.candidates), verdicts, gallop=setting.gallop, verify=setting.expectation.named
        )

    while True:
        state = engine.search(told, is_over=is_over)
        if not isinstance(state, Found):
            return state
        wanted = 1 + plan.confirm
        unconfirmed = [key for key in (state.low, state.high) if len(engine.observed[key]) < wanted]
        if not unconfirmed or engine.broken.keys() & set(unconfirmed) or _is_flaky(engine):
            return state
        engine.repeat(unconfirmed, plan.confirm)


def _run_started(plan: Plan) -> events.RunStarted:
    return events.RunStarted(
        tool_version=__version__,
        started=datetime.now(UTC),
        project=plan.project,
        requirement=plan.requirement("{version}"),
        probe=plan.probe_path,
        command=plan.probe.command,
        order="upload" if plan.by_upload else "version",
        dependencies=str(plan.policy),
        held=plan.held,
        good=str(plan.good) if plan.good else None,
        bad=str(plan.bad) if plan.bad else None,
        releases=str(plan.releases) or None,
        jobs=plan.jobs,
        served=plan.probe.served is not None,
        check_options=plan.check_options(),
        term_old=plan.term_old,
        term_new=plan.term_new,
    )


def _announce(setting: Setting, emit: Emit) -> None:
    """Tell what was found out before the first trial."""
    emit(events.InterpreterChosen(interpreter=setting.choice.interpreter, reason=setting.choice.reason))
    listed = tuple(
        events.CandidateListed(
            version=candidate.label, uploaded=candidate.uploaded, not_after=candidate.spec.not_after
        )
        for candidate in setting.candidates
    )
    emit(events.CandidatesListed(candidates=listed, left_out=setting.selection.left_out))
