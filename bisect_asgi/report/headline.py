"""The headline of a report: what broke or was fixed in which release, and why."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import NamedBoundary
from bisect_asgi.core.plan import DATE
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.core.tally import Rate
from bisect_asgi.core.text import listing
from bisect_asgi.report.culprit import because, is_named
from bisect_asgi.report.document import Report
from bisect_asgi.report.failures import fails
from bisect_asgi.report.history import longest_unknown
from bisect_asgi.report.metrics import are_steps
from bisect_asgi.report.rows import Row, changed_before, day_of

_MOST_CHANGES = 4
"""The most boundaries that a headline names one by one: the newest ones."""


def headline(report: Report, message: str) -> str:
    """Return the result as one sentence; for an interrupted run, what was known by then.

    Args:
        report: the report, still without its headline.
        message: the message of the last event.
    """
    first = report.row(report.first)
    if report.kind is ResultKind.FOUND and first:
        return "; ".join(filter(None, (_sentence(report, first), message)))
    was_run = sum(row.was_run for row in report.rows)
    if report.kind is ResultKind.NOT_REPRODUCED and was_run > 1 and (unknown := longest_unknown(report)):
        counted = f"{'up to ' if unknown > 1 else ''}{report.plan.axis.counted(unknown)}"
        return f"{message}; a state of {counted} may have been missed"
    if not report.kind.is_cut_short:
        return message
    if first:
        return f"{_sentence(report, first)}; {message}"
    known = _believed(report) or _narrowed(report)
    return f"{message}: {known}" if known else message


def _believed(report: Report) -> str:
    """Return the most probable boundary of a flaky probe; empty if none is known."""
    if report.belief is None:
        return ""
    name, probability = report.plan.axis.name(report.belief.first), report.belief.probability
    return f"the change is most probably in {name} (probability {probability:.2f})"


def _narrowed(report: Report) -> str:
    """Return how far a search narrowed the range; empty if nothing was run or the axis has no order."""
    axis, verdicts = report.plan.axis, (report.plan.term_old, report.plan.term_new)
    rows = [row for row in report.rows if row.yanked is None]
    tested = [place for place, row in enumerate(rows) if row.was_run and row.verdict in verdicts]
    if not tested or not axis.is_ordered:
        return ""
    changes = [(low, high) for low, high in pairwise(tested) if rows[low].verdict != rows[high].verdict]
    if not changes:
        return _alike(report, [rows[place] for place in tested])
    low, high = changes[-1]
    left = sum(not row.was_run for row in rows[low + 1 : high])
    sides = " and ".join(f"{rows[at].version} ({rows[at].verdict})" for at in (low, high))
    return f"the change is between {axis.name(sides)}" + (f", {axis.counted(left)} left" if left else "")


def _alike(report: Report, rows: Sequence[Row]) -> str:
    """Return the sentence that these candidates, which are all that were run, have one verdict."""
    axis, verdict = report.plan.axis, rows[0].verdict
    if len(rows) < 3:
        names = listing(axis.name(row.version) for row in rows)
        return f"{names} {'is' if len(rows) == 1 else 'are'} {verdict}"
    return f"all {axis.counted(len(rows))} run are {verdict}, from {rows[0].version} to {rows[-1].version}"


def _sentence(report: Report, first: Row, *, with_causes: bool = True) -> str:
    """Return the headline of a boundary; `with_causes`: with the culprit, and the boundaries of stages."""
    stages = [_of_stage(stage) for stage in report.stages if _is_found(stage)] if with_causes else []
    below = [*_yanked_before(report), *stages, *_newest(report)]
    if _has_history(report):
        return "; ".join([_history(report, with_causes=with_causes), *below])
    if _is_chain(report, first.version, report.last):
        return "; ".join([_chain(report, first, with_cause=with_causes), *below])
    text = _only_change(report, first) + _left_between(report) + _rates(report) + _of_several(report)
    return "; ".join([text + (_cause(report, first.version) if with_causes else ""), *below])


def _newest(report: Report) -> list[str]:
    """Return the sentence that the newest run candidate contradicts the newest change, if it does."""
    rows = [row for row in report.rows if row.yanked is None]  # a yanked release is no candidate
    run = [row for row in rows if row.how is ReleaseState.RUN and row.verdict]
    expected = report.changes[-1].verdict if report.changes else ""
    if report.belief or not run or run[-1].verdict == expected:
        return []
    name = report.plan.axis.name(run[-1].version)
    return [f"{name}, the newest that was run, is {run[-1].verdict}"]


def _yanked_before(report: Report) -> list[str]:
    """Return the remark on yanked releases just before a change that were run and have its verdict."""
    found = [report.first, *(change.first for change in report.changes)]
    texts = []
    for first in dict.fromkeys(found):
        labels, verdict = changed_before(report.rows, first)
        if labels:
            be = "is" if len(labels) == 1 else "are"
            texts.append(f"the yanked {listing(labels)} before {first} {be} {verdict} as well")
    return texts


def _cause(report: Report, first: str) -> str:
    """Return the culprit of one boundary as the end of a headline; empty if the label names it already."""
    why = report.why_of(first)
    return "" if why and is_named(why[0], first) else because(why)


def _has_history(report: Report) -> bool:
    """Return whether the result has several changes of a package that has a name and versions."""
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


def _chain(report: Report, first: Row, *, with_cause: bool = True) -> str:
    """Return the last candidate that works and the failures after it, or the first candidate that works."""
    plan, axis = report.plan, report.plan.axis
    is_after = first.verdict == plan.term_new
    what = f"the {'last' if is_after else 'first'} {plan.term_old} {axis.noun} {axis.context}".rstrip()
    works = axis.name((report.last if is_after else report.first) or "")
    cause = _cause(report, first.version) if with_cause else ""
    return f"{works} is {what}; it {fails(report.failures, first=first.version, cause=cause)}"


def _rates(report: Report) -> str:
    """Return how often a flaky probe fails on both sides: ` (fails 100% from 1.1.8 on, 54% before)`."""
    belief = report.belief
    if belief is None or report.plan.metric or not (belief.old.runs and belief.new.runs):
        return ""
    return f" (fails {_percent(belief.new)} from {belief.first} on, {_percent(belief.old)} before)"


def _percent(rate: Rate) -> str:
    """Return a rate as a percentage; only rates of exactly 0 and 1 become 0% and 100%."""
    percent = round(100 * rate.failed / rate.runs)
    if 0 < rate.failed < rate.runs:
        percent = min(max(percent, 1), 99)
    return f"{percent}%"


def _history(report: Report, *, with_causes: bool) -> str:
    """Return what happened, oldest first: `fastapi broke in 0.69.0 (by itself) and was fixed in 0.85.0`."""
    phrases = [_change(report, change, with_cause=with_causes) for change in report.changes]
    earlier = len(phrases) - _MOST_CHANGES
    if earlier > 0:
        phrases = [f"changed {earlier} times before", *phrases[earlier:]]
    *before, last = phrases
    subject = report.plan.axis.subject + (f": {report.plan.metric}" if _risen(report) else "")
    return f"{subject} {', '.join(before)}{',' if len(before) > 1 else ''} and {last}"


def _change(report: Report, change: NamedBoundary, *, with_cause: bool = False) -> str:
    """Return what happened at one boundary: `broke in 0.69.0 (2021-10-07, because it requires …)`."""
    cause = _cause(report, change.first) if with_cause else ""
    if change.verdict == report.plan.term_new and _is_chain(report, change.first, None):
        return fails(report.failures, first=change.first, cause=cause)
    row = report.row(change.first)
    day = day_of(row.version, row.uploaded) if row else ""
    # In a list of changes, a cause between commas would read as the cause of all changes before it.
    told = ", ".join(filter(None, (day, cause.removeprefix(", "))))
    return _verb(report, change) + (f" ({told})" if told else "")


def _verb(report: Report, change: NamedBoundary) -> str:
    """Return `broke in 0.69.0`, with the user's words if they are not the usual ones."""
    plan = report.plan
    verbs = {plan.term_new: "broke", plan.term_old: "was fixed"}
    verb = verbs.get(change.verdict, "changed") if _has_usual_terms(report) else f"became {change.verdict}"
    risen = _risen(report)
    if change.first in risen:
        verb = "rose" if risen[change.first] else "fell"
    where = f"between {change.last} and {change.first}" if change.gap else f"in {change.first}"
    return f"{verb} {where}"


def _risen(report: Report) -> dict[str, bool]:
    """Return whether the metric rose at each of several steps; none if the changes are no steps.

    Both sides of a step may be beyond the threshold, which was set at the newest one. So a verdict does not
    describe a step.
    """
    if len(report.changes) < 2 or not are_steps(report.changes, report.levels, report.ends):
        return {}
    sizes = report.steps or tuple((before.value, after.value) for before, after in pairwise(report.levels))
    return {
        change.first: after > before for change, (before, after) in zip(report.changes, sizes, strict=True)
    }


def _is_found(stage: Report) -> bool:
    is_found = stage.kind is ResultKind.FOUND and stage.first is not None and not stage.gap
    return is_found and bool(stage.plan.axis.clause)


def _of_stage(stage: Report) -> str:
    """Return `starlette broke in 0.15.0 (2021-06-23)`, all its changes, or the commit."""
    if _has_history(stage):
        return _history(stage, with_causes=True)
    first = next(row for row in stage.rows if row.version == stage.first)
    axis = stage.plan.axis
    if _is_chain(stage, first.version, stage.last):
        return f"{axis.subject} {fails(stage.failures, first=first.version)}".lstrip()
    told = _named_change(stage, first) or axis.sentence(axis.clause, first.version, first.verdict)
    return told + _left_between(stage) + _of_several(stage)


def _left_between(report: Report) -> str:
    """Return a remark on excluded releases inside the boundary; empty if there are none."""
    between = report.excluded_between
    return f" (excluded before it: {listing(between)})" if between else ""


def brief(report: Report) -> str:
    """Return the headline without causes, for a report that lists the causes below it.

    A result without a boundary keeps its headline as it is.
    """
    first = report.row(report.first)
    if first is None or not (report.kind is ResultKind.FOUND or report.kind.is_cut_short):
        return report.headline
    message = report.headline.removeprefix(_sentence(report, first)).removeprefix("; ")
    return "; ".join(filter(None, (_sentence(report, first, with_causes=False), message)))


def _only_change(report: Report, first: Row) -> str:
    """Return `fastapi broke in 0.69.0 (2021-10-07)`, or the axis' own sentence if the axis has one."""
    plan, axis = report.plan, report.plan.axis
    if told := _named_change(report, first):
        return f"{told} {axis.context}".rstrip()
    day, _, upload = first.version.partition(" ")
    if _has_usual_terms(report) and plan.over == DATE and upload:
        base, what = axis.context.removeprefix("with ").replace("==", " "), upload.partition(" ")[2]
        change = NamedBoundary(last=report.last or "", first=first.version, verdict=first.verdict)
        return f"{base} {_verb(report, change).partition(' in ')[0]} with {what} (uploaded {day})"
    return axis.sentence(axis.headline, first.version, first.verdict)


def _named_change(report: Report, first: Row) -> str:
    """Return `fastapi broke in 0.69.0 (2021-10-07)`; empty if nothing with a name and versions changed."""
    axis = report.plan.axis
    if not (_has_usual_terms(report) and axis.subject and axis.has_versions):
        return ""
    change = NamedBoundary(last=report.last or "", first=first.version, verdict=first.verdict)
    return f"{axis.subject} {_change(report, change)}"


def _has_usual_terms(report: Report) -> bool:
    return (report.plan.term_old, report.plan.term_new) == ("good", "bad")
