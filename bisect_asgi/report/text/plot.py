"""A plot of a metric for a terminal: a line for each candidate, a dot for each sample."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import median

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import printable

_RELEASES = AxisWords()
STYLES: Mapping[str, str] = {"good": "green", "bad": "red", "skip": "yellow"}
"""Colors of marks. They say no more than the marks, for a terminal without colors."""

LOG_FROM = 50.0
"""The ratio of the largest value to the least from which on the axis is logarithmic, if all are positive."""

_MEDIAN, _LIMIT = "◆", "│"
_DOTS = ((4, "●"), (2, "•"), (1, "·"))
_MOST_LABEL = 24
_LEAST_STRIP = 24
_LOG = "log scale"
_UNITS = (1.0, 60.0, 3600.0, 1024.0, 1024.0**2, 1024.0**3)
_SHOWN_IN = (*_UNITS, 1024.0**4, 0.01, 1e-3, 1e-6, 1e-9)
_NUMBER = re.compile(r"-?[\d.,]+(?:e[+-]?\d+)?")


class _Axis(Struct, frozen=True, kw_only=True):
    """The scale of a strip: from the middle of its first cell to the middle of its last."""

    low: float
    high: float
    cells: int
    is_log: bool

    def cell(self, value: float) -> int:
        """Return the cell of a value, counted from 0."""
        low, high, value = (math.log(v) if self.is_log else v for v in (self.low, self.high, value))
        # The difference of two large values may be infinite, that of their halves is not.
        return round((value / 2 - low / 2) / (high / 2 - low / 2) * (self.cells - 1))


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

    A dot is `·` for one sample, `•` for two or three and `●` for more; `◆` is the median. The median and the
    mark follow the dots. Candidates without samples are counted in one line. If `width` is small, the medians
    are omitted first, then the marks. Below about 50 cells, lines are longer than `width`.

    Args:
        labels: the candidates, oldest first.
        samples: the values of each candidate.
        marks: the verdict of each candidate, `good`, `bad` or `skip`, or nothing.
        show: writes a value with its unit.
        limit: drawn as a line through all rows.
        noun: what one candidate is called.
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
    low, high, is_log = _range(everything)
    left = max(cell_len(row.label) for row in rows if row.samples)
    left = max(left, len(_LOG) if is_log else 0) + 2
    tails = _tails(rows, width - left - _LEAST_STRIP)
    cells = max(_LEAST_STRIP, width - left - max(map(cell_len, tails)))
    axis = _Axis(low=low, high=high, cells=cells, is_log=is_log)
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


def _range(values: Sequence[float]) -> tuple[float, float, bool]:
    """Return the two ends of the axis, never equal ones, and whether it is logarithmic."""
    low, high = min(values), max(values)
    if low > 0 and high / LOG_FROM > low:
        return low, high, True
    if high / 2 - low / 2 <= 1e-9 * max(abs(low), abs(high)):
        room = 0.05 * abs(low) or 1.0
        return low - room, high + room, False
    return low, high, False


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
    ticks = {axis.cell(tick): _label(tick, show)[0] for tick in _ticks(axis, show)}
    line = "".join(
        ("┼" if cell == at else "┬") if cell in ticks else "┴" if cell == at else "─"
        for cell in range(axis.cells)
    )
    yield Text(f"{_LOG if axis.is_log else '':{left}}{line}", style="dim")
    yield Text(_placed(ticks, left, axis.cells), style="dim")


def _placed(words: Mapping[int, str], left: int, cells: int) -> str:
    """Return a line with words centered at cells of the strip, without those that there is no room for."""
    line = ""
    for cell, word in sorted(words.items()):
        start = max(0, min(left + cell - cell_len(word) // 2, left + cells - cell_len(word)))
        if not line or start >= cell_len(line) + 2:
            line = set_cell_size(line, start) + word
    return line


def _ticks(axis: _Axis, show: Callable[[float], str]) -> list[float]:
    """Return round values on the axis: those that `show` writes with the fewest digits.

    Values that `show` rounds come last, because equal distances between them would read unequal.
    """

    def roughness(ticks: list[float]) -> tuple[int, bool, bool, bool, float, int]:
        labels, count = [_label(tick, show) for tick in ticks], len(ticks)
        words, is_rounded = [word for word, _ in labels], not all(is_exact for _, is_exact in labels)
        digits = sum(len(number.strip("0.,")) for number in re.findall(r"[\d.,]+", " ".join(words)))
        doubles = count - len(set(words))
        return doubles, count < 2, is_rounded, not 3 <= count <= 5, digits / count, abs(4 - count)

    grids = _log_grids(axis) if axis.is_log else _grids(axis)
    return min((grid for grid in grids if grid), key=roughness)


def _label(tick: float, show: Callable[[float], str]) -> tuple[str, bool]:
    """Return a tick as `show` writes it, with one more digit if that is rounded, and whether it is exact."""
    word = show(tick)
    match = _NUMBER.search(word)
    number = float(match[0].replace(",", "")) if match else 0.0
    unit = next((unit for unit in _SHOWN_IN if number and abs(tick / number / unit - 1) < 0.02), None)
    if match is None or unit is None:
        return word, tick == 0
    if math.isclose(number * unit, tick, rel_tol=1e-9):
        return word, True
    decimals = len(match[0].partition(".")[2]) + 1
    finer = round(tick / unit, decimals)
    is_exact = math.isclose(finer * unit, tick, rel_tol=1e-9)
    return word.replace(match[0], f"{finer:.12g}", 1) if is_exact else word, is_exact


def _grids(axis: _Axis) -> Iterator[list[float]]:
    for unit in _UNITS:
        size = math.floor(math.log10(axis.high / 2 - axis.low / 2) + math.log10(2 / unit))
        for step in (unit * digit * 10.0**power for power in (size - 1, size) for digit in (1, 2, 5)):
            first, last = math.ceil(axis.low / step), math.floor(axis.high / step)
            if last - first < 10:
                yield [float(f"{step * count:.12g}") for count in range(first, last + 1)]


def _log_grids(axis: _Axis) -> Iterator[list[float]]:
    for unit in _UNITS:
        first, last = (math.floor(math.log10(v) - math.log10(unit)) for v in (axis.low, axis.high))
        for digits in ((1,), (1, 3), (1, 2, 5)):
            # Ticks at every one of many decades would not fit.
            every = 1 + (last - first) // 5
            ticks = [
                unit * digit * 10.0**power for power in range(first, last + 1, every) for digit in digits
            ]
            yield [tick for tick in ticks if axis.low <= tick <= axis.high]
