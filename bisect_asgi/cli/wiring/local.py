"""Build the runner of trials on this machine, for one command or for one worker."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from bisect_asgi.backend.environments import EnvironmentCache
from bisect_asgi.backend.environments.builds import WheelBuilder
from bisect_asgi.backend.environments.resolve import Resolver
from bisect_asgi.backend.environments.sdists import SdistBuilder
from bisect_asgi.backend.files import temporary_folder
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.backend.trials import TrialRunner
from bisect_asgi.backend.trials.probe_run import clean_up
from bisect_asgi.backend.trials.runs import Decider
from bisect_asgi.backend.trials.sampling import MeasuringLock
from bisect_asgi.backend.trials.store import Resolutions, Store
from bisect_asgi.backend.uv import Uv
from bisect_asgi.cli.output import say_note
from bisect_asgi.cli.wiring.paths import CachePaths, limit_bytes
from bisect_asgi.cli.wiring.prefetch import ask_for_indexes
from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import Building
from bisect_asgi.core.services import Emit


def indexes() -> Indexes:
    """Return the user's indexes, read from uv once for a command.

    Raises:
        Unavailable: uv could not read its configuration.
    """
    return ask_for_indexes().result()


@contextmanager
def open_trials(
    places: CachePaths,
    emit: Emit = lambda _: None,
    *,
    show_output: bool = False,
    own: Indexes | None = None,
    building: Building | None = None,
    decider: Decider | None = None,
    keeps_runs: bool = True,
    undone: set[str] | None = None,
    note: Callable[[str], None] = say_note,
) -> Iterator[TrialRunner]:
    """Open the runner of trials on this machine.

    Args:
        places: the directories of the cache.
        emit: receives the progress of trials.
        show_output: emit the probes' output, too.
        own: indexes other than the user's.
        building: how source distributions and commits are built.
        decider: decides on each run in place of the probe's exit code.
        keeps_runs: whether runs are cached for later commands.
        undone: labels of candidates whose cached runs are dropped; each label is removed once that is done.
        note: receives remarks about the cache.

    Raises:
        Unavailable: the store cannot be used, or uv could not read its configuration.
    """
    with (
        closing(Store(places.store, say=note)) as store,
        _store_of_runs(store, keeps_runs=keeps_runs) as store_of_runs,
        ThreadPoolExecutor(thread_name_prefix="builder") as builders,
        closing(Sandbox(places.root)) as sandbox,
    ):
        uv = open_uv(places, own, sandbox=sandbox, building=building)
        resolver, sdists = _resolver(places, uv, store)
        environments = EnvironmentCache(places.environments, uv=uv, sdists=sdists, limit_bytes=limit_bytes())
        environments.import_ahead()
        runs, locks = places.root / "runs", places.root / "locks"
        clean_up(runs)
        yield TrialRunner(
            store=store_of_runs,
            resolutions=Resolutions(store, resolver, locks=locks, indexes=uv.indexes.identity),
            environments=environments,
            runs=runs,
            locks=locks,
            sandbox=sandbox,
            building=building or Building(),
            # Outside the cache: commands with different caches share this machine's processors.
            measuring_lock=MeasuringLock(
                path=Path(tempfile.gettempdir()) / f"bisect-asgi-{os.getuid()}-measuring.lock"
            ),
            emit=emit,
            show_output=show_output,
            secrets=(*uv.indexes.secrets, *uv.network.proxies.secrets),
            builders=builders,
            decider=decider,
            undone=set() if undone is None else undone,
        )
        environments.settle()


@contextmanager
def _store_of_runs(store: Store, *, keeps_runs: bool) -> Iterator[Store]:
    """Yield the store, or one for this command alone."""
    if keeps_runs:
        yield store
        return
    with (
        temporary_folder() as folder,
        closing(Store(folder / "store.db")) as own,
    ):
        yield own


def open_uv(
    places: CachePaths, own: Indexes | None = None, *, sandbox: Sandbox, building: Building | None
) -> Uv:
    """Return a uv for the user's indexes, or for others, that builds in the sandbox.

    Raises:
        Unavailable: uv could not read its configuration.
    """
    asked = own or indexes()
    # uv's configuration is a file, so commands with different indexes need different files.
    return Uv(
        places.root / "uv" / codec.digest(asked),
        asked,
        builds=places.root / "builds",
        sandbox=sandbox,
        building=building,
    )


def _resolver(places: CachePaths, uv: Uv, store: Store) -> tuple[Resolver, SdistBuilder]:
    """Return the resolver of specs, and the builder of source distributions for it and for environments."""

    def recall(key: str) -> str | None:
        failure = store.failure(codec.digest(uv.indexes.identity, key))
        return failure[0] if failure else None

    def record(key: str, reason: str) -> None:
        store.keep_failure(codec.digest(uv.indexes.identity, key), reason)

    sdists = SdistBuilder(uv, folder=places.root / "sdists", recall_failure=recall, record_failure=record)
    wheels = WheelBuilder(
        uv,
        folder=places.root / "wheels",
        repositories=places.repositories,
        recall_failure=recall,
        record_failure=record,
    )

    def confirm(project: str) -> None:
        from bisect_asgi.backend.index import IndexClient  # needed only if a page may be outdated

        with closing(IndexClient(uv.indexes, places.root / "index")) as client, suppress(UsageError):
            client.releases(project)

    return Resolver(uv, sdists=sdists, wheels=wheels, confirm=confirm), sdists
