"""The line to a cluster's scheduler: how dask's client is used.

Tasks are dask's futures, `Any` to the type checker. A scheduler that did not answer once is lost for good.
"""

from __future__ import annotations

import pickle
import queue
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any

import distributed

from bisect_asgi.backend.executors.dask import calls
from bisect_asgi.backend.executors.dask.calls import GOES_ON, Facts, Sent
from bisect_asgi.core.errors import Unavailable

_ANSWER_S = 30.0
_LAST_WORDS_S = 2.0


class SchedulerClient:
    """What a cluster is asked and told through a client.

    Args:
        client: connected to the scheduler at `address`; closed with the link.
        close: closes what else was opened for it.
    """

    def __init__(
        self, client: distributed.Client, address: str, *, close: Callable[[], None] = lambda: None
    ) -> None:
        self.address = address
        self.is_lost = False
        self.closing = threading.Event()
        """Set when nothing more is wanted, so that silence is no loss."""
        self._client = client
        self._close = close
        self._stops: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stopper = threading.Thread(target=self._tell_stops, name="cluster-stop", daemon=True)
        self._stopper.start()

    def lose(self) -> None:
        """Take the scheduler for gone."""
        if not self.closing.is_set():
            self.is_lost = True

    def gone(self) -> Unavailable:
        """What calls end with whose scheduler is gone."""
        return Unavailable(f"the cluster's scheduler does not answer: `{self.address}`", hint=GOES_ON)

    def threads(self) -> Mapping[str, int]:
        """How many calls each worker takes that is there, by its address; raises what dask raises."""
        scheduler: Any = self._client.scheduler
        found: Mapping[str, int] = self._client.sync(
            scheduler.ncores, workers=None, callback_timeout=_ANSWER_S
        )
        return found

    def describe(self, workers: Collection[str]) -> Mapping[str, Facts | Exception]:
        """Ask workers who they are; those that do not answer are missing."""
        found: Mapping[str, Facts | Exception] = {}
        with suppress(Exception, CancelledError):
            found = self._client.run(calls.describe, workers=[*workers], on_error="return") if workers else {}
        return found

    def submit(self, sent: Sent, only: Collection[str]) -> Any:
        """Give a call to the scheduler, for some workers, or for any; return its task."""
        return self._client.submit(
            pickle.loads,
            pickle.dumps(sent),
            key=f"bisect_asgi-{uuid.uuid4().hex}",  # dask takes equal keys for one call
            pure=False,
            workers=sorted(only) or None,
            allow_other_workers=False,
        )

    @staticmethod
    def result(task: Any, *, timeout_s: float = _ANSWER_S) -> object:
        """What came of a task; raises what dask raises, and `TimeoutError`."""
        return pickle.loads(task.result(timeout=timeout_s))  # noqa: S301 (of our own worker)

    @staticmethod
    def release(task: Any) -> None:
        """Tell the scheduler that nobody wants a result: it drops what waits, and forgets the rest."""
        with suppress(Exception):  # of a client that has lost its scheduler
            task.release()

    def stop(self, identity: str) -> None:
        """Have a call ended that may be running; returns at once, and may be called from any thread."""
        self._stops.put(identity)

    @contextmanager
    def listening(
        self, topic: str, heard: Callable[[bytes], None], came: Callable[[], int]
    ) -> Iterator[None]:
        """Have `heard` called with what calls tell under `topic`; called from a thread of its own.

        At the end it is waited for, for a moment, until the `came` calls that are back have had their say.
        """
        is_over = threading.Event()
        told = threading.Condition()
        last_words = 0

        def hear(event: tuple[float, bytes]) -> None:
            nonlocal last_words
            if is_over.is_set():
                return
            if event[1] != calls.LAST_WORD:
                heard(event[1])
                return
            with told:
                last_words += 1
                told.notify()

        self._client.subscribe_topic(topic, hear)
        try:
            yield
        finally:
            with told:
                told.wait_for(lambda: self.is_lost or last_words >= came(), timeout=_LAST_WORDS_S)
            is_over.set()  # what is on its way comes nevertheless
            with suppress(Exception):
                self._client.unsubscribe_topic(topic)

    def close(self) -> None:
        """Tell the last stops; then let go of the cluster."""
        self.closing.set()
        self._stops.put(None)
        self._stopper.join(timeout=_ANSWER_S if not self.is_lost else 0.1)
        with suppress(Exception):  # there is nothing that could be done about it
            self._client.close(timeout=5)
        with suppress(Exception):
            self._close()

    def _tell_stops(self) -> None:
        """Tell all workers which calls to end: nobody knows for sure where a call is just now."""
        is_last = False
        while not is_last:
            told = [self._stops.get()]
            while not self._stops.empty():
                told.append(self._stops.get())
            is_last = None in told
            identities = [identity for identity in told if identity is not None]
            if identities and not self.is_lost:
                with suppress(Exception, CancelledError):
                    self._client.run(calls.stop, identities, on_error="ignore")
