"""Read from requirements which distributions only work together, and which one forced another to move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bisect_asgi.core.culprit.ddmin import Mix
from bisect_asgi.core.model import Move


def groups(
    differing: Sequence[Move],
    old: Mapping[str, Sequence[str]],
    new: Mapping[str, Sequence[str]],
    *,
    package: str | None,
    environment: Mapping[str, str],
) -> tuple[Mix, ...]:
    """Return the differing distributions in groups that only work together.

    Two are in a group if the requirements of each forbid the other's version of the other side.

    Args:
        differing: the distributions that differ between the two sides.
        old: the requirements (PEP 508) of each distribution of the old side, by name.
        new: those of the new side.
        package: the package that the search moves, which is always alone.
        environment: the marker variables of the interpreter.
    """
    moves = {move.name: move for move in differing}

    def needs(one: Move, other: Move) -> bool:
        """Return whether `one` forbids the old `other` when new, or the new `other` when old."""
        return forbids(new.get(one.name, ()), other.name, other.old, environment) or forbids(
            old.get(one.name, ()), other.name, other.new, environment
        )

    disjoint: list[set[str]] = []
    for name, move in moves.items():
        bound = {
            other
            for other in moves
            if package not in (name, other) and needs(move, moves[other]) and needs(moves[other], move)
        }
        merged = {name, *bound}
        for group in [group for group in disjoint if group & merged]:
            merged |= group
            disjoint.remove(group)
        disjoint.append(merged)
    return tuple(frozenset(group) for group in disjoint)


def forbids(
    requirements: Sequence[str], name: str, version: str | None, environment: Mapping[str, str]
) -> bool:
    """Return whether a requirement excludes a version of `name`, or its absence if the version is None."""
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) != name:
            continue
        if not _holds(requirement, environment):
            continue
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            return True
    return False


def required(requirements: Sequence[str], move: Move, environment: Mapping[str, str]) -> str:
    """Return the specifier that admits the new version and not the old one, or "" if there is none."""
    for text in requirements:
        admits = move.new is not None and not forbids((text,), move.name, move.new, environment)
        if admits and forbids((text,), move.name, move.old, environment):
            return str(Requirement(text).specifier) or "any version"
    return ""


def _holds(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    """Return whether the marker of a requirement holds, or cannot be evaluated."""
    try:
        return not requirement.marker or requirement.marker.evaluate({**environment, "extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True
