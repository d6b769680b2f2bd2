"""The whole report as text: all candidates, the runs behind the cause, and the changes in the culprit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from bisect_asgi.core.model import SandboxLevel
from bisect_asgi.core.text import duration, listing, plural
from bisect_asgi.report import metrics
from bisect_asgi.report.by_hand import by_hand
from bisect_asgi.report.document import Report
from bisect_asgi.report.facts import excluded_by_reason, fix_lines
from bisect_asgi.report.history import missed
from bisect_asgi.report.rows import Row
from bisect_asgi.report.script import Script, script_of
from bisect_asgi.report.sides import sides
from bisect_asgi.report.text import timings as timings_section
from bisect_asgi.report.text.culprit import cause_parts, commit_parts, difference_parts, is_telling
from bisect_asgi.report.text.plot import parts_of
from bisect_asgi.report.text.tables import Pasted, facts, table

_MOST_REASONS = 8
WIDTH_OF_FILES = 120


def parts(
    report: Report, *, plot_width: int, timings_width: int, probe: str | None = None
) -> Iterator[RenderableType]:
    """Yield the whole report.

    A width of 0 omits the plot or the timings. `probe` is the text of the probe, or "" if unknown; None omits
    the script that runs it.
    """
    if report.kind.is_result:  # otherwise the command prints the headline as an error
        yield Text(report.headline, style="bold")
        yield ""
    yield facts(_fact_lines(report))
    if any(row.was_run for row in report.rows):
        yield ""
        yield table(report)
    if plot_width and (drawn := parts_of(report, plot_width)):
        yield ""
        yield from drawn
    if report.commit:
        yield ""
        yield from commit_parts(report.commit)
    yield from _why(report)
    yield from _excluded(report)
    yield from _reproduce(report)
    if timings_width:
        yield ""
        yield from timings_section.parts(report.timings, width=timings_width)
    if probe is not None and report.plan.served and (script := script_of(report, probe)):
        yield from _by_hand(report, script)


def _reproduce(report: Report) -> Iterator[RenderableType]:
    """Yield the commands to paste into a shell, for each side of the boundary."""
    if not any(command for _, command in report.reproduce):
        return
    yield ""
    yield Text("Reproduce", style="bold")
    for version, command in report.reproduce:
        row = report.row(version)
        yield Text(f"  # {version} ({_state(row, report) if row else ''})", style="dim")
        yield Pasted(f"  {command}")


def _by_hand(report: Report, script: Script) -> Iterator[RenderableType]:
    """Yield the commands that need only the script, and the script."""
    yield ""
    yield Text(f"Reproduce without bisect-asgi: save what follows as {script.name}", style="bold")
    for row in filter(None, map(report.row, (report.last, report.first))):
        for tool, command in by_hand(report.plan, row, script=script.name):
            yield Text(f"  # {row.version} ({_state(row, report)}), with {tool}", style="dim")
            yield from (Pasted(f"  {line}") for line in command.splitlines())
    yield ""
    yield from map(Pasted, script.text.splitlines())


def _why(report: Report) -> Iterator[RenderableType]:
    """Yield the culprits, and the changes in them."""
    if parts := list(cause_parts(report)):
        yield ""
        yield Text("Cause", style="bold")
        yield from parts
    for compared in filter(is_telling, report.compared):
        yield ""
        yield from difference_parts(compared)


def _fact_lines(report: Report) -> Iterator[tuple[str, str]]:
    yield from sides(report)
    yield from metrics.facts(report)
    for change in report.changes if len(report.changes) > 1 and metrics.are_changes_shown(report) else ():
        gap = report.plan.axis.counted(len(change.gap))
        among = f" ({gap} between untestable)" if change.gap else ""
        yield "Change", f"{change.last} → {change.first} is {change.verdict}{among}{metrics.sure(change)}"
    if report.affected:
        beyond = "searched {} to {}".format(*report.searched) if report.searched else ""
        told = ", ".join(filter(None, ("any of these failures" if report.failures else "", beyond)))
        affected = " or ".join(stretch.specifier for stretch in report.affected)
        yield "Affected", affected + (f" ({told})" if told else "")
    if history := missed(report):
        yield "History", history
    if report.interpreter:
        yield "Python", f"{report.interpreter.version}: {report.interpreter_reason}"
    if others := "; ".join(_others(report)):
        yield "With", others
    if report.rows:
        yield "Runs", runs_line(report)
    yield from zip(("Fix", " or", " or"), fix_lines(report), strict=False)
    yield from _machines(report)
    yield from (("Note", note) for note in report.notes)


def _state(row: Row, report: Report) -> str:
    """Return the verdict; for a flaky candidate also the failure count, because one run does not show it."""
    if not row.is_flaky:
        return row.verdict
    runs = plural(row.passed + row.failed, "sample" if report.plan.metric else "run")
    what = " beyond the threshold" if report.plan.metric else ""
    counted = f"{row.failed} of {runs}{what}"
    return f"{row.verdict}: {counted if report.plan.metric else f'failed {counted}'}"


def _others(report: Report) -> Iterator[str]:
    yield from report.plan.axis.others
    elsewhere = sorted({row.step for row in report.rows if row.step} - {"as of the date, wheels only"})
    for step in elsewhere:
        if step != "latest, wheels only":
            served = [row.version for row in report.rows if row.step == step]
            yield f"{listing(served)}: {step}"


def runs_line(report: Report) -> str:
    """Return `17 runs on 11 of 28 releases, 22 more to find the cause, 58 s`."""
    run = [row for row in report.rows if row.was_run]
    cached, skipped = sum(row.remembered for row in run), sum(row.verdict == "skip" for row in run)
    of = f" ({cached} cached)" if cached else ""
    made = plural(sum(row.runs for row in run), "run")
    parts = [f"{made}{of} on {len(run)} of {report.plan.axis.counted(len(report.rows))}"]
    if skipped:
        parts.append(f"{skipped} untestable")
    behind: Counter[str] = Counter()
    for stage in report.stages:
        axis = stage.plan.axis
        behind["to find the cause" if axis.has_known_ends else axis.context] += stage.own_runs
    parts += [f"{count} more {what}" for what, count in behind.items() if count]
    return ", ".join([*parts, duration(report.elapsed_s)])


def _machines(report: Report) -> Iterator[tuple[str, str]]:
    """Yield the hosts of the runs, and the levels at which the runs were confined."""
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
    return f"{text}: {means}; `bisect-asgi doctor` shows the reason"


def _excluded(report: Report) -> Iterator[RenderableType]:
    reasons = excluded_by_reason(report.excluded)
    if reasons:
        yield ""
        yield Text("Excluded", style="bold")
    for reason, versions in list(reasons.items())[:_MOST_REASONS]:
        yield Padding(
            Text(f"{plural(len(versions), 'release')}: {reason} ({listing(versions)})"), (0, 0, 0, 2)
        )
    if len(reasons) > _MOST_REASONS:
        more = sum(len(versions) for versions in list(reasons.values())[_MOST_REASONS:])
        yield Padding(Text(f"{plural(more, 'release')} for other reasons"), (0, 0, 0, 2))
