"""Whole sessions over made-up releases, without any I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bisect_asgi import session
from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import (
    Distribution,
    EnvironmentSpec,
    Observation,
    Release,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.plan import DependencyPolicy, History, Plan
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.core.services import RunTrial, Services
from support.builders import (
    NONE,
    failed,
    passed,
    probe,
    release,
    target,
    wheel,
)
from support.services import FakeIndex, FakeInterpreters, FakeTrials, fake_services

Behaviour = Callable[[Version, int], Observation]
"""The observations of a release, in its first, second, … run."""


AS_OF_RELEASE = DependencyPolicy()


# All were uploaded after Python 3.8 came out, so that it suits them all.
TWELVE = tuple(release(f"0.{minor}", uploaded=f"2021-{minor:02}-01") for minor in range(1, 13))


class FakeWorld:
    """An index, a machine and its trials; keeps what was asked and what was told."""

    def __init__(
        self,
        behaviour: Behaviour,
        releases: Iterable[Release] = TWELVE,
        *,
        interpreters: Sequence[TargetPython] = (target("3.8.20"),),
        downloadable: Sequence[TargetPython] = (),
        remembered: Sequence[str] = (),
        wheels: Callable[[EnvironmentSpec], Sequence[Distribution] | None] = lambda _: None,
    ) -> None:
        self.behaviour = behaviour
        self.releases = tuple(releases)
        self.interpreters = tuple(interpreters)
        self.downloadable = tuple(downloadable)
        self.remembered = remembered
        self.wheels = wheels
        self.requests: list[TrialRequest] = []
        self.events: list[events.Event] = []

    def run_trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        self.requests.append(request)
        return self._trial(request)

    def recall(self, request: TrialRequest) -> Trial | None:
        return self._trial(request) if request.label in self.remembered else None

    def _trial(self, request: TrialRequest) -> Trial:
        version = Version(request.label)
        places = range(request.known_runs, request.known_runs + request.runs)
        seen = tuple(self.behaviour(version, place) for place in places)
        return Trial(key=request.key, label=request.label, observations=seen)

    def services(
        self, run_trial: RunTrial | None = None, releases_of: Callable[[str], Sequence[Release]] | None = None
    ) -> Services:
        """The services for a session; a test may replace them."""
        return fake_services(
            index=FakeIndex(releases_of or (lambda project: self.releases if project == "fastapi" else ())),
            interpreters=FakeInterpreters(*self.interpreters, downloadable=self.downloadable),
            trials=FakeTrials(run_trial or self.run_trial, recall=self.recall, wheels=self.wheels),
        )

    def bisect(self, plan: Plan) -> events.RunFinished:
        """Run the session and return its last event."""
        kind = session.bisect(plan, self.services(), self.events.append)
        assert self.finished.kind is kind
        return self.finished

    @property
    def finished(self) -> events.RunFinished:
        last = self.events[-1]
        assert isinstance(last, events.RunFinished)
        return last

    @property
    def runs(self) -> Counter[str]:
        """How often the probe ran on each release."""
        counted: Counter[str] = Counter()
        for request in self.requests:
            counted[request.label] += request.runs
        return counted

    @property
    def listed(self) -> list[str]:
        (event,) = (event for event in self.events if isinstance(event, events.CandidatesListed))
        return [candidate.version for candidate in event.candidates]

    @property
    def chosen(self) -> events.InterpreterChosen:
        (event,) = (event for event in self.events if isinstance(event, events.InterpreterChosen))
        return event

    def boundary(self) -> tuple[str, str]:
        """The versions on both sides of what was found."""
        found = self.finished.boundary
        assert found is not None
        return self.listed[found.low], self.listed[found.high]


def a_plan(
    *,
    good: str | None = None,
    bad: str | None = None,
    policy: DependencyPolicy = AS_OF_RELEASE,
    held: tuple[str, ...] = (),
    python: str | None = None,
    requires_python: str = "",
    within: str = "",
    pre: bool = False,
    yanked: bool = False,
    by_upload: bool = False,
    confirm: int | None = 1,
    history: History = NONE,
    fresh: bool = False,
) -> Plan:
    """A plan for fastapi, with one job, that looks at nothing beside what the search asks for."""
    return Plan(
        project="fastapi",
        extras=(),
        probe=probe(),
        probe_path="probes/leak.py",
        good=good,
        bad=bad,
        policy=policy,
        held=held,
        python=python,
        requires_python=SpecifierSet(requires_python),
        releases=SpecifierSet(within),
        pre=pre,
        yanked=yanked,
        by_upload=by_upload,
        confirm=confirm,
        history=history,
        fresh=fresh,
    )


def broke_in(version: str) -> Behaviour:
    return lambda seen, _: failed() if seen >= Version(version) else passed()


def fixed_in(version: str) -> Behaviour:
    return lambda seen, _: passed() if seen >= Version(version) else failed()


def always(observation: Observation) -> Behaviour:
    return lambda _, __: observation


# Candidates and what surrounds them.


SPECIAL = (
    release("0.1", uploaded="2021-01-01"),
    release("0.2", replace(wheel(), yanked="loses data"), uploaded="2021-02-01"),
    release("0.3b1", uploaded="2021-03-01"),
    release("0.4", uploaded="2021-04-01"),
)
