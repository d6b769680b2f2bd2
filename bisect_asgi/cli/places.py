"""Where things are kept, and the parts of the tool put together for one command."""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from bisect_asgi import codec, interpreters
from bisect_asgi.axes.base import ReleasesOf
from bisect_asgi.cli.early import ask_for_indexes
from bisect_asgi.engine import RunTrial
from bisect_asgi.environments.cache import EnvironmentCache
from bisect_asgi.environments.resolution import Resolver
from bisect_asgi.environments.uv import Indexes, Uv
from bisect_asgi.environments.wheels import WheelBuilder
from bisect_asgi.errors import Unavailable, UsageError
from bisect_asgi.events import Event, OutputSeen, Staged, TrialProgressed
from bisect_asgi.hunt import World
from bisect_asgi.index import IndexClient
from bisect_asgi.kept import kept
from bisect_asgi.model import BuiltEnvironment, Distribution, Trial, TrialRequest
from bisect_asgi.process import Lifeline
from bisect_asgi.remote.calls import Elsewhere
from bisect_asgi.repository import Repository
from bisect_asgi.resolutions import resolve
from bisect_asgi.runs import clean_up
from bisect_asgi.samples import Lane
from bisect_asgi.store import Store
from bisect_asgi.trial import Workshop, is_built, prepare, recall, run_trial

if TYPE_CHECKING:  # of what only some commands need
    from bisect_asgi.contents import ContentsCache
    from bisect_asgi.errands import TrialErrand

_TAGS_KEPT = timedelta(days=1)
DEFAULT_LIMIT = "20 GiB"
_UNITS = {"MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


@dataclass(frozen=True, slots=True)
class Places:
    """The folders and files below the cache folder."""

    root: Path

    @classmethod
    def configured(cls) -> Places:
        """The user's cache folder, or `BISECT_ASGI_CACHE_DIR`.

        Raises:
            Unavailable: it cannot be written.
        """
        root = cls.folder()
        try:
            root.mkdir(parents=True, exist_ok=True)
            (root / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
        except OSError as error:
            raise Unavailable(
                f"the cache folder cannot be written: `{root}` ({error.strerror})",
                hint="free some room, make it writable, or name another one in `BISECT_ASGI_CACHE_DIR`",
            ) from error
        return cls(root)

    @staticmethod
    def folder() -> Path:
        """Where the cache folder is to be."""
        named = os.environ.get("BISECT_ASGI_CACHE_DIR")
        return Path(named).absolute() if named else platformdirs.user_cache_path("bisect-asgi")

    @property
    def store(self) -> Path:
        """The store's file."""
        return self.root / "store.db"

    @property
    def environments(self) -> Path:
        """The environments' folder."""
        return self.root / "environments"

    @property
    def logs(self) -> Path:
        """The event logs' folder."""
        return self.root / "logs"

    @property
    def repositories(self) -> Path:
        """The folder of copies of repositories."""
        return self.root / "repositories"

    @property
    def requirements(self) -> Path:
        """The folder in which it is kept what distributions require that other machines have."""
        return self.root / "requirements"

    def answers(self, kind: str, about: object) -> Path:
        """The file in which an answer of the outside is kept."""
        return self.root / "answers" / f"{kind}-{codec.digest(about)}.json"

    def new_log(self, project: str) -> Path:
        """The path of a new event log; names sort by time."""
        return self.logs / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{project}.jsonl"

    def newest_log(self) -> Path:
        """The path of the newest event log.

        Raises:
            UsageError: there is none.
        """
        logs = sorted(self.logs.glob("*.jsonl"))
        if not logs:
            raise UsageError(
                "there is no event log yet", hint="`bisect-asgi PACKAGE --probe FILE` writes one"
            )
        return logs[-1]


def limit_bytes() -> int:
    """How much room environments may take: `BISECT_ASGI_CACHE_LIMIT`, such as `20 GiB`.

    Raises:
        UsageError: it cannot be read.
    """
    text = os.environ.get("BISECT_ASGI_CACHE_LIMIT", DEFAULT_LIMIT)
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MGT]iB)", text.strip(), re.IGNORECASE)
    if not match:
        raise UsageError(
            f"`{text}` cannot be read (`BISECT_ASGI_CACHE_LIMIT`)",
            hint="it is a size such as `500 MiB` or `20 GiB`",
        )
    return int(float(match[1]) * _UNITS[match[2].upper()])


def indexes() -> Indexes:
    """The user's indexes, asked of uv once for a command.

    Raises:
        Unavailable: uv could not read its configuration.
    """
    return ask_for_indexes().result()


@contextmanager
def open_workshop(places: Places, own: Indexes | None = None) -> Iterator[Workshop]:
    """Put together what trials need on this machine; `own`: indexes other than the user's."""
    with closing(Store(places.store)) as store:
        # uv's configuration is a file: commands with other indexes must not write the same.
        folder = f"uv-{codec.digest(own)}" if own and own != indexes() else "uv"
        uv = Uv(places.root / folder, own or indexes())
        wheels = WheelBuilder(
            uv,
            folder=places.root / "wheels",
            repositories=places.repositories,
            recall_failure=store.failure,
            record_failure=store.keep_failure,
        )
        resolver = Resolver(
            uv, recall_failure=store.failure, record_failure=store.keep_failure, wheels=wheels
        )
        runs = places.root / "runs"
        clean_up(runs)
        yield Workshop(
            store=store,
            resolver=resolver,
            environments=EnvironmentCache(
                places.environments, uv=uv, resolver=resolver, limit_bytes=limit_bytes()
            ),
            runs=runs,
            locks=places.root / "locks",
            # Of the machine, not of the cache: two commands with two caches share the processors.
            lane=Lane(path=Path(tempfile.gettempdir()) / f"bisect-asgi-{os.getuid()}-measuring.lock"),
        )


@contextmanager
def open_world(
    places: Places,
    workshop: Workshop,
    executor: Executor,
    emit: Callable[[Event], None],
    *,
    show_output: bool,
) -> Iterator[World]:
    """Put together what a session needs of the outside."""
    here = _here(workshop, emit, show_output=show_output)
    pythons = places.root / "interpreters"
    lifeline = Lifeline()
    with (
        closing(IndexClient(indexes(), places.root / "index")) as index,
        ThreadPoolExecutor(thread_name_prefix="builder") as builders,
        ExitStack() as afield,
    ):
        errand = None
        if isinstance(executor, Elsewhere):
            opened = _errand(here, places, workshop, executor, emit, show_output=show_output)
            errand, cluster = afield.enter_context(opened), executor
        releases_of = cache(index.releases)  # a page is asked for once in a command
        yield World(
            releases_of=releases_of,
            interpreters=lambda: interpreters.find_all(pythons),
            interpreter=lambda wish: interpreters.find(wish, pythons),
            usable=interpreters.usable,
            downloadable=interpreters.downloadable,
            resolve=lambda spec: resolve(spec, workshop.store, workshop.resolver, lifeline).distributions,
            repository=cache(lambda where: Repository.open(where, places.repositories, lifeline)),
            requirements=lambda built: _requirements(places, workshop, built),
            tags=lambda where: _tags(places, where),
            changelogs=lambda distribution: _changelogs(places, index, releases_of, distribution),
            contents=lambda distribution, python: _contents(places).contents(distribution, python, lifeline),
            run_trial=errand or here,
            recall=lambda request: recall(
                request, workshop.store, host=errand.host(request, cluster) if errand else None
            ),
            is_built=lambda request: errand is None and is_built(request, workshop),
            executor=executor,
            # What is built ahead here is of no use to workers with caches of their own.
            prepare=None
            if errand
            else lambda request, lifeline: prepare(request, workshop, lifeline=lifeline),
            builders=builders,
        )


def _here(workshop: Workshop, emit: Callable[[Event], None], *, show_output: bool) -> RunTrial:
    """What makes trials on this machine, and tells their progress."""

    def here(request: TrialRequest, lifeline: Lifeline) -> Trial:
        def tell(event: Event) -> None:
            emit(Staged(stage=request.stage, event=event) if request.stage else event)

        return run_trial(
            request,
            workshop,
            lifeline=lifeline,
            progress=lambda activity: tell(TrialProgressed(key=request.key, activity=activity)),
            output=(lambda text: tell(OutputSeen(key=request.key, text=text))) if show_output else None,
        )

    return here


@contextmanager
def _errand(
    here: RunTrial,
    places: Places,
    workshop: Workshop,
    cluster: Elsewhere,
    emit: Callable[[Event], None],
    *,
    show_output: bool,
) -> Iterator[TrialErrand]:
    """What makes trials on a cluster, and tells their progress."""
    from bisect_asgi.cli.afield import Away, Fits
    from bisect_asgi.errands import TrialErrand

    command = f"bisect-asgi-{uuid.uuid4().hex}"
    errand = TrialErrand(
        here,
        Away(indexes=indexes(), command=command, show_output=show_output),
        workshop=workshop,
        fits=lambda interpreter: Fits(interpreter=interpreter),
        requirements=places.requirements,
        folders_travel=cluster.is_here,
    )
    with cluster.listening(command, lambda message: emit(codec.event_from_json(message)), errand.came):
        yield errand


def _requirements(
    places: Places, workshop: Workshop, built: BuiltEnvironment
) -> Mapping[str, tuple[str, ...]]:
    """What an environment's distributions require, be it here or on a worker."""
    if here := workshop.environments.requirements(built.digest):
        return here
    from bisect_asgi.errands import read_requirements

    return read_requirements(places.requirements, built)


def _tags(places: Places, where: str) -> tuple[str, ...]:
    from bisect_asgi.cli.behind import asked_tags

    return kept(places.answers("tags", where), lambda: asked_tags(where), at_most=_TAGS_KEPT)


def _changelogs(
    places: Places, index: IndexClient, releases_of: ReleasesOf, distribution: Distribution
) -> tuple[str, ...]:
    from bisect_asgi.cli.behind import changelogs

    path = places.answers("changelogs", distribution)
    return kept(path, lambda: changelogs(index, releases_of, distribution))


@cache
def _contents(places: Places) -> ContentsCache:
    from bisect_asgi.contents import ContentsCache

    return ContentsCache(places.root / "contents", Uv(places.root / "uv", indexes()))
