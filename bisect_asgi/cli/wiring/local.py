"""What trials need on this machine, put together for one command, or for one worker."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bisect_asgi.backend.environments.cache import EnvironmentCache
from bisect_asgi.backend.environments.commit_wheels import WheelBuilder
from bisect_asgi.backend.environments.resolve import Resolver
from bisect_asgi.backend.trials.probe_run import clean_up
from bisect_asgi.backend.trials.sampling import MeasuringLock
from bisect_asgi.backend.trials.store import Store
from bisect_asgi.backend.trials.trial import Workshop
from bisect_asgi.backend.uv import Indexes, Uv
from bisect_asgi.cli.wiring.paths import CachePaths, limit_bytes
from bisect_asgi.cli.wiring.prefetch import ask_for_indexes
from bisect_asgi.core import codec


def indexes() -> Indexes:
    """The user's indexes, asked of uv once for a command.

    Raises:
        Unavailable: uv could not read its configuration.
    """
    return ask_for_indexes().result()


@contextmanager
def open_workshop(places: CachePaths, own: Indexes | None = None) -> Iterator[Workshop]:
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
        environments = EnvironmentCache(
            places.environments, uv=uv, resolver=resolver, limit_bytes=limit_bytes()
        )
        environments.import_ahead()
        runs = places.root / "runs"
        clean_up(runs)
        yield Workshop(
            store=store,
            resolver=resolver,
            environments=environments,
            runs=runs,
            locks=places.root / "locks",
            # Of the machine, not of the cache: two commands with two caches share the processors.
            measuring_lock=MeasuringLock(
                path=Path(tempfile.gettempdir()) / f"bisect-asgi-{os.getuid()}-measuring.lock"
            ),
        )
