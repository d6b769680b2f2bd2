"""A made-up index and machine whose runs vary at random with a fixed seed, so that each test is repeatable.

The outcome of a run depends on the release and on the number of its earlier runs, never on the order in which
releases are run. Only the machine's drift depends on time, which is counted in runs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from random import Random
from types import SimpleNamespace

import pytest

from bisect_asgi import session
from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.claims import ClaimVerdict
from bisect_asgi.core.metrics.criteria import Criteria, Threshold, ThresholdSearch
from bisect_asgi.core.model import Observation, Probe, ProbeFile, SamplingMode, Trial, TrialRequest
from bisect_asgi.core.plan import Claim
from bisect_asgi.core.records import replace
from bisect_asgi.core.services import Services
from bisect_asgi.report import text as text_report
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.progress.console import SafeConsole
from support.builders import AUTO, a_plan, failed, passed, probe, release, untestable
from support.services import FakeIndex, FakeTrials, fake_services

Shows = Callable[[int, Random], Observation]
"""What a run shows on a release, by its number from 1 on, and by chance."""

MIB = 1024.0**2


class TooManyRuns(Exception):
    """It goes round in circles."""


@dataclass(kw_only=True)
class NoisyWorld:
    """An index with the releases 1, 2, … of `app`, and a machine that keeps what it ran."""

    size: int
    shows: Shows
    seed: int = 0
    slows_down: float = 0.0
    """How much slower the machine is after each run, as a share of what it was in the beginning."""
    run_s: float = 1.0
    """How long a run takes; a build takes 2 seconds."""
    most: int = 2000
    requests: list[TrialRequest] = field(default_factory=list)
    events: list[events.Event] = field(default_factory=list)
    store: dict[tuple[str, str], list[Observation]] = field(default_factory=dict)
    """What was observed of a release beside a reference."""
    made: Counter[str] = field(default_factory=Counter)
    """How often each release was run, warm-ups and what was run as a reference left out."""
    ticks: int = 0
    clock_s: float = 0.0
    """The time that all builds and runs have taken, one after the other."""
    _warm: set[str] = field(default_factory=set)

    def run_trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        """Run as often as is asked for; what is recorded is not run again."""
        self.requests.append(request)
        recorded = self.store.setdefault(self._key(request), [])
        known = [] if request.fresh else recorded[request.known_runs :][: request.runs]
        made: list[Observation] = []
        while sum(not run.is_warm_up for run in (*known, *made)) < request.runs:
            place = len(recorded)
            recorded.append(self._run(request, place))
            made.append(recorded[-1])
        return self._trial(request, known, made)

    def recall(self, request: TrialRequest) -> Trial | None:
        """All that is recorded of a release."""
        known = self.store.get(self._key(request))
        return self._trial(request, known, []) if known else None

    def _trial(self, request: TrialRequest, known: list[Observation], made: list[Observation]) -> Trial:
        trial = Trial(
            key=request.key,
            label=request.label,
            observations=(*known, *made),
            remembered=len(known),
            build_s=0.0 if known or request.known_runs else 2.0,
            run_s=self.run_s * len(made),
        )
        self.clock_s += trial.build_s + trial.run_s
        return trial

    def keep_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have searches go by the time that builds and runs take here, and by nothing else."""
        clock = SimpleNamespace(monotonic=lambda: self.clock_s)
        for module in ("engine", "look_around", "run"):
            monkeypatch.setattr(f"bisect_asgi.session.bisection.{module}.time", clock)

    def _key(self, request: TrialRequest) -> tuple[str, str]:
        beside = request.sampling.reference if request.sampling else None
        return request.label, "".join(beside.requirements) if beside else ""

    def _run(self, request: TrialRequest, place: int) -> Observation:
        measuring = request.sampling
        if measuring and measuring.needs_warm_up and request.label not in self._warm:
            self._warm.add(request.label)
            return replace(_times(self._shown(request.label, "cold"), 20.0), is_warm_up=True)
        self.ticks += 1
        if self.ticks > self.most:
            raise TooManyRuns
        self.made[request.label] += 1
        seen = self._slowed(self._shown(request.label, str(place)))
        if measuring is None or measuring.reference is None:
            return seen
        (requirement,) = measuring.reference.requirements
        beside = self._slowed(self._shown(requirement.partition("==")[2], f"beside {request.label} {place}"))
        return replace(seen, reference_metrics={"wall": beside.wall_s, **beside.metrics})

    def _shown(self, label: str, place: str) -> Observation:
        return self.shows(int(label), Random(f"{self.seed} {label} {place}"))

    def _slowed(self, run: Observation) -> Observation:
        return _times(run, 1 + self.slows_down * self.ticks)

    def bisect(self, **fields: object) -> events.RunFinished:
        """Give the command for the first time, or again; return its last event."""
        there = self._begin()
        kind = session.bisect(a_plan(**{"history": AUTO, **fields}), there, self.events.append)
        assert self.finished.kind is kind
        return self.finished

    def verify(self, claim: Claim, **fields: object) -> ClaimVerdict:
        """Hold a claim against the releases."""
        return session.verify(a_plan(**fields), claim, self._begin(), self.events.append).verdict

    def _begin(self) -> Services:
        self.requests.clear()
        self.events.clear()
        self._warm.clear()
        releases = [release(str(number), project="app") for number in range(1, self.size + 1)]
        trials = FakeTrials(self.run_trial, recall=self.recall)
        return fake_services(index=FakeIndex(releases), trials=trials)

    @property
    def finished(self) -> events.RunFinished:
        """The last event."""
        last = self.events[-1]
        assert isinstance(last, events.RunFinished)
        return last

    @property
    def listed(self) -> list[str]:
        """The candidates."""
        every = [event for event in self.events if isinstance(event, events.CandidatesListed)]
        return [candidate.version for candidate in every[-1].candidates]

    @property
    def boundary(self) -> tuple[int, int] | None:
        """The numbers of the releases on both sides of what was found; None: nothing was."""
        finished = self.finished
        if finished.boundary is None:
            return None
        return int(self.listed[finished.boundary.low]), int(self.listed[finished.boundary.high])

    @property
    def changes(self) -> list[tuple[int, int]]:
        """The numbers of the releases on both sides of each change that was found."""
        return [(int(self.listed[c.low]), int(self.listed[c.high])) for c in self.finished.changes]

    @property
    def runs(self) -> int:
        """How many runs were made in all, by any command."""
        return self.made.total()

    @property
    def notes(self) -> list[str]:
        """What the user should know of how the answer came about."""
        return [event.text for event in self.events if isinstance(event, events.Note) and not event.is_live]

    @property
    def sampled(self) -> events.EndsSampled:
        """What both ends showed."""
        (event,) = (event for event in self.events if isinstance(event, events.EndsSampled))
        return event

    @property
    def report(self) -> Report:
        """The report of the log."""
        return fold(self.events)

    def text(self, *, plot: bool = False) -> str:
        """The report as a pipe gets it."""
        return shown(self.report, plot=plot)


def shown(report: Report, *, plot: bool = False, width: int = 120) -> str:
    """A report as text, without the blanks at the ends of lines."""
    out = StringIO()
    text_report.render(report, SafeConsole(file=out, width=width), whole=True, plot=plot)
    return out.getvalue()


def _times(run: Observation, factor: float) -> Observation:
    """The run as a machine shows it that is slower by a factor: only what is in seconds takes longer."""
    longer = {name: value * factor for name, value in run.metrics.items() if run.units.get(name) == "s"}
    return replace(run, wall_s=run.wall_s * factor, metrics={**run.metrics, **longer})


def flaky(first_bad: int, good: float, bad: float, *, skips: Iterable[int] = ()) -> Shows:
    """A probe that fails with one probability below a release, and with another from it on."""
    untested = frozenset(skips)

    def shows(number: int, random: Random) -> Observation:
        if number in untested:
            return untestable()
        return failed() if random.random() < (bad if number >= first_bad else good) else passed()

    return shows


def steps(levels: Mapping[int, float], *, noise: float, unit: str = "B", name: str = "size") -> Shows:
    """A metric with a level from each of these releases on, and heavy-tailed noise (a share of the level).

    Three runs in four have noise from a normal distribution, the fourth from a Laplace distribution with
    twice its deviation.
    """

    def shows(number: int, random: Random) -> Observation:
        level = levels[max(first for first in levels if first <= number)]
        return measured(level * math.exp(_heavy(random) * noise), unit=unit, name=name)

    return shows


def measured(value: float, *, unit: str = "B", name: str = "size") -> Observation:
    """A run that passed and reported a metric."""
    return replace(
        passed(),
        wall_s=value if name == "wall" else 1.0,
        metrics={} if name == "wall" else {name: value},
        units={} if name == "wall" or not unit else {name: unit},
    )


def _heavy(random: Random) -> float:
    if random.random() < 0.75:
        return random.gauss(0.0, 1.0)
    return random.choice((-1, 1)) * random.expovariate(1 / math.sqrt(2))


def _reporting(metric: str) -> Probe:
    """A probe whose text has the metric's name."""
    text = f"print('@metric {metric} 1')".encode()
    return replace(probe(), files=(ProbeFile(name="leak.py", content=text),))


def by_metric(metric: str = "size", *, warm: bool = True, **threshold_search: float) -> dict[str, object]:
    """The fields of a plan that measures without a limit, or with one that is a share of the good end's."""
    return {
        "criteria": Criteria(threshold_search=ThresholdSearch(metric=metric, **threshold_search)),
        "probe": _reporting(metric),
        "sampling": SamplingMode(needs_warm_up=warm),
    }


def by_limit(metric: str = "size", **limit: object) -> dict[str, object]:
    """The fields of a plan with a limit."""
    return {
        "criteria": Criteria(threshold=Threshold(metric=metric, **limit)),
        "probe": _reporting(metric),
        "sampling": SamplingMode(needs_warm_up=False),
    }  # type: ignore[arg-type]
