"""What a run measured: the metrics that every run has, and those that a probe reports itself.

A probe reports numbers, or texts such as `250 ms`, as a JSON object in a file or in printed lines of the form
`@metric NAME VALUE [UNIT]`. Of several reports of a name the last one counts. A report that cannot be read is
a problem that is told, never a metric that is missing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import NoReturn

from bisect_asgi.core.metrics.quantities import Number, Quantity, parse
from bisect_asgi.core.model import Observation
from bisect_asgi.core.records import Struct, field

BUILT_IN = ("wall", "cpu", "peak-memory")
"""What is measured of every run."""

FILE_BYTES = 1024 * 1024
"""How long a file of metrics may be."""
MOST_LINES, LINE_BYTES = 1000, 500
"""How many names, and how long a line, printed metrics may have."""

BUILT_IN_UNITS = {"wall": "s", "cpu": "s", "peak-memory": "B"}
_MARKED = re.compile(rb"^@metric(?!\S)[^\n]*", re.MULTILINE)
_LONGEST_NAME = 80
_LONGEST_SHOWN = 60


def measured(observation: Observation, name: str) -> float | None:
    """The value of a metric in base units; None: this run did not measure it.

    What the probe reported goes before a built-in metric of the same name.
    """
    if name in observation.metrics:
        return observation.metrics[name]
    has_run = observation.wall_s > 0  # a candidate without an environment has no times
    match name:
        case "wall":
            return observation.wall_s if has_run else None
        case "cpu":
            return observation.cpu_s if has_run else None
        case "peak-memory":
            return None if observation.peak_bytes is None else float(observation.peak_bytes)
        case _:
            return None


def unit_of(observations: Observation | Iterable[Observation], name: str) -> str:
    """The base unit of a metric: `s`, `B`, `1/s`, `%`, or empty where no report of it said one."""
    runs = [observations] if isinstance(observations, Observation) else list(observations)
    reports = [run.units.get(name, "") for run in runs if name in run.metrics]
    return next(filter(None, reports), "") if reports else BUILT_IN_UNITS.get(name, "")


class Reported(Struct, frozen=True, kw_only=True):
    """What a probe reported, by name, and what of it cannot be read (empty: all can)."""

    found: Mapping[str, Quantity] = field(default_factory=dict)
    problem: str = ""

    def then(self, later: Reported) -> Reported:
        """Both; of a name that both report, the later value."""
        return Reported(found={**self.found, **later.found}, problem=self.problem or later.problem)

    @property
    def values(self) -> dict[str, float]:
        """The values in base units."""
        return {name: quantity.value for name, quantity in self.found.items()}

    @property
    def units(self) -> dict[str, str]:
        """The base units of those that have one."""
        return {name: quantity.unit for name, quantity in self.found.items() if quantity.unit}


def of_values(values: Mapping[object, object]) -> Reported:
    """Read numbers, texts such as `250 ms`, and quantities, by their names."""
    found, problems = {}, []
    for name, value in values.items():
        try:
            found[_name(name)] = _quantity(value)
        except ValueError as error:
            problems.append(f"the metric {_quoted(name)} cannot be read: {error}")
    return Reported(found=found, problem=problems[0] if problems else "")


def of_json(text: bytes) -> Reported:
    """Read the file that a probe wrote."""
    if len(text) > FILE_BYTES:
        return Reported(problem=f"the file of metrics is longer than {FILE_BYTES} bytes")
    try:
        values = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        return Reported(problem=f"the file of metrics cannot be read: {error} in {_quoted(_decoded(text))}")
    if not isinstance(values, dict):
        return Reported(problem=f"the file of metrics is no JSON object: {_quoted(_decoded(text))}")
    return of_values(values)


def of_lines(lines: Iterable[str]) -> Reported:
    """Read printed lines, the last of a name last."""
    values: dict[object, object] = {}
    problems: list[str] = []
    for line in lines:
        words = line.split()[1:]
        if len(line.encode()) > LINE_BYTES:
            problems.append(f"a line of metrics is longer than {LINE_BYTES} bytes: {_quoted(line)}")
        elif len(words) in (2, 3):
            values[words[0]] = " ".join(words[1:])
        else:
            problems.append(f"{_quoted(line)} is not of the form `@metric NAME VALUE [UNIT]`")
    if len(values) > MOST_LINES:
        problems.append(f"more than {MOST_LINES} metrics were printed")
    return Reported(problem=problems[0] if problems else "").then(of_values(values))


class MarkedLines:
    """Pick the lines of metrics out of an output as it goes by, in chunks that are cut anywhere.

    Of each name the last line is kept, so that any number of them fits into little memory; one name and a few
    bytes more than may be, so that a reader sees that there was too much.
    """

    def __init__(self) -> None:
        self._lines: dict[bytes, bytes] = {}
        self._open = b""  # how the line begins that has no end yet

    def add(self, chunk: bytes) -> None:
        """Take the next part of the output."""
        whole, newline, rest = (self._open + chunk).rpartition(b"\n")
        if newline:
            self._keep(whole)
        self._open = rest[: LINE_BYTES + 1]

    def end(self) -> tuple[str, ...]:
        """All lines, the last of a name last; a last line without an end is one too."""
        self._keep(self._open)
        self._open = b""
        return tuple(line.decode("utf-8", errors="replace") for line in self._lines.values())

    def _keep(self, text: bytes) -> None:
        for match in _MARKED.finditer(text):
            line = match[0][: LINE_BYTES + 1]
            name = line.split(maxsplit=2)[1:2]
            key = name[0] if name else b""
            self._lines.pop(key, None)
            if len(self._lines) <= MOST_LINES:
                self._lines[key] = line


def _name(name: object) -> str:
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise ValueError(f"a name is a text of at most {_LONGEST_NAME} printable characters")
    if " " in name:
        raise ValueError("a name has no spaces")
    return name


def _quantity(value: object) -> Quantity:
    match value:
        case Quantity():
            return value
        case Number():
            return Quantity(value=_finite(value), unit=value.unit)
        case str():
            return parse(value)
        case bool():
            raise ValueError(f"{_quoted(json.dumps(value))} is no number")
        case int() | float():
            return Quantity(value=_finite(value))
        case _:
            raise ValueError(f"{_quoted(value)} is no number")


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:  # of a whole number
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"`{number}` is no finite number")
    return number


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"`{constant}` is no finite number")


def _decoded(text: bytes) -> str:
    return text[: 4 * _LONGEST_SHOWN].decode("utf-8", errors="replace")


def _quoted(value: object) -> str:
    """Somebody else's value in a message of ours."""
    text = str(value)
    return f"`{text}`" if len(text) <= _LONGEST_SHOWN else f"`{text[: _LONGEST_SHOWN - 1]}…`"
