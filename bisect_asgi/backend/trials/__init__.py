"""Trials: one candidate's environment built or reused, and the probe run in it.

A trial returns observations whatever the probe does. A candidate without an environment (no set of releases,
no build) is an observation too. If nothing can be learnt about any candidate, `Unavailable` is raised; if
only this candidate's environment is not what it says, the observation has the outcome `ERROR`.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Protocol

from bisect_asgi.backend.environments import Disturbed, Environment, EnvironmentCache
from bisect_asgi.backend.environments.resolve import Resolution
from bisect_asgi.backend.files import locked
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.backend.process.usage import recording, spending, waiting_for
from bisect_asgi.backend.trials.bench import Bench, open_bench
from bisect_asgi.backend.trials.probe_run import run_probe
from bisect_asgi.backend.trials.sampling import MeasuringLock, take_sample, warm_up
from bisect_asgi.backend.trials.store import Resolutions, Store
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, NoResult, Unresolvable, not_asked
from bisect_asgi.core.events import Activity, Event, Note, OutputSeen, StageEvent, TrialProgressed
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Distribution,
    EnvironmentSpec,
    FailureKind,
    Interpreter,
    Observation,
    Outcome,
    OwnProject,
    Phase,
    Probe,
    ProjectMetadata,
    SandboxLevel,
    Step,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.plan import Building
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.core.services import Emit
from bisect_asgi.core.text import date, listing, masked, printable

_MOST_ENVIRONMENTS = 3
"""How often, for each run, an environment is built anew because a run or something else has changed it."""


class Held(Struct, frozen=True, kw_only=True):
    """The environment of a trial, as long as it is held, and what can be done with it."""

    environment: Environment
    run: Callable[[Probe], Observation]
    """Runs a probe there once, confined and supervised as ever."""
    bench: Callable[[], AbstractContextManager[Bench]]
    """Opens a copy of it for a person."""


class Decider(Protocol):
    """Decides the outcome of each run in this process, in place of the probe's exit code."""

    def __call__(self, request: TrialRequest, held: Held, token: CancelToken) -> Observation:
        """Return what one run showed in the environment.

        Raises:
            BisectError: the search cannot go on.
            Cancelled: the token was cancelled.
        """
        ...


class _Task(Struct, frozen=True, kw_only=True):
    """A trial whose environments are known, and have still to be built."""

    request: TrialRequest
    key: str
    """Of its observations in the store."""
    resolution: Resolution
    reference: Resolution | None
    """Of the environment that samples are compared with."""
    token: CancelToken


class TrialRunner(Struct, frozen=True, kw_only=True, eq=False):
    """Runs trials on this machine, for one command, and keeps what they showed.

    It is the `Trials` of a session on this machine; a worker of a cluster has one for each command.
    """

    store: Store
    resolutions: Resolutions
    environments: EnvironmentCache
    runs: Path
    """The folder in which probes get their working directories."""
    locks: Path
    sandbox: Sandbox
    measuring_lock: MeasuringLock
    emit: Emit
    """Gets the progress of trials; called from any thread."""
    show_output: bool = False
    """Emit the probes' output, too."""
    secrets: tuple[str, ...] = ()
    """The passwords of the indexes, which no output of a probe may show."""
    building: Building = field(default_factory=Building)
    """How source distributions and commits are built."""
    builders: Executor | None = None
    """Where environments are built ahead; None if that is of no use."""
    decider: Decider | None = None
    """Decides in place of the probe's exit code, or None."""
    undone: set[str] = field(default_factory=set)
    """Labels of candidates whose stored observations are dropped; each is taken out when that is done."""
    _renewed: set[str] = field(default_factory=set)
    """Keys of observations that this command has dropped: once, although candidates may share them."""
    _changed: set[str] = field(default_factory=set)
    """Environments that a run of this command has changed."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def for_command(self, emit: Emit, *, show_output: bool) -> TrialRunner:
        """Return the same for another command, which warms up and runs anew by itself."""
        return TrialRunner(
            store=self.store,
            resolutions=self.resolutions.for_command(),
            environments=self.environments,
            runs=self.runs,
            locks=self.locks,
            sandbox=self.sandbox,
            measuring_lock=MeasuringLock(path=self.measuring_lock.path),
            emit=emit,
            show_output=show_output,
            secrets=self.secrets,
            building=self.building,
        )

    def run(self, request: TrialRequest, token: CancelToken) -> Trial:
        """Return what the candidate showed, running the probe only as often as the store lacks runs.

        Raises:
            Unavailable: the index, the disk or uv failed: nothing was learnt.
            Cancelled: the token was cancelled.
        """
        with recording() as steps:
            trial = self._trial(request, token)
        return replace(trial, steps=steps)

    def prepare(self, request: TrialRequest, token: CancelToken) -> dict[Step, float]:
        """Build a candidate's environment ahead of its trial; return the seconds of each step.

        A candidate that cannot be built is no error here: its trial says so, if there is one.

        Raises:
            Unavailable: the index, the disk or uv failed.
            Cancelled: the token was cancelled.
        """
        with recording() as steps, suppress(Unresolvable, BuildFailed, NoResult):
            with spending(Step.RESOLVE):
                resolution = self._resolve(request, token)
            with self._environment(resolution, request.spec, token):
                pass
        return steps

    def is_built(self, request: TrialRequest) -> bool:
        """Return whether the candidate's environment is there, as far as the store knows."""
        resolution = self.resolutions.known(request.spec)
        return resolution is not None and self.environments.is_kept(resolution)

    def recall(self, request: TrialRequest, *, host: str | None = None) -> Trial | None:
        """Return all that earlier commands observed of the candidate, or None if there is nothing.

        `host`: the machine whose samples count, if the probe is measured; None means this one.
        """
        if failure := self.resolutions.failure(request.spec):
            return _untestable(request, failure)
        beside = request.reference
        reference = self.resolutions.known(beside) if beside else None
        resolution = self.resolutions.known(request.spec)
        if resolution is None or (beside and not reference):
            return None
        on = measured_on(request, host)
        key = self._key(request.probe, resolution, reference, host=on)
        self._undo(request, key)
        known = self.store.observations(key)
        return _finished(request, resolution, known, ()) if _count(known) else None

    def resolve(self, spec: EnvironmentSpec) -> tuple[Distribution, ...]:
        """Return the distributions that an environment would have in it; raises as `Resolutions.resolve`."""
        try:
            return self.resolutions.resolve(spec, CancelToken()).distributions
        except NoResult as error:
            raise not_asked(error) from error

    def wheels(self, spec: EnvironmentSpec, token: CancelToken) -> tuple[Distribution, ...] | None:
        """Return the distributions that an environment would have, or None if not all of them have wheels."""
        resolution = self.resolutions.wheels(spec, token)
        return resolution.distributions if resolution else None

    def metadata(self, project: OwnProject, interpreter: Interpreter, token: CancelToken) -> ProjectMetadata:
        """Return what the wheel of a project of the user's says, building it unless it exists."""
        return self.resolutions.metadata(project, interpreter, token)

    def requirements(self, built: BuiltEnvironment) -> Mapping[str, tuple[str, ...]]:
        """Return what each distribution of an environment requires; empty if that is not kept."""
        return self.environments.requirements(built.digest)

    def _undo(self, request: TrialRequest, key: str) -> None:
        """Drop what is stored of a candidate if that is asked for."""
        with self._guard:
            is_undone = request.label in self.undone
            self.undone.discard(request.label)
        if is_undone:
            self.store.forget_observations(key)

    def renew(self, key: str) -> None:
        """Drop what earlier commands observed under `key`."""
        with self._guard:
            if key not in self._renewed:
                self._renewed.add(key)
                self.store.forget_observations(key)

    def _trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        """Run the probe in the candidate's environment, or say why there is none."""
        started = monotonic()
        self._tell(request, Activity.RESOLVING)
        try:
            if guess := self._guess(request, token):
                task, trial = self._run_beside(guess, token, started)
                return trial or self._observe_alone(task, started)
            task = self._plan(request, token)
            if request.fresh:
                self.renew(task.key)
            return self._observe_alone(task, started)
        except (Unresolvable, BuildFailed) as error:
            return _untestable(request, error, build_s=monotonic() - started)
        except NoResult as error:
            return _broken(request, error, build_s=monotonic() - started)

    def _guess(self, request: TrialRequest, token: CancelToken) -> _Task | None:
        """Return the trial in the environment that the candidate had last time, if that is kept.

        None if the resolution holds, and for what is measured: resolving beside a run disturbs it.
        """
        is_plain = request.sampling is None and not request.fresh and self.decider is None
        if not is_plain or self.builders is None:
            return None
        resolution = self.resolutions.stale(request.spec)
        if resolution is None or not self.environments.is_kept(resolution):
            return None
        key = self._key(request.probe, resolution, None, host=measured_on(request))
        return _Task(request=request, key=key, resolution=resolution, reference=None, token=token)

    def _run_beside(self, guess: _Task, token: CancelToken, started: float) -> tuple[_Task, Trial | None]:
        """Resolve a candidate while it is run with its last resolution; return the trial if that still holds.

        Whatever goes wrong with the guess, the trial in the environment that the candidate has now shows it.
        """
        if self.builders is None:
            raise AssertionError("there was no guess")
        resolved = self.builders.submit(self._plan, guess.request, token)
        try:
            with suppress(Unresolvable, BuildFailed, NoResult):
                trial = self._observe_alone(guess, started)
                with spending(Step.RESOLVE):
                    task = resolved.result()
                return task, trial if task.resolution == guess.resolution else None
            return resolved.result(), None
        finally:
            resolved.cancel()

    def _plan(self, request: TrialRequest, token: CancelToken) -> _Task:
        with spending(Step.RESOLVE):
            resolution = self._resolve(request, token)
            reference = self._resolve_reference(request, token)
        key = self._key(request.probe, resolution, reference, host=measured_on(request))
        self._undo(request, key)
        return _Task(request=request, key=key, resolution=resolution, reference=reference, token=token)

    def _key(self, probe: Probe, resolution: Resolution, reference: Resolution | None, *, host: str) -> str:
        level = self.sandbox.level(probe.confinement)
        return observation_key(probe, resolution, reference, host=host, level=level)

    def _resolve(self, request: TrialRequest, token: CancelToken) -> Resolution:
        # Further runs go into the environment of the first ones.
        is_fresh = request.fresh and not request.known_runs
        return self.resolutions.resolve(request.spec, token, fresh=is_fresh)

    def _resolve_reference(self, request: TrialRequest, token: CancelToken) -> Resolution | None:
        """Return the reference's resolution, or None if the request has no reference.

        Raises:
            NoResult: the reference has none, which says nothing about the candidate.
            Unavailable, Cancelled: as `Resolutions.resolve`.
        """
        if request.reference is None:
            return None
        try:
            return self.resolutions.resolve(request.reference, token)
        except (Unresolvable, BuildFailed) as error:
            raise NoResult(f"the baseline cannot be run: {error}") from error

    def _observe_alone(self, task: _Task, started: float) -> Trial:
        # Two processes may want the same observation: the second waits, and finds it in the store.
        lock = locked(self.locks / f"run-{task.key}.lock", waiting=task.token.check)
        with waiting_for(lock):
            return self._observe(task, started)

    def _observe(self, task: _Task, started: float) -> Trial:
        """Run as often as the store lacks runs, in environments that are held meanwhile."""
        request, resolution = task.request, task.resolution
        known = _asked_for(self.store.observations(task.key)[request.known_runs :], request)
        wanted = request.runs - _count(known, request.limit_s)
        if wanted == 0:
            return _finished(request, resolution, known, (), build_s=monotonic() - started)
        made: list[Observation] = []
        build_s = run_s = 0.0
        for _ in range(_MOST_ENVIRONMENTS * wanted):
            self._tell(request, Activity.BUILDING)
            with ExitStack() as held:
                environment = held.enter_context(self._environment(resolution, request.spec, task.token))
                reference = self._hold_reference(task, environment, held)
                build_s += monotonic() - started
                # To wait for the machine to be free is neither building nor running.
                if request.sampling:
                    self._tell(request, Activity.WAITING)
                    held.enter_context(waiting_for(self.measuring_lock.taken(task.token)))
                begun = monotonic()
                self._tell(request, Activity.RUNNING)
                self._run_and_keep(task, environment, reference, wanted, made)
                self.environments.note_use(resolution, request.spec.interpreter)
            started = monotonic()
            run_s += started - begun
            if _count(made, request.limit_s) == wanted:
                return _finished(request, resolution, known, tuple(made), build_s=build_s, run_s=run_s)
        raise NoResult("its environment was changed or removed again and again while the probe ran")

    @contextmanager
    def _environment(
        self, resolution: Resolution, spec: EnvironmentSpec, token: CancelToken
    ) -> Iterator[Environment]:
        """Hold a candidate's environment; keep why it cannot be built, which may take minutes to find out."""
        with ExitStack() as held:
            try:
                environment = held.enter_context(self.environments.holding(resolution, spec, token))
            except BuildFailed as error:
                self.resolutions.keep_failure(spec, error)
                if not error.is_lasting:
                    self.resolutions.forget(spec)
                raise
            except NoResult:
                self.resolutions.forget(spec)
                raise
            self.resolutions.forget_failures(spec)
            yield environment

    def _hold_reference(self, task: _Task, environment: Environment, held: ExitStack) -> Environment | None:
        """Hold the reference's environment as long as `held` is open; None if there is no reference.

        Raises:
            NoResult: the reference cannot be built, which says nothing about the candidate.
            Unavailable, Cancelled: as `EnvironmentCache.holding`.
        """
        spec = task.request.reference
        if not task.reference or not spec:
            return None
        if task.reference.digest == task.resolution.digest:
            return environment
        try:
            return held.enter_context(self.environments.holding(task.reference, spec, task.token))
        except (BuildFailed, NoResult) as error:
            raise NoResult(f"the baseline cannot be run: {error}") from error

    def _run_and_keep(
        self,
        task: _Task,
        environment: Environment,
        reference: Environment | None,
        wanted: int,
        made: list[Observation],
    ) -> None:
        """Run the probe until `made` has `wanted` runs, or until an environment is no longer what was built.

        Each observation is stored at once.
        """
        held = [environment, *([reference] if reference else [])]
        runs_ = self._runs(task, environment, reference, done=_count(made), wanted=wanted)
        # Closed, so that an error ends the runs that are still in parallel with the failed one.
        with closing(runs_) as runs, suppress(Disturbed):
            for seen in runs:
                made.append(seen)
                if seen.outcome is not Outcome.ERROR:  # such a run has no result to keep
                    self.store.add_observation(task.key, seen)
                if not all(each.exists() for each in held):
                    return

    def _runs(
        self, task: _Task, environment: Environment, reference: Environment | None, *, done: int, wanted: int
    ) -> Generator[Observation]:
        """Yield each run as soon as it ends; samples come one by one, warm, and next to the reference's.

        `done` of the runs that are `wanted` were made before.
        """
        request = task.request

        def run(where: Environment) -> Observation:
            return self._run_once(task, where)

        if request.sampling is None:
            parallel = 1 if environment.is_own else request.parallel
            yield from _in_parallel(lambda: run(environment), wanted - done, parallel, task.token)
            return
        if request.sampling.needs_warm_up:
            probe = codec.digest(request.probe)
            for seen in warm_up(run, self.measuring_lock, environment, reference, probe=probe):
                yield seen
                done += not seen.is_warm_up
        for place in range(done, wanted):
            yield take_sample(run, environment, reference, place=request.known_runs + place)

    def _run_once(self, task: _Task, where: Environment) -> Observation:
        """Run the probe once, and check that it has left its environment as it was.

        Raises:
            Disturbed: it has not, or something else has not, so that the run says nothing.
            Unavailable: as `run_probe` and `EnvironmentCache.after_run`.
        """
        request = task.request

        secrets = _secrets(request, self.secrets)

        def output(text: str) -> None:
            self._emit(request, OutputSeen(key=request.key, text=masked(text, secrets)))

        shown = output if self.show_output else None
        imported: list[str] = []
        limit_s = request.limit_s
        probe = replace(request.probe, timeout_s=limit_s) if limit_s else request.probe

        def run(probe: Probe) -> Observation:
            return run_probe(
                probe, where, self.runs, task.token, shown, self.sandbox, on_imported=imported.extend
            )

        seen = self._decided(task, where, run) if self.decider else run(probe)
        changed = self.environments.after_run(where, task.token, imported)
        if changed:
            self._tell_changed(request, where, changed)
        if not where.exists() and not (changed and where.is_own):
            raise Disturbed
        seen = _without_secrets(seen, secrets)
        has_hung = seen.signature is not None and seen.signature.kind is FailureKind.TIMEOUT
        return replace(seen, cut_s=limit_s) if has_hung else seen

    def _decided(self, task: _Task, where: Environment, run: Callable[[Probe], Observation]) -> Observation:
        """Return what one run showed, as who decides in place of the probe says."""
        if self.decider is None:
            raise AssertionError("it is there")
        held = Held(
            environment=where,
            run=run,
            bench=lambda: open_bench(task.request.probe, where, self.runs, self.sandbox, task.token),
        )
        with spending(Step.RUN):
            seen = self.decider(task.request, held, task.token)
        task.token.check()
        return seen

    def _tell_changed(self, request: TrialRequest, where: Environment, changed: Sequence[str]) -> None:
        """Say once for each environment that runs change it."""
        with self._guard:
            is_known = str(where.folder) in self._changed
            self._changed.add(str(where.folder))
        if not is_known:
            names = listing([f"`{printable(path)}`" for path in changed])
            self._emit(
                request,
                Note(
                    text=f"a run on {request.label} changed its environment ({names}): each run there gets a "
                    "new environment of its own"
                ),
            )

    def _tell(self, request: TrialRequest, activity: Activity) -> None:
        self._emit(request, TrialProgressed(key=request.key, activity=activity))

    def _emit(self, request: TrialRequest, event: Event) -> None:
        """Emit an event of the search that the trial is for."""
        self.emit(StageEvent(stage=request.stage, event=event) if request.stage else event)


_SECRET_NAME = re.compile(
    r"pass|secret|token|credential|(?:^|_)(?:key|auth|pwd)(?:_|$)|apikey", re.IGNORECASE
)
_SHORTEST_SECRET = 4
"""Of a shorter one, most texts have parts by chance."""


def _secrets(request: TrialRequest, known: Iterable[str]) -> tuple[str, ...]:
    """Return the secrets that a run's texts may not show: those `known`, and the probe's by their names."""
    own = (value for name, value in request.probe.environ if _SECRET_NAME.search(name))
    return tuple(secret for secret in (*known, *own) if len(secret) >= _SHORTEST_SECRET)


def _without_secrets(seen: Observation, secrets: Sequence[str]) -> Observation:
    """Return an observation whose texts show no secret; store, log and report get them from it."""
    if not secrets:
        return seen
    sign = seen.signature
    return replace(
        seen,
        output_tail=masked(seen.output_tail, secrets),
        stacks=masked(seen.stacks, secrets),
        complaint=masked(seen.complaint, secrets),
        signature=sign
        and replace(
            sign,
            text=masked(sign.text, secrets),
            shown=masked(sign.shown, secrets),
            frame=masked(sign.frame, secrets),
        ),
    )


def _asked_for(known: Sequence[Observation], request: TrialRequest) -> tuple[Observation, ...]:
    """Return the first recorded runs up to as many as are wanted; those that do not count come with them."""
    found: list[Observation] = []
    for observation in known:
        if _count(found, request.limit_s) == request.runs:
            break
        found.append(observation)
    return tuple(found)


def _count(observations: Sequence[Observation], limit_s: float | None = 0.0) -> int:
    """Return the number of runs without warm-ups, and without those that were cut off before `limit_s`."""
    return sum(
        not seen.is_warm_up and (seen.cut_s is None or (limit_s is not None and seen.cut_s >= limit_s))
        for seen in observations
    )


def _in_parallel(
    run: Callable[[], Observation], wanted: int, parallel: int, token: CancelToken
) -> Iterator[Observation]:
    """Run `wanted` times, `parallel` at a time, and yield each run as soon as it ends."""
    if min(wanted, parallel) <= 1:
        for _ in range(wanted):
            yield run()
        return
    with spending(Step.RUN), ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="run") as pool:
        try:
            yield from (done.result() for done in as_completed([pool.submit(run) for _ in range(wanted)]))
        except Disturbed:
            pool.shutdown(cancel_futures=True)
            raise
        except BaseException:
            token.cancel()  # the others' results are not waited for
            raise


def observation_key(
    probe: Probe,
    resolution: Resolution,
    against: Resolution | None = None,
    *,
    host: str = "",
    level: SandboxLevel,
) -> str:
    """Return a digest of all that can change what a run shows: probe, exact environment, platform, sandbox.

    Samples next to a reference have another key than those without one, or next to another; samples of one
    `host` have another than those of the next, because only values of one machine are compared.

    The level at which runs are really confined counts, not only the one that was asked for: what writes
    outside its folders fails at one level and passes at the next, and so does what changes the mode of an
    installed file (basic allows it, strong does not), on the same machine after an update of its kernel, too.
    """
    beside = against.digest if against else ""
    machine = (sys.platform, os.uname().machine, *([host] if host else []))
    return codec.digest("run 9", probe, resolution.digest, beside, level, *machine)


def measured_on(request: TrialRequest, host: str | None = None) -> str:
    """Return the host whose values are compared, by default this machine; "" if none are compared."""
    if request.sampling is None:
        return ""
    return platform.node() if host is None else host


def _untestable(request: TrialRequest, error: Unresolvable | BuildFailed, *, build_s: float = 0.0) -> Trial:
    """Return the trial of a candidate that has no environment."""
    phase = Phase.RESOLVE if isinstance(error, Unresolvable) else Phase.INSTALL
    note = f" (cached on {date(error.since)}; `--fresh` asks again)" if error.since else ""
    return _without_runs(request, Outcome.UNTESTABLE, phase, str(error), note, build_s=build_s)


def _broken(request: TrialRequest, error: Exception, *, build_s: float) -> Trial:
    """Return the trial of a candidate about which nothing can be learnt."""
    return _without_runs(request, Outcome.ERROR, Phase.INSTALL, str(error), "", build_s=build_s)


def _without_runs(
    request: TrialRequest, outcome: Outcome, phase: Phase, reason: str, note: str, *, build_s: float
) -> Trial:
    sign = signature.of_environment(phase, reason)
    sign = replace(sign, shown=sign.shown + note)
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
