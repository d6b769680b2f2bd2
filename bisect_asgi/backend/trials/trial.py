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
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from time import monotonic

from bisect_asgi.backend.environments.cache import Environment, EnvironmentCache
from bisect_asgi.backend.environments.resolve import Resolution, Resolver
from bisect_asgi.backend.environments.templates import NotProved
from bisect_asgi.backend.files import locked
from bisect_asgi.backend.process.timing import recording, spending, waiting_for
from bisect_asgi.backend.trials.probe_run import Output, run_probe
from bisect_asgi.backend.trials.sampling import MeasuringLock, take_sample, warm_up
from bisect_asgi.backend.trials.store import Store, keep_failure, known_failure, known_resolution, resolve
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Unavailable, Unresolvable
from bisect_asgi.core.events import Activity, Event, OutputSeen, StageEvent, TrialProgressed
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import (
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
from bisect_asgi.core.records import Struct, field, replace

Progress = Callable[[Activity], None]


class Workshop(Struct, frozen=True, kw_only=True):
    """What a worker has on its own machine: caches and the store."""

    store: Store
    resolver: Resolver
    environments: EnvironmentCache
    runs: Path
    locks: Path
    measuring_lock: MeasuringLock
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
    token: CancelToken,
    progress: Progress = lambda _: None,
    output: Output | None = None,
) -> Trial:
    """Return what the candidate showed; observations that the store has are not made again.

    Raises:
        Unavailable: the index, the disk or uv failed; nothing was learnt.
        Cancelled: the token was cancelled.
    """
    with recording() as steps:
        trial = _Making(
            request=request, workshop=workshop, token=token, progress=progress, output=output
        ).trial()
    return replace(trial, steps=steps)


def telling(
    request: TrialRequest, emit: Callable[[Event], None], *, show_output: bool
) -> tuple[Progress, Output | None]:
    """What a trial tells its progress and output to: both become events of the search that it is for."""

    def tell(event: Event) -> None:
        emit(StageEvent(stage=request.stage, event=event) if request.stage else event)

    def progress(activity: Activity) -> None:
        tell(TrialProgressed(key=request.key, activity=activity))

    def output(text: str) -> None:
        tell(OutputSeen(key=request.key, text=text))

    return progress, output if show_output else None


def prepare(request: TrialRequest, workshop: Workshop, *, token: CancelToken) -> dict[Step, float]:
    """Build a candidate's environment ahead; return the seconds of each step.

    What cannot be built says nothing here: the trial will tell, if there is one.

    Raises:
        Unavailable: the index, the disk or uv failed.
        Cancelled: the token was cancelled.
    """
    with recording() as steps, suppress(Unresolvable, BuildFailed, NotProved):
        with spending(Step.RESOLVE):
            resolution = resolve(request.spec, workshop.store, workshop.resolver, token)
        with _holding(resolution, request.spec, workshop, token):
            pass
    return steps


class _Making(Struct, frozen=True, kw_only=True):
    """A trial that is being made; its methods are its steps."""

    request: TrialRequest
    workshop: Workshop
    token: CancelToken
    progress: Progress
    output: Output | None
    started: float = field(default_factory=monotonic)

    def trial(self) -> Trial:
        """Find out what the candidate shows, or why it shows nothing."""
        request, workshop = self.request, self.workshop
        self.progress(Activity.RESOLVING)
        try:
            with spending(Step.RESOLVE):
                resolution = self._resolve()
                against = self._resolve_reference()
            key = observation_key(request.probe, resolution, against, host=measured_on(request))
            if request.fresh:
                workshop.renew(key)
            # Two processes that want the same observation: the second waits, and finds it in the store.
            with waiting_for(locked(workshop.locks / f"run-{key}.lock", waiting=self.token.check)):
                return self._observe(key, resolution, against)
        except (Unresolvable, BuildFailed) as error:
            return _untestable(request, error, build_s=monotonic() - self.started)
        except NotProved as error:
            return _broken(request, error, build_s=monotonic() - self.started)

    def _resolve(self) -> Resolution:
        anew = self.request.fresh and not self.request.known_runs
        store, resolver = self.workshop.store, self.workshop.resolver
        return resolve(self.request.spec, store, resolver, self.token, anew=anew)

    def _resolve_reference(self) -> Resolution | None:
        """The reference's resolution; None: there is none to be run beside.

        Raises:
            NotProved: it cannot be had, which says nothing of the candidate.
            Unavailable, Cancelled: as `resolve`.
        """
        if self.request.reference is None:
            return None
        store, resolver = self.workshop.store, self.workshop.resolver
        try:
            return resolve(self.request.reference, store, resolver, self.token)
        except (Unresolvable, BuildFailed) as error:
            raise NotProved(f"the reference cannot be run: {error}") from error

    def _observe(self, key: str, resolution: Resolution, against: Resolution | None) -> Trial:
        """Run what is not recorded yet, in environments that are held meanwhile."""
        request, workshop = self.request, self.workshop
        known = _asked_for(workshop.store.observations(key)[request.known_runs :], request.runs)
        wanted = request.runs - _count(known)
        if wanted == 0:
            return _finished(request, resolution, known, (), build_s=monotonic() - self.started)
        self.progress(Activity.BUILDING)
        with ExitStack() as held:
            environment = held.enter_context(_holding(resolution, request.spec, workshop, self.token))
            reference = self._hold_reference(held, against)
            build_s = monotonic() - self.started
            # To wait for the machine to be free is neither building nor running.
            if request.sampling:
                self.progress(Activity.WAITING)
                held.enter_context(waiting_for(workshop.measuring_lock.taken(self.token)))
            begun = monotonic()
            self.progress(Activity.RUNNING)
            made = self._run(key, environment, reference, wanted)
            workshop.environments.note_use(resolution, request.spec.interpreter)
        return _finished(request, resolution, known, made, build_s=build_s, run_s=monotonic() - begun)

    def _hold_reference(self, held: ExitStack, against: Resolution | None) -> Environment | None:
        """Hold the reference's environment as long as `held` is open; None: there is none.

        Raises:
            NotProved: it cannot be had, which says nothing of the candidate.
            Unavailable, Cancelled: as `EnvironmentCache.holding`.
        """
        beside = self.request.reference
        if not against or not beside:
            return None
        try:
            return held.enter_context(self.workshop.environments.holding(against, beside, self.token))
        except (BuildFailed, NotProved) as error:
            raise NotProved(f"the reference cannot be run: {error}") from error

    def _run(
        self, key: str, environment: Environment, reference: Environment | None, wanted: int
    ) -> tuple[Observation, ...]:
        """Run the probe `wanted` times, and remember what each run showed."""
        made = []
        with closing(self._runs(environment, reference, wanted)) as runs:  # what fails ends what runs beside
            for seen in runs:
                made.append(seen)
                if seen.outcome is not Outcome.ERROR:  # of one that could not be asked there is nothing
                    self.workshop.store.add_observation(key, seen)
        return tuple(made)

    def _runs(
        self, environment: Environment, reference: Environment | None, wanted: int
    ) -> Generator[Observation]:
        """Each run as soon as it is over; of a measured probe warm, and next to the reference."""
        request = self.request
        if request.sampling is None:
            yield from _abreast(lambda: self._run_once(environment), wanted, request.parallel, self.token)
            return
        if request.sampling.needs_warm_up:
            probe = codec.digest(request.probe)
            for seen in warm_up(
                self._run_once, self.workshop.measuring_lock, environment, reference, probe=probe
            ):
                yield seen
                wanted -= not seen.is_warm_up
        for place in range(request.known_runs, request.known_runs + wanted):
            yield take_sample(self._run_once, environment, reference, place=place)

    def _run_once(self, where: Environment) -> Observation:
        """One run; of an environment that somebody has removed meanwhile, it showed nothing.

        Raises:
            Unavailable: that is so, or as `run_probe`.
        """
        seen = run_probe(self.request.probe, where, self.workshop.runs, self.token, self.output)
        if not where.is_there():
            raise Unavailable(
                f"an environment was removed while the probe ran in it: `{where.folder}`",
                hint="nothing was learnt from that run; run the same command again",
            )
        return seen


@contextmanager
def _holding(
    resolution: Resolution, spec: EnvironmentSpec, workshop: Workshop, token: CancelToken
) -> Iterator[Environment]:
    """Have a candidate's environment; why it cannot be built is kept: it may take minutes to find out."""
    with ExitStack() as held:
        try:
            environment = held.enter_context(workshop.environments.holding(resolution, spec, token))
        except BuildFailed as error:
            keep_failure(spec, error, workshop.store)
            raise
        yield environment


def is_built(request: TrialRequest, workshop: Workshop) -> bool:
    """Tell whether the candidate's environment is there, as far as is known without asking anybody."""
    resolution = known_resolution(request.spec, workshop.store)
    return resolution is not None and workshop.environments.is_kept(resolution)


def recall(request: TrialRequest, store: Store, *, host: str | None = None) -> Trial | None:
    """Return what earlier commands observed of the candidate, all of it; None: nothing.

    `host`: the machine whose samples count, of a measured probe; None: this one.
    """
    if failure := known_failure(request.spec, store):
        return _untestable(request, failure)
    beside = request.reference
    against = known_resolution(beside, store) if beside else None
    if beside and not against:
        return None
    if resolution := known_resolution(request.spec, store):
        on = measured_on(request, host)
        known = store.observations(observation_key(request.probe, resolution, against, host=on))
        return _finished(request, resolution, known, ()) if _count(known) else None
    return None


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


def _abreast(
    run: Callable[[], Observation], wanted: int, parallel: int, token: CancelToken
) -> Iterator[Observation]:
    """Run so often, `abreast` at a time; each as soon as it is over."""
    if min(wanted, parallel) <= 1:
        for _ in range(wanted):
            yield run()
        return
    with spending(Step.RUN), ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="run") as pool:
        try:
            yield from (done.result() for done in as_completed([pool.submit(run) for _ in range(wanted)]))
        except BaseException:
            token.cancel()  # the others' results are not waited for
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
    return codec.digest("run 5", probe, resolution.digest, beside, *machine)


def measured_on(request: TrialRequest, host: str | None = None) -> str:
    """The host whose values are compared, `host` or this machine; empty: none are."""
    if request.sampling is None:
        return ""
    return platform.node() if host is None else host


def _untestable(request: TrialRequest, error: Exception, *, build_s: float = 0.0) -> Trial:
    """The trial of a candidate that has no environment."""
    phase = Phase.RESOLVE if isinstance(error, Unresolvable) else Phase.INSTALL
    return _without_runs(request, Outcome.UNTESTABLE, phase, str(error), build_s=build_s)


def _broken(request: TrialRequest, error: Exception, *, build_s: float) -> Trial:
    """The trial of a candidate of which nothing can be learnt."""
    return _without_runs(request, Outcome.ERROR, Phase.INSTALL, str(error), build_s=build_s)


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
