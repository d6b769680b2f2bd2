"""What was measured, kept line by line, and what it comes to: medians and ratios."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

COLD, WARM, AGAIN = "cold", "warm", "again"
STATES = (COLD, WARM, AGAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run of one contender."""

    index: str
    work: str
    contender: str
    state: str
    repetition: int
    last: str = ""
    first: str = ""
    is_right: bool = False
    runs: int = 0
    wall_s: float = 0.0
    """The time to the end."""
    boundary_s: float = 0.0
    """The time until the boundary is shown; of who does nothing more after that, the time to the end."""
    cpu_s: float = 0.0
    fetched_bytes: int = 0
    requests: int | None = None
    leaked: int = 0
    """How often the mirror had to ask the real index meanwhile."""
    disk_bytes: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What several runs of one contender come to."""

    repetitions: int
    right: int
    runs: float
    wall_s: float
    boundary_s: float
    cpu_s: float
    fetched_bytes: float
    disk_bytes: float


Key = tuple[str, str, str, str]
"""Index, work, state, contender."""


def append(path: Path, kind: str, value: Mapping[str, Any]) -> None:
    """Keep something that was measured: a crash loses nothing."""
    with path.open("a") as file:
        file.write(json.dumps({"kind": kind, **value}) + "\n")


def append_result(path: Path, result: Result) -> None:
    """Keep a result."""
    append(path, "result", asdict(result))


def load(path: Path) -> tuple[list[Result], dict[str, dict[str, Any]]]:
    """The results of a file, and what else was measured, by its kind."""
    results, others = [], {}
    for line in path.read_text().splitlines():
        value = json.loads(line)
        kind = value.pop("kind")
        if kind == "result":
            results.append(Result(**value))
        else:
            others[kind] = value
    return results, others


def rows(results: Iterable[Result]) -> dict[Key, Row]:
    """The medians of each contender on each work."""
    grouped: dict[Key, list[Result]] = defaultdict(list)
    for result in results:
        grouped[result.index, result.work, result.state, result.contender].append(result)
    return {key: _row(group) for key, group in grouped.items()}


def _row(whole: Sequence[Result]) -> Row:
    """What a run costs that ends with a wrong answer, or none, counts only where there is no other."""
    group = [each for each in whole if each.is_right] or whole
    return Row(
        repetitions=len(whole),
        right=sum(each.is_right for each in whole),
        runs=median(each.runs for each in group),
        wall_s=median(each.wall_s for each in group),
        boundary_s=median(each.boundary_s or each.wall_s for each in group),
        cpu_s=median(each.cpu_s for each in group),
        fetched_bytes=median(each.fetched_bytes for each in group),
        disk_bytes=median(each.disk_bytes for each in group),
    )


def ratio(
    results: Iterable[Result],
    index: str,
    work: str,
    state: str,
    other: str,
    ours: str,
    *,
    to_boundary: bool = False,
) -> float | None:
    """Return how many times as long as ours another contender takes; None if no repetition has both right.

    The time is that to the end, or with `to_boundary` until the boundary is shown.

    The result is the median of one ratio for each repetition, because the machine's speed changes from hour
    to hour. Runs with a wrong answer do not count: a fast wrong answer is not fast.
    """
    walls: dict[str, dict[int, float]] = defaultdict(dict)
    for each in results:
        if each.is_right and (each.index, each.work, each.state) == (index, work, state):
            to_end_s = each.wall_s
            walls[each.contender][each.repetition] = each.boundary_s or to_end_s if to_boundary else to_end_s
    both = walls[other].keys() & walls[ours].keys()
    return median(walls[other][number] / walls[ours][number] for number in both) if both else None


def rotated(names: Sequence[str], by: int) -> list[str]:
    """The names in another order for each repetition, so that none is always first."""
    start = by % len(names) if names else 0
    return [*names[start:], *names[:start]]
