"""The workers of a cluster: who is there, on which host, and what each of them lacks. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bisect_asgi.backend.executors.dask import calls
from bisect_asgi.backend.executors.dask.calls import Declined, Facts, Unsuitable
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.text import listing

GOES_ON = "nothing that came back is lost: the same command goes on where this one stopped"


@dataclass(slots=True)
class Crew:
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
