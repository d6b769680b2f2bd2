"""The pieces of work in a log: trials and environments built ahead, when they were, what became of them.

A log says when a trial was asked for and when it came back. When a worker took it follows: of as many workers
as the run had, the first that is free takes what was asked for first.

**Ahead** is a trial that was started before it was known to be needed: its candidate was unknown and inside
the bracket, and so was another candidate whose trial was under way, asked for earlier. Had that one answered
otherwise, this one would have told nothing. It was known to be *needed* when the last of those was back.
Ends, repetitions and spot checks are needed anyhow. So is all that is asked by searches without a bracket:
mixes, all changes, noise, levels.

**Used** is a trial that told something: its candidate became a side of the bracket, or its result was needed
anyhow. What came back inside the bracket and became no side was implied by another result, or untestable: a
detour, unless the answer's own gap has it. An environment built ahead is used when a trial of its candidate
comes after it.

**Evidence** is what the answer rests on whichever way it was found: ends, both sides, their repetitions, spot
checks, the gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from bisect_asgi.core import events
from bisect_asgi.core.model import Step, Trial
from bisect_asgi.core.records import Struct, field, replace


class Fate(StrEnum):
    """What became of a piece of work."""

    USED = "used"
    UNUSED = "unused"
    """It came to its end and told nothing."""
    CANCELLED = "cancelled"
    """It was stopped, or the log ends before it does."""


class Span(Struct, frozen=True, kw_only=True):
    """A piece of work; moments in seconds from the beginning of the run."""

    stage: int
    key: int
    label: str
    is_preparation: bool = False
    """An environment was built ahead; else it is a trial."""
    asked_s: float
    begun_s: float
    """When a worker took it."""
    ended_s: float
    steps: dict[Step, float] = field(default_factory=dict)
    """Seconds that each took; of what was cancelled nothing is known."""
    fate: Fate = Fate.CANCELLED
    is_evidence: bool = False
    is_ahead: bool = False
    needed_s: float | None = None
    """When it was known to be needed, where it is ahead."""
    host: str = ""
    is_critical: bool = False
    """It lies on the critical path."""

    @property
    def took_s(self) -> float:
        """How long it kept a worker."""
        return self.ended_s - self.begun_s

    @property
    def work_s(self) -> float:
        """The same without waiting for other trials."""
        return max(0.0, self.took_s - self.steps.get(Step.WAIT, 0.0))

    @property
    def other_s(self) -> float:
        """What of it no step accounts for."""
        return max(0.0, self.took_s - sum(self.steps.values())) if self.steps else 0.0

    @property
    def won_s(self) -> float:
        """The head start that it had, where it is ahead and used."""
        if self.needed_s is None or self.fate is not Fate.USED:
            return 0.0
        return max(0.0, min(self.needed_s, self.ended_s) - self.begun_s)


class _Open(Struct):
    """What is known of a piece of work while the log is read."""

    stage: int
    key: int
    label: str
    asked_s: float
    is_preparation: bool = False
    is_open: bool = False
    """Nothing was known of its candidate when it was asked for."""
    is_inside: bool = False
    """And it is no end."""
    rivals: tuple[_Open, ...] = ()
    ended_s: float | None = None
    trial: Trial | None = None
    steps: dict[Step, float] = field(default_factory=dict)
    is_cancelled: bool = False
    begun_s: float = 0.0


class _Search(Struct):
    """What a search, the run's or a stage's, knows at a moment of the log."""

    labels: tuple[str, ...] = ()
    known: set[int] = field(default_factory=set)
    low: int | None = None
    high: int | None = None
    sides: set[int] = field(default_factory=set)
    answer: set[int] = field(default_factory=set)
    is_straight: bool = True
    """One change is looked for, by halving."""
    flights: dict[int, _Open] = field(default_factory=dict)
    preparations: dict[int, _Open] = field(default_factory=dict)

    @property
    def has_bracket(self) -> bool:
        """Tell whether results narrow a bracket."""
        return self.is_straight and bool(self.sides)

    def is_open(self, key: int) -> bool:
        """Tell whether nothing is known of a candidate, nor implied."""
        above, below = self.low is None or key > self.low, self.high is None or key < self.high
        return key not in self.known and above and below

    def is_end(self, key: int) -> bool:
        """Tell whether it is the first or the last candidate."""
        return key in (0, len(self.labels) - 1)

    def label(self, key: int) -> str:
        """What reports call the candidate."""
        return self.labels[key] if key < len(self.labels) else str(key)


class _Reader:
    """Takes in a log, event by event."""

    def __init__(self, begun_s: float) -> None:
        self._begun_s = begun_s
        self.last_s = 0.0
        self.searches: dict[int, _Search] = {}
        self.opened: list[_Open] = []

    def take(self, event: events.Event) -> None:
        """Take in one event."""
        stage = event.stage if isinstance(event, events.StageEvent) else 0
        inner = events.unstaged(event)
        search = self.searches.setdefault(stage, _Search())
        if (at_s := getattr(inner, "at_s", None)) is not None:
            self._take_work(inner, stage, search, at_s - self._begun_s)
            self.last_s = max(self.last_s, at_s - self._begun_s)
        _take_knowledge(inner, search)

    def _take_work(self, event: events.Event, stage: int, search: _Search, now_s: float) -> None:
        match event:
            case events.TrialStarted(key=key):
                work = _Open(stage=stage, key=key, label=search.label(key), asked_s=now_s)
                work.is_open = search.is_open(key)
                work.is_inside = work.is_open and not search.is_end(key)
                if work.is_inside:
                    work.rivals = tuple(each for each in search.flights.values() if each.is_open)
                search.flights[key] = work
                self.opened.append(work)
            case events.PreparationStarted(key=key):
                work = _Open(
                    stage=stage, key=key, label=search.label(key), asked_s=now_s, is_preparation=True
                )
                search.preparations[key] = work
                self.opened.append(work)
            case events.TrialFinished(trial=trial) if trial.key in search.flights:
                flight = search.flights.pop(trial.key)
                flight.ended_s, flight.trial, flight.label = now_s, trial, trial.label
                flight.steps = dict(trial.steps)
            case events.TrialCancelled(key=key) if key in search.flights:
                flight = search.flights.pop(key)
                flight.ended_s, flight.is_cancelled = now_s, True
            case events.PreparationEnded(key=key) if key in search.preparations:
                built = search.preparations.pop(key)
                built.ended_s, built.steps, built.is_cancelled = now_s, dict(event.steps), event.is_cancelled
            case _:
                pass


def _take_knowledge(event: events.Event, search: _Search) -> None:
    """Take in what an event says of the search."""
    match event:
        case events.RunStarted(axis=axis):
            search.is_straight = axis.is_ordered
        case events.CandidatesListed(candidates=listed, grows=grows):
            search.labels = tuple(each.version for each in listed)
            if not grows:
                search.known, search.low, search.high = set(), None, None
        case events.ObservationsReset():
            search.known = set()
        case events.TrialFinished(trial=trial):
            search.known.add(trial.key)
        case events.RulingsChanged(low=low, high=high):
            # While runs are only repeated, no search says where the bracket is.
            search.low = search.low if low is None else low
            search.high = search.high if high is None else high
            search.sides |= {key for key in (low, high) if key is not None}
        case events.BeliefUpdated() | events.LevelsFound():
            search.is_straight = False
        case events.RunFinished():
            search.answer = {key for key in (event.low, event.high, *event.skipped) if key is not None}
            search.is_straight = search.is_straight and event.shortest is None
        case _:
            pass


def read(log: Iterable[events.Event], *, begun_s: float, workers: int) -> tuple[Span, ...]:
    """Return all pieces of work, in the order in which workers took them.

    Args:
        log: the events of a run.
        begun_s: what the run's clock showed at its beginning.
        workers: how many trials the run did side by side.
    """
    reader = _Reader(begun_s)
    for event in log:
        reader.take(event)
    for each in reader.opened:
        if each.ended_s is None:  # the log ends first
            each.ended_s, each.is_cancelled = max(reader.last_s, each.asked_s), True
    _hand_out([each for each in reader.opened if not each.is_preparation], workers)
    for each in reader.opened:
        if each.is_preparation:
            each.begun_s = each.asked_s
    spans = [_span(each, reader.searches[each.stage]) for each in reader.opened]
    known = [_known_use(span, spans) if span.is_preparation else span for span in spans]
    return tuple(sorted(known, key=lambda span: (span.begun_s, span.asked_s)))


def _hand_out(trials: Sequence[_Open], workers: int) -> None:
    """Say when a worker took each trial: at once, or when enough of those before it had ended."""
    for place, each in enumerate(trials):
        ends = sorted(_end(other) for other in trials[:place] if _end(other) > each.asked_s)
        taken_s = ends[len(ends) - workers] if len(ends) >= workers else each.asked_s
        each.begun_s = min(taken_s, _end(each))


def _end(work: _Open) -> float:
    return work.asked_s if work.ended_s is None else work.ended_s


def _span(work: _Open, search: _Search) -> Span:
    is_inside = work.is_inside and search.has_bracket
    fate = Fate.CANCELLED
    if not work.is_cancelled:
        told = not is_inside or work.key in search.sides or work.key in search.answer
        fate = Fate.USED if told else Fate.UNUSED
    rivals = work.rivals if search.has_bracket else ()
    needed_s = max((_end(rival) for rival in rivals), default=None)
    return Span(
        stage=work.stage,
        key=work.key,
        label=work.label,
        is_preparation=work.is_preparation,
        asked_s=work.asked_s,
        begun_s=work.begun_s,
        ended_s=_end(work),
        steps=_steps(work),
        fate=fate,
        is_evidence=fate is Fate.USED and (not is_inside or work.key in search.answer),
        is_ahead=bool(rivals),
        needed_s=needed_s,
        host=work.trial.host if work.trial else "",
    )


def _steps(work: _Open) -> dict[Step, float]:
    """The steps; of a trial that has none recorded, its run at least."""
    if work.trial and not work.steps and work.trial.run_s:
        return {Step.RUN: work.trial.run_s}
    return work.steps


def _known_use(built: Span, spans: Sequence[Span]) -> Span:
    """An environment that was built ahead, with whether a trial of its candidate came to it, and when."""
    trials = [span for span in spans if not span.is_preparation and span.asked_s >= built.asked_s]
    used = [
        span for span in trials if (span.stage, span.key, span.fate) == (built.stage, built.key, Fate.USED)
    ]
    if built.fate is Fate.CANCELLED or not used:
        fate = Fate.CANCELLED if built.fate is Fate.CANCELLED else Fate.UNUSED
        return replace(built, fate=fate, is_ahead=True, is_evidence=False)
    needed_s = min(span.begun_s for span in used)
    is_evidence = any(span.is_evidence for span in used)
    return replace(built, is_ahead=True, is_evidence=is_evidence, needed_s=needed_s)
