"""Events of searches that come in any order."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from bisect_asgi.core import events
from bisect_asgi.core.events import Activity, ResultKind
from bisect_asgi.core.model import (
    Boundary,
    CulpritKind,
    Move,
    Observation,
    Outcome,
    Ruling,
    Step,
    Trial,
    Verdict,
)
from bisect_asgi.core.records import replace
from bisect_asgi.core.tally import Tally
from support.builders import ASSERTION, failed, passed, run_started

SIZE = 5
STARTED = run_started(metric="size", at_s=100.0)
GOOD = Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=1)
BAD = Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, signature=ASSERTION, failed=1)


def listed(prefix: str = "1", *, size: int = SIZE, grows: bool = False) -> events.CandidatesListed:
    candidates = tuple(
        events.CandidateListed(version=f"{prefix}.{place}", uploaded=None) for place in range(size)
    )
    return events.CandidatesListed(candidates=candidates, excluded=(), grows=grows)


def tried(key: int, run: Observation, at_s: float | None = None) -> events.TrialFinished:
    trial = Trial(key=key, label=f"1.{key}", observations=(run,), steps={Step.RUN: 0.5})
    return events.TrialFinished(trial=trial, at_s=at_s)


def ruled(*rulings: tuple[int, Ruling], low: int | None = None, high: int | None = None) -> events.Event:
    return events.RulingsChanged(
        rulings=rulings, new_is=Outcome.FAILED, reference=(ASSERTION,), low=low, high=high, left=0
    )


BELIEF = events.BeliefUpdated(
    low=1,
    high=2,
    probability=0.5,
    old=Tally(passed=3).rate,
    new=Tally(failed=3).rate,
    first=1,
    last=3,
    confidence=0.99,
)
CONFIRMED = events.Confirmed(low=1, high=2, runs=8, error_bound=0.01)
ENDS = events.EndsSampled(
    metric="size", unit="B", low=0, high=4, reference=None, old=(1.0,), new=(9.0,), p=0.01, above=5.0
)
LEVELS = events.LevelsFound(metric="size", unit="B", levels=(), penalty=1.0)
NOTE = events.Note(text="2 entries passed over")
MOVED = Move(name="demo", old="1.1", new="1.2")
EXPLAINED = events.Explained(
    package="demo",
    old="demo 1.1",
    new="demo 1.2",
    moves=(MOVED,),
    kind=CulpritKind.PACKAGE,
    sets=(events.ShownSet(moved=(MOVED,)),),
)
COMPARED = events.Compared(name="demo", old="1.1", new="1.2")
FINISHED = events.RunFinished(kind=ResultKind.FOUND, elapsed_s=9.0, boundary=Boundary(low=1, high=2))


# --- Whatever happens, in whatever order

KEYS = st.integers(0, SIZE - 1)
RULINGS = st.dictionaries(KEYS, st.sampled_from([GOOD, BAD]), max_size=3)
SEARCHED = st.one_of(
    st.builds(tried, KEYS, st.sampled_from([passed(), failed()]), st.none()),
    st.builds(lambda key: events.TrialStarted(key=key, at_s=101.0), KEYS),
    st.builds(lambda key: tried(key, passed(), 102.0), KEYS),
    st.builds(lambda key: events.TrialCancelled(key=key, at_s=103.0), KEYS),
    st.builds(lambda key: events.TrialProgressed(key=key, activity=Activity.RUNNING), KEYS),
    st.builds(lambda key: events.OutputSeen(key=key, text="x\n"), KEYS),
    st.builds(lambda key: events.PreparationStarted(key=key, at_s=101.5), KEYS),
    st.builds(lambda key: events.PreparationEnded(key=key, at_s=102.5, steps={Step.BUILD: 1.0}), KEYS),
    st.builds(
        lambda rulings, low, high: ruled(*sorted(rulings.items()), low=low, high=high),
        RULINGS,
        st.none() | KEYS,
        st.none() | KEYS,
    ),
    st.sampled_from([BELIEF, CONFIRMED, ENDS, LEVELS, NOTE, EXPLAINED, COMPARED]),
)
VOID = st.sampled_from([events.ObservationsReset(), listed("1"), listed("2")])
HAPPENS = st.lists(SEARCHED | VOID | st.just(listed(size=SIZE + 1, grows=True)), max_size=25)


def dated(log: Sequence[events.Event], first: int) -> list[events.Event]:
    """The events, each at a moment of its own, if it has a date."""
    return [_at(moment, event) for moment, event in enumerate(log, start=first)]


def _at(moment: int, event: events.Event) -> events.Event:
    if isinstance(event, events.StageEvent):
        return replace(event, event=_at(moment, event.event))
    if getattr(event, "at_s", None) is None or isinstance(event, events.RunStarted):
        return event
    return replace(event, at_s=float(moment))
