"""The section of the text report about the time, with a chart of all trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bisect_asgi.core.model import Step
from bisect_asgi.core.text import duration, plural
from bisect_asgi.report.spans import Fate, Span
from bisect_asgi.report.text.tables import facts
from bisect_asgi.report.timings import OTHER, STOPPED, Ahead, Bound, Timings

_WIDEST = 100
_MOST_LINES = 60
_LABEL = 26
_LEAST_S = 0.005
"""Shorter times are not shown."""
_MARKS = {
    Step.RESOLVE: "r",
    Step.DOWNLOAD: "d",
    Step.BUILD: "b",
    Step.LINK: "l",
    Step.WAIT: ".",
    Step.START: "s",
    Step.RUN: "#",
}
_OTHER_MARK = "-"
_STOPPED_MARK = "x"
NO_DATES = "the log has no dates: it was written by a version that did not record them"


def parts(timings: Timings | None, *, width: int, title: str = "Timings") -> Iterator[RenderableType]:
    """Yield the section: sums, parallel work, speculation, bounds, steps and the chart."""
    yield Text(title, style="bold")
    if timings is None:
        yield Padding(Text(NO_DATES), (0, 0, 0, 2))
        return
    yield Padding(facts(_fact_lines(timings)), (0, 0, 0, 2))
    if timings.spans:
        yield ""
        yield Padding(_steps(timings), (0, 0, 0, 2))
        yield ""
        yield from _chart(timings, min(width, _WIDEST))


def _fact_lines(timings: Timings) -> Iterator[tuple[str, str]]:
    workers = plural(timings.workers, "worker")
    yield "Wall time", f"{duration(timings.wall_s)} on {workers}"
    if not timings.spans:
        return
    head, own, tail = (duration(each) for each in (timings.head_s, timings.own_s, timings.tail_s))
    path = sum(span.took_s for span in timings.spans if span.is_critical)
    trials = plural(sum(span.is_critical for span in timings.spans), "trial")
    yield "Critical path", f"{duration(path)} in {trials}; {head} before, {own} between, {tail} after"
    yield "In parallel", _in_parallel(timings)
    trials = plural(timings.speculation.count, "trial")
    yield "Speculation", _ahead(timings.speculation, f"{trials} begun before they were known to be needed")
    built = plural(timings.preparation.count, "environment")
    yield "Built ahead", _ahead(timings.preparation, built)
    yield (
        "Lower bound",
        f"{_bound(timings.lower_bound, timings)}; this run took {timings.ratio:.2f} times that",
    )
    yield "Oracle", f"{_bound(timings.oracle, timings)}, if the result were known and only had to be shown"


def _in_parallel(timings: Timings) -> str:
    spent = [
        f"{count or 'none'} for {duration(seconds)}"
        for count, seconds in enumerate(timings.in_parallel)
        if seconds >= _LEAST_S
    ]
    idle = duration(timings.idle_s)
    return f"{timings.mean_parallel:.2f} on average ({', '.join(spent)}); workers were idle for {idle}"


def _ahead(ahead: Ahead, what: str) -> str:
    if not ahead.count:
        return "none"
    unused = ahead.count - ahead.used - ahead.cancelled
    fates = [f"{ahead.used} used, which saved at most {duration(ahead.won_s)}"]
    fates += [f"{unused} not needed"] if unused else []
    fates += [f"{ahead.cancelled} cancelled"] if ahead.cancelled else []
    cost = f", which cost {duration(ahead.cost_s)} of a worker" if unused or ahead.cancelled else ""
    return f"{what}: {'; '.join(fates)}{cost}"


def _bound(bound: Bound, timings: Timings) -> str:
    reasons = {
        f"{duration(bound.work_s)} of work by {plural(timings.workers, 'worker')}": bound.share_s,
        "the longest chain of one candidate": bound.chain_s,
        "one measured run at a time": bound.measuring_s,
    }
    why = max(reasons, key=lambda reason: reasons[reason])
    return f"{duration(bound.seconds)} (the time before, and {why})"


def _steps(timings: Timings) -> Table:
    """Return the seconds of each step: of all trials, of those of stages, of those on the critical path."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("Step", no_wrap=True)
    stages = [timings.steps_of_culprit] if timings.steps_of_culprit else []
    heads = ["All trials", *(["Stages"] if stages else []), "Critical path"]
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("In the chart")
    marks = {str(step): mark for step, mark in _MARKS.items()}
    marks |= {OTHER: _OTHER_MARK, STOPPED: _STOPPED_MARK}
    for name, seconds in timings.steps.items():
        if seconds < _LEAST_S:
            continue
        columns = [
            {name: seconds},
            *stages,
            timings.steps_of_path,
        ]
        cells = [duration(sums[name]) if name in sums else "" for sums in columns]
        table.add_row(str(name), *cells, marks[name])
    return table


def _chart(timings: Timings, width: int) -> Iterator[Text]:
    """Yield a line for each span, on a scale from the start of the run to its end."""
    shown = _chosen(timings.spans)
    label_width = min(_LABEL, max(len(_name(span)) for span in shown))
    room = max(20, width - label_width - 5)
    end = duration(timings.wall_s)
    yield Text(f"  {'':{label_width + 3}}0 s{end:>{room - 3}}", style="dim")
    stage = 0
    for span in shown:
        if span.stage != stage:
            stage = span.stage
            yield Text(f"  {'stage ' + str(stage):{label_width + 3}}{'·' * room}", style="dim")
        name = _name(span)
        name = name if len(name) <= label_width else f"{name[: label_width - 1]}…"
        mark = "*" if span.is_critical else " "
        yield Text(f"  {mark} {name:{label_width}} {_bar(span, timings.wall_s, room)}", style=_style(span))
    yield Text(f"  {'':{label_width + 3}}{_legend(timings, len(shown))}", style="dim")


def _legend(timings: Timings, shown: int) -> str:
    told = ["* critical path"]
    if any(span.is_ahead for span in timings.spans):
        told.append("? begun before it was known to be needed")
    if any(span.is_preparation for span in timings.spans):
        told.append("+ environment built ahead")
    if hidden := len(timings.spans) - shown:
        told.append(f"{hidden} shorter ones not shown")
    return "; ".join(told)


def _chosen(spans: Sequence[Span]) -> list[Span]:
    """Return the spans that the chart has room for: those of the critical path, then the longest."""
    places = sorted(range(len(spans)), key=lambda n: (not spans[n].is_critical, -spans[n].took_s))
    return [spans[place] for place in sorted(places[:_MOST_LINES])]


def _name(span: Span) -> str:
    if span.is_preparation:
        return f"+ {span.label}"
    return f"{span.label} ?" if span.is_ahead else span.label


def _style(span: Span) -> str:
    if span.fate is not Fate.USED:
        return "dim"
    return "cyan" if span.is_preparation else ""


def _bar(span: Span, wall_s: float, room: int) -> str:
    """Return the steps in their order, each as wide as its time; the shortest span has one column."""
    first = min(int(span.begun_s / wall_s * room), room - 1) if wall_s else 0
    last = max(first + 1, min(round(span.ended_s / wall_s * room), room)) if wall_s else 1
    count = last - first
    ends, now_s = [], 0.0
    for mark, seconds in _marks(span):
        now_s += seconds
        ends.append((now_s, mark))
    whole_s = now_s or 1.0
    drawn = "".join(
        next((mark for end_s, mark in ends if (column + 0.5) / count * whole_s <= end_s), _OTHER_MARK)
        for column in range(count)
    )
    return " " * first + drawn


def _marks(span: Span) -> Iterator[tuple[str, float]]:
    if not span.steps:
        yield (_STOPPED_MARK if span.fate is Fate.CANCELLED else _OTHER_MARK), span.took_s
        return
    yield _OTHER_MARK, span.other_s
    for step in Step:
        yield _MARKS[step], span.steps.get(step, 0.0)
