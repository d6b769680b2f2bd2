"""Build the services of a session for one command: on this machine, or on a cluster."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from bisect_asgi.backend.executors import as_cluster
from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.interpreters import LocalInterpreters
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.package_index import PackageIndex
from bisect_asgi.backend.repository import GitRepositories
from bisect_asgi.backend.trials import TrialRunner
from bisect_asgi.cli.wiring.local import indexes, open_uv
from bisect_asgi.cli.wiring.paths import CachePaths
from bisect_asgi.core import codec
from bisect_asgi.core.services import Services, Trials

if TYPE_CHECKING:
    from bisect_asgi.backend.executors.dask.calls import RemoteExecutor
    from bisect_asgi.backend.executors.remote_trials import RemoteTrials


@contextmanager
def open_services(
    places: CachePaths,
    runner: TrialRunner,
    executor: Executor,
    own: Indexes | None = None,
    begun: IndexClient | None = None,
) -> Iterator[Services]:
    """Open the services of a command; its trials run in `executor`, by `runner` or by a cluster's workers.

    `own`: indexes other than the user's. `begun`: what asks them already, and stays open.

    Raises:
        Unavailable: uv could not read its configuration.
    """
    asked = own or indexes()
    with ExitStack() as opened:
        client = begun or opened.enter_context(closing(IndexClient(asked, places.root / "index")))
        trials: Trials = runner
        if cluster := as_cluster(executor):
            trials = opened.enter_context(_remote_trials(runner, cluster, asked))
        yield Services(
            index=PackageIndex(
                client,
                open_uv(places, asked, sandbox=runner.sandbox, building=runner.building),
                contents=places.root / "contents",
                answers=places.answers,
            ),
            interpreters=LocalInterpreters(places.interpreters),
            repositories=GitRepositories(places.repositories, answers=places.answers),
            trials=trials,
            executor=executor,
        )


@contextmanager
def _remote_trials(runner: TrialRunner, cluster: RemoteExecutor, asked: Indexes) -> Iterator[RemoteTrials]:
    """Open the trials of a cluster, which emit their progress as this machine's do."""
    from bisect_asgi.backend.executors.remote_trials import RemoteRun, RemoteTrials
    from bisect_asgi.cli.wiring.worker import HasInterpreter, RunOnWorker

    command = f"bisect-asgi-{uuid.uuid4().hex}"
    run = RemoteRun(
        runner,
        RunOnWorker(
            indexes=asked,
            command=command,
            show_output=runner.show_output,
            building=runner.building,
        ),
        fits=lambda interpreter: HasInterpreter(interpreter=interpreter),
        folders_travel=cluster.is_here,
    )
    with cluster.listening(
        command, lambda message: runner.emit(codec.event_from_json(message)), run.returned
    ):
        yield RemoteTrials(run, runner, cluster)
