"""Choose yanked releases that are worth a run: many are yanked for the very bug that is searched for.

They are not candidates, so their outcomes do not move a boundary. They are reported next to the result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import assert_never

from packaging.version import Version

from bisect_asgi.core.patterns import pattern

MOST_RUN = 3
_FAULT = pattern(
    r"\b(?:bugs?|br[eo]ak\w*|broken?|crash\w*|fail\w*|faults?|faulty|error\w*|regress\w*|incompatib\w*|wrong\w*"
    r"|corrupt\w*|hangs?|leaks?|vulnerab\w*|cve|security|data loss|loses)\b",
    re.IGNORECASE,
)


class Place(StrEnum):
    """The place of a yanked release among the candidates."""

    INSIDE = "inside"
    """Between both sides of a change."""
    BESIDE = "beside"
    """Next to a side of a change."""
    ELSEWHERE = "elsewhere"


def worth_running(
    yanked: Mapping[str, str], labels: Sequence[str], changes: Sequence[tuple[str, str]]
) -> tuple[str, ...]:
    """Return the yanked releases to run, at most `MOST_RUN`, the most informative first.

    Args:
        yanked: the reasons, which may be "", by version.
        labels: the candidates, oldest first.
        changes: the last candidate before each change, and the first one after it; if there is none, every
            yanked release may be the one that differs.
    """

    def rank(version: str) -> int:
        match place_of(version, labels, changes):
            case Place.INSIDE:
                return 0
            case Place.BESIDE:
                return 1
            case Place.ELSEWHERE:
                return 2 if _FAULT.search(yanked[version]) else 3
            case _ as never:
                assert_never(never)

    newest_first = sorted(yanked, key=Version, reverse=True)
    wanted = [version for version in newest_first if not changes or rank(version) < 3]
    return tuple(sorted(wanted, key=rank)[:MOST_RUN])


def place_of(version: str, labels: Sequence[str], changes: Sequence[tuple[str, str]]) -> Place:
    """Return where a yanked release stands, by its version."""
    if _around(version, changes):
        return Place.INSIDE
    sides = {side for change in changes for side in change}
    beside = {label for pair in _around(version, list(pairwise(labels))) for label in pair}
    return Place.BESIDE if sides & beside else Place.ELSEWHERE


def _around(version: str, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the pairs between which a version lies."""
    return [(low, high) for low, high in pairs if Version(low) < Version(version) < Version(high)]
