"""Use a cluster's scheduler through dask's client.

Tasks are dask's futures, which are `Any` to the type checker. A scheduler that once did not answer counts as
lost from then on, because dask may have dropped its tasks.
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
from bisect_asgi.backend.executors.dask.calls import CONTINUE_HINT, Facts, Sent
from bisect_asgi.core.errors import Unavailable

_ANSWER_S = 30.0
_LAST_MESSAGES_S = 2.0


class SchedulerClient:
    """The connection to a scheduler.

    Args:
        client: dask's client, connected to the scheduler at `address`.
        close: closes everything else that was opened for the cluster.
    """

    def __init__(
        self, client: distributed.Client, address: str, *, close: Callable[[], None] = lambda: None
    ) -> None:
        self.address = address
        self.is_lost = False
        self.closing = threading.Event()
        """Set at the end, after which a scheduler that does not answer is not lost."""
        self._client = client
        self._close = close
        self._stops: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stopper = threading.Thread(target=self._send_stops, name="cluster-stop", daemon=True)
        self._stopper.start()

    def lose(self) -> None:
        """Note that the scheduler does not answer."""
        if not self.closing.is_set():
            self.is_lost = True

    def lost(self) -> Unavailable:
        """Return the error with which calls end if the scheduler is lost."""
        return Unavailable(f"the cluster's scheduler does not answer: `{self.address}`", hint=CONTINUE_HINT)

    def threads(self) -> Mapping[str, int]:
        """Return the number of threads of each worker by its address; raises what dask raises."""
        scheduler: Any = self._client.scheduler
        found: Mapping[str, int] = self._client.sync(
            scheduler.ncores, workers=None, callback_timeout=_ANSWER_S
        )
        return found

    def describe(self, workers: Collection[str]) -> Mapping[str, Facts | Exception]:
        """Return what workers report about themselves; workers that do not answer are left out."""
        found: Mapping[str, Facts | Exception] = {}
        with suppress(Exception, CancelledError):
            found = self._client.run(calls.describe, workers=[*workers], on_error="return") if workers else {}
        return found

    def submit(self, sent: Sent, only: Collection[str]) -> Any:
        """Give a call to the scheduler, for the workers `only` or for all if empty, and return its task."""
        return self._client.submit(
            pickle.loads,
            pickle.dumps(sent),
            key=f"bisect_asgi-{uuid.uuid4().hex}",  # dask runs calls with equal keys only once
            pure=False,
            workers=sorted(only) or None,
            allow_other_workers=False,
        )

    @staticmethod
    def result(task: Any, *, timeout_s: float = _ANSWER_S) -> object:
        """Return the outcome of a task; raises `TimeoutError`, and what dask raises."""
        return pickle.loads(task.result(timeout=timeout_s))  # noqa: S301 (of our own worker)

    @staticmethod
    def release(task: Any) -> None:
        """Release a task: the scheduler drops it if it waits, and its result otherwise."""
        with suppress(Exception):  # the client may have lost its scheduler
            task.release()

    def stop(self, identity: str) -> None:
        """Have a call stopped if it runs; returns at once, and is safe from any thread."""
        self._stops.put(identity)

    @contextmanager
    def listening(
        self, topic: str, on_message: Callable[[bytes], None], returned: Callable[[], int]
    ) -> Iterator[None]:
        """Call `on_message`, in a thread of its own, with each message of a call under `topic`.

        At the end, wait up to two seconds for the last messages of the calls that have returned.
        """
        is_over = threading.Event()
        has_ended = threading.Condition()
        ended = 0

        def hear(event: tuple[float, bytes]) -> None:
            nonlocal ended
            if is_over.is_set():
                return
            if event[1] != calls.END_OF_MESSAGES:
                on_message(event[1])
                return
            with has_ended:
                ended += 1
                has_ended.notify()

        self._client.subscribe_topic(topic, hear)
        try:
            yield
        finally:
            with has_ended:
                has_ended.wait_for(lambda: self.is_lost or ended >= returned(), timeout=_LAST_MESSAGES_S)
            is_over.set()  # messages may arrive even after unsubscribing, and are ignored then
            with suppress(Exception):
                self._client.unsubscribe_topic(topic)

    def close(self) -> None:
        """Send the stops that wait, then close the connection."""
        self.closing.set()
        self._stops.put(None)
        self._stopper.join(timeout=_ANSWER_S if not self.is_lost else 0.1)
        with suppress(Exception):  # the results are there, so a failure to close does not matter
            self._client.close(timeout=5)
        with suppress(Exception):
            self._close()

    def _send_stops(self) -> None:
        """Send stops to all workers, because dask may be moving a call from one to another."""
        is_last = False
        while not is_last:
            stops = [self._stops.get()]
            while not self._stops.empty():
                stops.append(self._stops.get())
            is_last = None in stops
            identities = [identity for identity in stops if identity is not None]
            if identities and not self.is_lost:
                with suppress(Exception, CancelledError):
                    self._client.run(calls.stop, identities, on_error="ignore")
