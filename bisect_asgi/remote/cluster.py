"""An executor whose calls run on a dask cluster.

dask's own `get_executor` gives futures of another kind, and its `cancel` leaves a running call alone. Here
the futures are the standard library's. Cancelling one, or a lifeline among its arguments, stops the call
wherever it is: the scheduler drops what waits, and all workers are told to end what runs.

dask runs the calls of a worker that died again elsewhere, and gives up after a few times. What it does not
do by itself, a thread of ours does: it looks every few seconds who is there, moves calls whose workers are
gone, and ends the waiting when the scheduler, or every worker that could do a call, is gone for good.
"""

from __future__ import annotations

import pickle
import queue
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures import wait as wait_for
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, TypeVar

import distributed

from bisect_asgi.errors import Cancelled, Lost, Unavailable
from bisect_asgi.format import duration
from bisect_asgi.process import Lifeline
from bisect_asgi.remote import calls
from bisect_asgi.remote.calls import Declined, Facts, Packed, Raised, Returned, Sent, Travels
from bisect_asgi.remote.crew import GOES_ON, Crew

T = TypeVar("T")

_LOOK_S = 2.0
_ANSWER_S = 30.0
_LAST_WORDS_S = 2.0
_MOST_DEATHS = 3
PATIENCE_S = 60.0
"""How long a cluster may be without workers: one that is scaled as needed starts them first."""


@dataclass(eq=False, slots=True, kw_only=True)
class _Call:
    """A call that is under way."""

    identity: str
    packed: Packed
    payload: bytes
    unpack: Callable[[object], object]
    future: Future[Any]
    holds: ExitStack
    """On the lifelines among its arguments."""
    task: Any = None
    """dask's future of it."""
    only: frozenset[str] = frozenset()
    """The workers that it was given to; empty: any."""
    deaths: int = 0
    stranded_since: float | None = None


class Cluster(Executor):
    """Runs calls on the workers of a cluster; see the module.

    Args:
        client: connected to the scheduler at `address`; closed with the executor.
        close: closes what else was opened for it.
        is_here: all workers are on this machine, and see its files.
        patience_s: how long it may be without any worker that could do a call.
    """

    def __init__(
        self,
        client: distributed.Client,
        address: str,
        *,
        close: Callable[[], None] = lambda: None,
        is_here: bool,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.is_here = is_here
        self._client = client
        self._address = address
        self._close = close
        self._patience_s = patience_s
        self._guard = threading.RLock()
        self._calls: dict[str, _Call] = {}
        self._crew = Crew()
        self._hosts: dict[str, str] = {}
        """Where the calls with each need go that all go to one host."""
        self._dead = False
        self._is_over = False
        self._closing = threading.Event()
        self._stops: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._watcher = threading.Thread(target=self._watch, name="cluster-watch", daemon=True)
        self._stopper = threading.Thread(target=self._tell_stops, name="cluster-stop", daemon=True)
        self._watcher.start()
        self._stopper.start()

    @property
    def threads(self) -> int:
        """How many calls can run at a time."""
        with self._guard:
            return max(1, sum(self._crew.threads[address] for address in self._crew.suitable("")))

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
            _settle(future, error=error)
            return future
        with self._guard:
            self._calls[call.identity] = call
        for lifeline in (value for value in args if isinstance(value, Lifeline)):
            call.holds.enter_context(lifeline.holding(partial(self._end, call, Cancelled())))
        future.add_done_callback(partial(self._let_go, call))
        self._launch(call)
        return future

    def ask_workers(self, fn: Callable[..., T], /, *args: Any) -> dict[str, T | Exception]:
        """Have every worker do a call, when it has a thread free; what came of it by the worker's address.

        Also those that are not suitable for anything else, as far as they can.
        """
        payload = calls.pack(fn, args, {})
        with self._guard:
            kinds = {address: self._crew.facts.get(address) for address in self._crew.threads}
        tasks = {
            address: self._submit(
                Sent(uuid.uuid4().hex, facts.kind if facts else calls.own_kind(), payload), [address]
            )
            for address, facts in kinds.items()
        }
        return {address: self._outcome(task) for address, task in tasks.items()}

    def hosts(self) -> dict[str, str]:
        """The names of the workers' hosts by their addresses; empty where one is not known."""
        with self._guard:
            return {address: self._crew.host(address) for address in self._crew.threads}

    def _outcome(self, task: Any) -> Any:
        try:
            result = pickle.loads(task.result(timeout=self._patience_s))  # noqa: S301 (of our own worker)
        except (TimeoutError, distributed.TimeoutError):
            return Unavailable(f"it has not answered in {duration(self._patience_s)}", hint="is it busy?")
        except (Exception, CancelledError) as error:
            return Unavailable(f"it cannot be asked: {type(error).__name__}: {error}", hint=calls.SAME_THERE)
        match result:
            case Returned():
                return result.value
            case Raised():
                return result.error
            case Declined():
                return calls.Unsuitable(result.reason, hint=result.hint)
        return RuntimeError(f"unknown result {result!r}")

    def one_host(self, need: str, fits: Callable[[], object]) -> str:
        """Choose the host for the calls that all go to one, once: that with the most threads.

        `fits` is called on the workers, and raises `Unsuitable` on those that cannot do calls with this need.

        Raises:
            Unavailable: no worker can, or none answers.
        """
        with self._guard:
            if need in self._hosts:
                return self._hosts[need]
        answers = self.ask_workers(fits)
        with self._guard:
            if need not in self._hosts:  # another thread may have asked meanwhile
                self._hosts[need] = self._crew.choose_host(need, answers)
            return self._hosts[need]

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
                told.wait_for(lambda: self._dead or last_words >= came(), timeout=_LAST_WORDS_S)
            is_over.set()  # what is on its way comes nevertheless
            with suppress(Exception):
                self._client.unsubscribe_topic(topic)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those under way, or stop them; then let go of the cluster."""
        with self._guard:
            if self._is_over:
                return
            self._is_over = True
            under_way = [call.future for call in self._calls.values()]
        if cancel_futures or not wait:
            for future in under_way:
                future.cancel()
        else:
            wait_for(under_way)
        self._closing.set()
        self._stops.put(None)
        self._stopper.join(timeout=_ANSWER_S if not self._dead else 0.1)
        self._watcher.join(timeout=_LOOK_S)
        with suppress(Exception):  # there is nothing that could be done about it
            self._client.close(timeout=5)
        with suppress(Exception):
            self._close()

    # Calls.

    def _pack(
        self, future: Future[T], fn: Callable[..., T], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> _Call:
        packed = fn.pack(*args) if isinstance(fn, Travels) else Packed(call=fn)
        if packed.fits is not None:
            self.one_host(packed.need, packed.fits)
        unpack: Callable[[object], object] = lambda result: result  # noqa: E731 (typed)
        if isinstance(fn, Travels):
            unpack = lambda result: fn.unpack(result, *args)  # noqa: E731
        return _Call(
            identity=uuid.uuid4().hex,
            packed=packed,
            payload=calls.pack(packed.call, args, kwargs),
            unpack=unpack,
            future=future,
            holds=ExitStack(),
        )

    def _launch(self, call: _Call) -> None:
        """Give a call to dask; or fail it; or leave it to the watcher, where nobody is there for it."""
        try:
            with self._guard:
                if call.identity not in self._calls:
                    return
                if self._dead:
                    raise self._gone()
                only = self._workers_for(call)
                if only is None:
                    call.stranded_since = call.stranded_since or monotonic()
                    return
                call.only, call.stranded_since = only, None
                sent = Sent(call.identity, calls.own_kind(), call.payload)
                call.task = task = self._submit(sent, only)
        except Unavailable as error:
            self._end(call, error)
        except Exception:  # of a client that has given up
            self._die()
            self._end(call, self._gone())
        else:
            task.add_done_callback(partial(self._arrived, call))

    def _submit(self, sent: Sent, only: Collection[str]) -> Any:
        return self._client.submit(
            pickle.loads,
            pickle.dumps(sent),
            key=f"bisect_asgi-{uuid.uuid4().hex}",  # dask takes equal keys for one call
            pure=False,
            workers=sorted(only) or None,
            allow_other_workers=False,
        )

    def _workers_for(self, call: _Call) -> frozenset[str] | None:
        """The workers that a call is restricted to, empty: none need be left out; None: none is there.

        Raises:
            Unavailable: none of those that are there is suitable.
        """
        need, is_bound = call.packed.need, call.packed.fits is not None
        there = self._crew.on(self._hosts[need] if is_bound else None)
        if not there:
            return None
        suitable = there & self._crew.suitable(need)
        if not suitable:
            raise self._crew.complaint(need, there)
        # A restricted call cannot move to a worker that comes later, so it is only where it has to be.
        return suitable if is_bound or suitable != there else frozenset()

    def _arrived(self, call: _Call, task: Any) -> None:
        """Take what came back; called from a thread of dask's."""
        with self._guard:
            if call.identity not in self._calls or call.task is not task:
                return
        try:
            result = pickle.loads(task.result(timeout=_ANSWER_S))  # noqa: S301 (of our own worker)
        except distributed.KilledWorker:
            self._end(call, _lost())
        except (Exception, CancelledError):
            # The scheduler is gone, or a worker that holds the result; or one that has nothing of ours.
            self._look()
            self._again(call)
        else:
            self._take(call, result)

    def _again(self, call: _Call) -> None:
        """Give a call to dask once more, unless it came to nothing too often."""
        with self._guard:
            task, call.task = call.task, None
            if task is not None:
                self._release(task)
                call.deaths += 1
        if call.deaths > _MOST_DEATHS:
            self._end(call, _lost())
        else:
            self._launch(call)

    def _take(self, call: _Call, result: object) -> None:
        match result:
            case Returned(value=value):
                try:
                    self._end(call, None, call.unpack(value))
                except Exception as error:
                    self._end(call, error)
            case Raised(error=error):
                self._end(call, error)
            case Declined() as declined:
                with self._guard:
                    need = "" if declined.forever else call.packed.need
                    self._crew.lacking[declined.worker, need] = declined
                    task, call.task = call.task, None
                self._release(task)
                self._launch(call)

    def _end(self, call: _Call, error: Exception | None, value: object = None) -> None:
        """Settle a call, whatever it is doing; only the first end counts."""
        if self._drop(call):
            _settle(call.future, error=error, value=value)

    def _let_go(self, call: _Call, future: Future[Any]) -> None:
        """Stop a call whose future was cancelled."""
        if future.cancelled() and self._drop(call):
            future.set_running_or_notify_cancel()  # or who waits for it would go on waiting

    def _drop(self, call: _Call) -> bool:
        """Let go of a call, stopping it where it is; tell whether it was under way."""
        with self._guard:
            if self._calls.pop(call.identity, None) is None:
                return False
            task, call.task = call.task, None
        if task is not None:
            if not task.done():
                self._stops.put(call.identity)
            self._release(task)
        call.holds.close()
        return True

    @staticmethod
    def _release(task: Any) -> None:
        """Tell the scheduler that nobody wants a result: it drops what waits, and forgets the rest."""
        with suppress(Exception):  # of a client that has lost its scheduler
            task.release()

    # Who is there.

    def wait_for_workers(self, *, suitable: bool = True) -> None:
        """Wait until there is a worker; a suitable one, unless any will do.

        Raises:
            Unavailable: the scheduler does not answer, nobody comes, or nobody who is suitable.
        """
        deadline = monotonic() + self._patience_s
        while True:
            if not self._look():
                raise self._gone()
            with self._guard:
                if self._crew.suitable("") or (self._crew.threads and not suitable):
                    return
                if self._crew.threads:
                    raise self._crew.complaint("", self._crew.threads)
            if monotonic() > deadline:
                raise Unavailable(
                    f"no worker has come to the scheduler `{self._address}` in {duration(self._patience_s)}",
                    hint=f"start some: `dask worker {self._address}`",
                )
            self._closing.wait(0.2)

    def _watch(self) -> None:
        """Look after calls until the end."""
        while not self._closing.wait(_LOOK_S):
            if self._look():
                self._tend()

    def _look(self) -> bool:
        """See who is there; tell whether the scheduler answers. Without it everything is at its end."""
        if self._dead:
            return False
        try:
            scheduler: Any = self._client.scheduler
            threads = self._client.sync(scheduler.ncores, workers=None, callback_timeout=_ANSWER_S)
        except (Exception, CancelledError):
            self._die()
            return False
        found: Mapping[str, Facts | Exception] = {}
        with self._guard:
            new = [address for address in threads if address not in self._crew.threads]
        with suppress(Exception, CancelledError):  # the next look will ask them
            found = self._client.run(calls.describe, workers=new, on_error="return") if new else {}
        with self._guard:
            self._crew.note(threads, found)
        return True

    def _tend(self) -> None:
        """Move calls whose workers are gone, and end those for which nobody comes any more."""
        with self._guard:
            there = self._crew.threads.keys()
            alone = [call for call in self._calls.values() if call.task is None]
            moved = [c for c in self._calls.values() if c.task is not None and c.only and not c.only & there]
            if not there:
                # dask has them wait for ever.
                alone = list(self._calls.values())
        for call in moved:
            self._again(call)
        for call in alone:
            if call.stranded_since is None:
                call.stranded_since = monotonic()
            if monotonic() - call.stranded_since > self._patience_s:
                self._end(call, self._deserted(call))
            elif call.task is None:
                self._launch(call)
        with self._guard:
            for call in self._calls.values():
                if call.task is not None and there:
                    call.stranded_since = None

    def _deserted(self, call: _Call) -> Unavailable:
        if call.packed.fits is not None:
            return Unavailable(
                f"all workers on `{self._hosts[call.packed.need]}`, where everything was measured, are gone",
                hint=f"values of two hosts are not compared; {GOES_ON} when they are back, "
                "and begins anew with another host",
            )
        return Unavailable("all workers of the cluster are gone", hint=GOES_ON)

    def _die(self) -> None:
        """Fail everything: the scheduler is gone."""
        with self._guard:
            if self._dead or self._closing.is_set():
                return
            self._dead = True
            under_way = list(self._calls.values())
        for call in under_way:
            self._end(call, self._gone())

    def _gone(self) -> Unavailable:
        return Unavailable(f"the cluster's scheduler does not answer: `{self._address}`", hint=GOES_ON)

    def _tell_stops(self) -> None:
        """Tell all workers which calls to end: nobody knows for sure where a call is just now."""
        is_last = False
        while not is_last:
            told = [self._stops.get()]
            while not self._stops.empty():
                told.append(self._stops.get())
            is_last = None in told
            identities = [identity for identity in told if identity is not None]
            if identities and not self._dead:
                with suppress(Exception, CancelledError):
                    self._client.run(calls.stop, identities, on_error="ignore")


def _lost() -> Lost:
    return Lost(f"the workers that ran it died, {_MOST_DEATHS + 1} times")


def _settle(future: Future[Any], *, error: Exception | None, value: object = None) -> None:
    """Give a future its end, unless somebody has cancelled it."""
    if future.set_running_or_notify_cancel():
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)
