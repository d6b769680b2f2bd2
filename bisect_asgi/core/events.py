"""Facts about a run, in the order in which they become known.

The session says everything that happens as one of these values; the log stores them, renderers show
them, and every report is a fold over them. A fact holds data, never a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from bisect_asgi.core.axis import AxisWords
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.model import (
    Boundary,
    CulpritKind,
    Excluded,
    Interpreter,
    Move,
    Outcome,
    Ruling,
    Signature,
    Step,
    Trial,
)
from bisect_asgi.core.records import Struct
from bisect_asgi.core.release_diff import Link, WhatChanged
from bisect_asgi.core.tally import Rate


class Activity(StrEnum):
    """What a trial is doing right now."""

    RESOLVING = "resolving"
    BUILDING = "building"
    WAITING = "waiting for its turn to measure"
    RUNNING = "running"


class RunStarted(Struct, frozen=True, kw_only=True):
    """The plan in the user's words; the first event of every log."""

    tool_version: str
    started: datetime
    project: str
    requirement: str
    """What is installed of it, with `{version}` in the version's place."""
    probe: str
    """The script's path as the user gave it; empty for a command alone."""
    command: str | None
    order: str
    dependencies: str
    """The dependency policy: `as-of-release`, `latest` or `as-of 2022-01-10`."""
    held: tuple[str, ...]
    good: str | None
    bad: str | None
    releases: str | None
    jobs: int
    most_jobs: int | None = None
    """Trials side by side where they mostly wait; None: not recorded, or as many."""
    over: str = "releases"
    """The axis by its name, as `--over` takes it."""
    axis: AxisWords = AxisWords()
    """What the axis says of this search."""
    metric: str | None = None
    """What is measured and decides; None: passing and failing do."""
    limit: str = ""
    """What is bad of it, such as `above 8.0 MiB`; empty where that has to be found."""
    served: bool = False
    """The probe drives an app that is served."""
    check_options: tuple[str, ...] = ()
    """The options with which `bisect-asgi check` runs the probe the same way."""
    term_old: str = "good"
    term_new: str = "bad"
    at_s: float | None = None
    """What the run's clock showed; it counts seconds from anywhere, and stages have the same."""


class InterpreterChosen(Struct, frozen=True, kw_only=True):
    """The one Python that every candidate runs on, and why it was chosen."""

    interpreter: Interpreter
    reason: str


class CandidateListed(Struct, frozen=True, kw_only=True):
    """One candidate as reports know it; its place in the tuple is its key."""

    version: str
    uploaded: datetime | None
    exclude_newer: datetime | None = None
    """The limit of its dependencies' dates."""
    python: str | None = None
    """Its interpreter's version."""
    source: str | None = None
    """The requirement that stands for what was built from a commit."""
    is_exact: bool = False
    """Requirements were set aside: only its exact set can be installed again, without looking at them."""


class CandidatesListed(Struct, frozen=True, kw_only=True):
    """What the search looks at, oldest first, and which releases it does not look at."""

    candidates: tuple[CandidateListed, ...]
    excluded: tuple[Excluded, ...]
    grows: bool = False
    """The candidates that were listed before are the first of these; else what was seen of them is void."""


class ObservationsReset(Struct, frozen=True, kw_only=True):
    """The candidates are observed otherwise from here on: what was seen of them so far does not count."""


class TrialStarted(Struct, frozen=True, kw_only=True):
    """A candidate was given to a worker."""

    key: int
    at_s: float | None = None
    """When, on the run's clock; None: not recorded."""


class TrialProgressed(Struct, frozen=True, kw_only=True):
    """A worker went on to another activity."""

    key: int
    activity: Activity


class OutputSeen(Struct, frozen=True, kw_only=True):
    """A probe wrote something (only told when somebody wants to see it)."""

    key: int
    text: str


class TrialFinished(Struct, frozen=True, kw_only=True):
    """A candidate's trial came back."""

    trial: Trial
    at_s: float | None = None


class TrialCancelled(Struct, frozen=True, kw_only=True):
    """A trial was stopped because its result could no longer change the answer."""

    key: int
    at_s: float | None = None


class PreparationStarted(Struct, frozen=True, kw_only=True):
    """An environment that may be wanted next is being built ahead."""

    key: int
    at_s: float


class PreparationEnded(Struct, frozen=True, kw_only=True):
    """It was built, or is not wanted any more."""

    key: int
    at_s: float
    steps: dict[Step, float]
    """Seconds that each took; empty where it was there already."""
    is_cancelled: bool = False


class RulingsChanged(Struct, frozen=True, kw_only=True):
    """What the observations mean now, as far as it differs from what the event of this kind before it said.

    The first one of a search, and the first one after `ObservationsReset`, starts from no rulings at all. All
    rulings each time would make a log grow with the square of the trials.
    """

    rulings: tuple[tuple[int, Ruling], ...]
    """The candidates whose ruling is new or another one, in the order of their keys."""
    withdrawn: tuple[int, ...] = ()
    """The candidates that had a ruling and have none any more: their runs no longer tell on which side."""
    new_is: Outcome | None
    """What the newer side does; None: not known yet."""
    reference: tuple[Signature, ...]
    """The failures that count as the bug."""
    low: int | None
    """The last candidate that the search knows to be old; None: it knows none, or no search is going on."""
    high: int | None
    """The first candidate above `low` that is known to be new."""
    left: int
    """Number of candidates between `low` and `high` that have no ruling."""

    def after(self, before: Mapping[int, Ruling]) -> dict[int, Ruling]:
        """Return all rulings that hold from now on, in the order of their keys, if `before` held so far."""
        held = {key: ruling for key, ruling in before.items() if key not in self.withdrawn}
        return dict(sorted({**held, **dict(self.rulings)}.items(), key=lambda item: item[0]))


class BeliefUpdated(Struct, frozen=True, kw_only=True):
    """Where the change most probably is, of a probe whose runs contradict each other; the last one counts."""

    low: int
    high: int
    """The most probable boundary: the last old and the first new candidate that can be tested."""
    probability: float
    """That the change is exactly there."""
    old: Rate
    new: Rate
    """How often both sides of it fail."""
    first: int
    last: int
    """The first new candidate is one of these with a probability of `confidence`."""
    confidence: float
    no_change: float = 0.0
    """Probability that nothing changes at all: both sides fail equally often."""


class Confirmed(Struct, frozen=True, kw_only=True):
    """A boundary that all runs agree with."""

    low: int
    high: int
    runs: int
    """How many they are."""
    error_bound: float
    """Bounds how often a search would end with as much agreement and be wrong, whatever the failure rates."""


class EndsSampled(Struct, frozen=True, kw_only=True):
    """What samples of both ends say of a metric, and the limit that follows from it."""

    metric: str
    unit: str
    """Of the values: `s`, `B`, `1/s`, empty for plain numbers, `×` for ratios to the reference's."""
    low: int
    high: int
    """The older and the newer end."""
    reference: int | None
    """What each sample has a run of next to it; None: samples stand for themselves."""
    old: tuple[float, ...]
    new: tuple[float, ...]
    """Their samples in the order in which they were taken."""
    p: float
    """Of a rank test that both are the same (Mann and Whitney 1947)."""
    above: float | None = None
    """The limit: what lies above it is bad."""
    below: float | None = None
    """What lies below it is bad; neither: the ends cannot be told apart."""


class MetricLevel(Struct, frozen=True, kw_only=True):
    """Neighbouring candidates with one level of a metric."""

    first: int
    last: int
    value: float
    """The median."""


class LevelsFound(Struct, frozen=True, kw_only=True):
    """All levels of a metric, oldest first; or that it creeps."""

    metric: str
    unit: str
    levels: tuple[MetricLevel, ...]
    penalty: float
    """What another level has to explain, in units of the noise's variance."""
    creep: float | None = None
    """How much it changes from the first to the last candidate without steps; None: it does not."""
    steps: tuple[tuple[float, float], ...] = ()
    """Beside a creep, from which to which value each step goes, without what the creep adds."""


class Note(Struct, frozen=True, kw_only=True):
    """Something that the user should know of how the answer came about."""

    text: str


class ShownSet(Struct, frozen=True, kw_only=True):
    """Distributions that are shown to carry a change by themselves."""

    moved: tuple[Move, ...]
    pulled_in: tuple[Move, ...] = ()
    """What they do not run without, and what does not carry the change by itself."""
    doubtful: tuple[str, ...] = ()
    """Names of those among `moved` of which it could not be shown that they matter."""
    is_cut_short: bool = False
    """There were more mixes to try than are tried: it may not be the smallest set."""
    required: str = ""
    """What the package's newer release requires of it, where that does not admit what was there before."""


class Explained(Struct, frozen=True, kw_only=True):
    """What carries the change across a boundary, as far as it can be told."""

    package: str | None
    """What moved on purpose; None where everything moved at once."""
    old: str
    new: str
    """Labels of the boundary's two sides."""
    moves: tuple[Move, ...]
    """Everything that differs between them."""
    kind: CulpritKind
    sets: tuple[ShownSet, ...]
    is_all: bool = True
    """With every set taken back the change is gone; False: that could not be tested."""
    tried_in: int | None = None
    """The stage in which it was tried; None: there was nothing to try."""
    decisive: tuple[int, ...] = ()
    """The mixes of that stage that the answer rests on, by their keys."""
    stages_before: int = 0
    """How many stages had begun when this was told."""
    is_further: bool = False
    """It is what is left once what was found before is taken back: another failure."""
    problem: str = ""
    """Why it cannot be told, where nothing was found out."""


class Compared(Struct, frozen=True, kw_only=True):
    """What changed in a distribution that carries the change, between the two releases that differ."""

    name: str
    old: str
    new: str
    changed: WhatChanged | None = None
    """Requirements and files; None where the releases could not be had."""
    links: tuple[Link, ...] = ()
    """The project's own, the changelog first."""
    repository: str | None = None
    """The address of its repository, where it links to one on a known forge."""
    comparison: str | None = None
    """Where the forge shows what is between the tags of the two releases."""
    changelog: str | None = None
    """What the changelog says of the releases after the old one."""
    drill: str = ""
    """The command that goes on into the commits."""
    problem: str = ""
    """Why nothing could be compared."""


class StageEvent(Struct, frozen=True, kw_only=True):
    """An event of a search inside the run: for what carries the change, or into its commits.

    A stage's own events are those of a run of its own, from `RunStarted` to `RunFinished`.
    """

    stage: int
    event: Event


class ResultKind(StrEnum):
    """How a run ended."""

    FOUND = "found"
    NOT_REPRODUCED = "not-reproduced"
    GOOD_END_FAILS = "good-end-fails"
    INCONCLUSIVE = "inconclusive"
    UNAVAILABLE = "unavailable"
    INTERRUPTED = "interrupted"
    NOT_ASKED = "not-asked"
    """The question could not be asked as it was put."""

    @property
    def exit_code(self) -> ExitCode:
        """The command's exit code for this answer."""
        return ExitCode.USAGE if self is ResultKind.NOT_ASKED else ExitCode[self.name]


class RunFinished(Struct, frozen=True, kw_only=True):
    """The answer; the last event of every log that was not cut off."""

    kind: ResultKind
    elapsed_s: float
    boundary: Boundary | None = None
    """The boundary that was found, the newest if there are several."""
    changes: tuple[Boundary, ...] = ()
    """All boundaries, oldest first, if all changes were searched for."""
    shortest: int | None = None
    """Any state that lasted for at least so many releases was seen; None: one change was looked for."""
    excluded_between: tuple[str, ...] = ()
    """Excluded releases inside `boundary`: the change may be in one of them."""
    message: str = ""
    """Why there is no boundary; empty where there is one."""
    hint: str | None = None


def unstaged(event: Event) -> Event:
    """The event itself, whichever stage it is of."""
    return event.event if isinstance(event, StageEvent) else event


Event = (
    RunStarted
    | InterpreterChosen
    | CandidatesListed
    | ObservationsReset
    | TrialStarted
    | TrialProgressed
    | OutputSeen
    | TrialFinished
    | TrialCancelled
    | PreparationStarted
    | PreparationEnded
    | RulingsChanged
    | BeliefUpdated
    | Confirmed
    | EndsSampled
    | LevelsFound
    | Note
    | StageEvent
    | Explained
    | Compared
    | RunFinished
)
