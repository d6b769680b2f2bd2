"""The events of a run: facts, in the order in which they become known.

The session emits everything that happens as one of these values. The log stores them, progress shows them,
and every report is a fold over them. An event holds data; sentences about it are made where it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.model import (
    Boundary,
    CulpritKind,
    Excluded,
    FailureStretch,
    Interpreter,
    Move,
    Outcome,
    Ruling,
    Served,
    Signature,
    Step,
    Trial,
)
from bisect_asgi.core.records import Struct, field
from bisect_asgi.core.release_diff import Link, WhatChanged
from bisect_asgi.core.tally import Rate


class Activity(StrEnum):
    """The present activity of a trial."""

    RESOLVING = "resolving"
    BUILDING = "building"
    WAITING = "waiting for its turn to measure"
    RUNNING = "running"


class Stretch(StrEnum):
    """A part of a run that people can follow, in the order in which runs come to them."""

    ENDS = "ends"
    SEARCH = "search"
    CONFIRM = "confirm"
    CAUSE = "cause"
    HISTORY = "history"


class RunStarted(Struct, frozen=True, kw_only=True):
    """The plan as the user gave it: the first event of every log."""

    tool_version: str
    started: datetime
    project: str
    requirement: str
    """The requirement of a candidate, with `{version}` in place of its version."""
    probe: str
    """The path of the script as the user gave it, or "" for a command."""
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
    """The number of parallel trials if these mostly wait, or None if it is `jobs` or not recorded."""
    over: str = "releases"
    """The name of the axis, as `--over` takes it."""
    axis: AxisWords = AxisWords()
    """The words of the axis for this search."""
    metric: str | None = None
    """The metric that decides, or None if passing and failing do."""
    limit: str = ""
    """The threshold as text, such as `above 8.0 MiB`, or "" if it is not known yet."""
    threshold: float | None = None
    """The value beyond which the metric is bad, or None if that is not known yet, or not recorded."""
    served: bool = False
    """Whether the probe sends requests to a served app."""
    serving: Served | None = None
    """The served app and its options, or None if the probe serves none, or the log has no record of it."""
    timeout_s: float | None = None
    """The time limit of a run, or None if not recorded."""
    check_options: tuple[str, ...] = ()
    """The options that make `bisect-asgi check` run the probe in the same way."""
    projects: dict[str, str] = field(default_factory=dict)
    """The requirements by which uv builds the user's own projects, by their names."""
    check_beside_table: tuple[str, ...] | None = None
    """Those of them that the probe's own table does not say, or None if not recorded."""
    python: str = ""
    """The Python that the user chose, or "" if none."""
    check_python: str = ""
    """The Python that the probe's own table chooses whatever the machine has, or "" if that depends."""
    term_old: str = "good"
    term_new: str = "bad"
    at_s: float | None = None
    """The time on the clock of the run, in seconds from any origin. Stages have the same clock."""


class InterpreterChosen(Struct, frozen=True, kw_only=True):
    """The Python that all candidates run on, with the reason for the choice."""

    interpreter: Interpreter
    reason: str


class CandidateListed(Struct, frozen=True, kw_only=True):
    """A candidate as reports show it. Its key is its index among the candidates."""

    version: str
    uploaded: datetime | None
    exclude_newer: datetime | None = None
    """The date limit of its dependencies."""
    python: str | None = None
    """The version of its interpreter."""
    source: str | None = None
    """The requirement that installs the commit that was built."""
    yanked: str | None = None
    """Why it was yanked, which may be "": it is run beside the candidates, and follows on all of them."""
    is_exact: bool = False
    """Whether it violates requirements, so that only its exact set can be installed, without resolving."""


class CandidatesListed(Struct, frozen=True, kw_only=True):
    """The candidates of the search, oldest first, and the excluded releases."""

    candidates: tuple[CandidateListed, ...]
    excluded: tuple[Excluded, ...]
    grows: bool = False
    """Whether the candidates begin with those listed before. If not, observations so far do not count."""


class ObservationsReset(Struct, frozen=True, kw_only=True):
    """From here on candidates are observed in another way, so that observations so far do not count."""


class TrialStarted(Struct, frozen=True, kw_only=True):
    """A worker began the trial of a candidate."""

    key: int
    at_s: float | None = None
    """The time on the clock of the run, or None if not recorded."""


class TrialProgressed(Struct, frozen=True, kw_only=True):
    """The activity of a trial changed."""

    key: int
    activity: Activity


class OutputSeen(Struct, frozen=True, kw_only=True):
    """A probe printed text. These events are emitted only if output is shown."""

    key: int
    text: str


class TrialFinished(Struct, frozen=True, kw_only=True):
    """The trial of a candidate ended with a result."""

    trial: Trial
    at_s: float | None = None


class TrialCancelled(Struct, frozen=True, kw_only=True):
    """A trial was canceled because its result could no longer change the result of the search."""

    key: int
    at_s: float | None = None


class PreparationStarted(Struct, frozen=True, kw_only=True):
    """The build of an environment began that may be needed next."""

    key: int
    at_s: float


class PreparationEnded(Struct, frozen=True, kw_only=True):
    """The build of such an environment ended, or was canceled."""

    key: int
    at_s: float
    steps: dict[Step, float]
    """The seconds of each step, or {} if the environment was cached."""
    is_cancelled: bool = False


class StretchesPlanned(Struct, frozen=True, kw_only=True):
    """The stretches that the run has ahead. Live progress alone shows these events, and the next two."""

    stretches: tuple[Stretch, ...]


class StretchStarted(Struct, frozen=True, kw_only=True):
    """A stretch of the run began that the rulings do not show: the cause, or the history."""

    stretch: Stretch


class RepeatsStarted(Struct, frozen=True, kw_only=True):
    """The probe is run again on candidates, so that the result does not depend on single runs."""

    runs: tuple[tuple[int, int], ...]
    """The keys, each with the number of its further runs."""


class RulingsChanged(Struct, frozen=True, kw_only=True):
    """The rulings that changed since the last event of this kind, and the state of the search.

    The first one of a search, and the first one after `ObservationsReset`, starts from no rulings. Events
    with all rulings would make the log grow with the square of the number of trials.
    """

    rulings: tuple[tuple[int, Ruling], ...]
    """The candidates with a new or changed ruling, in the order of their keys."""
    withdrawn: tuple[int, ...] = ()
    """The candidates that have no ruling any more, because their runs do not decide their side."""
    new_is: Outcome | None
    """The outcome of the newer side, or None if not known yet."""
    reference: tuple[Signature, ...]
    """The failures that count as the bug."""
    low: int | None
    """The last candidate that is known to be old, or None if there is none, or no search."""
    high: int | None
    """The first candidate above `low` that is known to be new."""
    left: int
    """The number of candidates between `low` and `high` that have no ruling."""

    def after(self, before: Mapping[int, Ruling]) -> dict[int, Ruling]:
        """Return all rulings after this event, in the order of their keys, given those before it."""
        held = {key: ruling for key, ruling in before.items() if key not in self.withdrawn}
        return dict(sorted({**held, **dict(self.rulings)}.items(), key=lambda item: item[0]))


class BeliefUpdated(Struct, frozen=True, kw_only=True):
    """The most probable boundary of a flaky probe or noisy metric. The last such event counts."""

    low: int
    high: int
    """The most probable first new candidate; `low` is the last old one. Both are testable."""
    probability: float
    """The probability that the change is exactly there."""
    old: Rate
    new: Rate
    """The failure rate of the newer side; `old` is that of the older side."""
    first: int
    last: int
    """The range from `first` to `last` has the first new candidate with probability `confidence`."""
    confidence: float
    no_change: float = 0.0
    """The probability that there is no change: both sides fail equally often."""


class Confirmed(Struct, frozen=True, kw_only=True):
    """A boundary that all runs agree on."""

    low: int
    high: int
    runs: int
    """The number of these runs."""
    error_bound: float
    """An upper bound, for all failure rates, of the probability of such agreement on a wrong boundary."""


class EndsSampled(Struct, frozen=True, kw_only=True):
    """The samples of both ends, and the threshold that follows from them."""

    metric: str
    unit: str
    """The unit of the values: `s`, `B`, `1/s`, "" for plain numbers, `×` for ratios to the reference."""
    low: int
    high: int
    """The newer end; `low` is the older one."""
    reference: int | None
    """The candidate that is run next to each sample, or None."""
    old: tuple[float, ...]
    new: tuple[float, ...]
    """The samples of the newer end, as `old` those of the older one, in the order of the runs."""
    p: float
    """The p value of a rank-sum test (Mann and Whitney 1947)."""
    above: float | None = None
    """The threshold above which a value is bad."""
    below: float | None = None
    """The threshold below which a value is bad. Without any, the ends do not differ enough."""


class MetricLevel(Struct, frozen=True, kw_only=True):
    """Neighboring candidates with one level of a metric."""

    first: int
    last: int
    value: float
    """The median of the samples."""
    probability: float | None = None
    """The probability that it begins exactly here; None for the first."""


class LevelsFound(Struct, frozen=True, kw_only=True):
    """All levels of a metric, oldest first, or its gradual trend."""

    metric: str
    unit: str
    levels: tuple[MetricLevel, ...]
    penalty: float
    """The cost of another level, in units of chi-square."""
    creep: float | None = None
    """The gradual change from the first to the last candidate, not counting steps, or None."""
    steps: tuple[tuple[float, float], ...] = ()
    """The values before and after each step on a gradual trend, without the part of the trend."""


class Note(Struct, frozen=True, kw_only=True):
    """A remark for the user on how the result was found."""

    text: str
    is_live: bool = False
    """Whether it only matters while the search runs; reports leave it out."""


class ShownSet(Struct, frozen=True, kw_only=True):
    """A set of distributions that causes the change alone."""

    moved: tuple[Move, ...]
    pulled_in: tuple[Move, ...] = ()
    """The distributions that they need to run, which do not cause the change alone."""
    doubtful: tuple[str, ...] = ()
    """The names of those among `moved` that may not be needed, because no run shows that they are."""
    is_cut_short: bool = False
    """Whether the set may not be the smallest, because the number of tested mixes is limited."""
    required: str = ""
    """The specifier in the package's newer release that excludes the older version, or ""."""


class Explained(Struct, frozen=True, kw_only=True):
    """The culprit of a boundary, as far as it is known."""

    package: str | None
    """The package that the search moves, or None if everything moves at once."""
    old: str
    new: str
    """The label of the newer side; `old` is that of the older one."""
    moves: tuple[Move, ...]
    """All distributions that differ between the two sides."""
    within: str = ""
    """The first candidate after the run's boundary that this explains, or that leads to this boundary."""
    new_is: Outcome = Outcome.FAILED
    """The outcome of the newer side."""
    kind: CulpritKind
    sets: tuple[ShownSet, ...]
    is_all: bool = True
    """Whether a run shows that the change is gone with every set reverted."""
    tried_in: int | None = None
    """The stage that ran the mixes, or None if there were none to run."""
    decisive: tuple[int, ...] = ()
    """The keys of the mixes in that stage that the culprit is based on."""
    stages_before: int = 0
    """The number of stages that had begun before this event."""
    is_further: bool = False
    """Whether it is the culprit of another failure, which remains if the earlier culprit is reverted."""
    problem: str = ""
    """Why the culprit is unknown, or ""."""


class Compared(Struct, frozen=True, kw_only=True):
    """The differences between the two releases of a culprit."""

    name: str
    old: str
    new: str
    within: str = ""
    """As in `Explained`."""
    changed: WhatChanged | None = None
    """The requirements and files that differ, or None if the releases could not be downloaded."""
    links: tuple[Link, ...] = ()
    """The links of the project, the changelog first."""
    repository: str | None = None
    """The address of its repository, or None if it has no link to one on a known forge."""
    comparison: str | None = None
    """The address of the page that compares the tags of the two releases."""
    changelog: str | None = None
    """The sections of the changelog for the releases after the old one."""
    drill: str = ""
    """The command that continues into the commits."""
    problem: str = ""
    """Why nothing could be compared, or ""."""


class CommitFile(Struct, frozen=True, kw_only=True):
    """A file that a commit changes."""

    path: str
    added: int | None
    """The number of added lines, or None if the file is binary."""
    removed: int | None


class CommitShown(Struct, frozen=True, kw_only=True):
    """The commit at which the verdict changes."""

    sha: str
    subject: str
    author: str
    committed: datetime
    files: tuple[CommitFile, ...]
    """The files that differ from its first parent."""
    link: str | None
    """Its page, or None if the repository is on no known forge."""


class StageEvent(Struct, frozen=True, kw_only=True):
    """An event of a stage: a further search of the run, for the culprit or along its commits.

    The events of a stage are those of a whole run, from `RunStarted` to `RunFinished`.
    """

    stage: int
    event: Event


class ResultKind(StrEnum):
    """The kind of a result."""

    FOUND = "found"
    NOT_REPRODUCED = "not-reproduced"
    GOOD_END_FAILS = "good-end-fails"
    INCONCLUSIVE = "inconclusive"
    UNAVAILABLE = "unavailable"
    INTERRUPTED = "interrupted"
    OUT_OF_TIME = "out-of-time"
    """Its time limit ended the search before it had a result."""
    NOT_ASKED = "not-asked"
    """The plan cannot be carried out as given."""

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command for this result."""
        named = {ResultKind.NOT_ASKED: ExitCode.USAGE, ResultKind.OUT_OF_TIME: ExitCode.INCONCLUSIVE}
        return named.get(self) or ExitCode[self.name]

    @property
    def is_cut_short(self) -> bool:
        """Whether an interrupt or the time limit ended the run before it had its result."""
        return self in (ResultKind.INTERRUPTED, ResultKind.OUT_OF_TIME)

    @property
    def is_result(self) -> bool:
        """Whether it is a result, even a partial one, and not an error."""
        return self not in (ResultKind.UNAVAILABLE, ResultKind.NOT_ASKED)


class RunFinished(Struct, frozen=True, kw_only=True):
    """The result: the last event of every complete log."""

    kind: ResultKind
    elapsed_s: float
    boundary: Boundary | None = None
    """The boundary that was found, the newest if there are several."""
    changes: tuple[Boundary, ...] = ()
    """All boundaries, oldest first, if all changes were searched for."""
    shortest: int | None = None
    """The shortest state, in releases, that cannot have been missed, or None if one change was searched."""
    excluded_between: tuple[str, ...] = ()
    """Excluded releases inside `boundary`: the change may be in one of them."""
    failures: tuple[FailureStretch, ...] = ()
    """The failures on the bad side of `boundary`, oldest first, if some of them differ from the bad end's.
    The boundary is then between passing and failing."""
    message: str = ""
    """Why there is no boundary; if there is one, which named ends are not as given, or ""."""
    hint: str | None = None


def is_live_only(event: Event) -> bool:
    """Return whether the event only matters while the run lasts, so that no log has it."""
    live = (TrialProgressed, OutputSeen, StretchesPlanned, StretchStarted, RepeatsStarted)
    return isinstance(unstaged(event), live)


def unstaged(event: Event) -> Event:
    """Return the event of a stage, or any other event itself."""
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
    | StretchesPlanned
    | StretchStarted
    | RepeatsStarted
    | RulingsChanged
    | BeliefUpdated
    | Confirmed
    | EndsSampled
    | LevelsFound
    | Note
    | StageEvent
    | Explained
    | Compared
    | CommitShown
    | RunFinished
)
