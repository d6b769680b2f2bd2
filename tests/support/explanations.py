"""Searches over made-up packages that are explained, without any I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import StringIO

from packaging.version import Version

from bisect_asgi import session
from bisect_asgi.core import codec, events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unresolvable
from bisect_asgi.core.events import Explained
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Observation,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.services import RunTrial
from bisect_asgi.report import document as json_report
from bisect_asgi.report import text as text_report
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.progress.console import SafeConsole
from support.builders import (
    failed,
    passed,
    untestable,
)
from support.services import FakeTrials, Installed, MadeUpIndex, fake_services

Shows = Callable[[Installed, int], Observation]
"""What the probe shows in an environment, in its first, second, … run."""


class TooManyTrials(Exception):
    """It goes round in circles."""


class Lab:
    """A made-up index, trials in what it resolves to, and what was asked and told."""

    def __init__(self, index: MadeUpIndex, shows: Shows) -> None:
        self.index = index
        self.shows = shows
        self.requests: list[TrialRequest] = []
        self.events: list[events.Event] = []
        self.remembered: dict[str, Trial] = {}

    def run_trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        self.requests.append(request)
        if len(self.requests) > 300:
            raise TooManyTrials
        return self.trial(request)

    def trial(self, request: TrialRequest) -> Trial:
        try:
            distributions = self.index.resolve(request.spec)
        except Unresolvable:
            return Trial(key=request.key, label=request.label, observations=(untestable(),))
        installed = {each.name: each.version for each in distributions}
        runs = range(request.known_runs, request.known_runs + request.runs)
        return Trial(
            key=request.key,
            label=request.label,
            observations=tuple(self.shows(installed, run) for run in runs),
            environment=BuiltEnvironment(
                digest=" ".join(map(str, distributions)), distributions=distributions, step="made up"
            ),
        )

    def bisect(
        self,
        plan: Plan,
        *,
        run_trial: RunTrial | None = None,
        recall: Callable[[TrialRequest], Trial | None] = lambda _: None,
    ) -> events.RunFinished:
        """Run the session and return its last event; whatever came of it can be reported."""
        trials = FakeTrials(
            run_trial or self.run_trial,
            recall=recall,
            resolve=self.index.resolve,
            declared=self.index.declared,
        )
        try:
            session.bisect(plan, fake_services(index=self.index, trials=trials), self.events.append)
        finally:
            assert shown(self.report)
        last = self.events[-1]
        assert isinstance(last, events.RunFinished)
        return last

    @property
    def report(self) -> Report:
        """The report of the log, which is the same when the log comes from a file."""
        report = fold(self.events)
        assert fold(codec.event_from_json(codec.event_to_json(event)) for event in self.events) == report
        assert codec.from_json(json_report.render(report), Report) == report
        return report

    @property
    def explained(self) -> list[Explained]:
        return [event for event in self.events if isinstance(event, Explained)]

    def stage(self, over: str) -> Report:
        """The search over that axis inside the run."""
        (found,) = (stage for stage in self.report.stages if stage.plan.over == over)
        return found

    @property
    def mixed(self) -> list[str]:
        """What ran in any search inside the run, each once."""
        return list(dict.fromkeys(request.label for request in self.requests if request.stage > 0))


def shown(report: Report) -> str:
    out = StringIO()
    text_report.render(report, SafeConsole(file=out, width=200), whole=True)
    return out.getvalue()


def has(installed: Installed, **least: str) -> bool:
    """Tell whether all of these are installed, at that version or a newer one."""
    return all(name in installed and _at(installed, name) >= Version(least[name]) for name in least)


def _at(installed: Installed, name: str) -> Version:
    return Version(installed[name])


def fails_if(*alternatives: dict[str, str]) -> Shows:
    """Fail in environments that have all of any alternative."""
    return lambda installed, _: failed() if any(has(installed, **each) for each in alternatives) else passed()


def sets(explained: Explained) -> list[list[str]]:
    """Each set as its moves."""
    return [[str(move) for move in each.moved] for each in explained.sets]


def numbered(name: str, versions: Iterable[int]) -> dict[str, str]:
    return {f"{name}=={number}": "" for number in versions}


APPS = {
    "app==1": "engine<3 tyres<2",
    "app==2": "engine<3 tyres<2",
    "app==3": "engine>=6 tyres<3",
    "app==4": "engine>=6 tyres<3",
}
"""The boundary of most tests is from 2 to 3: there, engine goes from 2 to 7 and tyres from 1 to 2."""


GARAGE = MadeUpIndex({**APPS, **numbered("engine", range(1, 8)), **numbered("tyres", range(1, 4))})
