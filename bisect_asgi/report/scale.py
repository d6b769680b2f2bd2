"""The scale of a metric in a plot, linear or logarithmic, with ticks at round values of its unit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence

from bisect_asgi.core.records import Struct

LOG_FROM = 50.0
"""The ratio of the largest value to the least from which on the scale is logarithmic, if all are positive."""

_UNITS = (1.0, 60.0, 3600.0, 1024.0, 1024.0**2, 1024.0**3)
_SHOWN_IN = (*_UNITS, 1024.0**4, 0.01, 1e-3, 1e-6, 1e-9)
_NUMBER = re.compile(r"-?[\d.,]+(?:e[+-]?\d+)?")


class Scale(Struct, frozen=True, kw_only=True):
    """Where values are between two ends."""

    low: float
    high: float
    is_log: bool

    def share(self, value: float) -> float:
        """Return where a value is: 0 at the low end, 1 at the high end."""
        low, high, value = (math.log(v) if self.is_log else v for v in (self.low, self.high, value))
        # Halve the values first: the difference of two large values may overflow to infinity.
        return (value / 2 - low / 2) / (high / 2 - low / 2)


def scale_of(values: Sequence[float]) -> Scale:
    """Return the scale that has all of these finite values; its two ends are never equal."""
    low, high = min(values), max(values)
    if low > 0 and high / LOG_FROM > low:
        return Scale(low=low, high=high, is_log=True)
    if high / 2 - low / 2 <= 1e-9 * max(abs(low), abs(high)):
        room = 0.05 * abs(low) or 1.0
        return Scale(low=low - room, high=high + room, is_log=False)
    return Scale(low=low, high=high, is_log=False)


def ticks(scale: Scale, show: Callable[[float], str]) -> list[tuple[float, str]]:
    """Return round values on the scale with their labels: those that `show` writes with the fewest digits.

    Values that `show` would round are the last choice, because their equal distances would look unequal.
    """

    def roughness(grid: list[float]) -> tuple[int, bool, bool, bool, float, int]:
        labels, count = [_label(tick, show) for tick in grid], len(grid)
        words, is_rounded = [word for word, _ in labels], not all(is_exact for _, is_exact in labels)
        digits = sum(len(number.strip("0.,")) for number in re.findall(r"[\d.,]+", " ".join(words)))
        doubles = count - len(set(words))
        return doubles, count < 2, is_rounded, not 3 <= count <= 5, digits / count, abs(4 - count)

    grids = _log_grids(scale) if scale.is_log else _grids(scale)
    chosen = min((grid for grid in grids if grid), key=roughness)
    return [(tick, _label(tick, show)[0]) for tick in chosen]


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


def _grids(scale: Scale) -> Iterator[list[float]]:
    for unit in _UNITS:
        size = math.floor(math.log10(scale.high / 2 - scale.low / 2) + math.log10(2 / unit))
        for step in (unit * digit * 10.0**power for power in (size - 1, size) for digit in (1, 2, 5)):
            first, last = math.ceil(scale.low / step), math.floor(scale.high / step)
            if last - first < 10:
                yield [float(f"{step * count:.12g}") for count in range(first, last + 1)]


def _log_grids(scale: Scale) -> Iterator[list[float]]:
    for unit in _UNITS:
        first, last = (math.floor(math.log10(v) - math.log10(unit)) for v in (scale.low, scale.high))
        for digits in ((1,), (1, 3), (1, 2, 5)):
            # A scale of many decades has no room for ticks at each of them.
            every = 1 + (last - first) // 5
            ticks = [
                unit * digit * 10.0**power for power in range(first, last + 1, every) for digit in digits
            ]
            yield [tick for tick in ticks if scale.low <= tick <= scale.high]
