"""Record the workers of a cluster and what they can run, and choose the workers for each call.

`WorkerRegistry` decides, without I/O. `Workers` asks the cluster, and guards the registry by a lock, because
several threads use it.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import CancelledError
from time import monotonic
from typing import Any, TypeVar

from bisect_asgi.backend.executors.dask import calls
from bisect_asgi.backend.executors.dask.calls import (
    CONTINUE_HINT,
    Declined,
    Facts,
    Packed,
    Raised,
    Returned,
    Sent,
    Unsuitable,
)
from bisect_asgi.backend.executors.dask.client import SchedulerClient
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.records import Struct, field
from bisect_asgi.core.text import duration, listing


class WorkerRegistry(Struct):
    """The workers by their addresses."""

    threads: dict[str, int] = field(default_factory=dict)
    """The number of calls that each worker takes, for exactly the workers that are connected."""
    facts: dict[str, Facts] = field(default_factory=dict)
    """Each worker's report about itself, unless it failed."""
    lacking: dict[tuple[str, str], Declined] = field(default_factory=dict)
    """Why a worker cannot run calls with a need, or any call if the need is empty."""
    chosen: dict[str, str] = field(default_factory=dict)
    """The host for all calls with a need, if one was chosen."""

    def note(self, threads: Mapping[str, int], found: Mapping[str, Facts | Exception]) -> None:
        """Update which workers are connected, and what the new ones reported about themselves.

        A new worker that did not answer does not count as connected yet.
        """
        answered = {a: facts for a, facts in found.items() if not isinstance(facts, (OSError, TimeoutError))}
        for address, facts in answered.items():
            if isinstance(facts, Exception):
                reason = f"cannot run bisect-asgi ({type(facts).__name__}: {facts})"
            else:
                self.facts[address] = facts
                reason = calls.mismatch(facts.kind, calls.own_kind())
            if reason:
                lack = Declined(worker=address, reason=reason, hint=calls.SAME_THERE, forever=True)
                self.lacking[address, ""] = lack
        known = self.threads.keys() | answered.keys()
        self.threads = {address: count for address, count in threads.items() if address in known}
        self.facts = {address: facts for address, facts in self.facts.items() if address in self.threads}

    def lack(self, address: str, need: str) -> Declined | None:
        """Return why a worker cannot run calls with this need, or None as far as is known."""
        return self.lacking.get((address, "")) or self.lacking.get((address, need))

    def suitable(self, need: str) -> frozenset[str]:
        """Return the workers that can run calls with this need."""
        return frozenset(address for address in self.facts if not self.lack(address, need))

    def host(self, address: str) -> str:
        """Return the name of a worker's host, or "" if it did not report it."""
        facts = self.facts.get(address)
        return facts.host if facts else ""

    def on(self, host: str | None) -> frozenset[str]:
        """Return the workers on a host, or on all if it is None."""
        return frozenset(address for address in self.threads if host is None or self.host(address) == host)

    def takers(self, need: str, *, is_bound: bool) -> frozenset[str] | None:
        """Return the workers that may run a call, empty for all, or None if there is no worker.

        `is_bound`: the call goes to the host that was chosen for this need.

        Raises:
            Unavailable: none of the workers is suitable.
        """
        there = self.on(self.chosen[need] if is_bound else None)
        if not there:
            return None
        suitable = there & self.suitable(need)
        if not suitable:
            raise self.complaint(need, there)
        # dask cannot move a restricted call to a worker that joins later, so only calls that need it are
        # restricted.
        return suitable if is_bound or suitable != there else frozenset()

    def choose_host(self, need: str, answers: Mapping[str, object]) -> str:
        """Choose the host with the most threads among workers that answered without an exception.

        Raises:
            Unavailable: no worker did.
        """
        threads: dict[str, int] = {}
        for address, answer in answers.items():
            if isinstance(answer, Unsuitable):
                lack = Declined(worker=address, reason=str(answer), hint=answer.hint, forever=False)
                self.lacking[address, need] = lack
            elif not isinstance(answer, Exception) and (host := self.host(address)):
                threads[host] = threads.get(host, 0) + self.threads[address]
        if threads:
            self.chosen[need] = min(threads, key=lambda host: (-threads[host], host))
            return self.chosen[need]
        if self.suitable(need):
            raise Unavailable("no worker of the cluster has answered in time", hint=CONTINUE_HINT)
        raise self.complaint(need, self.threads)

    def deserted(self, need: str, *, is_bound: bool) -> Unavailable:
        """Return the error of a call for which no suitable worker has come in time."""
        if not is_bound and self.threads:
            return self.complaint(need, self.threads)
        if not is_bound:
            return Unavailable("all workers of the cluster are gone", hint=CONTINUE_HINT)
        return Unavailable(
            f"all workers on `{self.chosen[need]}`, where everything was measured, are gone",
            hint="metrics of two hosts are not comparable: the same command continues when they are back, "
            "and begins anew on another host",
        )

    def complaint(self, need: str, among: Collection[str]) -> Unavailable:
        """Return the error that none of these workers can run calls with this need."""
        lacks = {a: lack for a in sorted(among, key=self._name) if (lack := self.lack(a, need))}
        reasons = [f"`{self._name(address)}` {lack.reason}" for address, lack in lacks.items()]
        hints = dict.fromkeys(lack.hint for lack in lacks.values() if lack.hint)
        doctor = "`bisect-asgi doctor --executor …` checks all of them"
        return Unavailable(
            f"no worker of the cluster can do this: {listing(reasons, most=5)}",
            hint="; ".join((*hints, doctor)),
        )

    def _name(self, address: str) -> str:
        return f"{self.host(address)} {address}".strip()


T = TypeVar("T")


class Workers:
    """The workers of a cluster.

    Args:
        client: the connection to the scheduler.
        patience_s: how long the cluster may be without workers, and how long a worker may take to answer.
    """

    def __init__(self, client: SchedulerClient, *, patience_s: float) -> None:
        self.patience_s = patience_s
        self._client = client
        self._registry = WorkerRegistry()
        self._guard = threading.Lock()

    @property
    def threads(self) -> int:
        """The number of calls that can run at a time."""
        with self._guard:
            return max(1, sum(self._registry.threads[address] for address in self._registry.suitable("")))

    def addresses(self) -> frozenset[str]:
        """Return the addresses of all workers."""
        with self._guard:
            return frozenset(self._registry.threads)

    def hosts(self) -> dict[str, str]:
        """Return the host name of each worker by its address; "" if it is not known."""
        with self._guard:
            return {address: self._registry.host(address) for address in self._registry.threads}

    def look(self) -> bool:
        """Ask which workers there are; return False if the scheduler does not answer."""
        if self._client.is_lost:
            return False
        try:
            threads = self._client.threads()
        except (Exception, CancelledError):
            self._client.lose()
            return False
        known = self.addresses()
        # A worker that does not answer stays unknown, so the next check asks it again.
        found = self._client.describe([address for address in threads if address not in known])
        with self._guard:
            self._registry.note(threads, found)
        return True

    def wait(self, *, suitable: bool = True) -> None:
        """Wait until there is a worker, which is suitable unless `suitable` is False.

        Raises:
            Unavailable: the scheduler does not answer, no worker comes, or none that is suitable.
        """
        deadline = monotonic() + self.patience_s
        while True:
            if not self.look():
                raise self._client.lost()
            with self._guard:
                if self._registry.suitable("") or (self._registry.threads and not suitable):
                    return
                if self._registry.threads:
                    raise self._registry.complaint("", self._registry.threads)
            if monotonic() > deadline:
                place = self._client.address
                raise Unavailable(
                    f"no worker has come to the scheduler `{place}` in {duration(self.patience_s)}",
                    hint=f"start some: `dask worker {place}`",
                )
            self._client.closing.wait(0.2)

    def ask(self, fn: Callable[..., T], /, *args: Any) -> dict[str, T | Exception]:
        """Run a call on every worker as soon as it has a free thread; return the outcomes by address.

        Workers that are not suitable for other calls are asked as well.
        """
        payload = calls.pack(fn, args, {})
        with self._guard:
            kinds = {address: self._registry.facts.get(address) for address in self._registry.threads}
        tasks = {
            address: self._client.submit(
                Sent(uuid.uuid4().hex, facts.kind if facts else calls.own_kind(), payload), [address]
            )
            for address, facts in kinds.items()
        }
        return {address: self._outcome(task) for address, task in tasks.items()}

    def _outcome(self, task: Any) -> Any:
        try:
            result = self._client.result(task, timeout_s=self.patience_s)
        except TimeoutError:
            return Unavailable(f"it has not answered in {duration(self.patience_s)}", hint="is it busy?")
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
        """Return the host for the calls with this need: the one with the most threads, chosen once.

        `fits` is called on the workers, and raises `Unsuitable` on those that cannot run such calls.

        Raises:
            Unavailable: no worker is suitable, or none answers.
        """
        with self._guard:
            if need in self._registry.chosen:
                return self._registry.chosen[need]
        answers = self.ask(fits)
        with self._guard:
            # Another thread may have asked meanwhile.
            return self._registry.chosen.get(need) or self._registry.choose_host(need, answers)

    def takers(self, packed: Packed) -> frozenset[str] | None:
        """Return the workers that may run a call; see `WorkerRegistry.takers`."""
        with self._guard:
            return self._registry.takers(packed.need, is_bound=packed.fits is not None)

    def exclude(self, declined: Declined, packed: Packed) -> None:
        """Give a worker no more calls with the same need, or none at all."""
        with self._guard:
            self._registry.lacking[declined.worker, "" if declined.forever else packed.need] = declined

    def deserted(self, packed: Packed) -> Unavailable:
        """Return the error of a call for which no suitable worker has come in time."""
        with self._guard:
            return self._registry.deserted(packed.need, is_bound=packed.fits is not None)
