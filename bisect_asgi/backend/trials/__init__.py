"""Trials: one candidate's environment built or reused, and the probe run in it.

A trial returns observations whatever the probe does. If a candidate has no environment, because it cannot be
resolved or built, that is an observation too. If a failure concerns all candidates, `Unavailable` is raised.
If only this candidate has no result, because its environment is not what was built, the outcome is `ERROR`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic

from bisect_asgi.backend.environments import Environment, EnvironmentCache
from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.files import locked
from bisect_asgi.backend.process.forkserver import begin_fork_server
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.backend.process.usage import recording, spending, waiting_for
from bisect_asgi.backend.trials.cold_start import ColdStart
from bisect_asgi.backend.trials.keys import measured_on, observation_key
from bisect_asgi.backend.trials.once import Once
from bisect_asgi.backend.trials.results import asked_for, count, finished, no_result, untestable
from bisect_asgi.backend.trials.runs import Decider, ProbeRuns, Task
from bisect_asgi.backend.trials.sampling import MeasuringLock
from bisect_asgi.backend.trials.store import Resolutions, Store
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, NoResult, Unresolvable, not_asked
from bisect_asgi.core.events import Activity, Event, StageEvent, TrialProgressed
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Declared,
    Distribution,
    EnvironmentSpec,
    Interpreter,
    Observation,
    OwnProject,
    Probe,
    ProjectMetadata,
    Step,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.plan import Building
from bisect_asgi.core.plan.planning import cores
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.core.services import Emit

_MOST_ENVIRONMENTS = 3
"""For each run, the most times that an environment is built again because something has changed it."""


class TrialRunner(Struct, frozen=True, kw_only=True, eq=False):
    """Runs trials on this machine, for one command, and stores their observations.

    It implements `Trials` for a session on this machine. A worker of a cluster has one for each command.
    """

    store: Store
    resolutions: Resolutions
    environments: EnvironmentCache
    runs: Path
    """The directory in which probes get their working directories."""
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
    """The settings for building source distributions and commits."""
    builders: Executor | None = None
    """The executor that builds environments ahead; None if that is of no use."""
    decider: Decider | None = None
    """Decides in place of the probe's exit code, or None."""
    undone: set[str] = field(default_factory=set)
    """Labels of candidates whose stored observations are dropped; each is taken out when that is done."""
    _renewed: set[str] = field(default_factory=set)
    """Keys of observations that this command has dropped: once, although candidates may share them."""
    _changed: Once = field(default_factory=Once)
    """The environments that a run of this command has changed."""
    _killed: Once = field(default_factory=Once)
    """The candidates of which this command does not count a killed run."""
    _cold: ColdStart = field(default_factory=lambda: ColdStart(cores()))
    _templated: Once = field(default_factory=Once)
    """The interpreters for which a template was made ahead, if they had none."""
    _noted: Once = field(default_factory=Once)
    """The probes that this command has told the store of."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, probe: Probe) -> None:
        """Begin what a run needs, unless this probe was run before and there may be nothing to run."""
        if not self.store.knows_probe(codec.digest(probe)):
            begin_fork_server()
            self.sandbox.begin()

    def _note(self, probe: Probe) -> None:
        """Record in the store that the probe was run."""
        if self._noted.is_first(digest := codec.digest(probe)):
            self.store.note_probe(digest)

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
        """Return the candidate's observations, running the probe only as often as the store lacks runs.

        Raises:
            Unavailable: the index, the disk or uv failed, so there is no result.
            Cancelled: the token was cancelled.
        """
        self._cold.begin()
        try:
            with recording() as steps:
                trial = self._trial(request, token)
        finally:
            self._cold.end()
        return replace(trial, steps=steps)

    def prepare(self, request: TrialRequest, token: CancelToken) -> dict[Step, float]:
        """Build a candidate's environment ahead of its trial; return the seconds of each step.

        It is no error here if the candidate cannot be built: its trial reports that, if it is ever run.

        Raises:
            Unavailable: the index, the disk or uv failed.
            Cancelled: the token was cancelled.
        """
        self._cold.wait(token)
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

        `host`: the machine whose samples are returned if the probe is measured; None for this machine.
        """
        if failure := self.resolutions.failure(request.spec):
            return untestable(request, failure)
        beside = request.reference
        reference = self.resolutions.known(beside) if beside else None
        resolution = self.resolutions.known(request.spec)
        if resolution is None or (beside and not reference):
            return None
        on = measured_on(request, host)
        key = self._key(request.probe, resolution, reference, host=on)
        self._undo(request, key)
        known = self.store.observations(key)
        if not count(known):
            return None
        self._note(request.probe)
        return finished(request, resolution, known, ())

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

    def declared(self, built: BuiltEnvironment) -> Mapping[str, Declared]:
        """Return what each distribution of an environment declares; empty if that is not kept."""
        return self.environments.declared(built.digest)

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
            self._make_template(request.spec.interpreter, token)
            task = self._plan(request, token)
            if request.fresh:
                self.renew(task.key)
            return self._observe_alone(task, started)
        except (Unresolvable, BuildFailed) as error:
            return untestable(request, error, build_s=monotonic() - started)
        except NoResult as error:
            return no_result(request, error, build_s=monotonic() - started)

    def _make_template(self, interpreter: Interpreter, token: CancelToken) -> None:
        """Start making the empty environment of an interpreter that has none, beside the first resolution."""
        if self.builders is None or not self._templated.is_first(interpreter.path):
            return
        if self.environments.needs_template(interpreter):
            self.builders.submit(self.environments.make_template, interpreter, token)

    def _guess(self, request: TrialRequest, token: CancelToken) -> Task | None:
        """Return the trial in the environment that the candidate had last time, if that is kept.

        None if the stored resolution still holds, because then there is nothing to guess. None also for a
        measured probe, because resolving during a run disturbs its samples.
        """
        is_plain = request.sampling is None and not request.fresh and self.decider is None
        if not is_plain or self.builders is None:
            return None
        resolution = self.resolutions.stale(request.spec)
        if resolution is None or not self.environments.is_kept(resolution):
            return None
        key = self._key(request.probe, resolution, None, host=measured_on(request))
        return Task(request=request, key=key, resolution=resolution, reference=None, token=token)

    def _run_beside(self, guess: Task, token: CancelToken, started: float) -> tuple[Task, Trial | None]:
        """Resolve a candidate while it is run with its last resolution; return the trial if that still holds.

        Errors of the guess are ignored: if they are the candidate's, its trial in the new environment has
        them too.
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

    def _plan(self, request: TrialRequest, token: CancelToken) -> Task:
        with spending(Step.RESOLVE):
            resolution = self._resolve(request, token)
            reference = self._resolve_reference(request, token)
        key = self._key(request.probe, resolution, reference, host=measured_on(request))
        self._undo(request, key)
        return Task(request=request, key=key, resolution=resolution, reference=reference, token=token)

    def _key(self, probe: Probe, resolution: Resolution, reference: Resolution | None, *, host: str) -> str:
        level = self.sandbox.level(probe.confinement)
        return observation_key(probe, resolution, reference, host=host, level=level)

    def _resolve(self, request: TrialRequest, token: CancelToken) -> Resolution:
        # Further runs use the environment of the first ones, so they are not resolved anew.
        is_fresh = request.fresh and not request.known_runs
        return self.resolutions.resolve(request.spec, token, fresh=is_fresh)

    def _resolve_reference(self, request: TrialRequest, token: CancelToken) -> Resolution | None:
        """Return the reference's resolution, or None if the request has no reference.

        Raises:
            NoResult: the reference cannot be resolved, which says nothing about the candidate.
            Unavailable, Cancelled: as `Resolutions.resolve`.
        """
        if request.reference is None:
            return None
        try:
            return self.resolutions.resolve(request.reference, token)
        except (Unresolvable, BuildFailed) as error:
            raise NoResult(f"the baseline cannot be run: {error}") from error

    def _observe_alone(self, task: Task, started: float) -> Trial:
        if task.request.apart:
            return self._observe(task, started)
        # Two processes may need the same observation: the second one waits, and then finds it in the store.
        lock = locked(self.locks / f"run-{task.key}.lock", waiting=task.token.check)
        with waiting_for(lock):
            return self._observe(task, started)

    def _observe(self, task: Task, started: float) -> Trial:
        """Run as often as the store lacks runs, in environments that are held meanwhile."""
        request, resolution = task.request, task.resolution
        stored = () if request.apart else self.store.observations(task.key)
        known = asked_for(stored[request.known_runs :], request)
        wanted = request.runs - count(known, request.limit_s)
        if wanted == 0:
            return finished(request, resolution, known, (), build_s=monotonic() - started)
        made: list[Observation] = []
        runs = self._probe_runs()
        build_s = run_s = 0.0
        for _ in range(_MOST_ENVIRONMENTS * wanted):
            self._tell(request, Activity.BUILDING)
            with ExitStack() as held:
                environment = held.enter_context(self._environment(resolution, request.spec, task.token))
                reference = self._hold_reference(task, environment, held)
                build_s += monotonic() - started
                # Waiting for the measuring lock is charged as neither building nor running.
                if request.sampling:
                    self._tell(request, Activity.WAITING)
                    held.enter_context(waiting_for(self.measuring_lock.taken(task.token)))
                begun = monotonic()
                self._cold.end()
                self._tell(request, Activity.RUNNING)
                self._note(request.probe)
                runs.make(task, environment, reference, wanted, made)
                self.environments.note_use(resolution, request.spec.interpreter)
            started = monotonic()
            run_s += started - begun
            if count(made, request.limit_s) == wanted:
                return finished(request, resolution, known, tuple(made), build_s=build_s, run_s=run_s)
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

    def _probe_runs(self) -> ProbeRuns:
        return ProbeRuns(
            store=self.store,
            environments=self.environments,
            folder=self.runs,
            sandbox=self.sandbox,
            measuring_lock=self.measuring_lock,
            emit=self._emit,
            show_output=self.show_output,
            secrets=self.secrets,
            decider=self.decider,
            changed=self._changed,
            killed=self._killed,
        )

    def _hold_reference(self, task: Task, environment: Environment, held: ExitStack) -> Environment | None:
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

    def _tell(self, request: TrialRequest, activity: Activity) -> None:
        self._emit(request, TrialProgressed(key=request.key, activity=activity))

    def _emit(self, request: TrialRequest, event: Event) -> None:
        """Emit an event of the search that the trial is for."""
        self.emit(StageEvent(stage=request.stage, event=event) if request.stage else event)
