"""Facts about a run, in the order in which they become known.

The session says everything that happens as one of these values; the log stores them, renderers show
them, and every report is a fold over them. A fact holds data, never a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bisect_asgi.errors import ExitCode
from bisect_asgi.model import Interpreter, LeftOut, Outcome, Ruling, Signature, Trial


class Activity(StrEnum):
    """What a trial is doing right now."""

    RESOLVING = "resolving"
    BUILDING = "building"
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
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
    served: bool = False
    """The probe drives an app that is served."""
    check_options: tuple[str, ...] = ()
    """The options with which `bisect-asgi check` runs the probe the same way."""
    term_old: str = "good"
    term_new: str = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpreterChosen:
    """The one Python that every candidate runs on, and why it was chosen."""

    interpreter: Interpreter
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateListed:
    """One candidate as reports know it; its place in the tuple is its key."""

    version: str
    uploaded: datetime | None
    not_after: datetime | None = None
    """The limit of its dependencies' dates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatesListed:
    """What the search looks at, oldest first, and which releases it does not look at."""

    candidates: tuple[CandidateListed, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStarted:
    """A candidate was given to a worker."""

    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialProgressed:
    """A worker went on to another activity."""

    key: int
    activity: Activity


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSeen:
    """A probe wrote something (only told when somebody wants to see it)."""

    key: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFinished:
    """A candidate's trial came back."""

    trial: Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCancelled:
    """A trial was stopped because its result could no longer change the answer."""

    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the observations say so far; the last one of a log is the one that counts."""

    rulings: tuple[tuple[int, Ruling], ...]
    new_is: Outcome | None
    reference: tuple[Signature, ...]
    low: int | None
    high: int | None
    left: int
    """Candidates between `low` and `high` that nothing is known of."""


class AnswerKind(StrEnum):
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
        return ExitCode.USAGE if self is AnswerKind.NOT_ASKED else ExitCode[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Neighbouring tested candidates that answer differently, and the untestable ones between them."""

    low: int
    high: int
    skipped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The answer; the last event of every log that was not cut off."""

    kind: AnswerKind
    elapsed_s: float
    low: int | None = None
    """The last candidate of the older side; with `high` only where a boundary was found."""
    high: int | None = None
    skipped: tuple[int, ...] = ()
    contradictions: tuple[int, ...] = ()
    changes: tuple[Change, ...] = ()
    """Every change that was found, oldest first, where all were looked for."""
    shortest: int | None = None
    """Any state that lasted for at least so many releases was seen; None: one change was looked for."""
    message: str = ""
    """Why there is no boundary; empty where there is one."""
    hint: str | None = None


Event = (
    RunStarted
    | InterpreterChosen
    | CandidatesListed
    | TrialStarted
    | TrialProgressed
    | OutputSeen
    | TrialFinished
    | TrialCancelled
    | Judged
    | RunFinished
)
