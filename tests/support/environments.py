"""What makes environments and runs trials, as a command has it, with directories and caches of its own."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from bisect_asgi.backend.environments import EnvironmentCache
from bisect_asgi.backend.environments.builds import WheelBuilder
from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.environments.resolve import Resolver
from bisect_asgi.backend.environments.sdists import SdistBuilder
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.trials import TrialRunner
from bisect_asgi.backend.trials.sampling import MeasuringLock
from bisect_asgi.backend.trials.store import Resolutions, Store
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import EnvironmentSpec, Interpreter
from bisect_asgi.core.services import Emit
from support.sandboxes import sandbox

THIS_PYTHON = Interpreter(path=sys._base_executable, version=platform.python_version())  # type: ignore[attr-defined]
ROOM_ENOUGH = 2**30


class Bench:
    """A uv, the objects that resolve and build with it, and a record of failed builds that outlives them.

    Args:
        folder: the directory for all files.
        urls: the indexes.
    """

    def __init__(self, folder: Path, *urls: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.uv = Uv(folder / "uv", Indexes(urls=urls))
        self.failures: dict[str, str] = {}
        self.recorded: list[str] = []
        """The keys of all failed builds, in their order, each time that one was recorded."""

    def record(self, key: str, reason: str) -> None:
        """Keep why a build failed."""
        self.recorded.append(key)
        self.failures[key] = reason

    def resolver(self, wheels: WheelBuilder | None = None) -> Resolver:
        """A resolver; with `wheels` also of specs that have a commit."""
        return Resolver(self.uv, sdists=self.sdists(), wheels=wheels)

    def sdists(self) -> SdistBuilder:
        """What builds source distributions; a new one is a new command's."""
        return SdistBuilder(
            self.uv,
            folder=self.folder / "sdists",
            recall_failure=self.failures.get,
            record_failure=self.record,
        )

    def resolve(self, spec: EnvironmentSpec, wheels: WheelBuilder | None = None) -> Resolution:
        """What a spec comes to."""
        return self.resolver(wheels).resolve(spec, CancelToken())

    def environments(self, limit_bytes: int = ROOM_ENOUGH) -> EnvironmentCache:
        """The environments of the directory, as few as the limit admits."""
        return EnvironmentCache(
            self.folder / "environments", uv=self.uv, sdists=self.sdists(), limit_bytes=limit_bytes
        )

    def builder(self) -> WheelBuilder:
        """What builds wheels of commits."""
        return WheelBuilder(
            self.uv,
            folder=self.folder / "cache" / "wheels",
            repositories=self.folder / "cache" / "repositories",
            recall_failure=self.failures.get,
            record_failure=self.record,
        )

    def runner(self, store: Store, emit: Emit = lambda _: None) -> TrialRunner:
        """What runs trials and keeps in `store` what they showed; a new one is a new command."""
        locks = self.folder / "locks"
        return TrialRunner(
            store=store,
            resolutions=Resolutions(store, self.resolver(), locks=locks, indexes=self.uv.indexes.identity),
            environments=self.environments(),
            runs=self.folder / "runs",
            locks=locks,
            sandbox=sandbox(),
            measuring_lock=MeasuringLock(path=self.folder / "measuring.lock"),
            emit=emit,
            show_output=True,
        )
