"""The metric as a picture: every sample of each candidate, their spread and median, and the threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median

from bisect_asgi.report.document import Report
from bisect_asgi.report.metrics import short
from bisect_asgi.report.metrics import threshold as threshold_of
from bisect_asgi.report.picture.history import kind_of, said
from bisect_asgi.report.picture.svg import Element, element, label, line, picture, shape
from bisect_asgi.report.rows import Row
from bisect_asgi.report.scale import Scale, scale_of, ticks

_WIDTH, _HEIGHT = 960.0, 320.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 90.0, 16.0, 24.0, 40.0
_LEAST_DISTANCE = 70.0
"""Between the names of candidates below the picture."""


def metric(report: Report, *, linked: bool = False) -> Element | None:
    """Return the picture; None if nothing was measured.

    Args:
        report: the document.
        linked: whether each candidate is a link to its row.
    """
    measured = [(key, row) for key, row in enumerate(report.rows) if row.samples]
    if not measured:
        return None
    show = partial(short, unit=report.unit)
    threshold = threshold_of(report)
    values = [value for _, row in measured for value in row.samples]
    scale = scale_of(values if threshold is None else [*values, threshold])
    parts = [*_grid(scale, show)]
    if threshold is not None:
        parts += _limit(scale, threshold, show(threshold))
    parts += _samples(report, measured, scale, linked=linked)
    title = f"{report.plan.metric} of each candidate that was measured"
    return picture(parts, width=_WIDTH, height=_HEIGHT, title=title, class_="metric")


def _y(scale: Scale, value: float) -> float:
    return _HEIGHT - _BOTTOM - scale.share(value) * (_HEIGHT - _TOP - _BOTTOM)


def _grid(scale: Scale, show: Callable[[float], str]) -> Iterator[Element]:
    for value, text in ticks(scale, show):
        y = _y(scale, value)
        yield line(_LEFT, y, _WIDTH - _RIGHT, y, class_="rule")
        yield label(text, _LEFT - 8, y + 4, anchor="end", class_="faint")
    if scale.is_log:
        yield label("log scale", _LEFT, _TOP - 8, anchor="start", class_="faint")


def _limit(scale: Scale, threshold: float, text: str) -> Iterator[Element]:
    y = _y(scale, threshold)
    yield line(_LEFT, y, _WIDTH - _RIGHT, y, class_="threshold")
    yield label(f"threshold {text}", _WIDTH - _RIGHT, y - 6, anchor="end")


def _samples(
    report: Report, measured: Sequence[tuple[int, Row]], scale: Scale, *, linked: bool
) -> Iterator[Element]:
    step = (_WIDTH - _LEFT - _RIGHT) / len(measured)
    size = min(4.0, max(step / 3, 1.5))
    labeled = -_LEAST_DISTANCE
    for place, (key, row) in enumerate(measured):
        x = _LEFT + step * (place + 0.5)
        yield _candidate(report, key, row, scale, x=x, size=size, linked=linked)
        if x - labeled >= _LEAST_DISTANCE:
            labeled = x
            yield label(row.version, x, _HEIGHT - 14, class_="faint")


def _candidate(
    report: Report, key: int, row: Row, scale: Scale, *, x: float, size: float, linked: bool
) -> Element:
    kind = kind_of(report, row)
    middle = _y(scale, median(row.samples))
    marks = [
        element("title", text=said(report, row)),
        line(x, _y(scale, min(row.samples)), x, _y(scale, max(row.samples)), class_="spread"),
        *(shape(kind, x, _y(scale, value), size) for value in row.samples),
        line(x - 2 * size, middle, x + 2 * size, middle, class_="median"),
    ]
    if linked:
        return element("a", *marks, href=f"#row-{key}", class_=kind, aria_label=said(report, row))
    return element("g", *marks, class_=kind)
