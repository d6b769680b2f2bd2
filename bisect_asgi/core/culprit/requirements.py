"""What requirements say of versions: which distributions have to move together, and which moved another."""

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
    """Put together what has to be moved together: each forbids the other's other version.

    Args:
        differing: what differs between the two sides.
        old: what each distribution of the old side requires (PEP 508), by name; new: likewise.
        package: stays alone; it is moved on purpose.
        environment: values of markers, of the interpreter that the sides are for.
    """
    moves = {move.name: move for move in differing}

    def needs(one: Move, other: Move) -> bool:
        """The one at its new version needs the other moved, or at its old version needs it kept."""
        return forbids(new.get(one.name, ()), other.name, other.old, environment) or forbids(
            old.get(one.name, ()), other.name, other.new, environment
        )

    found: list[set[str]] = []
    for name, move in moves.items():
        bound = {
            other
            for other in moves
            if package not in (name, other) and needs(move, moves[other]) and needs(moves[other], move)
        }
        mine = {name, *bound}
        for group in [group for group in found if group & mine]:
            mine |= group
            found.remove(group)
        found.append(mine)
    return tuple(frozenset(group) for group in found)


def forbids(
    requirements: Sequence[str], name: str, version: str | None, environment: Mapping[str, str]
) -> bool:
    """Tell whether requirements do not admit a version of `name`; None, its absence, any of them forbids."""
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
    """What requirements say of a distribution, where they admit its new version and not the old one."""
    for text in requirements:
        admits = move.new is not None and not forbids((text,), move.name, move.new, environment)
        if admits and forbids((text,), move.name, move.old, environment):
            return str(Requirement(text).specifier) or "any version"
    return ""


def _holds(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    """Tell whether a requirement's marker holds; one that cannot be read does."""
    try:
        return not requirement.marker or requirement.marker.evaluate({**environment, "extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True
