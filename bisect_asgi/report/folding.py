"""Make the report of a run from its events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from packaging.version import Version

from bisect_asgi.core import events
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import NamedBoundary, SandboxLevel
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.affected import ReleaseState, Status, affected, searched
from bisect_asgi.core.releases.selection import BEYOND_THE_ENDS, OUTSIDE, is_version
from bisect_asgi.report.document import Report
from bisect_asgi.report.failures import named
from bisect_asgi.report.fix import fixes
from bisect_asgi.report.headline import headline
from bisect_asgi.report.metrics import are_steps
from bisect_asgi.report.projection import Knowledge, Projection, SearchRecord, project
from bisect_asgi.report.reproduce import check_again, reproduce
from bisect_asgi.report.rows import (
    NamedLevel,
    Row,
    belief_of,
    ends_of,
    levels_of,
    row_of,
    states_of,
    unit_of_rows,
)
from bisect_asgi.report.timings import measure


def fold(log: Iterable[events.Event]) -> Report:
    """Return the report of a log; if the log was cut off, of its events up to there.

    Raises:
        UsageError: the log has no `RunStarted`.
    """
    return report_of(project(log))


def report_of(projection: Projection, *, cut_off: str = "the log ends before the run does") -> Report:
    """Return the report of the events so far; `cut_off` is the reason if the last event is missing.

    Raises:
        UsageError: the events, or those of a stage, have no `RunStarted`.
    """
    stages = [search for search in projection.searches.values() if search is not projection.run]
    below = tuple(_report(stage, cut_off=cut_off) for stage in stages)
    report = _report(projection.run, below, cut_off=cut_off)
    return replace(report, timings=measure(projection))


def _report(search: SearchRecord, stages: tuple[Report, ...] = (), *, cut_off: str) -> Report:
    plan, known, chosen = search.plan, search.known, search.interpreter
    if plan is None:
        raise UsageError("this is no event log of a run", hint="logs begin with the event `RunStarted`")
    finished = search.finished or events.RunFinished(
        kind=ResultKind.INTERRUPTED, elapsed_s=0.0, message=cut_off
    )
    rows, found = _rows(known, plan), finished.boundary
    labels, changes = tuple(row.version for row in rows), _changes(finished, rows)
    levels = levels_of(known.levels, labels) if known.levels else ()
    ends = ends_of(known.ends, labels) if known.ends else None
    if plan.metric and len(changes) > 1:
        is_by_steps = are_steps(changes, levels, ends)
        changes = tuple(_of_steps(changes, levels) if is_by_steps else _across(changes, rows, plan.term_new))
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
        ends=ends,
        levels=levels,
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
    """Return the rows with yanked releases, which are listed last, moved to the places of their versions."""
    placed = [row for row in rows if row.yanked is None]
    for row in rows[len(placed) :]:
        version = Version(row.version)
        place = next((at for at, each in enumerate(placed) if Version(each.version) > version), len(placed))
        placed.insert(place, row)
    return tuple(placed)


def _error_bound(confirmed: events.Confirmed | None, finished: events.RunFinished) -> float | None:
    """Return the bound of the boundary that was found; None if another was confirmed, or several exist."""
    found, is_one = finished.boundary, len(finished.changes) < 2
    if confirmed is None or found is None or not is_one:
        return None
    if (confirmed.low, confirmed.high) != (found.low, found.high):
        return None
    return confirmed.error_bound


def _completed(report: Report, message: str) -> Report:
    """Return the report with the fields that follow from its rows: headline, commands, affected releases."""
    first = report.row(report.first)
    sides = [row for row in (report.row(report.last), first) if row]
    shows = next((row for row in sides if row.verdict == report.plan.term_new), None)
    commands = tuple((row.version, _reproduce(report, row)) for row in sides)
    statuses = _statuses(report)
    return replace(
        report,
        headline=headline(report, message),
        reproduce=commands,
        check=check_again(report.plan, shows) if shows else "",
        fix=fixes(report),
        affected=affected(statuses) if report.first else (),
        searched=_searched(statuses),
    )


def _reproduce(report: Report, row: Row) -> str:
    if not row.distributions or row.python is None:
        return ""
    is_one_of_several = len({each.python for each in report.rows}) > 1
    if report.plan.served and not row.is_exact and (short := check_again(report.plan, row)):
        return short
    python = row.python if is_one_of_several else ".".join(row.python.split(".")[:2])
    if report.interpreter and report.interpreter.version == row.python and not report.plan.served:
        python = report.interpreter.for_uv
    return reproduce(report.plan, row.distributions, python=python, exact=row.is_exact, source=row.source)


def _statuses(report: Report) -> list[Status]:
    """Return the state of each release that exists, in the order of their versions."""
    if report.plan.order != "version" or not report.plan.axis.has_versions:
        return []
    bad = {report.plan.term_new: True, report.plan.term_old: False}
    found = [
        Status(
            version=row.version, state=row.how, is_bad=bad.get(row.verdict), is_candidate=row.yanked is None
        )
        for row in report.rows
        if is_version(row.version)
    ]
    listed = {status.version for status in found}
    found += [
        Status(
            version=out.version,
            state=ReleaseState.NOT_RUN,
            is_candidate=out.reason.startswith((OUTSIDE, BEYOND_THE_ENDS)),
        )
        for out in report.excluded
        if out.version not in listed and is_version(out.version)
    ]
    return sorted(found, key=lambda status: Version(status.version))


def _searched(statuses: Sequence[Status]) -> tuple[str, str] | None:
    """Return the oldest and the newest release that was run, or None if none exists beyond them."""
    final = [status.version for status in statuses if not Version(status.version).is_prerelease]
    run = searched(statuses)
    return None if run is None or not final or run == (final[0], final[-1]) else run


_OfCulprit = TypeVar("_OfCulprit", events.Explained, events.Compared)


def _in_order(found: Sequence[_OfCulprit], changes: Sequence[NamedBoundary]) -> tuple[_OfCulprit, ...]:
    """Return the culprits in the order of the changes, without boundaries that turned out to be none."""
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


def _of_steps(changes: Sequence[NamedBoundary], levels: Sequence[NamedLevel]) -> Iterator[NamedBoundary]:
    """Yield the changes, each with the probability that its level begins there."""
    for change, level in zip(changes, levels[1:], strict=True):
        yield replace(change, probability=level.probability)


def _across(changes: Sequence[NamedBoundary], rows: Sequence[Row], bad: str) -> Iterator[NamedBoundary]:
    """Yield the changes, each with the probability that both medians are on their sides of the threshold."""
    sides = {row.version: _on_its_side(row, bad) for row in rows}
    for change in changes:
        yield replace(change, probability=sides[change.last] * sides[change.first])


def _on_its_side(row: Row, bad: str) -> float:
    """Return how probable it is that the median of a row is on the side of the threshold of its verdict."""
    from bisect_asgi.core.metrics.stats import median_is_there  # most reports have no metric

    there, elsewhere = (row.failed, row.passed) if row.verdict == bad else (row.passed, row.failed)
    return median_is_there(there, elsewhere)
