"""Mixes of two sides whose packages are made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.culprit import Culprit
from bisect_asgi.core.culprit.mixes import BoundarySide
from bisect_asgi.core.errors import Unresolvable
from bisect_asgi.core.model import (
    BuiltEnvironment,
    EnvironmentSpec,
    Observation,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.services import Services
from bisect_asgi.core.tally import Tally
from bisect_asgi.session.culprit.mixing import BoundarySides, Mixing
from support.builders import (
    a_plan,
    failed,
    passed,
    target,
    untestable,
)
from support.services import FakeTrials, Installed, MadeUpIndex, fake_services

Shows = Callable[[Installed, int], Observation]


NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")


def index(*names: str, requires: Mapping[str, str] | None = None) -> MadeUpIndex:
    """Two releases of each, which require nothing unless it is said."""
    pins = [f"{name}=={version}" for name in names for version in (1, 2)]
    return MadeUpIndex({pin: (requires or {}).get(pin, "") for pin in pins})


class Bench:
    """A boundary between two environments, mixes of which are computed and never built."""

    def __init__(
        self,
        made_up: MadeUpIndex,
        old: str,
        new: str,
        shows: Shows,
        *,
        package: str | None = None,
        confirm: int | None = 1,
        seen: tuple[Tally, Tally] = (Tally(), Tally()),
        **fields: Any,
    ) -> None:
        self.made_up = made_up
        self.shows = shows
        self.confirm = confirm
        self.requests: list[TrialRequest] = []
        self.recalled: list[str] = []
        self.events: list[events.Event] = []
        sides = [self.side(requirements) for requirements in (old, new)]
        known = [
            self.trial(TrialRequest(key=0, label=s.label, spec=s.spec, probe=a_plan().probe)) for s in sides
        ]
        self.boundary = BoundarySides(
            package=package,
            old=sides[0],
            new=sides[1],
            known=(known[0], known[1]),
            new_is=known[1].observations[0].outcome,
            seen=seen,
        )
        self.mixing = Mixing(
            self.boundary, a_plan(confirm=confirm, **fields), self.services(), self.events.append, stage=3
        )

    def services(self) -> Services:
        trials = FakeTrials(self.run_trial, recall=self.recall, declared=self.made_up.declared)
        return fake_services(trials=trials)

    def side(self, requirements: str) -> BoundarySide:
        spec = EnvironmentSpec(interpreter=target().interpreter, requirements=tuple(requirements.split()))
        found = self.made_up.resolve(spec)
        return BoundarySide(label=str(found[0]).replace("==", " "), spec=spec, distributions=found)

    def run_trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        self.requests.append(request)
        return self.trial(request)

    def recall(self, request: TrialRequest) -> None:
        self.recalled.append(request.label)

    def trial(self, request: TrialRequest) -> Trial:
        try:
            found = self.made_up.resolve(request.spec)
        except Unresolvable:
            return Trial(key=request.key, label=request.label, observations=(untestable(),))
        installed = {each.name: each.version for each in found}
        seen = [self.shows(installed, request.known_runs + run) for run in range(request.runs)]
        environment = BuiltEnvironment(digest=str(found), distributions=found, step="made up")
        return Trial(key=request.key, label=request.label, observations=tuple(seen), environment=environment)

    def taken(self, request: TrialRequest) -> frozenset[str]:
        """The parts of a mix that are from the new side; all others have to be from the old one."""
        old, new = self.boundary.old.versions, self.boundary.new.versions
        found = {each.name: each.version for each in self.made_up.resolve(request.spec)}
        taken = frozenset(name for name in new if found.get(name) == new[name] != old.get(name))
        assert found == {**old, **{name: new[name] for name in taken}}
        return taken

    @property
    def mixes(self) -> list[frozenset[str]]:
        """The mixes that ran, in their order, each once."""
        return list(dict.fromkeys(map(self.taken, self.requests)))

    @property
    def runs(self) -> dict[frozenset[str], int]:
        counted: dict[frozenset[str], int] = {}
        for request in self.requests:
            counted[self.taken(request)] = counted.get(self.taken(request), 0) + request.runs
        return counted


def pins(names: Sequence[str], version: int) -> str:
    return " ".join(f"{name}=={version}" for name in names)


def bench(shows: Shows, names: Sequence[str] = NAMES, **fields: Any) -> Bench:
    """All of `names` go from 1 to 2."""
    return Bench(index(*names), pins(names, 1), pins(names, 2), shows, **fields)


def newer(installed: Installed) -> set[str]:
    return {name for name, version in installed.items() if version == "2"}


def fails_with(*alternatives: set[str]) -> Shows:
    """Fail where all of any of these are new."""

    def shows(installed: Installed, _: int) -> Observation:
        return failed() if any(each <= newer(installed) for each in alternatives) else passed()

    return shows


def mixes_of(culprit: Culprit) -> set[frozenset[str]]:
    return {shown.mix for shown in culprit.sets}
