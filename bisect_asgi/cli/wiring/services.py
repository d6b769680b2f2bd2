"""What a session needs of the outside, put together for one command: here, or on a cluster."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from bisect_asgi.backend import interpreters, release_contents
from bisect_asgi.backend.executors.dask.calls import RemoteExecutor
from bisect_asgi.backend.files import kept
from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.repository import Repository, remote_tags
from bisect_asgi.backend.trials.store import resolve
from bisect_asgi.backend.trials.trial import Workshop, is_built, prepare, recall, run_trial, telling
from bisect_asgi.backend.uv import Uv
from bisect_asgi.cli.wiring.local import indexes
from bisect_asgi.cli.wiring.paths import CachePaths
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Unavailable
from bisect_asgi.core.events import Event
from bisect_asgi.core.model import BuiltEnvironment, Distribution, Trial, TrialRequest
from bisect_asgi.core.releases import changelog
from bisect_asgi.core.releases.select import SDIST_SUFFIXES
from bisect_asgi.core.services import ReleasesOf, RunTrial, World

if TYPE_CHECKING:
    from bisect_asgi.backend.executors.remote_trials import RemoteTrials
    from bisect_asgi.backend.release_contents import ContentsCache

_TAGS_KEPT = timedelta(days=1)


@contextmanager
def open_world(
    places: CachePaths,
    workshop: Workshop,
    executor: Executor,
    emit: Callable[[Event], None],
    *,
    show_output: bool,
) -> Iterator[World]:
    """Put together what a session needs of the outside."""
    here = _here(workshop, emit, show_output=show_output)
    pythons = places.root / "interpreters"
    token = CancelToken()
    with (
        closing(IndexClient(indexes(), places.root / "index")) as index,
        ThreadPoolExecutor(thread_name_prefix="builder") as builders,
        ExitStack() as afield,
    ):
        errand = None
        if isinstance(executor, RemoteExecutor):
            opened = _errand(here, places, workshop, executor, emit, show_output=show_output)
            errand, cluster = afield.enter_context(opened), executor
        releases_of = cache(index.releases)  # a page is asked for once in a command
        yield World(
            releases_of=releases_of,
            interpreters=lambda: interpreters.find_all(pythons),
            interpreter=lambda wish: interpreters.find(wish, pythons),
            target=interpreters.target_python,
            downloadable=interpreters.downloadable,
            resolve=lambda spec: resolve(spec, workshop.store, workshop.resolver, token).distributions,
            repository=cache(lambda where: Repository.open(where, places.repositories, token)),
            requirements=lambda built: _requirements(places, workshop, built),
            tags=lambda where: _tags(places, where),
            changelogs=lambda distribution: _changelogs(places, index, releases_of, distribution),
            contents=lambda distribution, python: _contents(places).contents(distribution, python, token),
            run_trial=errand or here,
            recall=lambda request: recall(
                request, workshop.store, host=errand.host(request, cluster) if errand else None
            ),
            is_built=lambda request: errand is None and is_built(request, workshop),
            executor=executor,
            # What is built ahead here is of no use to workers with caches of their own.
            prepare=None if errand else lambda request, token: prepare(request, workshop, token=token),
            builders=builders,
        )


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
    from bisect_asgi.backend.executors.remote_trials import RemoteTrials
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


def _requirements(
    places: CachePaths, workshop: Workshop, built: BuiltEnvironment
) -> Mapping[str, tuple[str, ...]]:
    """What an environment's distributions require, be it here or on a worker."""
    if here := workshop.environments.requirements(built.digest):
        return here
    from bisect_asgi.backend.executors.remote_trials import read_requirements

    return read_requirements(places.requirements, built)


def _tags(places: CachePaths, where: str) -> tuple[str, ...]:

    return kept(places.answers("tags", where), lambda: asked_tags(where), at_most=_TAGS_KEPT)


def _changelogs(
    places: CachePaths, index: IndexClient, releases_of: ReleasesOf, distribution: Distribution
) -> tuple[str, ...]:

    path = places.answers("changelogs", distribution)
    return kept(path, lambda: changelogs(index, releases_of, distribution))


@cache
def _contents(places: CachePaths) -> ContentsCache:
    from bisect_asgi.backend.release_contents import ContentsCache

    return ContentsCache(places.root / "contents", Uv(places.root / "uv", indexes()))


_TAGS_TIMEOUT_S = 5.0


def asked_tags(where: str) -> tuple[str, ...]:
    """The tags at an address, if it answers soon: they are only for a link.

    Raises:
        UsageError: there is no repository.
        Unavailable: it does not answer, or not soon.
    """
    token = CancelToken()
    timer = threading.Timer(_TAGS_TIMEOUT_S, token.cancel)
    timer.start()
    try:
        return remote_tags(where, token)
    except Cancelled as error:
        raise Unavailable(f"`{where}` does not answer", hint="its tags are for a link alone") from error
    finally:
        timer.cancel()


def changelogs(index: IndexClient, releases_of: ReleasesOf, distribution: Distribution) -> tuple[str, ...]:
    """What may be changelogs in the source distribution of a release."""
    for release in releases_of(distribution.name):
        if release.version == distribution.version:
            for file in release.files:
                if file.filename.endswith(SDIST_SUFFIXES):
                    content = index.download(file, at_most=release_contents.LARGEST_BYTES)
                    return release_contents.texts(content, changelog.candidates) if content else ()
    return ()
