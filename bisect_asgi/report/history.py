"""Describe how much of the history is known: the length of a state that may have been missed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.core.text import listing
from bisect_asgi.report.document import Report
from bisect_asgi.report.rows import Row


def missed(report: Report) -> str:
    """Return how short a state may have been missed; empty if none can be, or another line says it."""
    run = [row.version for row in report.rows if _is_run(row)]
    first = report.row(report.first)
    if report.levels or not run or len(report.rows) == 2 or not report.plan.axis.is_ordered:
        return ""
    if first is None:
        return _without_change(report, run)
    if report.contradictions:
        seen, are = listing(report.contradictions), "is" if len(report.contradictions) == 1 else "are"
        return f"more than one change: {seen} {are} {first.verdict}, too (`--history all` finds all)"
    if report.shortest is None:
        return "" if report.belief else "one change is assumed (`--history all` looks for others)"
    return _between(report, run, report.shortest - 1)


def _without_change(report: Report, run: Sequence[str]) -> str:
    """Return how short a state may have been missed if all run candidates agree."""
    is_one = len({row.verdict for row in report.rows if _is_run(row)}) == 1
    if report.kind is not ResultKind.NOT_REPRODUCED or report.belief or len(run) < 2 or not is_one:
        return ""
    return _between(report, run, longest_unknown(report))


def longest_unknown(report: Report) -> int:
    """Return the most neighbors that were not run between two candidates that were; untestable ones count.

    It is 0 if the candidates have no order, or if the runs differ: by verdict, from one run of a candidate to
    the next, or by level of a metric. The report then describes the change instead.
    """
    is_one = len({row.verdict for row in report.rows if _is_run(row)}) == 1
    if report.belief or report.levels or not report.plan.axis.is_ordered or not is_one:
        return 0
    rows = [row for row in report.rows if row.yanked is None]
    places = [place for place, row in enumerate(rows) if _is_run(row)]
    return max((b - a - 1 for a, b in pairwise(places)), default=0)


def _between(report: Report, run: Sequence[str], most: int) -> str:
    where = f"from {run[0]} to {run[-1]}"
    if most < 1:
        return _all_run(report, where)
    counted = f"{'up to ' if most > 1 else ''}{report.plan.axis.counted(most)}"
    return f"{where}, a state of {counted} may have been missed (`--history all`)"


def _all_run(report: Report, where: str) -> str:
    """Return the sentence that all releases between the oldest and the newest run release were run."""
    states = [row.how for row in report.rows if row.yanked is None]
    inside = states[states.index(ReleaseState.RUN) : len(states) - states[::-1].index(ReleaseState.RUN)]
    untestable = inside.count(ReleaseState.UNTESTABLE)
    but = f" but {untestable:,} untestable" if untestable else ""
    return f"{report.plan.axis.counted(len(inside))} {where}, all run{but}"


def _is_run(row: Row) -> bool:
    return row.how is ReleaseState.RUN and row.yanked is None
