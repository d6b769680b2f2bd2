"""Combine two environments: some distributions as on one side, the others as on the other side.

uv gets the mix as exact pins, and each pin as an override as well. Overrides suspend what requirements say
about versions, because a mix that they forbid often shows the most. Nothing else can be installed, so nothing
drifts, with one exception. If only one of the sides has a distribution, it is by default installed if
something in the mix requires it: the old package may need what the new one dropped, and a new dependency
what came with it. A *strict* mix is without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bisect_asgi.core.culprit.ddmin import Mix
from bisect_asgi.core.model import Distribution, EnvironmentSpec, ExcludeNewerPackage, Move, OwnProject
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.text import listing

_MOST_NAMED, _ALL_NAMED = 5, 10**6
_NOWHERE = "python_version < '0'"
"""A marker that is never true. An override with it removes a requirement, as uv documents."""


class BoundarySide(Struct, frozen=True, kw_only=True):
    """One of two environments that are compared: its spec and its installed distributions."""

    label: str
    spec: EnvironmentSpec
    distributions: tuple[Distribution, ...]

    @property
    def versions(self) -> dict[str, str]:
        """The version of each distribution, by name."""
        return _versions(self.distributions)


def moves(old: Iterable[Distribution], new: Iterable[Distribution]) -> tuple[Move, ...]:
    """Return the distributions that differ between two environments, sorted by name."""
    before, after = _versions(old), _versions(new)
    return tuple(
        Move(name=name, old=before.get(name), new=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def mixed(old: BoundarySide, new: BoundarySide, taken: Mix, *, strict: bool = False) -> EnvironmentSpec:
    """Return the spec of `old` with the distributions in `taken` as in `new`."""
    return _pinned(old, new, _chosen(old, new, taken), strict=strict)


def varied(old: BoundarySide, new: BoundarySide, taken: Mix, moving: Distribution) -> EnvironmentSpec:
    """Return the spec of a mix with one distribution, `moving`, at a version that may be on neither side.

    If it requires a distribution that the mix does not have, that one is resolved freely, up to the later
    date limit of both sides. A distribution that the new side dropped stays out.
    """
    chosen = _chosen(old, new, taken) | {moving.name: moving.version}
    spec = _pinned(old, new, chosen, strict=False)
    pins = tuple(f"{name}=={version}" for name, version in sorted(chosen.items()))
    gone = {name: old.versions[name] for name in sorted(taken) if name not in new.versions}
    out = tuple(f"{name}=={version} ; {_NOWHERE}" for name, version in gone.items())
    return replace(
        spec,
        overrides=(*pins, *out, *_user_overrides(old, new, chosen | gone)),
        exclude_newer_package=tuple(ExcludeNewerPackage(name=name) for name in sorted(chosen)),
        must_install=moving,
    )


def pulled_in(old: BoundarySide, new: BoundarySide, taken: Mix, installed: Iterable[Distribution]) -> Mix:
    """Return the distributions that are installed only because something in the mix requires them."""
    chosen = _chosen(old, new, taken)
    return frozenset(distribution.name for distribution in installed if distribution.name not in chosen)


def _versions(distributions: Iterable[Distribution]) -> dict[str, str]:
    return {distribution.name: distribution.version for distribution in distributions}


def _chosen(old: BoundarySide, new: BoundarySide, taken: Mix) -> dict[str, str]:
    """Return the versions of the distributions in a mix."""
    before, after = old.versions, new.versions
    kept = {name: version for name, version in before.items() if name not in taken}
    return kept | {name: version for name, version in after.items() if name in taken}


def _pinned(old: BoundarySide, new: BoundarySide, chosen: dict[str, str], *, strict: bool) -> EnvironmentSpec:
    known = old.versions | new.versions | chosen
    pins = {name: f"{name}=={version}" for name, version in sorted(chosen.items())}
    absent = {name: f"{name}=={version}" for name, version in sorted(known.items()) if name not in chosen}
    if strict:
        absent = {name: f"{pin} ; {_NOWHERE}" for name, pin in absent.items()}
    return EnvironmentSpec(
        interpreter=new.spec.interpreter,
        requirements=tuple(pins.values()),
        overrides=(*pins.values(), *absent.values(), *_user_overrides(old, new, known)),
        exclude_newer=_later(old.spec, new.spec),
        exclude_newer_package=tuple(ExcludeNewerPackage(name=name) for name in sorted(known)),
        projects=_projects(old, new, chosen),
        hashes=tuple(dict.fromkeys((*old.spec.hashes, *new.spec.hashes))),
    )


def _projects(old: BoundarySide, new: BoundarySide, chosen: Mapping[str, str]) -> tuple[OwnProject, ...]:
    """Return the user's projects of both sides, each from the side whose version is in the combination."""
    before = {project.name: project for project in old.spec.projects}
    after = {project.name: project for project in new.spec.projects}
    is_new = {name for name, version in chosen.items() if old.versions.get(name) != version}
    both = {**before, **{name: each for name, each in after.items() if name in is_new or name not in before}}
    return tuple(both[name] for name in sorted(both))


def _user_overrides(old: BoundarySide, new: BoundarySide, known: Mapping[str, str]) -> tuple[str, ...]:
    """Return the overrides of both sides for other distributions than the pinned ones."""
    overrides = dict.fromkeys((*old.spec.overrides, *new.spec.overrides))
    return tuple(text for text in overrides if canonicalize_name(Requirement(text).name) not in known)


def _later(old: EnvironmentSpec, new: EnvironmentSpec) -> datetime | None:
    """Return the later date limit, or None if a side has none; it applies to unpinned build tools."""
    if old.exclude_newer is None or new.exclude_newer is None:
        return None
    return max(old.exclude_newer, new.exclude_newer)


def label(
    old: BoundarySide,
    new: BoundarySide,
    taken: Mix,
    *,
    package: str | None = None,
    without: Sequence[str] = (),
    known: Collection[str] = (),
) -> str:
    """Return a name for a mix, such as `fastapi 0.68.2 with starlette 0.15.0`, that is none of the `known`.

    It begins with the side that has the package of the mix or, without a package, with the side that most
    distributions are from. Of many distributions the last are only counted, unless another mix has that name.
    """
    short = _label(old, new, taken, package=package, without=without, most=_MOST_NAMED)
    if short not in known:
        return short
    return _label(old, new, taken, package=package, without=without, most=_ALL_NAMED)


def _label(
    old: BoundarySide,
    new: BoundarySide,
    taken: Mix,
    *,
    package: str | None,
    without: Sequence[str],
    most: int,
) -> str:
    differing = moves(old.distributions, new.distributions)
    others_moved = frozenset(move.name for move in differing) - {package}
    if package and taken in ({package}, others_moved):
        one, other = (new, old) if package in taken else (old, new)
        text = f"{package} {one.versions[package]} with the dependencies of {other.label}"
        return _lacking(text, without, most)
    from_new = [_at(move.name, move.new) for move in differing if move.name in taken and move.name != package]
    from_old = [
        _at(move.name, move.old) for move in differing if move.name not in taken and move.name != package
    ]
    is_new = package in taken if package else len(from_new) > len(from_old)
    base, others = (new, from_old) if is_new else (old, from_new)
    verb = "and" if " with " in base.label else "with"
    text = f"{base.label} {verb} {listing(others, most=most)}" if others else base.label
    return _lacking(text, [name for name in without if f"no {name}" not in others], most)


def _lacking(text: str, without: Sequence[str], most: int) -> str:
    return f"{text}, without {listing(without, most=most)}" if without else text


def _at(name: str, version: str | None) -> str:
    return f"{name} {version}" if version else f"no {name}"


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
