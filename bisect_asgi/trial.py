"""A trial: one candidate's environment built or reused, and the probe run in it.

It returns observations whatever the probe does. What cannot be tested (no set of releases, no build) is an
observation too; what could not be asked raises `Unavailable`, and one environment that is not what it says
is a *broken* observation: nothing was learnt about that candidate.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from bisect_asgi import codec, signature
from bisect_asgi.environments.cache import Environment, EnvironmentCache
from bisect_asgi.environments.resolution import Resolution, Resolver
from bisect_asgi.environments.skeletons import NotProved
from bisect_asgi.errors import BuildFailed, Unresolvable
from bisect_asgi.events import Activity
from bisect_asgi.locks import locked
from bisect_asgi.model import (
    BuiltEnvironment,
    EnvironmentSpec,
    Observation,
    Outcome,
    Phase,
    Probe,
    Step,
    Trial,
    TrialRequest,
)
from bisect_asgi.process import Lifeline
from bisect_asgi.runs import Output, run_probe
from bisect_asgi.samples import Lane, take_sample, warm_up
from bisect_asgi.stopwatch import recording, spending, waiting_for
from bisect_asgi.store import Store

_RECENT = timedelta(days=1)
_KEPT_FOR = timedelta(minutes=10)

Progress = Callable[[Activity], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What a worker has on its own machine: caches and the store."""

    store: Store
    resolver: Resolver
    environments: EnvironmentCache
    runs: Path
    locks: Path
    lane: Lane
    renewed: set[str] = field(default_factory=set)
    """Keys of observations that this command has let go of: once is enough where candidates share one."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def renew(self, key: str) -> None:
        """Forget what earlier commands observed under `key`."""
        with self._guard:
            if key not in self.renewed:
                self.renewed.add(key)
                self.store.forget_observations(key)


def run_trial(
    request: TrialRequest,
    workshop: Workshop,
    *,
    lifeline: Lifeline,
    progress: Progress = lambda _: None,
    output: Output | None = None,
) -> Trial:
    """Return what the candidate showed; observations that the store has are not made again.

    Raises:
        Unavailable: the index, the disk or uv failed; nothing was learnt.
        Cancelled: the lifeline was cancelled.
    """
    with recording() as steps:
        trial = _run_trial(request, workshop, lifeline, progress, output)
    return replace(trial, steps=steps)


def prepare(request: TrialRequest, workshop: Workshop, *, lifeline: Lifeline) -> dict[Step, float]:
    """Build a candidate's environment ahead; return the seconds of each step.

    What cannot be built says nothing here: the trial will tell, if there is one.

    Raises:
        Unavailable: the index, the disk or uv failed.
        Cancelled: the lifeline was cancelled.
    """
    with recording() as steps, suppress(Unresolvable, BuildFailed, NotProved):
        with spending(Step.RESOLVE):
            resolution = resolve(request.spec, workshop, lifeline)
        try:
            with workshop.environments.holding(resolution, request.spec, lifeline):
                pass
        except BuildFailed as error:  # it may have taken minutes to find out
            _keep_failure(request.spec, error, workshop.store)
            raise
    return steps


def _run_trial(
    request: TrialRequest, workshop: Workshop, lifeline: Lifeline, progress: Progress, output: Output | None
) -> Trial:
    started = monotonic()
    progress(Activity.RESOLVING)
    try:
        anew = request.fresh and not request.already
        with spending(Step.RESOLVE):
            resolution = resolve(request.spec, workshop, lifeline, anew=anew)
    except (Unresolvable, BuildFailed) as error:
        return _untestable(request, error, build_s=monotonic() - started)
    try:
        with spending(Step.RESOLVE):
            against = _resolve_reference(request, workshop, lifeline)
    except NotProved as error:
        return _broken(request, error, build_s=monotonic() - started)
    key = observation_key(request.probe, resolution, against, host=measured_on(request))
    if request.fresh:
        workshop.renew(key)
    # Two processes that want the same observation: the second waits, and finds it in the store.
    with waiting_for(locked(workshop.locks / f"run-{key}.lock", waiting=lifeline.check)):
        known = _asked_for(workshop.store.observations(key)[request.already :], request.runs)
        wanted = request.runs - _count(known)
        if wanted == 0:
            return _finished(request, resolution, known, (), build_s=monotonic() - started)
        try:
            progress(Activity.BUILDING)
            with ExitStack() as held:
                hold = workshop.environments.holding
                environment = held.enter_context(hold(resolution, request.spec, lifeline))
                reference = _hold_reference(held, request, workshop, against, lifeline)
                built = monotonic()
                if request.measuring:
                    held.enter_context(waiting_for(workshop.lane.taken(lifeline)))
                begun = monotonic()
                progress(Activity.RUNNING)
                made = []
                runs = _runs(request, workshop, environment, reference, wanted, lifeline, output)
                with closing(runs):  # what cannot be kept ends those that run beside it
                    for seen in runs:
                        made.append(seen)
                        _keep(seen, key, workshop.store)
                workshop.environments.note_use(resolution, request.spec.interpreter)
        except BuildFailed as error:
            _keep_failure(request.spec, error, workshop.store)
            return _untestable(request, error, build_s=monotonic() - started)
        except NotProved as error:
            return _broken(request, error, build_s=monotonic() - started)
    # To wait for the machine to be free is neither building nor running.
    return _finished(
        request, resolution, known, tuple(made), build_s=built - started, run_s=monotonic() - begun
    )


def is_built(request: TrialRequest, workshop: Workshop) -> bool:
    """Tell whether the candidate's environment is there, as far as is known without asking anybody."""
    resolution = _known_resolution(request.spec, workshop.store)
    return resolution is not None and workshop.environments.is_kept(resolution)


def recall(request: TrialRequest, store: Store, *, host: str | None = None) -> Trial | None:
    """Return what earlier commands observed of the candidate, all of it; None: nothing.

    `host`: the machine whose samples count, of a measured probe; None: this one.
    """
    if known_failure := _known_failure(request.spec, store):
        return _untestable(request, known_failure)
    beside = _reference(request)
    against = _known_resolution(beside, store) if beside else None
    if beside and not against:
        return None
    if resolution := _known_resolution(request.spec, store):
        on = measured_on(request, host)
        known = store.observations(observation_key(request.probe, resolution, against, host=on))
        return _finished(request, resolution, known, ()) if _count(known) else None
    return None


def _keep(seen: Observation, key: str, store: Store) -> None:
    """Remember what a run showed; of one that could not be asked there is nothing."""
    if seen.outcome is not Outcome.BROKEN:
        store.add_observation(key, seen)


def _reference(request: TrialRequest) -> EnvironmentSpec | None:
    return request.measuring.reference if request.measuring else None


def _resolve_reference(request: TrialRequest, workshop: Workshop, lifeline: Lifeline) -> Resolution | None:
    """The reference's resolution; None: there is none to be run beside.

    Raises:
        NotProved: it cannot be had, which says nothing of the candidate.
        Unavailable, Cancelled: as `resolve`.
    """
    beside = _reference(request)
    try:
        return resolve(beside, workshop, lifeline) if beside else None
    except (Unresolvable, BuildFailed) as error:
        raise NotProved(f"the reference cannot be run: {error}") from error


def _hold_reference(
    held: ExitStack,
    request: TrialRequest,
    workshop: Workshop,
    against: Resolution | None,
    lifeline: Lifeline,
) -> Environment | None:
    """Hold the reference's environment as long as `held` is open; None: there is none.

    Raises:
        NotProved: it cannot be had, which says nothing of the candidate.
        Unavailable, Cancelled: as `EnvironmentCache.holding`.
    """
    beside = _reference(request)
    if not against or not beside:
        return None
    try:
        return held.enter_context(workshop.environments.holding(against, beside, lifeline))
    except (BuildFailed, NotProved) as error:
        raise NotProved(f"the reference cannot be run: {error}") from error


def _asked_for(known: Sequence[Observation], runs: int) -> tuple[Observation, ...]:
    """As many of those that were recorded as it takes to have `runs`; warm-ups do not count."""
    found: list[Observation] = []
    for observation in known:
        if _count(found) == runs:
            break
        found.append(observation)
    return tuple(found)


def _count(observations: Sequence[Observation]) -> int:
    return sum(not observation.is_warm_up for observation in observations)


def _runs(
    request: TrialRequest,
    workshop: Workshop,
    environment: Environment,
    reference: Environment | None,
    wanted: int,
    lifeline: Lifeline,
    output: Output | None,
) -> Generator[Observation]:
    """Run the probe `wanted` times; a measured one warm, and next to the reference."""

    def run(where: Environment) -> Observation:
        return run_probe(request.probe, where, workshop.runs, lifeline, output)

    measuring = request.measuring
    if measuring is None:
        yield from _abreast(lambda: run(environment), wanted, request.abreast, lifeline)
        return
    if measuring.needs_warm_up:
        for seen in warm_up(run, workshop.lane, environment, reference, probe=codec.digest(request.probe)):
            yield seen
            wanted -= not seen.is_warm_up
    for place in range(request.already, request.already + wanted):
        yield take_sample(run, environment, reference, place=place)


def _abreast(
    run: Callable[[], Observation], wanted: int, abreast: int, lifeline: Lifeline
) -> Iterator[Observation]:
    """Run so often, `abreast` at a time; each as soon as it is over."""
    if min(wanted, abreast) <= 1:
        for _ in range(wanted):
            yield run()
        return
    with spending(Step.RUN), ThreadPoolExecutor(max_workers=abreast, thread_name_prefix="run") as pool:
        try:
            yield from (done.result() for done in as_completed([pool.submit(run) for _ in range(wanted)]))
        except BaseException:
            lifeline.cancel()  # the others' results are not waited for
            raise


def observation_key(
    probe: Probe, resolution: Resolution, against: Resolution | None = None, *, host: str = ""
) -> str:
    """Name everything that can change what a run shows: the probe, the exact environment, the platform.

    Samples that have a reference's beside them are kept apart from those that have none, or another's; and
    where values are compared, those of one `host` from another's.
    """
    beside = against.digest if against else ""
    machine = (sys.platform, os.uname().machine, *([host] if host else []))
    return codec.digest("run 3", probe, resolution.digest, beside, *machine)


def measured_on(request: TrialRequest, host: str | None = None) -> str:
    """The host whose values are compared, `host` or this machine; empty: none are."""
    if request.measuring is None:
        return ""
    return platform.node() if host is None else host


def resolve(
    spec: EnvironmentSpec, workshop: Workshop, lifeline: Lifeline, *, anew: bool = False
) -> Resolution:
    """Return the resolution from the store, or a new one; a past date's does not change any more.

    `anew`: ask whatever the store has.

    Raises:
        Unresolvable, BuildFailed: there is no set that satisfies `spec`.
        Unavailable: the index did not answer.
        Cancelled: the lifeline was cancelled.
    """
    store = workshop.store
    if not anew:
        if failure := _known_failure(spec, store):
            raise failure
        if known := _known_resolution(spec, store):
            return known
    try:
        resolution = workshop.resolver.resolve(spec, lifeline)
    except (Unresolvable, BuildFailed) as error:
        _keep_failure(spec, error, store)
        raise
    store.keep_resolution(_resolution_key(spec), resolution)
    return resolution


def _resolution_key(spec: EnvironmentSpec) -> str:
    return codec.digest("resolve", spec)


def _known_resolution(spec: EnvironmentSpec, store: Store) -> Resolution | None:
    """A resolution of the store that still holds: a past date's for ever, another for ten minutes."""
    if not (known := store.resolution(_resolution_key(spec))):
        return None
    resolution, made = known
    return resolution if _is_past(spec, made) or made > datetime.now(UTC) - _KEPT_FOR else None


def _known_failure(spec: EnvironmentSpec, store: Store) -> Unresolvable | BuildFailed | None:
    """A remembered failure, where nothing that is uploaded later can change it."""
    if not _is_past(spec, datetime.now(UTC)):
        return None
    for kind in (Unresolvable, BuildFailed):
        if reason := store.failure(_failure_key(spec, kind)):
            return kind(reason)
    return None


def _keep_failure(spec: EnvironmentSpec, error: Exception, store: Store) -> None:
    store.keep_failure(_failure_key(spec, type(error)), str(error))


def _failure_key(spec: EnvironmentSpec, kind: type[Exception]) -> str:
    return codec.digest("failure", Unresolvable.__name__ if issubclass(kind, Unresolvable) else "", spec)


def _is_past(spec: EnvironmentSpec, made: datetime) -> bool:
    return spec.not_after is not None and spec.not_after < made - _RECENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What a store has about the environment of a spec."""

    resolution: Resolution | None
    unresolvable: str | None
    """Why there is no set of releases; None: there is one, or nobody knows."""
    unbuildable: str | None


def learnt(spec: EnvironmentSpec, store: Store) -> Learnt:
    """Return what the store has about a spec, for another machine's store."""
    known = store.resolution(_resolution_key(spec))
    return Learnt(
        resolution=known[0] if known else None,
        unresolvable=store.failure(_failure_key(spec, Unresolvable)),
        unbuildable=store.failure(_failure_key(spec, BuildFailed)),
    )


def learn(spec: EnvironmentSpec, known: Learnt, store: Store) -> None:
    """Keep what another machine's store has about a spec."""
    if known.resolution:
        store.keep_resolution(_resolution_key(spec), known.resolution)
    for kind, reason in ((Unresolvable, known.unresolvable), (BuildFailed, known.unbuildable)):
        if reason is not None:
            store.keep_failure(_failure_key(spec, kind), reason)


def _untestable(request: TrialRequest, error: Exception, *, build_s: float = 0.0) -> Trial:
    """The trial of a candidate that has no environment."""
    phase = Phase.RESOLVE if isinstance(error, Unresolvable) else Phase.INSTALL
    return _without_runs(request, Outcome.UNTESTABLE, phase, str(error), build_s=build_s)


def _broken(request: TrialRequest, error: Exception, *, build_s: float) -> Trial:
    """The trial of a candidate of which nothing can be learnt."""
    return _without_runs(request, Outcome.BROKEN, Phase.INSTALL, str(error), build_s=build_s)


def _without_runs(
    request: TrialRequest, outcome: Outcome, phase: Phase, reason: str, *, build_s: float
) -> Trial:
    sign = signature.of_environment(phase, reason)
    return Trial(
        key=request.key,
        label=request.label,
        observations=(Observation(outcome=outcome, phase=phase, signature=sign),),
        build_s=build_s,
    )


def _finished(
    request: TrialRequest,
    resolution: Resolution,
    known: tuple[Observation, ...],
    made: tuple[Observation, ...],
    *,
    build_s: float = 0.0,
    run_s: float = 0.0,
) -> Trial:
    return Trial(
        key=request.key,
        label=request.label,
        observations=known + made,
        environment=BuiltEnvironment(
            digest=resolution.digest, distributions=resolution.distributions, step=resolution.step
        ),
        remembered=len(known),
        build_s=build_s,
        run_s=run_s,
    )
