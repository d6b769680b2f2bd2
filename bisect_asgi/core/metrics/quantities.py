"""Parse numbers with units as people write them, and show them with three significant digits.

Inside the program each dimension has one base unit: seconds, bytes, fractions of one, times a second.
"""

from __future__ import annotations

import math
import re

from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import in_binary_unit

_UNITS: dict[str, tuple[float, str]] = (
    {"": (1, ""), "%": (0.01, "%"), "/s": (1, "1/s"), "1/s": (1, "1/s")}
    | {"ns": (1e-9, "s"), "µs": (1e-6, "s"), "us": (1e-6, "s"), "ms": (1e-3, "s")}
    | {"s": (1, "s"), "min": (60, "s"), "h": (3600, "s")}
    | {"b": (1, "B"), "kb": (1e3, "B"), "mb": (1e6, "B"), "gb": (1e9, "B"), "tb": (1e12, "B")}
    | {"kib": (2**10, "B"), "mib": (2**20, "B"), "gib": (2**30, "B"), "tib": (2**40, "B")}
)
"""The size of each unit in its base unit, and the base unit, by the unit's name in lower case."""

_KNOWN = "ns, µs, ms, s, min, h, B, kB, MB, GB, KiB, MiB, GiB, %, 1/s"
_WRITTEN = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)\s*(?P<unit>[^\d\s.,].*)?", re.I
)
_ONE_A_SECOND = re.compile(r"\s1/s$", re.I)
_GREEK_MU, _MICRO_SIGN = "\u03bc", "\u00b5"
_LONGEST_SHOWN = 40

_TIME_STEPS = ((600 * 60, "h"), (600, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"), (0, "ns"))
"""The units of time, each with the number of seconds from which it is used."""


class Quantity(Struct, frozen=True, kw_only=True):
    """A finite number with its base unit."""

    value: float
    unit: str = ""
    """`s`, `B`, `1/s`, `%` (the value is a fraction: 0.15 for 15%), or "" for a plain number."""


class Number(float):
    """A float with its base unit, so that a probe that returns it need not name the unit."""

    __slots__ = ("unit",)

    unit: str

    def __new__(cls, value: float, unit: str) -> Number:
        """Return `value` as a number with this base unit."""
        number = super().__new__(cls, value)
        number.unit = unit
        return number


def parse(text: str) -> Quantity:
    """Return the quantity in a text such as `8 MiB`, `1.5 MB`, `250ms`, `15%`, `1200/s`, `1e6` or `-3`.

    kB and MB are powers of 1000, KiB and MiB of 1024. Case does not matter.

    Raises:
        ValueError: `text` has another form; the message names it and what is wrong with it.
    """
    match = _WRITTEN.fullmatch(_ONE_A_SECOND.sub("/s", text.strip()))
    if not match:
        raise ValueError(f"{_quoted(text)} is no number, with or without a unit")
    name = (match["unit"] or "").lower().replace(_GREEK_MU, _MICRO_SIGN)
    if name not in _UNITS:
        raise ValueError(f"{_quoted(text)} has an unknown unit; known are {_KNOWN}")
    factor, unit = _UNITS[name]
    value = float(match["number"]) * factor
    if not math.isfinite(value):
        raise ValueError(f"{_quoted(text)} is too large")
    return Quantity(value=value, unit=unit)


def _quoted(text: str) -> str:
    """Return a foreign text in backticks for a message, shortened if it is long."""
    return f"`{text}`" if len(text) <= _LONGEST_SHOWN else f"`{text[: _LONGEST_SHOWN - 1]}…`"


def show(value: float, unit: str) -> str:
    """Return a finite value of base units as text: `8.0 MiB`, `250 ms`, `15%`, `1210/s`, `12.3`.

    It has three significant digits, so that `parse` reads it back within 0.5%. Bytes are shown in powers of
    1024.
    """
    sign, value = ("-" if value < 0 else ""), abs(value)
    match unit:
        case "s":
            return sign + _time(value)
        case "B":
            return sign + _bytes(value)
        case "%":
            return f"{sign}{_digits(value * 100)}%"
        case "1/s":
            return f"{sign}{_digits(value)}/s"
        case _:
            return f"{sign}{_digits(value)} {unit}".rstrip()


def _digits(value: float, *, least: int = 0) -> str:
    """Return three significant digits, or all digits of the integer part, without trailing zeros.

    `least` decimals stay even if they are zeros.
    """
    exponent = int(f"{value:.2e}".partition("e")[2])
    if value and not -5 < exponent < 15:
        return f"{value:.3g}"
    text = f"{value:.{max(0, 2 - exponent)}f}"
    whole, _, decimals = text.partition(".")
    decimals = decimals.rstrip("0").ljust(least, "0")
    return f"{whole}.{decimals}" if decimals else whole


def _scaled(value: float, unit: str) -> str:
    """Return a measured value with its unit. Below ten it keeps a decimal: `8.0 MiB` is not exactly 8."""
    return f"{_digits(value, least=1 if 0 < value < 9.995 else 0)} {unit}"


def _time(seconds: float) -> str:
    rounded = float(f"{seconds:.2e}")  # so that 999.7 ms is shown in seconds
    unit = next(name for least, name in _TIME_STEPS if rounded >= least) if seconds else "s"
    return _scaled(seconds / _UNITS[unit][0], unit)


def _bytes(count: float) -> str:
    value, unit = in_binary_unit(count)
    return f"{_digits(value)} B" if unit == "B" else _scaled(value, unit)
