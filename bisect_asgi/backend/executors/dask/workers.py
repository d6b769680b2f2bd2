"""The workers of a cluster: seeing who is there, asking them, and choosing among them.

What is known of them is kept in a `WorkerRegistry`; here it is found out, and guarded for the threads that
use it.
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
    GOES_ON,
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
    """What is known of the workers, all by their addresses."""

    threads: dict[str, int] = field(default_factory=dict)
    """How many calls each one takes; of all that are there, and nobody else."""
    facts: dict[str, Facts] = field(default_factory=dict)
    """Of those that could say who they are."""
    lacking: dict[tuple[str, str], Declined] = field(default_factory=dict)
    """Why a worker cannot do calls with a need; an empty need: any call."""
    chosen: dict[str, str] = field(default_factory=dict)
    """The host for the calls with each need of which all go to one."""

    def note(self, threads: Mapping[str, int], found: Mapping[str, Facts | Exception]) -> None:
        """Write down who is there, and what those answered who were asked who they are.

        Who is new and did not answer is not there yet.
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
        """Why a worker cannot do calls with this need; None: it can, as far as is known."""
        return self.lacking.get((address, "")) or self.lacking.get((address, need))

    def suitable(self, need: str) -> frozenset[str]:
        """Who can do calls with this need."""
        return frozenset(address for address in self.facts if not self.lack(address, need))

    def host(self, address: str) -> str:
        """The name of a worker's host; empty: it could not say."""
        facts = self.facts.get(address)
        return facts.host if facts else ""

    def on(self, host: str | None) -> frozenset[str]:
        """Who is on a host; None: on any."""
        return frozenset(address for address in self.threads if host is None or self.host(address) == host)

    def takers(self, need: str, *, is_bound: bool) -> frozenset[str] | None:
        """The workers that a call is restricted to, empty: none need be left out; None: none is there.

        `is_bound`: it goes to the host that was chosen for this need.

        Raises:
            Unavailable: none of those that are there is suitable.
        """
        there = self.on(self.chosen[need] if is_bound else None)
        if not there:
            return None
        suitable = there & self.suitable(need)
        if not suitable:
            raise self.complaint(need, there)
        # A restricted call cannot move to a worker that comes later, so it is only where it has to be.
        return suitable if is_bound or suitable != there else frozenset()

    def choose_host(self, need: str, answers: Mapping[str, object]) -> str:
        """Choose the host with the most threads, of those with workers that answered without an exception.

        Raises:
            Unavailable: there is none.
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
            raise Unavailable("no worker of the cluster has answered in time", hint=GOES_ON)
        raise self.complaint(need, self.threads)

    def deserted(self, need: str, *, is_bound: bool) -> Unavailable:
        """Why a call is given up for which nobody suitable has come any more."""
        if not is_bound and self.threads:
            return self.complaint(need, self.threads)
        if not is_bound:
            return Unavailable("all workers of the cluster are gone", hint=GOES_ON)
        return Unavailable(
            f"all workers on `{self.chosen[need]}`, where everything was measured, are gone",
            hint=f"values of two hosts are not compared; {GOES_ON} when they are back, "
            "and begins anew with another host",
        )

    def complaint(self, need: str, among: Collection[str]) -> Unavailable:
        """Why none of these workers can do calls with this need."""
        lacks = {a: lack for a in sorted(among, key=self._name) if (lack := self.lack(a, need))}
        told = [f"`{self._name(address)}` {lack.reason}" for address, lack in lacks.items()]
        hints = dict.fromkeys(lack.hint for lack in lacks.values() if lack.hint)
        doctor = "`bisect-asgi doctor --executor …` checks all of them"
        return Unavailable(
            f"no worker of the cluster can do this: {listing(told, most=5)}", hint="; ".join((*hints, doctor))
        )

    def _name(self, address: str) -> str:
        return f"{self.host(address)} {address}".strip()


T = TypeVar("T")


class Workers:
    """Who does a cluster's calls.

    Args:
        link: to the scheduler.
        patience_s: how long the cluster may be without any worker, and one of them without an answer.
    """

    def __init__(self, link: SchedulerClient, *, patience_s: float) -> None:
        self.patience_s = patience_s
        self._link = link
        self._crew = WorkerRegistry()
        self._guard = threading.Lock()

    @property
    def threads(self) -> int:
        """How many calls can run at a time."""
        with self._guard:
            return max(1, sum(self._crew.threads[address] for address in self._crew.suitable("")))

    def there(self) -> frozenset[str]:
        """The addresses of all."""
        with self._guard:
            return frozenset(self._crew.threads)

    def hosts(self) -> dict[str, str]:
        """The names of the workers' hosts by their addresses; empty where one is not known."""
        with self._guard:
            return {address: self._crew.host(address) for address in self._crew.threads}

    def look(self) -> bool:
        """See who is there; tell whether the scheduler answers."""
        if self._link.is_lost:
            return False
        try:
            threads = self._link.threads()
        except (Exception, CancelledError):
            self._link.lose()
            return False
        known = self.there()
        # Those who do not answer are asked again at the next look.
        found = self._link.describe([address for address in threads if address not in known])
        with self._guard:
            self._crew.note(threads, found)
        return True

    def wait(self, *, suitable: bool = True) -> None:
        """Wait until there is a worker; a suitable one, unless any will do.

        Raises:
            Unavailable: the scheduler does not answer, nobody comes, or nobody who is suitable.
        """
        deadline = monotonic() + self.patience_s
        while True:
            if not self.look():
                raise self._link.gone()
            with self._guard:
                if self._crew.suitable("") or (self._crew.threads and not suitable):
                    return
                if self._crew.threads:
                    raise self._crew.complaint("", self._crew.threads)
            if monotonic() > deadline:
                place = self._link.address
                raise Unavailable(
                    f"no worker has come to the scheduler `{place}` in {duration(self.patience_s)}",
                    hint=f"start some: `dask worker {place}`",
                )
            self._link.closing.wait(0.2)

    def ask(self, fn: Callable[..., T], /, *args: Any) -> dict[str, T | Exception]:
        """Have every worker do a call, when it has a thread free; what came of it by the worker's address.

        Also those that are not suitable for anything else, as far as they can.
        """
        payload = calls.pack(fn, args, {})
        with self._guard:
            kinds = {address: self._crew.facts.get(address) for address in self._crew.threads}
        tasks = {
            address: self._link.submit(
                Sent(uuid.uuid4().hex, facts.kind if facts else calls.own_kind(), payload), [address]
            )
            for address, facts in kinds.items()
        }
        return {address: self._outcome(task) for address, task in tasks.items()}

    def _outcome(self, task: Any) -> Any:
        try:
            result = self._link.result(task, timeout_s=self.patience_s)
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
        """Choose the host for the calls that all go to one, once: that with the most threads.

        `fits` is called on the workers, and raises `Unsuitable` on those that cannot do calls with this need.

        Raises:
            Unavailable: no worker can, or none answers.
        """
        with self._guard:
            if need in self._crew.chosen:
                return self._crew.chosen[need]
        answers = self.ask(fits)
        with self._guard:
            # Another thread may have asked meanwhile.
            return self._crew.chosen.get(need) or self._crew.choose_host(need, answers)

    def takers(self, packed: Packed) -> frozenset[str] | None:
        """The workers that a call is restricted to; see `Crew.takers`."""
        with self._guard:
            return self._crew.takers(packed.need, is_bound=packed.fits is not None)

    def leave_out(self, declined: Declined, packed: Packed) -> None:
        """Give no calls with the same need to a worker any more, or none at all."""
        with self._guard:
            self._crew.lacking[declined.worker, "" if declined.forever else packed.need] = declined

    def deserted(self, packed: Packed) -> Unavailable:
        """Why a call is given up for which nobody has come any more."""
        with self._guard:
            return self._crew.deserted(packed.need, is_bound=packed.fits is not None)
