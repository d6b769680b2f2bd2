"""The report for a terminal, or for whoever pastes it into an issue."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bisect_asgi.errors import ExitCode
from bisect_asgi.format import date, duration, listing, plural
from bisect_asgi.releases import OUTSIDE
from bisect_asgi.report.fold import How, Report, Row

_MOST_LEFT_OUT = 8
_WIDTH_OF_FILES = 120


def render(report: Report, console: Console | None = None) -> None:
    """Print the report, to the standard output unless a console is given."""
    out = console or Console()
    if console is None and not out.is_terminal:
        out = Console(width=_WIDTH_OF_FILES)
    with out.capture() as capture:
        for part in _parts(report):
            # What is to be pasted must not be broken into lines.
            out.print(part, highlight=False, soft_wrap=isinstance(part, _Pasted))
    for line in capture.get().splitlines():
        out.file.write(f"{line.rstrip()}\n")
    out.file.flush()


class _Pasted(Text):
    """A line that somebody will paste."""


def _parts(report: Report) -> Iterator[RenderableType]:
    """The whole report: the answer, what it rests on, the table, the commands."""
    if report.exit_code is ExitCode.FOUND:  # else the door says why there is no answer, as an error
        yield Text(report.headline, style="bold")
        yield ""
    yield _facts(report)
    if any(row.how is How.RUN for row in report.rows):
        yield ""
        yield _table(report)
    if len(report.changes) > 1 or report.contradictions:
        yield ""
        yield Text(_not_monotonic(report), style="yellow")
    if left_out := list(_left_out(report)):
        yield ""
        yield Text("Left out", style="bold")
        yield from left_out
    if any(command for _, command in report.reproduce):
        yield ""
        yield Text("Reproduce", style="bold")
        for version, command in report.reproduce:
            row = report.row(version)
            yield Text(f"  # {version} ({row.verdict if row else ''})", style="dim")
            yield _Pasted(f"  {command}")


def _facts(report: Report) -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in _fact_lines(report):
        table.add_row(name, Text(fact))
    return table


def _fact_lines(report: Report) -> Iterator[tuple[str, str]]:
    last, first = report.row(report.last), report.row(report.first)
    if last and first:
        yield "Boundary", f"{report.plan.project} {_side(last)} → {_side(first)}"
        yield "Evidence", f"{_evidence(last)}; {_evidence(first)}"
    for change in report.changes if len(report.changes) > 1 else ():
        among = f" ({plural(len(change.gap), 'release')} between cannot be tested)" if change.gap else ""
        yield "Change", f"{change.last} → {change.first} is {change.verdict}{among}"
    if report.affected:
        yield "Affected", " or ".join(report.affected)
    if report.interpreter:
        yield "Python", f"{report.interpreter.version}: {report.interpreter_reason}"
    yield "Others", "; ".join(_others(report))
    if report.rows:
        yield "Trials", _trials(report)


def _side(row: Row) -> str:
    return f"{row.version} ({row.verdict}, {date(row.uploaded)})"


def _evidence(row: Row) -> str:
    runs = row.passed + row.failed
    if row.failed:
        how = f": {row.signature.shown}" if row.signature else ""
        return f"{row.version} failed {row.failed} of {plural(runs, 'run')}{how}"
    return f"{row.version} passed {row.passed} of {plural(runs, 'run')}"


def _others(report: Report) -> Iterator[str]:
    policies = {
        "as-of-release": "dependencies as of each release's upload",
        "latest": "latest dependencies",
    }
    policy = report.plan.dependencies
    yield policies.get(policy, policy.replace("as-of", "dependencies as of"))
    if report.plan.held:
        yield f"held: {listing(report.plan.held, most=8)}"
    elsewhere = sorted({row.step for row in report.rows if row.step} - {"as of the date, wheels only"})
    for step in elsewhere:
        if step != "latest, wheels only":
            served = [row.version for row in report.rows if row.step == step]
            yield f"{listing(served)}: {step}"


def _trials(report: Report) -> str:
    run = [row for row in report.rows if row.how is How.RUN]
    runs = sum(row.passed + row.failed for row in run)
    remembered = sum(row.remembered for row in run)
    skipped = sum(1 for row in run if row.verdict == "skip")
    parts = [f"{len(run)} of {plural(len(report.rows), 'release')}", plural(runs, "run")]
    if remembered:
        parts[-1] += f" ({remembered} remembered)"
    if skipped:
        parts.append(f"{skipped} untestable")
    return ", ".join([*parts, duration(report.elapsed_s)])


def _table(report: Report) -> Table:
    """Every release that was run; neighbours that were not, or cannot be tested for one reason, together."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("Release", "Uploaded", "Verdict", "Runs"):
        table.add_column(name, no_wrap=True)
    table.add_column("Time", justify="right", no_wrap=True)
    table.add_column("What was seen", overflow="fold")
    for _, group in groupby(report.rows, key=_kind):
        rows = list(group)
        how = "dim" if rows[0].how is not How.RUN else _style(rows[0], report)
        cells = _cells(rows[0]) if len(rows) == 1 else _stretch(rows)
        table.add_row(*map(Text, cells), style=how)  # as text: what a probe says is no markup
    return table


def _kind(row: Row) -> tuple[str, ...]:
    """What neighbours have in common that are shown as one line."""
    if row.how is not How.RUN:
        return row.how, row.verdict
    if row.verdict == "skip" and row.signature and not row.different:
        return row.how, row.verdict, row.signature.text
    return row.how, row.version


def _cells(row: Row) -> tuple[str, ...]:
    runs = row.passed + row.failed
    time = duration(sum(run.wall_s for run in row.observations)) if runs else ""
    return row.version, date(row.uploaded), row.verdict or "?", f"{runs or ''}", time, _seen(row)


def _stretch(rows: list[Row]) -> tuple[str, ...]:
    seen = f"{plural(len(rows), 'release')}: {_seen(rows[0])}"
    return f"{rows[0].version} … {rows[-1].version}", "", rows[0].verdict or "?", "", "", seen


def _seen(row: Row) -> str:
    match row.how:
        case How.INFERRED:
            return "inferred"
        case How.UNKNOWN:
            broken = [run.signature.shown for run in row.observations if run.signature]
            return f"nothing was learnt: {broken[-1]}" if broken else "not looked at"
        case How.RUN:
            seen = row.signature.shown if row.signature else ""
            return f"{seen} (a different failure)" if row.different else seen


def _style(row: Row, report: Report) -> str:
    return {report.plan.term_old: "green", report.plan.term_new: "red"}.get(row.verdict, "yellow")


def _not_monotonic(report: Report) -> str:
    text = "the history is not monotonic: it changes more than once"
    if report.shortest is None:
        seen = listing(report.contradictions)
        return f"warning: {text}; {seen} answer as the newer releases do (`--all` finds all changes)"
    if report.shortest == 1:
        return f"{text}; every release was looked at"
    lasted = plural(report.shortest, "release")
    return f"{text}; any state that lasted for at least {lasted} has been seen (`--all` finds all)"


def _left_out(report: Report) -> Iterator[RenderableType]:
    reasons: dict[str, list[str]] = {}
    for out in report.left_out:
        if out.reason.startswith(OUTSIDE):  # the user knows
            continue
        reasons.setdefault(out.reason, []).append(out.version)
    for reason, versions in list(reasons.items())[:_MOST_LEFT_OUT]:
        yield Padding(
            Text(f"{plural(len(versions), 'release')}: {reason} ({listing(versions)})"), (0, 0, 0, 2)
        )
    if len(reasons) > _MOST_LEFT_OUT:
        more = sum(len(versions) for versions in list(reasons.values())[_MOST_LEFT_OUT:])
        yield Padding(Text(f"{plural(more, 'release')} for other reasons"), (0, 0, 0, 2))
