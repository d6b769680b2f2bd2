"""The report of a run as a document: its fields are those of the JSON report.

The text report shows the same document, so nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from packaging.version import InvalidVersion, Version

from bisect_asgi.core import codec, events
from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Excluded, Interpreter, NamedBoundary, SandboxLevel
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.releases import BEYOND_THE_ENDS, OUTSIDE
from bisect_asgi.core.releases.affected import AffectedStretch, ReleaseState, Status, affected, searched
from bisect_asgi.core.tally import Rate
from bisect_asgi.core.text import listing
from bisect_asgi.report.culprit import because, is_named
from bisect_asgi.report.failures import NamedFailure, fails, named
from bisect_asgi.report.projection import Knowledge, Projection, SearchRecord, project
from bisect_asgi.report.rows import (
    NamedBelief,
    NamedLevel,
    ReportedEnds,
    Row,
    belief_of,
    ends_of,
    levels_of,
    reproduce,
    row_of,
    states_of,
    unit_of_rows,
)
from bisect_asgi.report.timings import Timings, measure

SCHEMA = "bisect-asgi.report/2"
_MOST_CHANGES = 4
"""So many boundaries, the newest ones, are named one by one in the headline."""


class Report(Struct, frozen=True, kw_only=True):
    """A run, or one of its stages, as a document."""

    schema: str = SCHEMA
    exit_code: ExitCode
    kind: ResultKind
    headline: str
    """The result as one sentence."""
    hint: str | None
    """What to do about a missing result."""
    plan: events.RunStarted
    """What was asked, with the limit that was found."""
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
    """The failures on the bad side of the boundary, oldest first, if the probe works up to it but does not at
    once fail as the bad end does. Then `first` is not said to have the bad end's bug."""
    shortest: int | None = None
    """Every state of at least so many neighbors was found; null if one change was searched for."""
    belief: NamedBelief | None = None
    """The most probable boundary, if runs contradict each other."""
    error_bound: float | None = None
    """The highest rate at which a search ends with as much agreement and is wrong, if all runs agree."""
    ends: ReportedEnds | None = None
    """The samples of both ends, and the limit that was set between them."""
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
    """What changed in each culprit."""
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

    def why_of(self, first: str | None) -> tuple[events.Explained, ...]:
        """Return the culprits of the boundary before `first`, and of those that it leads to."""
        return tuple(why for why in self.why if why.within in ("", first))

    def row(self, version: str | None) -> Row | None:
        """Return the row with this label, or None if there is none."""
        return next((row for row in self.rows if row.version == version), None)


def fold(log: Iterable[events.Event]) -> Report:
    """Return the report of a log; if the log was cut off, of what was known by then.

    Raises:
        UsageError: the log has no `RunStarted`.
    """
    return report_of(project(log))


def report_of(projection: Projection) -> Report:
    """Return the report of the events so far.

    Raises:
        UsageError: there is no `RunStarted` among them, or among those of a stage.
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
    rows, found = _rows(known, plan), finished.boundary
    labels, changes = tuple(row.version for row in rows), _changes(finished, rows)
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
        changes=changes,
        failures=named(finished.failures, labels),
        shortest=finished.shortest,
        belief=belief_of(known.belief, labels) if known.belief and finished.shortest is None else None,
        error_bound=_error_bound(known.confirmed, finished),
        ends=ends_of(known.ends, labels) if known.ends else None,
        levels=levels_of(known.levels, labels) if known.levels else (),
        creep=known.levels.creep if known.levels else None,
        steps=known.levels.steps if known.levels else (),
        unit=unit_of_rows(rows, plan.metric),
        notes=tuple(search.notes),
        why=_in_order(search.explained, changes),
        compared=_in_order(search.compared, changes),
        commit=search.commit,
        stages=stages,
        stage=search.stage,
        sandbox=_sandbox(rows),
        elapsed_s=finished.elapsed_s,
        rows=_placed(rows),
        excluded=known.listed.excluded,
    )
    return _completed(report, finished.message)


def _rows(known: Knowledge, plan: events.RunStarted) -> tuple[Row, ...]:
    candidates = known.listed.candidates
    yanked = [key for key, candidate in enumerate(candidates) if candidate.yanked is not None]
    size = min(yanked, default=len(candidates))
    states = states_of({key: ruling for key, ruling in known.rulings.items() if key < size}, size=size)
    states += [
        states_of({0: known.rulings[key]} if key in known.rulings else {}, size=1)[0] for key in yanked
    ]
    return tuple(
        row_of(candidate, known.trials.get(key, []), known.rulings.get(key), states[key], plan)
        for key, candidate in enumerate(candidates)
    )


def _sandbox(rows: Sequence[Row]) -> tuple[SandboxLevel, ...]:
    """Return the levels at which the runs of these rows were confined, the strongest first."""
    levels = {run.sandbox for row in rows for run in row.observations}
    return tuple(level for level in SandboxLevel if level in levels)


def _placed(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows with those of yanked releases, which come last, where their versions belong."""
    placed = [row for row in rows if row.yanked is None]
    for row in rows[len(placed) :]:
        version = Version(row.version)
        place = next((at for at, each in enumerate(placed) if Version(each.version) > version), len(placed))
        placed.insert(place, row)
    return tuple(placed)


def _error_bound(confirmed: events.Confirmed | None, finished: events.RunFinished) -> float | None:
    """Return the bound of the boundary that was found; None if another was confirmed, or there are more."""
    found, is_one = finished.boundary, len(finished.changes) < 2
    if confirmed is None or found is None or not is_one:
        return None
    if (confirmed.low, confirmed.high) != (found.low, found.high):
        return None
    return confirmed.error_bound


def _completed(report: Report, message: str) -> Report:
    """Return the report with what follows from its rows: headline, commands, affected releases."""
    first = report.row(report.first)
    headline = message
    if report.kind is ResultKind.FOUND and first:
        headline = _sentence(report, first)
    elif report.kind is ResultKind.INTERRUPTED and first:
        headline = f"{message}; so far: {_sentence(report, first)}"
    sides = [row for row in (report.row(report.last), first) if row]
    commands = tuple((row.version, _reproduce(report, row)) for row in sides)
    statuses = _statuses(report)
    return replace(
        report,
        headline=headline,
        reproduce=commands,
        affected=affected(statuses) if report.first else (),
        searched=_searched(statuses),
    )


def _reproduce(report: Report, row: Row) -> str:
    if not row.distributions or row.python is None:
        return ""
    is_one_of_several = len({each.python for each in report.rows}) > 1
    python = row.python if is_one_of_several else ".".join(row.python.split(".")[:2])
    return reproduce(report.plan, row.distributions, python=python, exact=row.is_exact, source=row.source)


def _sentence(report: Report, first: Row) -> str:
    """Return the headline of a boundary, with the culprit, and the boundaries of stages."""
    below = [_of_stage(stage) for stage in report.stages if _is_found(stage)] + _newest(report)
    axis = report.plan.axis
    if _has_history(report):
        return "; ".join([_history(report), *below])
    if _is_chain(report, first.version, report.last):
        return "; ".join([_chain(report, first), *below])
    text = axis.sentence(axis.headline, first.version, first.verdict) + _left_between(report) + _rates(report)
    return "; ".join([text + _of_several(report) + _cause(report, first.version), *below])


def _newest(report: Report) -> list[str]:
    """Return that the newest candidate that was run is not as the newest change has it, if that is so."""
    rows = [row for row in report.rows if row.yanked is None]  # those are run beside the candidates
    run = [row for row in rows if row.how is ReleaseState.RUN and row.verdict]
    expected = report.changes[-1].verdict if report.changes else ""
    if report.belief or not run or run[-1].verdict == expected:
        return []
    name = report.plan.axis.name(run[-1].version)
    return [f"{name}, the newest that was run, is {run[-1].verdict}"]


def _cause(report: Report, first: str) -> str:
    """Return the culprit of one boundary, as a headline ends; empty if its label has named it already."""
    why = report.why_of(first)
    return "" if why and is_named(why[0], first) else because(why)


def _has_history(report: Report) -> bool:
    """Return whether there are several changes, of something that has a name and versions."""
    axis = report.plan.axis
    return len(report.changes) > 1 and bool(axis.subject) and axis.has_versions


def _of_several(report: Report) -> str:
    if len(report.changes) < 2:
        return ""
    which = "the newest" if report.changes[-1].first == report.first else "one"
    return f", and {which} of {len(report.changes)} changes"


def _is_chain(report: Report, first: str, last: str | None) -> bool:
    """Return whether a boundary is between passing and failing, and not that of the bad end's failure."""
    failures = report.failures
    return len(failures) > 1 and (failures[0].first == first or failures[-1].last == last)


def _chain(report: Report, first: Row) -> str:
    """Return the last candidate that works, and from where on it fails with what; or the first that works."""
    plan, axis = report.plan, report.plan.axis
    is_after = first.verdict == plan.term_new
    what = f"the {'last' if is_after else 'first'} {plan.term_old} {axis.noun} {axis.context}".rstrip()
    works, cause = axis.name((report.last if is_after else report.first) or ""), _cause(report, first.version)
    return f"{works} is {what}; it {fails(report.failures, first=first.version, cause=cause)}"


def _rates(report: Report) -> str:
    """Return how often a flaky probe fails on both sides: ` (fails 100% from 1.1.8 on, 54% before)`."""
    belief = report.belief
    if belief is None or report.plan.metric or not (belief.old.runs and belief.new.runs):
        return ""
    return f" (fails {_percent(belief.new)} from {belief.first} on, {_percent(belief.old)} before)"


def _percent(rate: Rate) -> str:
    """Return a rate as a percentage that says 0 and 100 of nothing else."""
    percent = round(100 * rate.failed / rate.runs)
    if 0 < rate.failed < rate.runs:
        percent = min(max(percent, 1), 99)
    return f"{percent}%"


def _history(report: Report) -> str:
    """Return what happened, oldest first: `fastapi broke in 0.69.0, by itself, and was fixed in 0.85.0`."""
    phrases = [_change(report, change) for change in report.changes]
    earlier = len(phrases) - _MOST_CHANGES
    if earlier > 0:
        phrases = [f"changed {earlier} times before", *phrases[earlier:]]
    *before, last = phrases
    is_long = bool(report.why) or len(before) > 1
    return f"{report.plan.axis.subject} {', '.join(before)}{',' if is_long else ''} and {last}"


def _change(report: Report, change: NamedBoundary) -> str:
    """Return what happened at one boundary, with the culprit if it is known."""
    plan = report.plan
    if change.verdict == plan.term_new and _is_chain(report, change.first, None):
        return fails(report.failures, first=change.first, cause=_cause(report, change.first))
    verbs = {plan.term_new: "broke", plan.term_old: "was fixed"}
    is_usual = (plan.term_old, plan.term_new) == ("good", "bad")
    verb = verbs.get(change.verdict, "changed") if is_usual else f"became {change.verdict}"
    where = f"between {change.last} and {change.first}" if change.gap else f"in {change.first}"
    return f"{verb} {where}{_cause(report, change.first)}"


def _is_found(stage: Report) -> bool:
    is_found = stage.kind is ResultKind.FOUND and stage.first is not None and not stage.gap
    return is_found and bool(stage.plan.axis.clause)


def _of_stage(stage: Report) -> str:
    """Return `starlette 0.15.0 is the first bad release of starlette`, all its changes, or a commit."""
    if _has_history(stage):
        return _history(stage)
    label, verdict = next((row.version, row.verdict) for row in stage.rows if row.version == stage.first)
    axis = stage.plan.axis
    if _is_chain(stage, label, stage.last):
        return f"{axis.subject} {fails(stage.failures, first=label)}".lstrip()
    return axis.sentence(axis.clause, label, verdict) + _left_between(stage) + _of_several(stage)


def _left_between(report: Report) -> str:
    """Return a remark on excluded releases inside the boundary; empty if there are none."""
    between = report.excluded_between
    return f" ({listing(between)} before it left out)" if between else ""


def _statuses(report: Report) -> list[Status]:
    """Return what is known of all releases that exist, in the order of their versions."""
    if report.plan.order != "version" or not report.plan.axis.has_versions:
        return []
    bad = {report.plan.term_new: True, report.plan.term_old: False}
    found = [
        Status(
            version=row.version, state=row.how, is_bad=bad.get(row.verdict), is_candidate=row.yanked is None
        )
        for row in report.rows
        if _is_version(row.version)
    ]
    listed = {status.version for status in found}
    found += [
        Status(
            version=out.version,
            state=ReleaseState.NOT_RUN,
            is_candidate=out.reason.startswith((OUTSIDE, BEYOND_THE_ENDS)),
        )
        for out in report.excluded
        if out.version not in listed and _is_version(out.version)
    ]
    return sorted(found, key=lambda status: Version(status.version))


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _searched(statuses: Sequence[Status]) -> tuple[str, str] | None:
    """Return the oldest and the newest release that was run, or None if none exists beyond them."""
    final = [status.version for status in statuses if not Version(status.version).is_prerelease]
    run = searched(statuses)
    return None if run is None or not final or run == (final[0], final[-1]) else run


_OfCulprit = TypeVar("_OfCulprit", events.Explained, events.Compared)


def _in_order(found: Sequence[_OfCulprit], changes: Sequence[NamedBoundary]) -> tuple[_OfCulprit, ...]:
    """Return what was found of culprits in the order of the changes; a boundary may turn out to be none."""
    firsts = ["", *(change.first for change in changes)]
    known = [each for each in found if each.within in firsts]
    return tuple(sorted(known, key=lambda each: firsts.index(each.within)))


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
    """Return the document as one line of JSON."""
    return codec.to_json(report).decode()
