"""What a session needs of the outside, put together for one command: here, or on a cluster."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

from bisect_asgi.backend.executors.dask.calls import RemoteExecutor
from bisect_asgi.backend.executors.remote_trials import RemoteTrials, read_requirements
from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.interpreters import LocalInterpreters
from bisect_asgi.backend.package_index import PackageIndex
from bisect_asgi.backend.repositories import GitRepositories
from bisect_asgi.backend.trials.store import resolve
from bisect_asgi.backend.trials.trial import Workshop, is_built, prepare, recall, run_trial, telling
from bisect_asgi.backend.uv import Uv
from bisect_asgi.cli.wiring.local import indexes
from bisect_asgi.cli.wiring.paths import CachePaths
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.events import Event
from bisect_asgi.core.model import BuiltEnvironment, Distribution, EnvironmentSpec, Step, Trial, TrialRequest
from bisect_asgi.core.services import RunTrial, Services


@contextmanager
def open_services(
    places: CachePaths,
    workshop: Workshop,
    executor: Executor,
    emit: Callable[[Event], None],
    *,
    show_output: bool,
) -> Iterator[Services]:
    """Put together what a session needs of the outside."""
    here = _here(workshop, emit, show_output=show_output)
    with (
        closing(IndexClient(indexes(), places.root / "index")) as client,
        ThreadPoolExecutor(thread_name_prefix="builder") as builders,
        ExitStack() as afield,
    ):
        errand = None
        if isinstance(executor, RemoteExecutor):
            opened = _errand(here, places, workshop, executor, emit, show_output=show_output)
            errand = afield.enter_context(opened)
        yield Services(
            index=PackageIndex(
                client,
                Uv(places.root / "uv", indexes()),
                contents=places.root / "contents",
                answers=places.answers,
            ),
            interpreters=LocalInterpreters(places.root / "interpreters"),
            repositories=GitRepositories(places.repositories, answers=places.answers),
            trials=_Trials(places, workshop, here, errand, executor, builders),
            executor=executor,
        )


class _Trials:
    def __init__(
        self,
        places: CachePaths,
        workshop: Workshop,
        here: RunTrial,
        errand: RemoteTrials | None,
        executor: Executor,
        builders: Executor,
    ) -> None:
        self._places = places
        self._workshop = workshop
        self._errand = errand
        self._executor = executor
        self.run: RunTrial = errand or here
        # What is built ahead here is of no use to workers with caches of their own.
        self.builders = None if errand else builders

    def prepare(self, request: TrialRequest, token: CancelToken) -> dict[Step, float]:
        return prepare(request, self._workshop, token=token)

    def recall(self, request: TrialRequest) -> Trial | None:
        host = None
        if self._errand and isinstance(self._executor, RemoteExecutor):
            host = self._errand.host(request, self._executor)
        return recall(request, self._workshop.store, host=host)

    def is_built(self, request: TrialRequest) -> bool:
        return self._errand is None and is_built(request, self._workshop)

    def resolve(self, spec: EnvironmentSpec) -> tuple[Distribution, ...]:
        return resolve(spec, self._workshop.store, self._workshop.resolver, CancelToken()).distributions

    def requirements(self, built: BuiltEnvironment) -> Mapping[str, tuple[str, ...]]:
        here = self._workshop.environments.requirements(built.digest)
        return here or read_requirements(self._places.requirements, built)


def _here(workshop: Workshop, emit: Callable[[Event], None], *, show_output: bool) -> RunTrial:
    """What makes trials on this machine, and tells their progress."""

    def here(request: TrialRequest, token: CancelToken) -> Trial:
        progress, output = telling(request, emit, show_output=show_output)
        return run_trial(request, workshop, token=token, progress=progress, output=output)

    return here


@contextmanager
def _errand(
    here: RunTrial,
    places: CachePaths,
    workshop: Workshop,
    cluster: RemoteExecutor,
    emit: Callable[[Event], None],
    *,
    show_output: bool,
) -> Iterator[RemoteTrials]:
    """What makes trials on a cluster, and tells their progress."""
    from bisect_asgi.cli.wiring.worker import HasInterpreter, RunOnWorker

    command = f"bisect-asgi-{uuid.uuid4().hex}"
    errand = RemoteTrials(
        here,
        RunOnWorker(indexes=indexes(), command=command, show_output=show_output),
        workshop=workshop,
        fits=lambda interpreter: HasInterpreter(interpreter=interpreter),
        requirements=places.requirements,
        folders_travel=cluster.is_here,
    )
    with cluster.listening(command, lambda message: emit(codec.event_from_json(message)), errand.came):
        yield errand
