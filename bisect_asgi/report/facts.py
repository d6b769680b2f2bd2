"""The facts of a report: a label and a value each, in the order in which they are read.

The text report, Markdown and HTML all show these facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.metrics.criteria import RATIO, Threshold
from bisect_asgi.core.model import Excluded, NamedBoundary, SandboxLevel
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.selection import BEYOND_THE_ENDS, OUTSIDE
from bisect_asgi.core.tally import Rate
from bisect_asgi.core.text import duration, listing, plural
from bisect_asgi.report import metrics
from bisect_asgi.report.cause import causes
from bisect_asgi.report.document import Report
from bisect_asgi.report.history import missed
from bisect_asgi.report.rows import Row
from bisect_asgi.report.sides import sides

_MOST_CHANGES = 4


class Fact(Struct, frozen=True, kw_only=True):
    """A label and its value."""

    label: str
    value: str
    most: int = 2
    """So many lines of it are shown."""
    style: str = ""
    rank: int = 0
    """Facts with the highest rank go first if there is no room."""


def facts_of(report: Report) -> list[Fact]:
    """Return the facts in the order in which they are read."""
    return [
        *_causes(report),
        *_sides(report),
        *_measured(report),
        *_changes(report),
        *_untestable(report),
        *_affected(report),
        *_confidence(report),
        *_history(report),
        *_environment(report),
        *_notes(report),
        *_runs(report),
    ]


def _causes(report: Report) -> Iterator[Fact]:
    told = list(causes(report))
    for first, cause in told[-_MOST_CHANGES:]:
        value = f"{first}: {cause}" if len(report.changes) > 1 else cause
        yield Fact(label="Cause", value=value, most=3)
    for stage in report.stages:
        if stage.commit:
            yield Fact(label="Commit", value=f"{stage.commit.sha[:12]} {stage.commit.subject}")
    if report.commit:
        by = f"{report.commit.author}, {report.commit.committed:%Y-%m-%d}"
        yield Fact(label="Commit", value=f"{report.commit.sha[:12]} by {by}: {report.commit.subject}")


def _sides(report: Report) -> Iterator[Fact]:
    styles = {report.plan.term_old: "green", report.plan.term_new: "red"}
    for label, value in sides(report):
        yield Fact(label=label, value=value, style=styles.get(label.partition(" ")[2], ""))


def _measured(report: Report) -> Iterator[Fact]:
    if ends := report.ends:
        limit = Threshold(metric=ends.metric, unit=ends.unit, above=ends.above, below=ends.below)
        is_set = ends.above is not None or ends.below is not None
        of = f"the ratio of {ends.metric} to {ends.reference}'s" if ends.unit == RATIO else ends.metric
        bound = limit.bound.replace(" × the baseline's", " ×") if is_set else "none between the ends"
        yield Fact(label="Threshold", value=f"{of} {bound}" if is_set else bound, most=1)
    yield from (Fact(label=name, value=value, most=1) for name, value in islice(metrics.levels(report), 6))


def _changes(report: Report) -> Iterator[Fact]:
    if len(report.changes) < 2 or not metrics.are_changes_shown(report):
        return
    told = [
        f"{change.last} → {change.first} {change.verdict}{_aside(change)}"
        for change in report.changes[-_MOST_CHANGES:]
    ]
    earlier = len(report.changes) - len(told)
    before = [f"{earlier} earlier"] if earlier else []
    yield Fact(label="Changes", value="; ".join((*before, *told)), most=3)


def _aside(change: NamedBoundary) -> str:
    gap = [f"{len(change.gap)} between untestable"] if change.gap else []
    sure = [metrics.percent(change.probability)] if change.probability is not None else []
    return f" ({', '.join((*gap, *sure))})" if gap or sure else ""


def _untestable(report: Report) -> Iterator[Fact]:
    """Yield why the releases inside the boundary are untestable; without one, the commonest failures."""
    gap = [row for row in report.rows if row.version in report.gap]
    if gap:
        where = listing((row.version for row in gap), most=6)
        yield Fact(label="Untestable", value=f"{where}: {_reason(gap)[0]}")
    elif report.first is None:
        for label, verdict in (("Failed", report.plan.term_new), ("Untestable", "skip")):
            # The headline counts candidates, and a yanked release is none, although it may have been run.
            rows = [r for r in report.rows if r.verdict == verdict and r.was_run and r.yanked is None]
            if rows:
                reason, count = _reason(rows)
                of = f"{count} of {len(rows)}" if count < len(rows) else f"{count}"
                yield Fact(label=label, value=f"{of}: {reason}")


def _reason(rows: Sequence[Row]) -> tuple[str, int]:
    """Return the commonest failure of these candidates, and how many of them have it."""
    shown = Counter(row.signature.shown if row.signature else "the probe skips it" for row in rows)
    return shown.most_common(1)[0]


def _affected(report: Report) -> Iterator[Fact]:
    if not report.affected:
        return
    specifiers = " or ".join(stretch.specifier for stretch in report.affected)
    run = sum(len(stretch.run) for stretch in report.affected)
    every = run + sum(len(stretch.inferred) for stretch in report.affected)
    counted = f"{run} of {report.plan.axis.counted(every)} run" if every > run else "all run"
    beyond = ["searched {} to {}".format(*report.searched)] if report.searched else []
    other = ["any of these failures"] if report.failures else []
    yield Fact(label="Affected", value=f"{specifiers} ({'; '.join((counted, *other, *beyond))})")


def _confidence(report: Report) -> Iterator[Fact]:
    label = "Confidence" if report.exit_code is ExitCode.FOUND else "Likely"
    if report.belief:
        old, new = (_rate(rate, report) for rate in (report.belief.old, report.belief.new))
        sides = f"{old} up to {report.belief.last}, {new} from {report.belief.first}"
        yield Fact(label=label, value=f"{metrics.percent(report.belief.probability)} probability; {sides}")
    elif report.error_bound is not None:
        yield Fact(label=label, value=metrics.agreement(report, report.error_bound))


def _rate(rate: Rate, report: Report) -> str:
    what = "samples beyond the threshold" if report.plan.metric else "runs failed"
    return f"{rate.failed} of {rate.runs} {what}"


def _history(report: Report) -> Iterator[Fact]:
    if history := missed(report):
        yield Fact(label="History", value=history, rank=1)


def _environment(report: Report) -> Iterator[Fact]:
    pinned, others = list[str](), list[str]()
    for told in report.plan.axis.others:
        kind, found, names = told.partition(": ")
        (pinned if found and kind in ("held", "required everywhere") else others).append(
            names if found else told
        )
    dependencies = [
        f"other {each}" if pinned and each.startswith("dependencies") else each for each in others
    ]
    python = [f"Python {report.interpreter.version}"] if report.interpreter else []
    if told := ", ".join((*python, *pinned, *dependencies)):
        yield Fact(label="With", value=told)
    weakest = report.sandbox[-1] if report.sandbox else SandboxLevel.STRONG
    if weakest is not SandboxLevel.STRONG and "--sandbox" not in report.plan.check_options:
        yield Fact(label="Sandbox", value=f"{weakest}; `bisect-asgi doctor` shows the reason", rank=3, most=1)


def _notes(report: Report) -> Iterator[Fact]:
    for place, note in enumerate(report.notes):
        yield Fact(label="Note", value=note, rank=2 + 2 * min(place, 2))


def _runs(report: Report) -> Iterator[Fact]:
    run = [row for row in report.rows if row.was_run]
    if not run:
        return
    made = plural(sum(row.runs for row in run), "run")
    parts = [f"{made} on {len(run)} of {report.plan.axis.counted(len(report.rows))}"]
    if more := sum(stage.own_runs for stage in report.stages):
        parts.append(f"{more} more to find the cause")
    yield Fact(label="Runs", value=", ".join((*parts, duration(report.elapsed_s))), rank=5, most=1)


def fix_lines(report: Report) -> Iterator[str]:
    """Yield what to require, with the runs behind it: `"fastapi<0.69.0" (run: 0.68.2)`."""
    for fix in report.fix:
        quoted = " ".join(f'"{each}"' for each in fix.requirement.split())
        beside = f" with {fix.beside}" if fix.beside else ""
        yield f"{quoted}{beside} (run: {listing(fix.tried)})"


def excluded_by_reason(excluded: Iterable[Excluded]) -> dict[str, list[str]]:
    """Return the versions of excluded releases by the reason, in the order in which reasons first occur.

    Those outside the range are not among them: the user chose it and needs no reason.
    """
    reasons: dict[str, list[str]] = {}
    for out in excluded:
        if not out.reason.startswith((OUTSIDE, BEYOND_THE_ENDS)):
            reasons.setdefault(out.reason, []).append(out.version)
    return reasons
