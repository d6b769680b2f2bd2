"""Read times and sizes, in all options and variables alike; a text that is none is an error."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.metrics.quantities import parse
from bisect_asgi.core.plan.parsing import malformed

TIME = "a time, such as `30 s` or `2 min`"
SIZE = "a size, such as `512 MiB` or `2 GiB`"

_PART = r"\d[\d.]*(?:e[+-]?\d+)?\s*[^\d\s.,]+"
_UNIT = re.compile(r"[^\d\s.,]+$")
_TIMES = {
    name: unit
    for unit, names in (
        ("s", ("sec", "secs", "second", "seconds")),
        ("min", ("m", "mins", "minute", "minutes")),
        ("h", ("hr", "hrs", "hour", "hours")),
    )
    for name in names
}
_SIZES = {letter: f"{letter}iB" for letter in "kmgt"}  # powers of 1024, as in docker and systemd


def read_duration(
    said: float | str,
    option: str,
    *,
    form: str = TIME,
    least: float | None = None,
    counted: tuple[str, ...] = (),
) -> float:
    """Return a time in seconds: a number, or a text such as `30`, `30 s`, `2m` or `1 min 30 s`.

    Args:
        said: the text or number that the user wrote.
        option: the name of the option or the variable.
        form: the values that are allowed, for the hint.
        least: the shortest time; None: any above 0.
        counted: words that make a number something other than a time, such as `runs`.

    Raises:
        UsageError: it is no time, or out of range.
    """
    text = str(said).strip()
    parts = re.findall(_PART, text) if re.fullmatch(rf"({_PART}\s*)+", text) else [text]
    seconds = [_amount(part, ("s", ""), _TIMES | dict.fromkeys(counted, "")) for part in parts]
    if None in seconds:
        raise malformed(option, str(said), form)
    return _in_range(math.fsum(filter(None, seconds)), said, option, form, least)


def read_size(said: str, option: str) -> int:
    """Return a size in bytes: a number with its unit, such as `512 MiB`, `2GB` or `2g`.

    Raises:
        UsageError: it is no size, has no unit, or is not above 0.
    """
    found = _amount(said, ("B",), _SIZES)
    if found is None:
        raise malformed(option, said, SIZE)
    return round(_in_range(found, said, option, SIZE, None))


def _amount(text: str, units: tuple[str, ...], names: Mapping[str, str]) -> float | None:
    """Return the number of base units in a text; None if it has no number, or another unit than `units`."""
    text = _UNIT.sub(lambda unit: names.get(unit[0].lower(), unit[0]), text.strip())
    try:
        found = parse(text)
    except ValueError:
        return None
    return found.value if found.unit in units else None


def _in_range(value: float, said: float | str, option: str, form: str, least: float | None) -> float:
    if value <= 0 if least is None else value < least:
        shown = f"{said:g}" if isinstance(said, float) else said
        raise UsageError(f"`{option} {shown}` is out of range", hint=f"pass {form}")
    return value
