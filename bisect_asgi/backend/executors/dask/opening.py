"""Ways to a cluster: one of this machine's own processes, or one that is there already."""

from __future__ import annotations

import asyncio
import logging
import signal
import warnings
from typing import Any

import dask
import distributed

from bisect_asgi.backend.executors.dask.client import Link
from bisect_asgi.backend.executors.dask.cluster import PATIENCE_S, Cluster
from bisect_asgi.core.errors import Unavailable

_CONNECT_S = 10


def start_here(workers: int) -> Cluster:
    """Start a cluster of this machine's own, with one thread in each worker.

    Raises:
        Unavailable: it does not start.
    """
    _be_quiet()
    try:
        local = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL + 1,
            memory_limit=0,  # a probe's memory is its own affair, and no process of a worker's
            preload=["bisect_asgi.backend.executors.dask.opening"],
        )
    except (OSError, RuntimeError, TimeoutError) as error:
        raise Unavailable(
            f"no cluster can be started here: {error}", hint="without `--executor` none is needed"
        ) from error
    address = str(local.scheduler_address)

    def close() -> None:
        local.close()

    return Cluster(Link(_connect(address), address, close=close), is_here=True)


def connect(place: str, *, patience_s: float = PATIENCE_S) -> Cluster:
    """Connect to the scheduler at `HOST:PORT`; `patience_s`: see `Cluster`.

    Raises:
        Unavailable: it does not answer.
    """
    _be_quiet()
    address = f"tcp://{place}"
    return Cluster(Link(_connect(address), address), is_here=False, patience_s=patience_s)


def _connect(address: str) -> distributed.Client:
    try:
        # The client itself waits for ever where something else listens that does not hang up.
        asyncio.run(asyncio.wait_for(_greet(address), _CONNECT_S))
        return distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise Unavailable(
            f"there is no dask scheduler that answers at `{address}`",
            hint="`dask scheduler` starts one and prints its address; versions of dask should be the same",
        ) from error


async def _greet(address: str) -> None:
    """Open a connection and close it: both sides say who they are."""
    connect: Any = distributed.comm.core.connect
    comm = await connect(address, timeout=_CONNECT_S)
    await comm.close()


def _be_quiet() -> None:
    """Have dask say nothing: what matters is told as errors of ours."""
    for name in ("distributed", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("distributed.", "tornado.")):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"(distributed|dask|tornado)\b")
    dask.config.set(
        {
            "distributed.comm.timeouts.connect": f"{_CONNECT_S}s",
            "distributed.admin.large-graph-warning-threshold": "1 TB",  # probes bring their files
        }
    )


def dask_setup(_: object) -> None:
    """Prepare a worker process of our own; dask calls it.

    Ctrl-C in a terminal goes to all processes: the command ends its workers by itself, in order. Not
    ignored, because what a worker starts would inherit that.
    """
    signal.signal(signal.SIGINT, lambda *_: None)
    _be_quiet()
