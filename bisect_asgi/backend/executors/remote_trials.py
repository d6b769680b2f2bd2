"""Run trials on other machines: send the request, run it on the worker, and store the result here.

A worker has its own caches and its own store, and its interpreters may have other paths, so it adapts the
request to them. This machine adapts the result and stores it as if the trial had been run here. So the same
command can later continue with other workers, or with none.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bisect_asgi.backend import interpreters
from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.executors.dask.calls import Packed, RemoteExecutor, Unsuitable
from bisect_asgi.backend.repository import is_address
from bisect_asgi.backend.trials import TrialRunner
from bisect_asgi.backend.trials.keys import measured_on, observation_key
from bisect_asgi.backend.trials.store import Learnt
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Declared,
    Distribution,
    EnvironmentSpec,
    Interpreter,
    Observation,
    Outcome,
    OwnProject,
    ProjectMetadata,
    SandboxLevel,
    Step,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.records import Struct, replace


class RemoteResult(Struct, frozen=True, kw_only=True):
    """The result of a trial, as a worker sends it."""

    host: str
    trial: Trial
    learnt: Learnt
    """The records of the environment in the worker's store."""
    reference: Learnt | None
    """The same about the environment of the baseline."""
    declared: Mapping[str, Declared]
    """What each distribution of the environment declares."""


# On the worker.


def run_here_for_another(
    request: TrialRequest, token: CancelToken, runner: TrialRunner, *, pythons: Path
) -> RemoteResult:
    """Run a trial in a worker.

    Raises:
        Unsuitable: this machine does not have the interpreter.
        Unavailable, Cancelled: as `TrialRunner.run`.
    """
    fitted = fit(request, lambda wanted: own_interpreter(wanted, pythons))
    trial = runner.run(fitted, token)
    known, built = runner.resolutions.learnt(fitted.spec), trial.environment
    if known.resolution and (built is None or known.resolution.digest != built.digest):
        known = replace(known, resolution=None)  # another process has stored another resolution since
    return RemoteResult(
        host=platform.node(),
        trial=trial,
        learnt=known,
        reference=runner.resolutions.learnt(fitted.reference) if fitted.reference else None,
        declared=runner.declared(built) if built else {},
    )


def fit(request: TrialRequest, own: Callable[[Interpreter], Interpreter]) -> TrialRequest:
    """Return the request with other interpreters."""

    def fitted(spec: EnvironmentSpec) -> EnvironmentSpec:
        return replace(spec, interpreter=own(spec.interpreter))

    measuring = request.sampling
    if measuring and measuring.reference:
        measuring = replace(measuring, reference=fitted(measuring.reference))
    return replace(request, spec=fitted(request.spec), sampling=measuring)


def own_interpreter(wanted: Interpreter, pythons: Path) -> Interpreter:
    """Return this machine's interpreter of exactly that version, if possible the one at the same path.

    Raises:
        Unsuitable: there is none.
    """
    if Path(wanted.path).exists():
        with suppress(UsageError):
            found = interpreters.find(wanted.path, pythons).interpreter
            if _is_same(found, wanted):
                return found
    for target in interpreters.find_all(pythons):
        if _is_same(target.interpreter, wanted):
            return target.interpreter
    raise Unsuitable(
        f"has no {_named(wanted)}", hint=f"`uv python install {wanted.version}` there installs it"
    )


def _is_same(one: Interpreter, other: Interpreter) -> bool:
    return (one.version, one.implementation) == (other.version, other.implementation)


def _named(interpreter: Interpreter) -> str:
    kind = "Python" if interpreter.implementation == "CPython" else interpreter.implementation
    return f"{kind} {interpreter.version}"


# On this machine.


class RemoteRun:
    """Runs a trial on this machine if it is called, and on a worker if it is submitted to a cluster.

    Args:
        runner: the runner of this machine, whose store keeps the results of workers.
        on_worker: runs a trial in a worker; picklable.
        fits: returns a check for an interpreter, which is called in a worker and raises `Unsuitable`.
        folders_travel: whether workers can read the directories of this machine.
    """

    def __init__(
        self,
        runner: TrialRunner,
        on_worker: Callable[[TrialRequest, CancelToken], RemoteResult],
        *,
        fits: Callable[[Interpreter], Callable[[], object]],
        folders_travel: bool,
    ) -> None:
        self._runner = runner
        self._on_worker = on_worker
        self._fits = fits
        self._folders_travel = folders_travel
        self._returned = 0
        self._came: dict[str, list[Observation]] = {}
        self._guard = threading.Lock()

    def __call__(self, request: TrialRequest, token: CancelToken) -> Trial:
        """Run the trial on this machine."""
        return self._runner.run(request, token)

    def pack(self, *arguments: object) -> Packed:
        """Return the call that runs the trial on a worker.

        Raises:
            UsageError: the candidate is a commit in a directory of this machine, which workers cannot read.
        """
        request = _request(arguments)
        commit = request.spec.commit
        if commit and not self._folders_travel and not _can_travel(commit.repository):
            raise UsageError(
                f"commits of a directory cannot be built on other machines: `{commit.repository}`",
                hint="name the repository's address instead: `--repo https://example.org/project.git`",
            )
        if not self._folders_travel:
            _check_projects_travel(request.spec)
        return Packed(
            call=self._on_worker,
            need=_named(request.spec.interpreter),
            fits=self._fits(request.spec.interpreter) if request.sampling else None,
        )

    def parts(self, *arguments: object) -> Sequence[tuple[object, ...]]:
        """Return the arguments with which several workers make the runs of one trial at the same time.

        Samples are not divided, because they are taken one by one on one host.
        """
        request = _request(arguments)
        count = min(request.runs, request.parallel) if request.sampling is None else 1
        if count <= 1:
            return (arguments,)
        shares = [request.runs // count + (place < request.runs % count) for place in range(count)]
        return [(replace(request, runs=share, parallel=1, apart=True), *arguments[1:]) for share in shares]

    def join(self, results: Sequence[object]) -> Trial:
        """Return the trial of which several workers made the runs.

        If workers have resolved it to different environments, only the runs in the first one's environment
        count. The caller then requests the missing runs.
        """
        trials = [result for result in results if isinstance(result, Trial)]
        first = next((trial for trial in trials if trial.environment), trials[0])
        alike = [trial for trial in trials if _digest(trial) == _digest(first)]
        longest = max(alike, key=lambda trial: sum(trial.steps.values()))
        return replace(
            longest,
            observations=tuple(run for trial in alike for run in trial.observations),
            build_s=max(trial.build_s for trial in alike),
            run_s=max(trial.run_s for trial in alike),
        )

    def returned(self) -> int:
        """Return how many trials have come back."""
        with self._guard:
            return self._returned

    def unpack(self, result: object, *arguments: object) -> Trial:
        """Store what a trial showed, and return it as one of this machine's."""
        if not isinstance(result, RemoteResult):
            raise TypeError(f"a worker sent {type(result).__name__}")
        request, trial = _request(arguments), result.trial
        with self._guard:
            self._returned += 1
        known = _as_here(result.learnt, request.spec)
        reference = None
        if result.reference and request.reference:
            reference = _as_here(result.reference, request.reference)
        self._keep(request, result, known, reference)
        if trial.environment and known.resolution:
            built = replace(trial.environment, digest=known.resolution.digest)
            self._runner.environments.keep_declared(built.digest, result.declared)
            trial = replace(trial, environment=built)
        return replace(trial, key=request.key, host="" if result.host == platform.node() else result.host)

    def _keep(
        self, request: TrialRequest, result: RemoteResult, known: Learnt, reference: Learnt | None
    ) -> None:
        resolutions = self._runner.resolutions
        if not (request.spec.commit or request.spec.projects):  # their wheel is a file of the worker's
            resolutions.learn(request.spec, known)
        if reference and request.reference:
            resolutions.learn(request.reference, reference)
        if known.resolution is None or result.trial.environment is None:
            return
        key = observation_key(
            request.probe,
            known.resolution,
            reference.resolution if reference else None,
            host=measured_on(request, result.host),
            level=_level_of(result.trial),
        )
        store = self._runner.store
        with self._guard:
            came = self._came.setdefault(key, [])
            came += [run for run in result.trial.observations if run.outcome is not Outcome.ERROR]
            if request.fresh:
                self._runner.renew(key)
            # Some runs may be stored already: workers may share this store, or return runs of earlier
            # commands.
            stored = {codec.to_json(run) for run in store.observations(key)}
            for run in came:
                if codec.to_json(run) not in stored:
                    store.add_observation(key, run)


class RemoteTrials:
    """The trials of a session on a cluster: its workers run them, and this machine's store caches them.

    Args:
        run: runs one trial.
        runner: the runner of this machine.
        cluster: chooses the host of measured probes.
    """

    def __init__(self, run: RemoteRun, runner: TrialRunner, cluster: RemoteExecutor) -> None:
        self.run = run
        self.builders = runner.builders if cluster.is_here else None
        """Where environments are built ahead; None if workers have caches of their own."""
        self._runner = runner
        self._cluster = cluster

    def prepare(self, request: TrialRequest, token: CancelToken) -> dict[Step, float]:
        """Build an environment on this machine."""
        return self._runner.prepare(request, token)

    def recall(self, request: TrialRequest) -> Trial | None:
        """Return all earlier observations of the candidate; for samples, those of the chosen host.

        Raises:
            Unavailable: no host can take the samples.
        """
        packed = self.run.pack(request)
        host = self._cluster.one_host(packed.need, packed.fits) if packed.fits else None
        return self._runner.recall(request, host=host)

    def is_built(self, request: TrialRequest) -> bool:
        """Return whether the workers have the environment, as far as that is known here."""
        return self._cluster.is_here and self._runner.is_built(request)

    def resolve(self, spec: EnvironmentSpec) -> tuple[Distribution, ...]:
        """Return the distributions that an environment would have in it; resolved on this machine."""
        return self._runner.resolve(spec)

    def wheels(self, spec: EnvironmentSpec, token: CancelToken) -> tuple[Distribution, ...] | None:
        """Return the distributions that an environment would have if all have wheels; on this machine."""
        return self._runner.wheels(spec, token)

    def metadata(self, project: OwnProject, interpreter: Interpreter, token: CancelToken) -> ProjectMetadata:
        """Return what the wheel of a project of the user's says, which is built on this machine."""
        return self._runner.metadata(project, interpreter, token)

    def declared(self, built: BuiltEnvironment) -> Mapping[str, Declared]:
        """Return what each distribution of an environment declares, whichever machine built it."""
        return self._runner.declared(built)


def _digest(trial: Trial) -> str:
    return trial.environment.digest if trial.environment else ""


def _level_of(trial: Trial) -> SandboxLevel:
    """Return the level at which a worker confined the runs of a trial."""
    levels = (run.sandbox for run in trial.observations if run.sandbox is not None)
    return next(levels, SandboxLevel.NONE)


def _check_projects_travel(spec: EnvironmentSpec) -> None:
    """Raise UsageError if a project of the user's is a directory or a file of this machine."""
    for project in spec.projects:
        if project.commit is None or not _can_travel(project.commit.repository):
            raise UsageError(
                f"your project `{project.given}` is on this machine, and workers of a cluster cannot read it",
                hint=f"push it, and pass `--with '{project.name} @ git+https://…@REVISION'`; "
                "or run without `--executor`",
            )


def _can_travel(repository: str) -> bool:
    return is_address(repository) and not repository.startswith("file:")


def _request(arguments: tuple[object, ...]) -> TrialRequest:
    request = arguments[0]
    if not isinstance(request, TrialRequest):
        raise TypeError(f"no request: {request!r}")
    return request


def _as_here(known: Learnt, spec: EnvironmentSpec) -> Learnt:
    """Return what a worker learnt, for the interpreter of this machine."""
    if known.resolution is None:
        return known
    return replace(known, resolution=as_with(known.resolution, spec.interpreter))


def as_with(resolution: Resolution, interpreter: Interpreter) -> Resolution:
    """Return the resolution with the digest that it has with another interpreter of the same version."""
    files = [
        f"{distribution}{pin[pin.index(' --hash=') :] if ' --hash=' in pin else ''}"
        for distribution, pin in zip(resolution.distributions, resolution.pins, strict=True)
    ]
    return replace(resolution, digest=codec.digest(interpreter, files))
