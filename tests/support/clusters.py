"""Clusters for tests: a scheduler and workers, each a process of its own, on ports that are free."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from distributed import Client

import bisect_asgi
from support import machine

PATIENCE_S = 60.0

# A worker reports its host by these functions. There is only one machine, so the tests replace its name.
PRELOAD = """\
import platform
import bisect_asgi
from bisect_asgi.backend.executors.dask import calls

platform.node = lambda: {host!r}
calls.__version__ = {version!r}
"""


class HandMade:
    """A scheduler, and workers that claim to be on hosts of these names.

    Each worker has its own cache, and gets only those variables of this process that every program needs.
    """

    def __init__(self, folder: Path, hosts: Mapping[str, str], *, known: Path | None = None) -> None:
        """`hosts`: the version of bisect-asgi that each worker says it has, by its host's name.

        `known`: the directory that `machine.learn` filled; without it, each worker that runs a trial has to
        discover this machine's interpreters itself.
        """
        self._folder = folder
        self._known = known
        self._hosts = hosts
        self.workers: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def place(self) -> str:
        """The value for `--executor`."""
        return self.address.replace("tcp://", "dask://")

    def cache(self, host: str) -> Path:
        """The cache directory of a worker."""
        return self._folder / f"cache-{host}"

    def close(self) -> None:
        """End all processes."""
        for process in (*self.workers.values(), getattr(self, "scheduler", None)):
            if process and process.poll() is None:
                process.kill()
                process.wait()

    def _start(self) -> None:
        file = self._folder / "scheduler.json"
        self.scheduler = self._run(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--dashboard-address", ":0",
            *("--scheduler-file", str(file)), name="scheduler",
        )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_S
        while not (file.exists() and file.read_text()):
            assert self.scheduler.poll() is None, (self._folder / "scheduler.log").read_text()
            assert time.monotonic() < deadline, "the scheduler did not start in time"
            time.sleep(0.01)
        self.address = str(json.loads(file.read_text())["address"])
        for host, version in self._hosts.items():
            if self._known:
                machine.tell(self._known, self._folder, suffix=f"-{host}")
            preload = self._folder / f"preload_{host}.py"
            preload.write_text(PRELOAD.format(host=host, version=version))
            self.workers[host] = self._run(
                "worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
                *("--preload", str(preload), "--local-directory", str(self._folder)), name=host,
            )  # fmt: skip
        with Client(self.address, timeout=PATIENCE_S) as client:
            client.wait_for_workers(len(self._hosts), timeout=PATIENCE_S)

    def _run(self, *arguments: str, name: str) -> subprocess.Popen[bytes]:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "PYENV_ROOT": os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")),
            "PYTHONPATH": os.pathsep.join(
                [str(Path(bisect_asgi.__file__).parent.parent), str(Path(__file__).parent.parent)]
            ),
            "BISECT_ASGI_CACHE_DIR": str(self.cache(name)),
            "UV_CACHE_DIR": str(self._folder / f"uv-cache-{name}"),
            "UV_NO_CONFIG": "1",
            **{key: value for key, value in os.environ.items() if key.startswith("COV")},
        }
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
            )
