"""The cause of a change as one line: the culprit, and the run that shows it."""

from __future__ import annotations

from collections.abc import Iterator

from bisect_asgi.core.events import Explained
from bisect_asgi.core.model import CulpritKind, Move, Outcome
from bisect_asgi.core.text import listing
from bisect_asgi.report.culprit import sentences
from bisect_asgi.report.document import Report
from bisect_asgi.report.rows import word


def causes(report: Report) -> Iterator[tuple[str, str]]:
    """Yield for each change that was explained its first release and its cause, oldest first."""
    for change in report.changes:
        for place, why in enumerate(report.why_of(change.first)):
            if why.within and why.within != change.first:
                continue
            if place == 0 or why.is_further:
                yield change.first, _cause(why, report)


def _cause(why: Explained, report: Report) -> str:
    verdict = word(report.plan, why.new_is)
    other = report.plan.term_old if why.new_is is Outcome.FAILED else report.plan.term_new
    told = " and ".join(sentences(why, word=verdict)[:1])
    if why.problem or why.kind is CulpritKind.UNCLEAR or not why.sets:
        return told
    further = "then " if why.is_further else ""
    return further + _named(why, report, verdict, other)


def _named(why: Explained, report: Report, verdict: str, other: str) -> str:
    first = why.sets[0]
    match why.kind:
        case CulpritKind.PACKAGE:
            return f"{why.package or _moved(first.moved[0])} itself{_own(why, verdict)}"
        case CulpritKind.TOGETHER:
            names = listing(map(_moved, first.moved), most=6)
            return f"{names} together; with any of them reverted, it is {other}"
        case CulpritKind.EITHER:
            sets = (" with ".join(map(_moved, shown.moved)) for shown in why.sets)
            return f"each of {listing(sets, most=6)} alone"
        case _:
            return _dependency(why, report, verdict, other)


def _own(why: Explained, verdict: str) -> str:
    """Return what shows that it is the package itself."""
    if len(why.moves) == 1:
        return f": nothing else differs between {why.old} and {why.new}"
    if pulled_in := why.sets[0].pulled_in:
        return f", which does not run without {listing(map(_moved, pulled_in))}"
    return f": {why.new} is {verdict} with the dependencies of {why.old}"


def _dependency(why: Explained, report: Report, verdict: str, other: str) -> str:
    """Return `starlette 0.15.0, required by fastapi 0.69.0: with starlette 0.14.2, it is not bad`."""
    shown = why.sets[0]
    (move,) = shown.moved
    name = _moved(move) + _below(move, report)
    if why.package is not None:
        how = "dropped" if move.new is None else "required" if shown.required else "installed"
        name += f", {how} {'with' if how == 'installed' else 'by'} {why.new}"
    if len(why.moves) == 1:
        return f"{name}: nothing else differs"
    if not why.is_all:
        return (
            f"{name}: {why.old} is {verdict} {f'with {_moved(move)}' if move.new else f'without {move.name}'}"
        )
    reverted = f"with {move.name} reverted to {move.old}" if move.old else f"without {move.name}"
    return f"{name}: {reverted}, {why.new} is {other}"


def _below(move: Move, report: Report) -> str:
    """Return which of the dependency's own releases is the first of its new side, if a search found that."""
    for stage in report.stages:
        if stage.plan.axis.subject == move.name and stage.first and stage.plan.axis.has_versions:
            if stage.first == move.new:
                return f" (last {_verdict(stage, stage.last)}: {stage.last})"
            return f" ({_verdict(stage, stage.first)} from {stage.first} on)"
    return ""


def _verdict(stage: Report, version: str | None) -> str:
    row = stage.row(version)
    return row.verdict if row else ""


def _moved(move: Move) -> str:
    return f"{move.name} {move.new}" if move.new else f"no {move.name}"
