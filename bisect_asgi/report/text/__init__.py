"""The report as text, for a terminal or an issue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from bisect_asgi.core.model import SandboxLevel
from bisect_asgi.core.releases import BEYOND_THE_ENDS, OUTSIDE
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.core.text import duration, listing, plural
from bisect_asgi.report.document import Report
from bisect_asgi.report.rows import Row, day_of
from bisect_asgi.report.text import metrics
from bisect_asgi.report.text import timings as timings_section
from bisect_asgi.report.text.culprit import cause_parts, commit_parts, difference_parts, is_telling
from bisect_asgi.report.text.tables import Pasted, facts, table, write

_MOST_REASONS = 8
_WIDTH_OF_FILES = 120


def render(
    report: Report, console: Console | None = None, *, plot: bool = False, timings: bool = False
) -> None:
    """Print the report, to the standard output unless a console is given.

    Args:
        report: the document.
        console: where to print it.
        plot: with the plot of its metric.
        timings: with the section about the time.
    """

    def parts(width: int) -> Iterator[RenderableType]:
        width = min(width, _WIDTH_OF_FILES)
        return _parts(report, plot_width=width if plot else 0, timings_width=width if timings else 0)

    write(parts, console, width=_WIDTH_OF_FILES)


def _parts(report: Report, *, plot_width: int, timings_width: int) -> Iterator[RenderableType]:
    """Yield the whole report. A width of 0 omits the plot or the timings."""
    if report.kind.is_result:  # else the command prints the headline as an error
        yield Text(report.headline, style="bold")
        yield ""
    yield facts(_fact_lines(report))
    if any(row.was_run for row in report.rows):
        yield ""
        yield table(report)
    if plot_width and (drawn := metrics.parts(report, plot_width)):
        yield ""
        yield from drawn
    if report.commit:
        yield ""
        yield from commit_parts(report.commit)
    yield from _why(report)
    if excluded := list(_excluded(report)):
        yield ""
        yield Text("Left out", style="bold")
        yield from excluded
    if any(command for _, command in report.reproduce):
        yield ""
        yield from _reproduce(report)
    if timings_width:
        yield ""
        yield from timings_section.parts(report.timings, width=timings_width)


def _reproduce(report: Report) -> Iterator[RenderableType]:
    """Yield the commands to paste into a shell, for each side of the boundary."""
    yield Text("Reproduce", style="bold")
    for version, command in report.reproduce:
        row = report.row(version)
        yield Text(f"  # {version} ({_state(row, report) if row else ''})", style="dim")
        yield Pasted(f"  {command}")


def _why(report: Report) -> Iterator[RenderableType]:
    """Yield the culprits, and the changes in them."""
    if parts := list(cause_parts(report)):
        yield ""
        yield Text("Why", style="bold")
        yield from parts
    for compared in filter(is_telling, report.compared):
        yield ""
        yield from difference_parts(compared)


def _fact_lines(report: Report) -> Iterator[tuple[str, str]]:
    last, first = report.row(report.last), report.row(report.first)
    if last and first:
        yield "Boundary", f"{report.plan.axis.name(_side(last))} → {_side(first)}"
        yield "Evidence", f"{_evidence(last, report)}; {_evidence(first, report)}"
    yield from metrics.facts(report)
    for change in report.changes if len(report.changes) > 1 and not report.levels else ():
        gap = report.plan.axis.counted(len(change.gap))
        among = f" ({gap} between cannot be tested)" if change.gap else ""
        yield "Change", f"{change.last} → {change.first} is {change.verdict}{among}"
    if report.affected:
        beyond = "searched {} to {}".format(*report.searched) if report.searched else ""
        told = ", ".join(filter(None, ("any of these failures" if report.failures else "", beyond)))
        affected = " or ".join(stretch.specifier for stretch in report.affected)
        yield "Affected", affected + (f" ({told})" if told else "")
    if history := _history(report):
        yield "History", history
    if report.interpreter:
        yield "Python", f"{report.interpreter.version}: {report.interpreter_reason}"
    if others := "; ".join(_others(report)):
        yield "Others", others
    if report.rows:
        yield "Trials", _trials(report)
    yield from _machines(report)
    yield from (("Note", note) for note in report.notes)


def _side(row: Row) -> str:
    day = day_of(row.version, row.uploaded)
    return f"{row.version} ({row.verdict}, {day})" if day else f"{row.version} ({row.verdict})"


def _state(row: Row, report: Report) -> str:
    """Return the verdict; for a flaky candidate also the failure count, because one run does not show it."""
    if not row.is_flaky:
        return row.verdict
    runs = plural(row.passed + row.failed, "sample" if report.plan.metric else "run")
    what = " beyond the limit" if report.plan.metric else ""
    counted = f"{row.failed} of {runs}{what}"
    return f"{row.verdict}: {counted if report.plan.metric else f'failed {counted}'}"


def _evidence(row: Row, report: Report) -> str:
    runs = row.passed + row.failed
    if row.samples:
        return f"{row.version}: {metrics.evidence(row, report)}"
    if row.failed:
        how = f": {row.signature.shown}" if row.signature else ""
        return f"{row.version} failed {row.failed} of {plural(runs, 'run')}{how}"
    return f"{row.version} passed {row.passed} of {plural(runs, 'run')}"


def _others(report: Report) -> Iterator[str]:
    yield from report.plan.axis.others
    elsewhere = sorted({row.step for row in report.rows if row.step} - {"as of the date, wheels only"})
    for step in elsewhere:
        if step != "latest, wheels only":
            served = [row.version for row in report.rows if row.step == step]
            yield f"{listing(served)}: {step}"


def _trials(report: Report) -> str:
    run = [row for row in report.rows if row.was_run]
    runs = sum(row.runs for row in run)
    remembered = sum(row.remembered for row in run)
    skipped = sum(1 for row in run if row.verdict == "skip")
    parts = [f"{len(run)} of {report.plan.axis.counted(len(report.rows))}", plural(runs, "run")]
    if remembered:
        parts[-1] += f" ({remembered} remembered)"
    if skipped:
        parts.append(f"{skipped} untestable")
    behind: Counter[str] = Counter()
    for stage in report.stages:
        axis = stage.plan.axis
        behind["for the cause" if axis.has_known_ends else axis.context] += stage.own_runs
    parts += [f"{plural(count, 'run')} {what}" for what, count in behind.items() if count]
    return ", ".join([*parts, duration(report.elapsed_s)])


def _machines(report: Report) -> Iterator[tuple[str, str]]:
    """Yield where the runs were made, and how they were confined there."""
    if hosts := sorted({host for row in report.rows for host in row.hosts}):
        yield "Hosts", listing([host or "this machine" for host in hosts], most=8)
    if report.sandbox:
        yield "Sandbox", _sandbox(report)


def _sandbox(report: Report) -> str:
    """Return the levels at which runs were confined; one below the strongest with what that means."""
    weakest = report.sandbox[-1]
    text = " and ".join(report.sandbox)
    if weakest is SandboxLevel.STRONG or "--sandbox" in report.plan.check_options:
        return text
    means = "runs were not confined" if weakest is SandboxLevel.NONE else "less than strong"
    return f"{text}: {means}; `bisect-asgi doctor` says why"


def _history(report: Report) -> str:
    """Return how much of the history is known beside the boundary; empty if something else says it."""
    run = [row.version for row in report.rows if row.how is ReleaseState.RUN and row.yanked is None]
    first = report.row(report.first)
    if first is None or report.levels or not run or len(report.rows) == 2:  # there is nothing beside two
        return ""
    where = f"from {run[0]} to {run[-1]}"
    if report.contradictions:
        seen, are = listing(report.contradictions), "is" if len(report.contradictions) == 1 else "are"
        return f"more than one change: {seen} {are} {first.verdict}, too (`--history all` finds all)"
    if report.shortest is None:
        return "" if report.belief else "one change is assumed (`--history all` looks for others)"
    if report.shortest == 1:
        return _all_run(report, where)
    missed = report.shortest - 1
    most = f"{'up to ' if missed > 1 else ''}{report.plan.axis.counted(missed)}"
    return f"{where}, a state of {most} may have been missed (`--history all`)"


def _all_run(report: Report, where: str) -> str:
    """Return that everything between the oldest and the newest release that was run was tried."""
    states = [row.how for row in report.rows if row.yanked is None]
    inside = states[states.index(ReleaseState.RUN) : len(states) - states[::-1].index(ReleaseState.RUN)]
    untestable = inside.count(ReleaseState.UNTESTABLE)
    but = f" but {untestable:,} untestable" if untestable else ""
    return f"{report.plan.axis.counted(len(inside))} {where}, all run{but}"


def _excluded(report: Report) -> Iterator[RenderableType]:
    reasons: dict[str, list[str]] = {}
    for out in report.excluded:
        if out.reason.startswith((OUTSIDE, BEYOND_THE_ENDS)):  # The user has set the range.
            continue
        reasons.setdefault(out.reason, []).append(out.version)
    for reason, versions in list(reasons.items())[:_MOST_REASONS]:
        yield Padding(
            Text(f"{plural(len(versions), 'release')}: {reason} ({listing(versions)})"), (0, 0, 0, 2)
        )
    if len(reasons) > _MOST_REASONS:
        more = sum(len(versions) for versions in list(reasons.values())[_MOST_REASONS:])
        yield Padding(Text(f"{plural(more, 'release')} for other reasons"), (0, 0, 0, 2))
