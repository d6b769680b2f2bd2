"""An executor whose calls run on a dask cluster.

dask's own `get_executor` gives futures of another kind, and its `cancel` leaves a running call alone. Here
the futures are the standard library's. Cancelling one, or a lifeline among its arguments, stops the call
wherever it is: the scheduler drops what waits, and all workers are told to end what runs.

What a cluster consists of is in other modules: `link` talks to the scheduler, `workers` knows who is there,
`submissions` sees each call to its end. A thread of ours has them look every few seconds.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from typing import Any, TypeVar

from bisect_asgi.backend.executors.dask import calls
from bisect_asgi.backend.executors.dask.calls import Packed, Travels
from bisect_asgi.backend.executors.dask.client import Link
from bisect_asgi.backend.executors.dask.submissions import Submission, Submissions, settle
from bisect_asgi.backend.executors.dask.workers import Workers
from bisect_asgi.core.cancel import Lifeline

T = TypeVar("T")

_LOOK_S = 2.0
PATIENCE_S = 60.0
"""How long a cluster may be without workers: one that is scaled as needed starts them first."""


class Cluster(Executor):
    """Runs calls on the workers of a cluster; see the module.

    Args:
        link: to its scheduler; closed with the executor.
        is_here: all workers are on this machine, and see its files.
        patience_s: how long it may be without any worker that could do a call.
    """

    def __init__(self, link: Link, *, is_here: bool, patience_s: float = PATIENCE_S) -> None:
        self.is_here = is_here
        self.workers = Workers(link, patience_s=patience_s)
        self._link = link
        self._submissions = Submissions(link, self.workers)
        self._guard = threading.Lock()
        self._is_over = False
        self._watcher = threading.Thread(target=self._watch, name="cluster-watch", daemon=True)
        self._watcher.start()

    @property
    def threads(self) -> int:
        """How many calls can run at a time."""
        return self.workers.threads

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a call done; a lifeline among `args` is one there, and ends with the one here.

        The future raises what the call raised, or:
            Lost: the workers that ran it died, again and again.
            Unavailable: the scheduler, or all that could run it, are gone.
            Unavailable: no worker is suitable; which lacks what is told.
            Cancelled: its lifeline was cancelled.
        """
        future: Future[T] = Future()
        with self._guard:
            if self._is_over:
                raise RuntimeError("cannot schedule new futures after shutdown")
        try:
            call = self._pack(future, fn, args, kwargs)
        except Exception as error:
            settle(future, error=error)
        else:
            self._submissions.begin(call, [value for value in args if isinstance(value, Lifeline)])
        return future

    def one_host(self, need: str, fits: Callable[[], object]) -> str:
        """Choose the host for the calls that all go to one; see `Workers.one_host`."""
        return self.workers.one_host(need, fits)

    @contextmanager
    def listening(
        self, topic: str, heard: Callable[[bytes], None], came: Callable[[], int]
    ) -> Iterator[None]:
        """Have `heard` called with what calls tell under `topic`; see `Link.listening`."""
        with self._link.listening(topic, heard, came):
            yield

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those under way, or stop them; then let go of the cluster."""
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
        self._link.closing.set()
        self._watcher.join(timeout=_LOOK_S)
        self._link.close()

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
        """Look after calls until the end."""
        while not self._link.closing.wait(_LOOK_S):
            if self._submissions.look():
                self._submissions.tend()
