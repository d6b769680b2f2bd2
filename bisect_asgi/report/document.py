"""The report of a run as a document: its fields are those of the JSON report.

The text report shows the same document, so nothing is computed twice.
"""

from __future__ import annotations

from bisect_asgi.core import codec, events
from bisect_asgi.core.answers.result import UNFINISHED
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Excluded, Interpreter, NamedBoundary, SandboxLevel
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.affected import AffectedStretch
from bisect_asgi.report.failures import NamedFailure
from bisect_asgi.report.rows import (
    NamedBelief,
    NamedLevel,
    ReportedEnds,
    Row,
)
from bisect_asgi.report.timings import Timings

SCHEMA = "bisect-asgi.report/2"


class Fix(Struct, frozen=True, kw_only=True):
    """Requirements with which the probe passes."""

    requirement: str
    """As in a requirements file: `fastapi>=0.85.0`; several are separated by a blank. `python` is Python."""
    beside: str = ""
    """The release that they keep working, such as `fastapi 0.69.0`; empty if they are the package's own."""
    tried: tuple[str, ...]
    """Releases that they select, and that were run and are good: the first and the last of a stretch."""


class Report(Struct, frozen=True, kw_only=True):
    """A run, or one of its stages, as a document."""

    schema: str = SCHEMA
    exit_code: ExitCode
    kind: ResultKind
    headline: str
    """The result as one sentence."""
    hint: str | None
    """The hint for a missing result."""
    plan: events.RunStarted
    """The plan of the run, with the threshold that was found."""
    interpreter: Interpreter | None
    """The one Python of all candidates; null if each candidate has its own."""
    interpreter_reason: str
    notes: tuple[str, ...] = ()
    """Remarks on how the candidates and the result came about."""
    last: str | None = None
    """The last candidate before the boundary."""
    first: str | None = None
    """The first candidate after the boundary."""
    gap: tuple[str, ...] = ()
    """Untestable candidates between the two."""
    excluded_between: tuple[str, ...] = ()
    """Excluded releases between the two; `excluded` has the reasons."""
    contradictions: tuple[str, ...] = ()
    """Candidates before `last` with the newer verdict: there is more than one change."""
    changes: tuple[NamedBoundary, ...] = ()
    """All boundaries that are known, oldest first."""
    failures: tuple[NamedFailure, ...] = ()
    """The failures from the boundary on, oldest first, if the first of them differs from the bad end's. No
    report then claims that `first` has the bad end's bug."""
    shortest: int | None = None
    """Every state of at least so many neighbors was found; null if one change was searched for."""
    belief: NamedBelief | None = None
    """The most probable boundary, if runs contradict each other."""
    error_bound: float | None = None
    """The highest rate at which a search ends with as much agreement and is wrong, if all runs agree."""
    ends: ReportedEnds | None = None
    """The samples of both ends, and the threshold that was set between them."""
    levels: tuple[NamedLevel, ...] = ()
    """All levels of the metric, oldest first, if they were searched for."""
    creep: float | None = None
    """The gradual change from the first to the last candidate, without the steps."""
    steps: tuple[tuple[float, float], ...] = ()
    """For each step between two levels its two values without the gradual change, if there is one."""
    unit: str = ""
    """The unit of the metric's samples."""
    affected: tuple[AffectedStretch, ...] = ()
    """The stretches of bad releases, oldest first; what was run and what follows from that apart."""
    searched: tuple[str, str] | None = None
    """The oldest and the newest release that was run, or None if none exists beyond them."""
    why: tuple[events.Explained, ...] = ()
    """The culprit of each boundary that was explained, oldest first; after each, those that it leads to."""
    compared: tuple[events.Compared, ...] = ()
    """The differences in each culprit."""
    commit: events.CommitShown | None = None
    """The commit at the boundary of a search among commits."""
    stages: tuple[Report, ...] = ()
    """The searches inside this one: combinations of both sides, a dependency's releases, commits."""
    stage: int = 0
    """The number of this stage; 0 for the run itself."""
    sandbox: tuple[SandboxLevel, ...] = ()
    """The levels at which runs were confined, the strongest first: several if machines differ."""
    elapsed_s: float = 0.0
    timings: Timings | None = None
    """Where the time went, stages included; null in a stage, and if the log has no dates."""
    rows: tuple[Row, ...] = ()
    """One row for each candidate, oldest first."""
    excluded: tuple[Excluded, ...] = ()
    """The releases that are no candidates."""
    reproduce: tuple[tuple[str, str], ...] = ()
    """For each side of the boundary its label, and the command that runs the probe on it."""
    check: str = ""
    """The shortest command that shows the bad side again; empty if there is none with bisect-asgi."""
    fix: tuple[Fix, ...] = ()
    """Requirements with which the probe passes; the newest releases first."""

    @property
    def runs(self) -> int:
        """Number of runs that the result rests on, those to find the culprit included."""
        return sum(row.runs for row in self.rows) + sum(stage.own_runs for stage in self.stages)

    @property
    def own_runs(self) -> int:
        """Number of this stage's own runs: most start from two candidates that were run before."""
        axis = self.plan.axis
        ends = (0, len(self.rows) - 1 if axis.is_ordered else 1) if axis.has_known_ends else ()
        return sum(row.passed + row.failed for key, row in enumerate(self.rows) if key not in ends)

    @property
    def is_unfinished(self) -> bool:
        """Whether an interrupt or the time limit ended what follows a boundary."""
        return UNFINISHED in self.headline

    def why_of(self, first: str | None) -> tuple[events.Explained, ...]:
        """Return the culprits of the boundary before `first`, and of those that it leads to."""
        return tuple(why for why in self.why if why.within in ("", first))

    def row(self, version: str | None) -> Row | None:
        """Return the row with this label, or None if there is none."""
        return next((row for row in self.rows if row.version == version), None)


def render(report: Report) -> str:
    """Return the document as one line of JSON."""
    return codec.to_json(report).decode()
