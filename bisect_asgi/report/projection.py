"""Fold a run's events: live lines, report and timings are made from this one projection.

**When earlier knowledge becomes void.** Events name a candidate by its key, which is its place in the list.
All knowledge about candidates therefore holds for one list, run in one way, and is kept in one object:
`Knowledge`. Two events replace this object by a new one:

*A list that does not grow.* The keys name other candidates from now on. For example, a search over dates
begins again if an environment contained a package whose uploads were not listed. A list that grows keeps the
earlier candidates first, so their keys stay valid and nothing becomes void.

*`ObservationsReset`.* The candidates are the same, but they are run in another way, for example next to a
baseline: a sample with a baseline cannot be compared with one without. The list stays.

Everything that follows from observations becomes void with them: rulings, bracket, belief, confirmation, the
threshold between both ends, levels. Nothing else does. The plan, the Python and the notes describe how the
run was set up; explanations and comparisons come after its last observation. Each search inside the run has
its own keys, so a reset in one search does not affect the others.

**What remains of void knowledge** is the work: a trial took its time, whatever its result is worth. Each
`Work` refers to the knowledge for which it was started, so that its keys are read with the list of that
moment.
"""

from __future__ import annotations

from collections.abc import Iterable

from bisect_asgi.core import events
from bisect_asgi.core.metrics.criteria import Threshold
from bisect_asgi.core.model import Ruling, Step, Trial
from bisect_asgi.core.records import Struct, field, replace


class Knowledge(Struct):
    """The knowledge about the candidates of one list, observed in one way."""

    listed: events.CandidatesListed
    generation: int = 0
    """How often earlier knowledge of this search became void."""
    trials: dict[int, list[Trial]] = field(default_factory=dict)
    """The trials of each candidate, in the order in which they came back."""
    judged: events.RulingsChanged | None = None
    """The last event with rulings on the observations."""
    rulings: dict[int, Ruling] = field(default_factory=dict)
    """All rulings that hold, in the order of their keys."""
    low: int | None = None
    """The last candidate that the search knew to be old, also while it only repeats runs."""
    high: int | None = None
    """The first candidate above `low` that it knew to be new."""
    sides: set[int] = field(default_factory=set)
    """All candidates that were `low` or `high` at some time."""
    belief: events.BeliefUpdated | None = None
    confirmed: events.Confirmed | None = None
    ends: events.EndsSampled | None = None
    levels: events.LevelsFound | None = None

    def take(self, event: events.Event) -> None:
        """Take in what an event says of candidates; other events change nothing."""
        match event:
            case events.TrialFinished(trial=trial):
                self.trials.setdefault(trial.key, []).append(trial)
            case events.RulingsChanged():
                self._take_rulings(event)
            case events.BeliefUpdated():
                self.belief = event
            case events.Confirmed():
                self.confirmed = event
            case events.EndsSampled():
                self.ends = event
            case events.LevelsFound():
                self.levels = event
            case _:
                pass

    def _take_rulings(self, event: events.RulingsChanged) -> None:
        self.judged, self.rulings = event, event.after(self.rulings)
        # While runs are only repeated, the event has no bracket, and the last one stays valid.
        self.low = self.low if event.low is None else event.low
        self.high = self.high if event.high is None else event.high
        self.sides.update(key for key in (event.low, event.high) if key is not None)

    def label(self, key: int) -> str:
        """Return what reports call the candidate; its key if it is in no list."""
        candidates = self.listed.candidates
        return candidates[key].version if key < len(candidates) else str(key)

    def is_open(self, key: int) -> bool:
        """Return whether the candidate has no result, and the bracket implies none."""
        is_above, is_below = self.low is None or key > self.low, self.high is None or key < self.high
        return key not in self.trials and is_above and is_below

    def is_end(self, key: int) -> bool:
        """Return whether the candidate is the first or the last one."""
        return key in (0, len(self.listed.candidates) - 1)


class Work(Struct):
    """A trial, or an environment built ahead; moments on the run's clock, None in a log without dates."""

    stage: int
    key: int
    label: str
    known: Knowledge
    """The knowledge when the work was submitted; later knowledge of the same list is added to it."""
    asked_s: float | None
    is_preparation: bool = False
    """An environment is built ahead; else it is a trial."""
    is_inside: bool = False
    """The candidate was open, and no end of the range, when the trial was submitted."""
    rivals: tuple[Work, ...] = ()
    """Trials of other open candidates under way then: each of their results may imply this trial's."""
    activity: events.Activity | None = None
    """What the trial was doing last; None: it waits for a worker, or the log leaves activities out."""
    ended_s: float | None = None
    trial: Trial | None = None
    """The result; None while there is none, and after it was canceled."""
    steps: dict[Step, float] = field(default_factory=dict)
    """Seconds that each step took."""
    is_cancelled: bool = False
    was_open: bool = False
    """The candidate had no result, known or implied, when the trial was submitted."""


class SearchRecord(Struct):
    """The record of one search in a log: the run's own search, or one of its stages."""

    stage: int = 0
    """Its number; 0: the run itself."""
    started: events.RunStarted | None = None
    interpreter: events.InterpreterChosen | None = None
    notes: list[str] = field(default_factory=list)
    known: Knowledge = field(
        default_factory=lambda: Knowledge(listed=events.CandidatesListed(candidates=(), excluded=()))
    )
    explained: list[events.Explained] = field(default_factory=list)
    compared: list[events.Compared] = field(default_factory=list)
    commit: events.CommitShown | None = None
    finished: events.RunFinished | None = None
    running: dict[int, Work] = field(default_factory=dict)
    """The trials under way, by their keys."""
    building: dict[int, Work] = field(default_factory=dict)
    """The environments that are being built ahead, by their keys."""

    def take(self, event: events.Event) -> None:
        """Take in one event of this search."""
        match event:
            case events.RunStarted():
                self.started = event
            case events.InterpreterChosen():
                self.interpreter = event
            case events.CandidatesListed(grows=True):
                self.known.listed = event
            case events.CandidatesListed():
                self._begin_anew(event)
            case events.ObservationsReset():
                self._begin_anew(self.known.listed)
            case events.RunFinished():
                self.finished = event
            case _:
                self._take_remark(event)
                self.known.take(event)

    def _take_remark(self, event: events.Event) -> None:
        match event:
            case events.Note(text=text, is_live=False):
                self.notes.append(text)
            case events.Explained():
                self.explained.append(event)
            case events.Compared():
                self.compared.append(event)
            case events.CommitShown():
                self.commit = event
            case _:
                pass

    def _begin_anew(self, listed: events.CandidatesListed) -> None:
        self.known = Knowledge(listed=listed, generation=self.known.generation + 1)

    @property
    def plan(self) -> events.RunStarted | None:
        """The plan, with the threshold in words once one was set between both ends."""
        if self.started is None or self.started.limit or self.known.ends is None:
            return self.started
        return replace(self.started, limit=threshold_of(self.known.ends))


class Projection:
    """The state of the run, and of each search inside it, after the events so far; a sink."""

    def __init__(self) -> None:
        self.run = SearchRecord()
        self.searches: dict[int, SearchRecord] = {0: self.run}
        """The run and its stages by their numbers, in the order in which they began."""
        self.works: list[Work] = []
        """All trials and environments built ahead, of all searches, in the order of asking."""
        self.last_s: float | None = None
        """The latest moment that an event names."""

    def __call__(self, event: events.Event) -> None:
        """Take in one event."""
        self.take(event)

    def take(self, event: events.Event) -> SearchRecord:
        """Take in one event, and return the search that it is of."""
        stage = event.stage if isinstance(event, events.StageEvent) else 0
        inner = events.unstaged(event)
        search = self.searches.get(stage) or self.searches.setdefault(stage, SearchRecord(stage=stage))
        self._take_work(inner, search)
        search.take(inner)
        if (at_s := getattr(inner, "at_s", None)) is not None:
            self.last_s = at_s if self.last_s is None else max(self.last_s, at_s)
        return search

    def _take_work(self, event: events.Event, search: SearchRecord) -> None:
        match event:
            case events.TrialStarted(key=key, at_s=at_s):
                self.works.append(_trial(search, key, at_s))
                search.running[key] = self.works[-1]
            case events.TrialProgressed(key=key) if key in search.running:  # else it was canceled meanwhile
                search.running[key].activity = event.activity
            case events.TrialFinished(trial=trial) if work := search.running.pop(trial.key, None):
                work.ended_s, work.trial, work.label = event.at_s, trial, trial.label
                work.steps = dict(trial.steps)
            case events.TrialCancelled(key=key) if work := search.running.pop(key, None):
                work.ended_s, work.is_cancelled = event.at_s, True
            case events.PreparationStarted(key=key, at_s=at_s):
                self.works.append(_work(search, key, at_s, is_preparation=True))
                search.building[key] = self.works[-1]
            case events.PreparationEnded(key=key) if work := search.building.pop(key, None):
                work.ended_s, work.is_cancelled = event.at_s, event.is_cancelled
                work.steps = dict(event.steps)
            case _:
                pass


def _work(search: SearchRecord, key: int, at_s: float | None, *, is_preparation: bool = False) -> Work:
    return Work(
        stage=search.stage,
        key=key,
        label=search.known.label(key),
        known=search.known,
        asked_s=at_s,
        is_preparation=is_preparation,
    )


def _trial(search: SearchRecord, key: int, at_s: float | None) -> Work:
    work = _work(search, key, at_s)
    work.was_open = search.known.is_open(key)
    work.is_inside = work.was_open and not search.known.is_end(key)
    if work.is_inside:
        work.rivals = tuple(other for other in search.running.values() if other.was_open)
    return work


def threshold_of(sampled: events.EndsSampled) -> str:
    """Return the threshold that was found, in words; empty if the ends do not differ."""
    if sampled.above is None and sampled.below is None:
        return ""
    return Threshold(metric=sampled.metric, unit=sampled.unit, above=sampled.above, below=sampled.below).bound


def project(log: Iterable[events.Event]) -> Projection:
    """Return the projection of the events of a log."""
    projection = Projection()
    for event in log:
        projection.take(event)
    return projection
