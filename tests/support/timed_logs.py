"""Logs whose events have times."""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Boundary, Outcome, Step, Trial
from support.builders import ASSERTION, RELEASE_WORDS, passed, run_started

BEGAN_S = 1000.0
"""The reading of the clock at the start, which may be any number."""


VERSIONS = tuple(f"1.{minor}" for minor in range(10))


def started(
    *, jobs: int = 2, most_jobs: int | None = None, axis: AxisWords = RELEASE_WORDS, metric: str | None = None
) -> events.RunStarted:
    return run_started(jobs=jobs, most_jobs=most_jobs, axis=axis, metric=metric, at_s=BEGAN_S)


def listed(versions: Sequence[str] = VERSIONS) -> events.CandidatesListed:
    candidates = tuple(events.CandidateListed(version=each, uploaded=None) for each in versions)
    return events.CandidatesListed(candidates=candidates, excluded=())


def start(key: int, at_s: float) -> events.TrialStarted:
    return events.TrialStarted(key=key, at_s=BEGAN_S + at_s)


def end(
    key: int, at_s: float, steps: dict[Step, float] | None = None, host: str = ""
) -> events.TrialFinished:
    trial = Trial(
        key=key, label=VERSIONS[key], observations=(passed(),), steps=steps or {}, run_s=0.25, host=host
    )
    return events.TrialFinished(trial=trial, at_s=BEGAN_S + at_s)


def cancel(key: int, at_s: float) -> events.TrialCancelled:
    return events.TrialCancelled(key=key, at_s=BEGAN_S + at_s)


def judged(low: int | None = None, high: int | None = None) -> events.RulingsChanged:
    return events.RulingsChanged(
        rulings=(), new_is=Outcome.FAILED, reference=(ASSERTION,), low=low, high=high, left=0
    )


def found(
    low: int | None,
    high: int | None,
    elapsed_s: float,
    *,
    skipped: tuple[int, ...] = (),
    shortest: int | None = None,
) -> events.RunFinished:
    is_found = low is not None and high is not None
    boundary = Boundary(low=low, high=high, skipped=skipped) if is_found else None
    return events.RunFinished(
        kind=ResultKind.FOUND, elapsed_s=elapsed_s, boundary=boundary, shortest=shortest
    )


# Both ends in parallel; then 3 and 6 in parallel: 3 is old, 6 new; then 4 and 5, of which 4 is new.
SEARCH = (
    judged(),
    start(0, 1),
    start(9, 1),
    end(0, 2),
    end(9, 3),
    judged(0, 9),
    start(3, 3),
    start(6, 3),
    end(6, 4),
    judged(0, 6),
    end(3, 5),
    judged(3, 6),
    start(4, 5),
    start(5, 5),
    end(4, 6),
    judged(3, 4),
    cancel(5, 6),
    found(3, 4, 7),
)


# Environments that are built ahead.


def prepare(key: int, at_s: float) -> events.PreparationStarted:
    return events.PreparationStarted(key=key, at_s=BEGAN_S + at_s)


def prepared(key: int, at_s: float, *, is_cancelled: bool = False) -> events.PreparationEnded:
    steps = {} if is_cancelled else {Step.LINK: 0.5}
    return events.PreparationEnded(key=key, at_s=BEGAN_S + at_s, steps=steps, is_cancelled=is_cancelled)
