"""A plot of a metric for a terminal: a line for each candidate, a dot for each sample."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import median

from rich.cells import cell_len, set_cell_size
from rich.console import RenderableType
from rich.text import Text

from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.metrics.criteria import RATIO
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.core.text import printable
from bisect_asgi.report.document import Report
from bisect_asgi.report.metrics import short, threshold
from bisect_asgi.report.scale import Scale, scale_of, ticks

_RELEASES = AxisWords()
STYLES: Mapping[str, str] = {"good": "green", "bad": "red", "skip": "yellow"}
"""Colors of marks. They say no more than the marks, for a terminal without colors."""

_MEDIAN, _LIMIT = "◆", "│"
_DOTS = ((4, "●"), (2, "•"), (1, "·"))
_MOST_LABEL = 24
_LEAST_STRIP = 24
_LOG = "log scale"


class _Axis(Struct, frozen=True, kw_only=True):
    """The cells of a strip: from the middle of its first one to the middle of its last one."""

    scale: Scale
    cells: int

    def cell(self, value: float) -> int:
        """Return the cell of a value, counted from 0."""
        return round(self.scale.share(value) * (self.cells - 1))


class _Row(Struct, frozen=True, kw_only=True):
    label: str
    samples: Sequence[float]
    mark: str
    value: str


def plot(
    labels: Sequence[str],
    samples: Sequence[Sequence[float]],
    *,
    marks: Sequence[str],
    show: Callable[[float], str],
    limit: float | None = None,
    width: int = 80,
    counted: Callable[[int], str] = _RELEASES.counted,
    styles: Mapping[str, str] = STYLES,
) -> list[Text]:
    """Return the lines of the plot, of at most `width` cells each; none if there is no sample.

    A dot is `·` for one sample, `•` for two or three and `●` for more; `◆` is the median. The value of the
    median and the mark follow the dots. One line counts the candidates without samples. If `width` is small,
    the medians are omitted first, then the marks. Below about 50 cells, lines are longer than `width`.

    Args:
        labels: the candidates, oldest first.
        samples: the values of each candidate.
        marks: the verdict of each candidate, `good`, `bad` or `skip`, or nothing.
        show: writes a value with its unit.
        limit: the threshold, drawn as a line through all rows.
        noun: the noun for one candidate, such as `release`.
        styles: the colors of marks.

    Raises:
        ValueError: labels, samples and marks differ in number, or a value is not finite.
    """
    rows = [
        _Row(label=_cropped(label), samples=own, mark=mark, value=show(median(own)) if own else "")
        for label, own, mark in zip(labels, samples, marks, strict=True)
    ]
    values = [value for own in samples for value in own]
    if not values:
        return []
    everything = values if limit is None else [*values, limit]
    if not all(map(math.isfinite, everything)):
        raise ValueError("only finite values can be drawn")
    scale = scale_of(everything)
    left = max(cell_len(row.label) for row in rows if row.samples)
    left = max(left, len(_LOG) if scale.is_log else 0) + 2
    tails = _tails(rows, width - left - _LEAST_STRIP)
    cells = max(_LEAST_STRIP, width - left - max(map(cell_len, tails)))
    axis = _Axis(scale=scale, cells=cells)
    at = None if limit is None else axis.cell(limit)
    return [
        *([] if limit is None else [_title(axis, f"limit {show(limit)}", limit, left)]),
        *_lines(rows, tails, axis, left=left, at=at, counted=counted, styles=styles),
        *_scale(axis, show, left=left, at=at),
    ]


def _title(axis: _Axis, words: str, limit: float, left: int) -> Text:
    return Text(_placed({axis.cell(limit): words}, left, axis.cells), style="dim")


def _cropped(label: str) -> str:
    label = printable(label)
    return label if cell_len(label) <= _MOST_LABEL else set_cell_size(label, _MOST_LABEL - 1) + "…"


def _tails(rows: Sequence[_Row], room: int) -> list[str]:
    """Return the text behind each strip: median and mark, or as much of them as there is room for."""
    most = max(cell_len(row.value) for row in rows)
    for tails in (
        [f"  {' ' * (most - cell_len(row.value))}{row.value}  {row.mark}".rstrip() for row in rows],
        [f"  {row.mark}".rstrip() for row in rows],
    ):
        if max(map(cell_len, tails)) <= room:
            return tails
    return [""] * len(rows)


def _lines(
    rows: Sequence[_Row],
    tails: Sequence[str],
    axis: _Axis,
    *,
    left: int,
    at: int | None,
    counted: Callable[[int], str],
    styles: Mapping[str, str],
) -> Iterator[Text]:
    for is_measured, group in groupby(zip(rows, tails, strict=True), key=lambda pair: bool(pair[0].samples)):
        if is_measured:
            for row, tail in group:
                line = Text(set_cell_size(row.label, left))
                yield line.append(_strip(row.samples, axis, at) + tail, style=styles.get(row.mark, ""))
        else:
            words = f"… {counted(len(list(group)))} not measured"
            column = left + (at or 0)
            has_room = at is not None and column > len(words)
            yield Text(f"{words:{column}}{_LIMIT}" if has_room else words, style="dim")


def _strip(samples: Sequence[float], axis: _Axis, at: int | None) -> str:
    cells = [" "] * axis.cells
    if at is not None:
        cells[at] = _LIMIT
    for cell, count in Counter(map(axis.cell, samples)).items():
        cells[cell] = next(dot for least, dot in _DOTS if count >= least)
    cells[axis.cell(median(samples))] = _MEDIAN
    return "".join(cells)


def _scale(axis: _Axis, show: Callable[[float], str], *, left: int, at: int | None) -> Iterator[Text]:
    labels = {axis.cell(tick): label for tick, label in ticks(axis.scale, show)}
    line = "".join(
        ("┼" if cell == at else "┬") if cell in labels else "┴" if cell == at else "─"
        for cell in range(axis.cells)
    )
    yield Text(f"{_LOG if axis.scale.is_log else '':{left}}{line}", style="dim")
    yield Text(_placed(labels, left, axis.cells), style="dim")


def _placed(words: Mapping[int, str], left: int, cells: int) -> str:
    """Return a line with words centered at cells of the strip, without those that there is no room for."""
    line = ""
    for cell, word in sorted(words.items()):
        start = max(0, min(left + cell - cell_len(word) // 2, left + cells - cell_len(word)))
        if not line or start >= cell_len(line) + 2:
            line = set_cell_size(line, start) + word
    return line


def parts_of(report: Report, width: int) -> list[RenderableType]:
    """Return the plot of the metric; nothing if no candidate has samples."""
    lines = plot(
        [row.version for row in report.rows],
        [row.samples for row in report.rows],
        marks=[row.verdict if row.how is ReleaseState.RUN else "" for row in report.rows],
        show=lambda value: short(value, report.unit),
        limit=threshold(report),
        width=width,
        counted=report.plan.axis.counted,
        styles={report.plan.term_old: "green", report.plan.term_new: "red", "skip": "yellow"},
    )
    return [Text(f"{report.plan.metric}{_of_what(report)}", style="bold"), *lines] if lines else []


def _of_what(report: Report) -> str:
    if report.unit != RATIO:
        return ""
    return ", as a ratio to the baseline's" + (f", {report.ends.reference}" if report.ends else "")
