"""How sure an answer is, and what was measured, with versions where events have candidates' keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bisect_asgi.core import events
from bisect_asgi.core.metrics.criteria import RATIO, Limit
from bisect_asgi.core.metrics.readings import unit_of
from bisect_asgi.core.tally import Rate
from bisect_asgi.report.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """Where the change is most probably, and how sure that is."""

    last: str
    first: str
    probability: float
    """That the change is exactly there."""
    old: Rate
    """How often everything up to `last` failed, and everything from `first` on."""
    new: Rate
    among: tuple[str, str]
    """The first new candidate is from the first to the last of these, with a probability of `confidence`."""
    confidence: float
    no_change: float
    """Probability that nothing changes at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The samples of both ends, and the limit that follows from them."""

    metric: str
    unit: str
    old: str
    """The older end."""
    new: str
    reference: str | None
    """What each sample was measured next to, and is compared with."""
    old_samples: tuple[float, ...]
    new_samples: tuple[float, ...]
    p: float
    """Of a rank test that both are the same."""
    above: float | None
    """What lies above is bad."""
    below: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Neighbouring candidates of one level."""

    first: str
    last: str
    value: float


def boundary_of(believed: events.Believed, labels: Sequence[str]) -> Boundary:
    """The most probable boundary by its versions."""
    return Boundary(
        last=labels[believed.low],
        first=labels[believed.high],
        probability=believed.probability,
        old=believed.old,
        new=believed.new,
        among=(labels[believed.first], labels[believed.last]),
        confidence=believed.confidence,
        no_change=believed.no_change,
    )


def ends_of(sampled: events.EndsSampled, labels: Sequence[str]) -> Ends:
    """Both ends by their versions."""
    return Ends(
        metric=sampled.metric,
        unit=sampled.unit,
        old=labels[sampled.low],
        new=labels[sampled.high],
        reference=None if sampled.reference is None else labels[sampled.reference],
        old_samples=sampled.old,
        new_samples=sampled.new,
        p=sampled.p,
        above=sampled.above,
        below=sampled.below,
    )


def limit_of(sampled: events.EndsSampled | None) -> str:
    """The limit that was found, in words; empty: there is none."""
    if sampled is None or (sampled.above is None and sampled.below is None):
        return ""
    return Limit(metric=sampled.metric, unit=sampled.unit, above=sampled.above, below=sampled.below).bound


def levels_of(found: events.LevelsFound, labels: Sequence[str]) -> tuple[Level, ...]:
    """The levels by their versions."""
    return tuple(
        Level(first=labels[level.first], last=labels[level.last], value=level.value) for level in found.levels
    )


def unit_of_rows(rows: Sequence[Row], metric: str | None) -> str:
    """The unit of the samples of a report's rows."""
    runs = [run for row in rows for run in row.observations]
    if metric is None:
        return ""
    return RATIO if any(run.beside for run in runs) else unit_of(runs, metric)
