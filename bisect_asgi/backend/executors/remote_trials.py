"""Trials on other machines: what goes there, what is done there, and what is kept of it here.

A worker has its own caches and its own store, and its interpreters may lie elsewhere; the request it is sent
is fitted to them. What comes back is fitted to this machine again and put into the store here as if the trial
had been made here, so that the same command goes on from it, with whichever workers, or with none.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from bisect_asgi.backend import interpreters
from bisect_asgi.backend.environments.resolve import Resolution
from bisect_asgi.backend.executors.dask.calls import Packed, RemoteExecutor, Unsuitable
from bisect_asgi.backend.files import write_whole
from bisect_asgi.backend.repository import is_address
from bisect_asgi.backend.trials import trial
from bisect_asgi.backend.trials.probe_run import Output
from bisect_asgi.backend.trials.store import Learnt, learn, learnt
from bisect_asgi.backend.trials.trial import Progress, Workshop
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import (
    BuiltEnvironment,
    EnvironmentSpec,
    Interpreter,
    Observation,
    Outcome,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.services import RunTrial


class RemoteResult(Struct, frozen=True, kw_only=True):
    """What a worker sends back of a trial."""

    host: str
    trial: Trial
    learnt: Learnt
    """What the worker's store has about the environment, and about the reference's."""
    beside: Learnt | None
    requirements: Mapping[str, tuple[str, ...]]
    """What each distribution of the environment requires."""


# There.


def run_there(
    request: TrialRequest,
    token: CancelToken,
    workshop: Workshop,
    *,
    pythons: Path,
    progress: Progress,
    output: Output | None,
) -> RemoteResult:
    """Make a trial in a worker, whose parts are in `workshop`.

    Raises:
        Unsuitable: this machine has not the interpreter.
        Unavailable, Cancelled: as `run_trial`.
    """
    fitted = fit(request, lambda wanted: own_interpreter(wanted, pythons))
    made = trial.run_trial(fitted, workshop, token=token, progress=progress, output=output)
    known, built = learnt(fitted.spec, workshop.store), made.environment
    if known.resolution and (built is None or known.resolution.digest != built.digest):
        known = replace(known, resolution=None)  # another process has resolved it anew meanwhile
    return RemoteResult(
        host=platform.node(),
        trial=made,
        learnt=known,
        beside=learnt(fitted.reference, workshop.store) if fitted.reference else None,
        requirements=workshop.environments.requirements(built.digest) if built else {},
    )


def fit(request: TrialRequest, own: Callable[[Interpreter], Interpreter]) -> TrialRequest:
    """The request with other interpreters."""

    def fitted(spec: EnvironmentSpec) -> EnvironmentSpec:
        return replace(spec, interpreter=own(spec.interpreter))

    measuring = request.sampling
    if measuring and measuring.reference:
        measuring = replace(measuring, reference=fitted(measuring.reference))
    return replace(request, spec=fitted(request.spec), sampling=measuring)


def own_interpreter(wanted: Interpreter, pythons: Path) -> Interpreter:
    """This machine's interpreter of exactly that version; where it can be, the one at that place.

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


# Here.


class RemoteTrials:
    """Makes a trial here when it is called, and elsewhere when a cluster is given it.

    Args:
        here: makes a trial on this machine.
        there: the same in a worker; picklable.
        workshop: of this machine, whose store remembers what comes back.
        fits: makes what tells, called in a worker, whether it has an interpreter.
        requirements: the folder in which it is kept what distributions require.
        folders_travel: workers see the folders of this machine.
    """

    def __init__(
        self,
        here: RunTrial,
        there: Callable[[TrialRequest, CancelToken], RemoteResult],
        *,
        workshop: Workshop,
        fits: Callable[[Interpreter], Callable[[], object]],
        requirements: Path,
        folders_travel: bool,
    ) -> None:
        self._here = here
        self._there = there
        self._workshop = workshop
        self._fits = fits
        self._requirements = requirements
        self._folders_travel = folders_travel
        self._count = 0
        self._came: dict[str, list[Observation]] = {}
        self._guard = threading.Lock()

    def __call__(self, request: TrialRequest, token: CancelToken) -> Trial:
        """Make the trial on this machine."""
        return self._here(request, token)

    def pack(self, *arguments: object) -> Packed:
        """Say how the trial is made elsewhere.

        Raises:
            UsageError: it is about a commit in a folder of this machine.
        """
        request = _request(arguments)
        commit = request.spec.commit
        if commit and not self._folders_travel and not _can_travel(commit.repository):
            raise UsageError(
                f"commits of a folder cannot be built on other machines: `{commit.repository}`",
                hint="name the repository's address instead: `--repo https://example.org/project.git`",
            )
        return Packed(
            call=self._there,
            need=_named(request.spec.interpreter),
            fits=self._fits(request.spec.interpreter) if request.sampling else None,
        )

    def host(self, request: TrialRequest, cluster: RemoteExecutor) -> str | None:
        """The host whose samples count for a request; None: it does not matter.

        Raises:
            Unavailable: no host can take them.
        """
        packed = self.pack(request)
        return cluster.one_host(packed.need, packed.fits) if packed.fits else None

    def came(self) -> int:
        """How many trials are back."""
        with self._guard:
            return self._count

    def unpack(self, result: object, *arguments: object) -> Trial:
        """Keep what a trial showed, and return it as one of this machine's."""
        if not isinstance(result, RemoteResult):
            raise TypeError(f"a worker sent {type(result).__name__}")
        request, made = _request(arguments), result.trial
        with self._guard:
            self._count += 1
        known = _as_here(result.learnt, request.spec)
        against = None
        if result.beside and request.reference:
            against = _as_here(result.beside, request.reference)
        self._keep(request, result, known, against)
        if made.environment and known.resolution:
            built = replace(made.environment, digest=known.resolution.digest)
            write_requirements(self._requirements, built.digest, result.requirements)
            made = replace(made, environment=built)
        return replace(made, key=request.key, host="" if result.host == platform.node() else result.host)

    def _keep(
        self, request: TrialRequest, parcel: RemoteResult, known: Learnt, against: Learnt | None
    ) -> None:
        store = self._workshop.store
        if request.spec.commit is None:  # its wheel is a file of the worker's
            learn(request.spec, known, store)
        if against and request.reference:
            learn(request.reference, against, store)
        if known.resolution is None or parcel.trial.environment is None:
            return
        key = trial.observation_key(
            request.probe,
            known.resolution,
            against.resolution if against else None,
            host=trial.measured_on(request, parcel.host),
        )
        with self._guard:
            came = self._came.setdefault(key, [])
            came += [run for run in parcel.trial.observations if run.outcome is not Outcome.ERROR]
            if request.fresh:
                self._workshop.renew(key)
            # Of workers that share our store, and of what they had from earlier commands, some is there.
            there = {codec.to_json(run) for run in store.observations(key)}
            for run in came:
                if codec.to_json(run) not in there:
                    store.add_observation(key, run)


def _can_travel(repository: str) -> bool:
    return is_address(repository) and not repository.startswith("file:")


def _request(arguments: tuple[object, ...]) -> TrialRequest:
    request = arguments[0]
    if not isinstance(request, TrialRequest):
        raise TypeError(f"no request: {request!r}")
    return request


def _as_here(known: Learnt, spec: EnvironmentSpec) -> Learnt:
    """What a worker learnt, for the interpreter of this machine."""
    if known.resolution is None:
        return known
    return replace(known, resolution=as_with(known.resolution, spec.interpreter))


def as_with(resolution: Resolution, interpreter: Interpreter) -> Resolution:
    """The resolution as it would be called with another interpreter of the same version."""
    files = [
        f"{distribution}{pin[pin.index(' --hash=') :] if ' --hash=' in pin else ''}"
        for distribution, pin in zip(resolution.distributions, resolution.pins, strict=True)
    ]
    return replace(resolution, digest=codec.digest(interpreter, files))


def write_requirements(folder: Path, digest: str, requirements: Mapping[str, tuple[str, ...]]) -> None:
    """Keep what the distributions of an environment require that another machine has."""
    path = folder / f"{digest}.json"
    if path.exists():
        return
    with suppress(OSError):  # it is there to explain better
        write_whole(path, codec.to_json(requirements))


def read_requirements(folder: Path, built: BuiltEnvironment) -> Mapping[str, tuple[str, ...]]:
    """What was kept; empty: nothing was."""
    try:
        return codec.from_json((folder / f"{built.digest}.json").read_bytes(), dict[str, tuple[str, ...]])
    except (OSError, codec.Unreadable):
        return {}
