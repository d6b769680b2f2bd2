"""The course of a search as a picture: the trials of each worker over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bisect_asgi.core.model import Step
from bisect_asgi.core.text import duration
from bisect_asgi.report.picture.svg import Element, element, label, line, picture, rectangle
from bisect_asgi.report.scale import scale_of, ticks
from bisect_asgi.report.spans import Fate, Span
from bisect_asgi.report.timings import Timings

_WIDTH, _LEFT, _RIGHT, _TOP = 960.0, 230.0, 16.0, 26.0
_LINE = 15.0
_MOST_LINES = 200
_LONGEST_LABEL = 32
_LEAST_WIDTH = 1.0


def course(timings: Timings) -> Element | None:
    """Return the picture of the longest trials; None if no trial is known."""
    shown = _chosen(timings.spans)
    if not shown or timings.wall_s <= 0:
        return None
    height = _TOP + _LINE * len(shown) + 8
    parts = [*_axis(timings.wall_s, height)]
    for place, span in enumerate(shown):
        parts.append(_bar(span, timings.wall_s, y=_TOP + _LINE * place))
    hidden = len(timings.spans) - len(shown)
    more = f", without {hidden} shorter ones" if hidden else ""
    title = f"trials from the start of the command to its end, {duration(timings.wall_s)}{more}"
    return picture(parts, width=_WIDTH, height=height, title=title, class_="course")


def _chosen(spans: Sequence[Span]) -> list[Span]:
    longest = sorted(range(len(spans)), key=lambda place: -spans[place].took_s)[:_MOST_LINES]
    return [spans[place] for place in sorted(longest)]


def _x(seconds: float, wall_s: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(seconds / wall_s, 1.0)


def _axis(wall_s: float, height: float) -> Iterator[Element]:
    for seconds, text in ticks(scale_of([0.0, wall_s]), _seconds):
        x = _x(seconds, wall_s)
        yield line(x, _TOP - 6, x, height, class_="rule")
        yield label(text, x, _TOP - 10, class_="faint")


def _seconds(seconds: float) -> str:
    return "0" if seconds == 0 else duration(seconds)


def _bar(span: Span, wall_s: float, *, y: float) -> Element:
    """Return the bar of a trial: waiting, making its environment, running; one color if it was unused."""
    told = f"{span.label}: {duration(span.took_s)}, {span.fate}"
    name = span.label if len(span.label) <= _LONGEST_LABEL else f"{span.label[: _LONGEST_LABEL - 1]}…"
    parts = [element("title", text=told), label(name, _LEFT - 8, y + 11, anchor="end")]
    at_s = span.begun_s
    for class_, seconds in _stretches(span):
        left, right = _x(at_s, wall_s), _x(at_s + seconds, wall_s)
        if seconds > 0:
            parts.append(rectangle(left, y + 2, max(right - left, _LEAST_WIDTH), _LINE - 4, class_=class_))
        at_s += seconds
    return element("g", *parts)


def _stretches(span: Span) -> Iterator[tuple[str, float]]:
    if span.fate is not Fate.USED or not span.steps:
        yield "lost", span.took_s
        return
    running = span.steps.get(Step.START, 0.0) + span.steps.get(Step.RUN, 0.0)
    waiting = span.steps.get(Step.WAIT, 0.0)
    yield "wait", waiting
    yield "prepare", max(0.0, span.took_s - running - waiting)
    yield "run", running
