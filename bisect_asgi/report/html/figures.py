"""The pictures of a page, with the meanings of their marks."""

from __future__ import annotations

from collections.abc import Iterator

from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import duration
from bisect_asgi.report.document import Report
from bisect_asgi.report.page import SuitePage, Table
from bisect_asgi.report.picture.course import course
from bisect_asgi.report.picture.history import history
from bisect_asgi.report.picture.metric import metric
from bisect_asgi.report.picture.svg import Element, element, rectangle, shape
from bisect_asgi.report.timings import Timings

_SIZE = 16.0


class Figure(Struct, frozen=True, kw_only=True):
    """A picture with its title and the meaning of each mark."""

    title: str
    picture: Element
    legend: tuple[tuple[Element, str], ...] = ()
    table: Table | None = None
    """The picture's data as a table, if no other table of the page has it."""


def figures(report: Report) -> Iterator[Figure]:
    """Yield the history, the metric if one decides, and the course of the search if its times are known."""
    if drawn := history_figure(report, linked=True):
        yield drawn
    if measured := metric(report, linked=True):
        yield Figure(title=f"{report.plan.metric}", picture=measured, legend=_verdicts(report)[:2])
    if report.timings and (bars := course(report.timings)):
        yield Figure(title="Search", picture=bars, legend=_STEPS, table=_trials(report.timings))


def history_figure(report: Report, *, linked: bool) -> Figure | None:
    """Return the picture of the history; None if the candidates have no order."""
    if (picture := history(report, linked=linked)) is None:
        return None
    has_gap = report.gap or any(change.gap for change in report.changes)
    gap = ((_bar("gap"), "the change is at one of these"),) if has_gap else ()
    return Figure(title="History", picture=picture, legend=(*_verdicts(report), *gap))


def suite_figures(page: SuitePage) -> dict[str, Figure]:
    """Return for each anchor of a suite's page the picture of its history, if it has one."""
    return {
        entry.anchor: figure
        for entry in page.entries
        if entry.report and (figure := history_figure(entry.report, linked=False))
    }


def _verdicts(report: Report) -> tuple[tuple[Element, str], ...]:
    return (
        (_mark("good"), report.plan.term_old),
        (_mark("bad"), report.plan.term_new),
        (_mark("good", "inferred"), "inferred"),
        (_mark("skip"), "untestable"),
        (_mark("unknown"), "not run"),
    )


def _trials(timings: Timings) -> Table:
    return Table(
        header=("Trial", "From", "Took", "Fate"),
        rows=tuple(
            (span.label, duration(span.begun_s), duration(span.took_s), str(span.fate))
            for span in timings.spans
        ),
    )


def _mark(kind: str, *classes: str) -> Element:
    drawn = element("g", shape(kind, _SIZE / 2, _SIZE / 2, 6), class_=" ".join((kind, *classes)))
    return _icon(drawn)


def _icon(drawn: Element) -> Element:
    return element(
        "svg", drawn, class_="picture", width=_SIZE, height=_SIZE, viewBox="0 0 16 16", aria_hidden="true"
    )


def _bar(class_: str) -> Element:
    return _icon(rectangle(1, 3, 14, 10, class_=class_))


_STEPS = (
    (_bar("prepare"), "environment"),
    (_bar("run"), "run"),
    (_bar("wait"), "waiting"),
    (_bar("lost"), "unused or canceled"),
)
