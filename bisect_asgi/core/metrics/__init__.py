"""Read the metrics of a run: those that are measured of every run, and those that the probe reports.

A probe reports numbers, or texts such as `250 ms`, as a JSON object in a file or in printed lines of the form
`@metric NAME VALUE [UNIT]`. If it reports a name several times, the last value counts. A report that cannot
be read is shown as a problem: it must not look like a metric that the probe did not report.
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
"""The metrics that are measured of every run."""

FILE_BYTES = 1024 * 1024
"""The greatest length of a file of metrics."""
MOST_LINES, LINE_BYTES = 1000, 500
"""The greatest number of names, and length of a line, of printed metrics."""

BUILT_IN_UNITS = {"wall": "s", "cpu": "s", "peak-memory": "B"}
_MARKED = re.compile(rb"^@metric(?!\S)[^\n]*", re.MULTILINE)
_LONGEST_NAME = 80
_LONGEST_SHOWN = 60


def measured(observation: Observation, name: str) -> float | None:
    """Return the value of a metric in base units, or None if this run has no such metric.

    A metric that the probe reported takes precedence over a built-in one of the same name.
    """
    if name in observation.metrics:
        return observation.metrics[name]
    has_run = observation.wall_s > 0  # without an environment, there was no run to time
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
    """Return the base unit of a metric: `s`, `B`, `1/s`, `%`, or "" if no run reported one."""
    runs = [observations] if isinstance(observations, Observation) else list(observations)
    reports = [run.units.get(name, "") for run in runs if name in run.metrics]
    return next(filter(None, reports), "") if reports else BUILT_IN_UNITS.get(name, "")


class Reported(Struct, frozen=True, kw_only=True):
    """The metrics that a probe reported."""

    found: Mapping[str, Quantity] = field(default_factory=dict)
    problem: str = ""
    """The first thing that cannot be read, or "" if everything can."""

    def then(self, later: Reported) -> Reported:
        """Return both reports as one. If both have a name, the later value counts."""
        return Reported(found={**self.found, **later.found}, problem=self.problem or later.problem)

    @property
    def values(self) -> dict[str, float]:
        """The values in base units."""
        return {name: quantity.value for name, quantity in self.found.items()}

    @property
    def units(self) -> dict[str, str]:
        """The base units of the values that have one."""
        return {name: quantity.unit for name, quantity in self.found.items() if quantity.unit}


def of_values(values: Mapping[object, object]) -> Reported:
    """Return the report in a mapping of names to numbers, quantities, or texts such as `250 ms`."""
    found, problems = {}, []
    for name, value in values.items():
        try:
            found[_name(name)] = _quantity(value)
        except ValueError as error:
            problems.append(f"the metric {_quoted(name)} cannot be read: {error}")
    return Reported(found=found, problem=problems[0] if problems else "")


def of_json(text: bytes) -> Reported:
    """Return the report in a file that a probe wrote."""
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
    """Return the report in printed `@metric` lines, in the order in which they were printed."""
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
    """Collect the `@metric` lines of an output that arrives in chunks, which may end within a line.

    It keeps the last line of each name, so that any number of lines fits into little memory. It keeps one
    name and one byte more than are allowed, so that `of_lines` sees when there were too many.
    """

    def __init__(self) -> None:
        self._lines: dict[bytes, bytes] = {}
        self._open = b""  # the last line, as long as its end has not arrived

    def add(self, chunk: bytes) -> None:
        """Collect the lines of the next chunk."""
        whole, newline, rest = (self._open + chunk).rpartition(b"\n")
        if newline:
            self._keep(whole)
        self._open = rest[: LINE_BYTES + 1]

    def end(self) -> tuple[str, ...]:
        """Return the kept lines, in the order of their names' last lines. The output has ended."""
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
    except OverflowError:  # an integer may be larger than any float
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"`{number}` is no finite number")
    return number


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"`{constant}` is no finite number")


def _decoded(text: bytes) -> str:
    return text[: 4 * _LONGEST_SHOWN].decode("utf-8", errors="replace")


def _quoted(value: object) -> str:
    """Return a foreign value in backticks for a message, shortened if it is long."""
    text = str(value)
    return f"`{text}`" if len(text) <= _LONGEST_SHOWN else f"`{text[: _LONGEST_SHOWN - 1]}…`"
