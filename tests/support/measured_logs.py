"""Logs of flaky and measured runs."""

from __future__ import annotations

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Boundary, Observation, Outcome, Ruling, Trial, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.tally import Tally
from bisect_asgi.report.document import Report
from support.builders import failed, passed, run_started
from support.noisy_world import shown

STARTED = run_started(project="app", requirement="app=={version}", axis=AxisWords(subject="app"))


MEASURED = replace(STARTED, metric="size")


LISTED = events.CandidatesListed(
    candidates=tuple(events.CandidateListed(version=f"1.{place}", uploaded=None) for place in range(5)),
    excluded=(),
)


BELIEVED = events.BeliefUpdated(
    low=2,
    high=3,
    probability=0.9973,
    old=Tally(passed=12).rate,
    new=Tally(passed=3, failed=9).rate,
    first=3,
    last=3,
    confidence=0.99,
)


FOUND = events.RunFinished(kind=ResultKind.FOUND, elapsed_s=9.0, boundary=Boundary(low=2, high=3))


def tried(key: int, *runs: Observation, remembered: int = 0) -> events.TrialFinished:
    trial = Trial(key=key, label=f"1.{key}", observations=runs, remembered=remembered)
    return events.TrialFinished(trial=trial)


def judged(*rulings: Ruling, new_is: Outcome = Outcome.FAILED) -> events.RulingsChanged:
    """Rulings on the last candidates of the five."""
    first = 5 - len(rulings)
    numbered = tuple(enumerate(rulings, start=first))
    return events.RulingsChanged(rulings=numbered, new_is=new_is, reference=(), low=2, high=3, left=0)


GOOD = Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=12)


BAD = Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, passed=3, failed=9, signature=failed().signature)


FLAKY: list[events.Event] = [
    STARTED,
    LISTED,
    tried(2, *[passed()] * 12),
    tried(3, *[failed()] * 9, *[passed()] * 3),
    judged(GOOD, BAD, BAD),
    replace(BELIEVED, low=1, high=2, probability=0.3),
    BELIEVED,
    FOUND,
]


def line(report: Report, name: str, *, width: int = 200) -> str:
    """The fact of that name."""
    lines = shown(report, width=width).splitlines()
    (found,) = [text for text in lines if text.startswith(f"{name} ")]
    return found.removeprefix(name).strip()
