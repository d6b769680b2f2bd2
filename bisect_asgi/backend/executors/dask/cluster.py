"""An executor whose calls run on a dask cluster.

dask's own `get_executor` returns futures of another class, and their `cancel` does not stop a running call.
Here the futures are the standard library's. Cancelling one, or a token among its arguments, stops the call:
the scheduler drops it if it waits, and the workers cancel it if it runs.

`client` connects to the scheduler, `workers` chooses workers, and `submissions` follows each call to its end.
A thread makes them check the cluster every two seconds.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from typing import Any, TypeVar

import dask
import distributed

from bisect_asgi.backend.executors.dask import calls
from bisect_asgi.backend.executors.dask.calls import Packed, Spreads, Travels
from bisect_asgi.backend.executors.dask.client import SchedulerClient
from bisect_asgi.backend.executors.dask.parts import joined
from bisect_asgi.backend.executors.dask.submissions import Submission, Submissions, set_outcome
from bisect_asgi.backend.executors.dask.workers import Workers
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable

T = TypeVar("T")

_LOOK_S = 2.0
PATIENCE_S = 60.0
"""The longest time without workers, in seconds: a cluster may start them only when there are calls."""


class Cluster(Executor):
    """Runs calls on the workers of a cluster; see the docstring of the module.

    Args:
        client: the connection to its scheduler, which is closed with the executor.
        is_here: whether all workers are on this machine, and so can read its files.
        patience_s: how long a call may wait while no worker can run it.
    """

    def __init__(self, client: SchedulerClient, *, is_here: bool, patience_s: float = PATIENCE_S) -> None:
        self.is_here = is_here
        self.workers = Workers(client, patience_s=patience_s)
        self._client = client
        self._submissions = Submissions(client, self.workers)
        self._guard = threading.Lock()
        self._is_over = False
        self._watcher = threading.Thread(target=self._watch, name="cluster-watch", daemon=True)
        self._watcher.start()

    @property
    def threads(self) -> int:
        """The number of calls that can run at a time."""
        return self.workers.threads

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a call on a worker, or its parts on several; a token among `args` cancels it there.

        The future raises what the call raised, or:
            Lost: the workers that ran it died, again and again.
            Unavailable: the scheduler or all suitable workers are gone, or no worker is suitable.
            Cancelled: a token was cancelled.
        """
        future: Future[T] = Future()
        with self._guard:
            if self._is_over:
                raise RuntimeError("cannot schedule new futures after shutdown")
        if isinstance(fn, Spreads) and len(parts := fn.parts(*args)) > 1:
            return joined([self.submit(fn, *part) for part in parts], fn.join)
        try:
            call = self._pack(future, fn, args, kwargs)
        except Exception as error:
            set_outcome(future, error=error)
        else:
            self._submissions.begin(call, [value for value in args if isinstance(value, CancelToken)])
        return future

    def one_host(self, need: str, fits: Callable[[], object]) -> str:
        """Return the host for the calls with this need; see `Workers.one_host`."""
        return self.workers.one_host(need, fits)

    @contextmanager
    def listening(
        self, topic: str, on_message: Callable[[bytes], None], returned: Callable[[], int]
    ) -> Iterator[None]:
        """Call `on_message` with each message under `topic`; see `SchedulerClient.listening`."""
        with self._client.listening(topic, on_message, returned):
            yield

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, wait for those under way or cancel them, and close the connection."""
        with self._guard:
            if self._is_over:
                return
            self._is_over = True
        under_way = self._submissions.futures()
        if cancel_futures or not wait:
            for future in under_way:
                future.cancel()
        else:
            wait_for(under_way)
        self._client.closing.set()
        self._watcher.join(timeout=_LOOK_S)
        self._client.close()

    def _pack(
        self, future: Future[T], fn: Callable[..., T], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Submission:
        packed = fn.pack(*args) if isinstance(fn, Travels) else Packed(call=fn)
        if packed.fits is not None:
            self.one_host(packed.need, packed.fits)
        unpack: Callable[[object], object] = lambda result: result  # noqa: E731 (typed)
        if isinstance(fn, Travels):
            unpack = lambda result: fn.unpack(result, *args)  # noqa: E731
        return Submission(
            identity=uuid.uuid4().hex,
            packed=packed,
            payload=calls.pack(packed.call, args, kwargs),
            unpack=unpack,
            future=future,
        )

    def _watch(self) -> None:
        """Look at the cluster and its calls every few seconds, until the executor is shut down."""
        while not self._client.closing.wait(_LOOK_S):
            if self._submissions.look():
                self._submissions.look_after_calls()


_CONNECT_S = 10


def start_here(workers: int) -> Cluster:
    """Start a cluster on this machine, with one thread in each worker.

    Raises:
        Unavailable: the cluster does not start.
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
            memory_limit=0,  # dask limits the worker's process, but a probe runs in a process of its own
            preload=["bisect_asgi.backend.executors.dask.cluster"],
        )
    except (OSError, RuntimeError, TimeoutError) as error:
        raise Unavailable(
            f"no cluster can be started here: {error}", hint="without `--executor` none is needed"
        ) from error
    address = str(local.scheduler_address)

    def close() -> None:
        local.close()

    return Cluster(SchedulerClient(_connect(address), address, close=close), is_here=True)


def connect(place: str, *, patience_s: float = PATIENCE_S) -> Cluster:
    """Connect to the scheduler at `HOST:PORT`; `patience_s`: see `Cluster`.

    Raises:
        Unavailable: the scheduler does not answer.
    """
    _be_quiet()
    address = f"tcp://{place}"
    return Cluster(SchedulerClient(_connect(address), address), is_here=False, patience_s=patience_s)


def _connect(address: str) -> distributed.Client:
    try:
        # Without this, the client would wait for ever if another program listens at that address.
        asyncio.run(asyncio.wait_for(_greet(address), _CONNECT_S))
        return distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise Unavailable(
            f"there is no dask scheduler that answers at `{address}`",
            hint="`dask scheduler` starts one and prints its address; versions of dask should be the same",
        ) from error


async def _greet(address: str) -> None:
    """Open a connection and close it, for which both sides exchange a greeting."""
    connect: Any = distributed.comm.core.connect
    comm = await connect(address, timeout=_CONNECT_S)
    await comm.close()


def _be_quiet() -> None:
    """Silence dask's logs and warnings, because what matters is raised as an error."""
    for name in ("distributed", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("distributed.", "tornado.")):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"(distributed|dask|tornado)\b")
    dask.config.set(
        {
            "distributed.comm.timeouts.connect": f"{_CONNECT_S}s",
            "distributed.admin.large-graph-warning-threshold": "1 TB",  # calls contain the probe's files
        }
    )


def dask_setup(_: object) -> None:
    """Prepare a worker process that this tool started; dask calls it.

    Ctrl-C in a terminal reaches all processes, but the command ends its workers itself, in order. So a
    handler that does nothing gets the signal. SIG_IGN would be inherited by the processes that a worker
    starts.
    """
    signal.signal(signal.SIGINT, lambda *_: None)
    _be_quiet()
