"""The report of a run: what is known of each candidate, and of the run as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.version import Version

from bisect_asgi.core import codec, events
from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Boundary, Excluded, Interpreter, NamedBoundary
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.text import listing
from bisect_asgi.report import culprit as reasons
from bisect_asgi.report.projection import Knowledge, Projection, SearchRecord, project
from bisect_asgi.report.reproduce import reproduce
from bisect_asgi.report.rows import (
    NamedBelief,
    NamedLevel,
    ReportedEnds,
    Row,
    belief_of,
    ends_of,
    levels_of,
    outcomes_of,
    row_of,
    unit_of_rows,
)
from bisect_asgi.report.timings import Timings, measure

SCHEMA = "bisect-asgi.report/2"


class Report(Struct, frozen=True, kw_only=True):
    """A run as a document; the fields of the JSON report."""

    schema: str = SCHEMA
    exit_code: ExitCode
    kind: ResultKind
    headline: str
    """The answer as one sentence."""
    hint: str | None
    plan: events.RunStarted
    interpreter: Interpreter | None
    """The one Python of all candidates; null where that is what moves."""
    interpreter_reason: str
    notes: tuple[str, ...] = ()
    """What there is to know of how the candidates came about."""
    last: str | None = None
    """The last release that answers as the older ones do."""
    first: str | None = None
    """The first one that does not."""
    gap: tuple[str, ...] = ()
    """Untestable releases between the two."""
    excluded_between: tuple[str, ...] = ()
    """Releases between the two that were left out; `excluded` says why."""
    contradictions: tuple[str, ...] = ()
    """Older releases that answer as the newer ones do: the history changes more than once."""
    changes: tuple[NamedBoundary, ...] = ()
    """Every change that is known of, oldest first."""
    shortest: int | None = None
    """Any state that lasted for at least so many releases has been seen; null: only one was looked for."""
    belief: NamedBelief | None = None
    """How sure the boundary is, where that is known; the most probable one where none was found."""
    error_bound: float | None = None
    """Where all runs agree: how often, at most, a search would end so by luck and be wrong."""
    ends: ReportedEnds | None = None
    """The samples of both ends of a metric, and the limit that was set between them."""
    levels: tuple[NamedLevel, ...] = ()
    """All levels of a metric, oldest first, where they were looked for."""
    creep: float | None = None
    """The metric creeps: by how much in all, without steps."""
    steps: tuple[tuple[float, float], ...] = ()
    """Beside a creep, from which to which value each step between two levels goes without it."""
    unit: str = ""
    """Of the metric's samples."""
    affected: tuple[str, ...] = ()
    """The bad releases as version specifiers, as far as they are known."""
    why: tuple[events.Explained, ...] = ()
    """What carries the change: first across this boundary, then across those below it."""
    compared: tuple[events.Compared, ...] = ()
    """What changed in each distribution that carries the change."""
    stages: tuple[Report, ...] = ()
    """The searches inside this one: mixes of the boundary's two sides, a dependency's releases, commits."""
    stage: int = 0
    """Its number among them; 0 is the run itself."""
    elapsed_s: float = 0.0
    timings: Timings | None = None
    """Where the time went, that of the stages included; null in a stage, and where the log has no dates."""
    rows: tuple[Row, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    reproduce: tuple[tuple[str, str], ...] = ()
    """A version of either side, and the command that runs the probe on it with uv alone."""

    @property
    def runs(self) -> int:
        """How many runs it rests on, those for the reason included."""
        return sum(row.runs for row in self.rows) + sum(stage.own_runs for stage in self.stages)

    @property
    def own_runs(self) -> int:
        """The runs of a stage's own; the sides that it begins with were run before."""
        ends = (0, len(self.rows) - 1 if self.plan.axis.is_ordered else 1)
        return sum(row.passed + row.failed for key, row in enumerate(self.rows) if key not in ends)

    def row(self, version: str | None) -> Row | None:
        """The row of a version."""
        return next((row for row in self.rows if row.version == version), None)


def fold(log: Iterable[events.Event]) -> Report:
    """Return the report of a log; of one that was cut off, what was known by then.

    Raises:
        UsageError: the log does not begin as a run's does.
    """
    return report_of(project(log))


def report_of(projection: Projection) -> Report:
    """Return the report of the events so far.

    Raises:
        UsageError: they do not begin as a run's do.
    """
    stages = [search for search in projection.searches.values() if search is not projection.run]
    report = _report(projection.run, tuple(map(_report, stages)))
    return replace(report, timings=measure(projection))


def _report(search: SearchRecord, stages: tuple[Report, ...] = ()) -> Report:
    plan, known, chosen = search.plan, search.known, search.interpreter
    if plan is None:
        raise UsageError("this is no event log of a run", hint="logs begin with the event `RunStarted`")
    finished = search.finished or events.RunFinished(
        kind=ResultKind.INTERRUPTED, elapsed_s=0.0, message="the log ends before the run does"
    )
    rows, found = _rows(known, finished, plan), finished.boundary
    labels = tuple(row.version for row in rows)
    report = Report(
        exit_code=finished.kind.exit_code,
        kind=finished.kind,
        headline="",
        hint=finished.hint,
        plan=plan,
        interpreter=chosen.interpreter if chosen else None,
        interpreter_reason=chosen.reason if chosen else "",
        last=labels[found.low] if found else None,
        first=labels[found.high] if found else None,
        gap=tuple(labels[key] for key in found.skipped) if found else (),
        excluded_between=finished.excluded_between,
        contradictions=tuple(labels[key] for key in found.contradictions) if found else (),
        changes=_changes(finished, rows),
        shortest=finished.shortest,
        belief=belief_of(known.belief, labels) if known.belief else None,
        error_bound=_error_bound(known.confirmed, found),
        ends=ends_of(known.ends, labels) if known.ends else None,
        levels=levels_of(known.levels, labels) if known.levels else (),
        creep=known.levels.creep if known.levels else None,
        steps=known.levels.steps if known.levels else (),
        unit=unit_of_rows(rows, plan.metric),
        notes=tuple(search.notes),
        why=tuple(search.explained),
        compared=tuple(search.compared),
        stages=stages,
        stage=search.stage,
        elapsed_s=finished.elapsed_s,
        rows=rows,
        excluded=known.listed.excluded,
    )
    return _completed(report, finished.message)


def _rows(known: Knowledge, finished: events.RunFinished, plan: events.RunStarted) -> tuple[Row, ...]:
    candidates = known.listed.candidates
    outcomes = outcomes_of(known.rulings, finished, size=len(candidates))
    return tuple(
        row_of(candidate, known.trials.get(key, []), known.rulings.get(key), outcomes.get(key), plan)
        for key, candidate in enumerate(candidates)
    )


def _error_bound(confirmed: events.Confirmed | None, found: Boundary | None) -> float | None:
    """Return the bound of the boundary that was found in the end; None if another one was confirmed."""
    if confirmed is None or found is None or (confirmed.low, confirmed.high) != (found.low, found.high):
        return None
    return confirmed.error_bound


def _completed(report: Report, message: str) -> Report:
    """Add what follows from the rows: the sentence, the commands, the affected releases."""
    first = report.row(report.first)
    headline = message
    if report.kind is ResultKind.FOUND and first:
        headline = _sentence(report, first)
    sides = [row for row in (report.row(report.last), first) if row]
    commands = tuple((row.version, _reproduce(report, row)) for row in sides)
    return replace(report, headline=headline, reproduce=commands, affected=_affected(report))


def _reproduce(report: Report, row: Row) -> str:
    if not row.distributions or row.python is None:
        return ""
    is_one_of_several = len({each.python for each in report.rows}) > 1
    python = row.python if is_one_of_several else ".".join(row.python.split(".")[:2])
    return reproduce(report.plan, row.distributions, python=python, exact=row.is_exact, source=row.source)


def _sentence(report: Report, first: Row) -> str:
    """The answer in one sentence: what is the first, of what, and because of what."""
    axis = report.plan.axis
    text = axis.sentence(axis.headline, first.version, first.verdict) + _left_between(report)
    if len(report.changes) > 1:
        text += f", and the newest of {len(report.changes)} changes"
    below = [_of_stage(stage) for stage in report.stages if _is_found(stage)]
    is_said = report.why and reasons.is_named(report.why[0], first.version)
    return "; ".join([text if is_said else text + reasons.because(report.why), *below])


def _is_found(stage: Report) -> bool:
    is_found = stage.kind is ResultKind.FOUND and stage.first is not None and not stage.gap
    return is_found and bool(stage.plan.axis.clause)


def _of_stage(stage: Report) -> str:
    """`starlette 0.15.0 is the first bad release of starlette`, or its first bad commit."""
    label, verdict = next((row.version, row.verdict) for row in stage.rows if row.version == stage.first)
    axis = stage.plan.axis
    return axis.sentence(axis.clause, label, verdict) + _left_between(stage)


def _left_between(report: Report) -> str:
    """A remark where the change may be in a release that was left out."""
    between = report.excluded_between
    return f" ({listing(between)} before it left out)" if between else ""


def _affected(report: Report) -> tuple[str, ...]:
    """The bad releases as specifiers; untestable ones between bad ones count as bad."""
    if report.first is None or report.plan.order != "version" or not report.plan.axis.has_versions:
        return ()
    sides = ["" if row.verdict == "skip" else row.verdict for row in report.rows]
    before = _last_known(sides)
    after = _last_known(sides[::-1])[::-1]
    bad = report.plan.term_new
    flags = [
        side == bad or (not side and older == newer == bad)
        for side, older, newer in zip(sides, before, after, strict=True)
    ]
    return specifiers([row.version for row in report.rows], flags)


def _last_known(words: Sequence[str]) -> list[str]:
    """For each place the last word up to it that is not empty."""
    known, found = "", []
    for word_ in words:
        known = word_ or known
        found.append(known)
    return found


def _changes(finished: events.RunFinished, rows: Sequence[Row]) -> tuple[NamedBoundary, ...]:
    found = finished.boundary
    changes = finished.changes or ((found,) if found else ())
    return tuple(
        NamedBoundary(
            last=rows[change.low].version,
            first=rows[change.high].version,
            verdict=rows[change.high].verdict,
            gap=tuple(rows[key].version for key in change.skipped),
            excluded=finished.excluded_between if found and change.high == found.high else (),
        )
        for change in changes
    )


def render(report: Report) -> str:
    """Return the document as one line."""
    return codec.to_json(report).decode()


def specifiers(versions: Sequence[str], bad: Sequence[bool | None]) -> tuple[str, ...]:
    """Write each run of bad releases as a specifier: `>=1.4.2,<1.6.0`; oldest first.

    `versions` are in the order of versions; None in `bad`: not known, which ends a run. A run that
    reaches the oldest or the newest release has no bound there, and `*` stands for all of them.
    """
    found: list[str] = []
    start: int | None = None
    for key in range(len(versions) + 1):
        is_bad = key < len(versions) and bad[key]
        if is_bad and start is None:
            start = key
        elif not is_bad and start is not None:
            found.append(_specifier(versions, start, key))
            start = None
    return tuple(found)


def _specifier(versions: Sequence[str], start: int, end: int) -> str:
    lower = f">={versions[start]}" if start > 0 else ""
    upper = ""
    if end < len(versions):
        # `<2.0` leaves out the pre-releases of 2.0 (PEP 440), which may be among the bad ones.
        newest = versions[end - 1]
        upper = f"<={newest}" if Version(newest).is_prerelease else f"<{versions[end]}"
    return ",".join(filter(None, (lower, upper))) or "*"
