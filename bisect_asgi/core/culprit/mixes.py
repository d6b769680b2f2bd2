"""Mixes of two environments: some distributions as in the one, the others as in the other.

A mix is given to uv as exact pins, each of them an override, too: what requirements say about versions is
set aside, because a mix that they forbid is often the one that tells. What is in neither set cannot get in,
so nothing drifts. A distribution that only one of the sets has is a question of its own: by default it comes
in when something in the mix requires it (the old package needs what the new one dropped, a new dependency
what it brought); a *strict* mix is without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bisect_asgi.core.culprit.ddmin import Mix
from bisect_asgi.core.model import Distribution, EnvironmentSpec, ExcludeNewerPackage, Move
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.text import listing

_MOST_NAMED = 5
_NOWHERE = "python_version < '0'"
"""A marker that holds nowhere: an override with it takes a requirement out (uv's documented way)."""


class BoundarySide(Struct, frozen=True, kw_only=True):
    """One of two environments that are compared: its recipe, and what that installed."""

    label: str
    spec: EnvironmentSpec
    distributions: tuple[Distribution, ...]

    @property
    def versions(self) -> dict[str, str]:
        """The version of each distribution, by name."""
        return _versions(self.distributions)


def moves(old: Iterable[Distribution], new: Iterable[Distribution]) -> tuple[Move, ...]:
    """Return what differs between two installed sets, by name."""
    before, after = _versions(old), _versions(new)
    return tuple(
        Move(name=name, old=before.get(name), new=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def mixed(old: BoundarySide, new: BoundarySide, taken: Mix, *, strict: bool = False) -> EnvironmentSpec:
    """Return the recipe of `old` with the distributions in `taken` as in `new`."""
    return _pinned(old, new, _chosen(old, new, taken), strict=strict)


def varied(old: BoundarySide, new: BoundarySide, taken: Mix, moving: Distribution) -> EnvironmentSpec:
    """Return the recipe of a mix with one distribution at a version that may be neither side's.

    What it requires and neither side's choice provides is resolved freely, up to the later side's limit of
    date; what was taken out stays out.
    """
    chosen = _chosen(old, new, taken) | {moving.name: moving.version}
    spec = _pinned(old, new, chosen, strict=False)
    pins = tuple(f"{name}=={version}" for name, version in sorted(chosen.items()))
    gone = {name: old.versions[name] for name in sorted(taken) if name not in new.versions}
    out = tuple(f"{name}=={version} ; {_NOWHERE}" for name, version in gone.items())
    return replace(
        spec,
        overrides=(*pins, *out, *_users(old, new, chosen | gone)),
        exclude_newer_package=tuple(ExcludeNewerPackage(name=name) for name in sorted(chosen)),
        must_install=moving,
    )


def drawn(old: BoundarySide, new: BoundarySide, taken: Mix, found: Iterable[Distribution]) -> Mix:
    """Return the names that came into a mix although they were not taken: something there requires them."""
    wanted = _chosen(old, new, taken)
    return frozenset(distribution.name for distribution in found if distribution.name not in wanted)


def _versions(distributions: Iterable[Distribution]) -> dict[str, str]:
    return {distribution.name: distribution.version for distribution in distributions}


def _chosen(old: BoundarySide, new: BoundarySide, taken: Mix) -> dict[str, str]:
    """The version of each distribution that is asked for."""
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
        overrides=(*pins.values(), *absent.values(), *_users(old, new, known)),
        exclude_newer=_later(old.spec, new.spec),
        exclude_newer_package=tuple(ExcludeNewerPackage(name=name) for name in sorted(known)),
    )


def _users(old: BoundarySide, new: BoundarySide, known: Mapping[str, str]) -> tuple[str, ...]:
    """The overrides of both sides that are about none of the pins: what a user took out, say."""
    stated = dict.fromkeys((*old.spec.overrides, *new.spec.overrides))
    return tuple(text for text in stated if canonicalize_name(Requirement(text).name) not in known)


def _later(old: EnvironmentSpec, new: EnvironmentSpec) -> datetime | None:
    """The limit of what builds source distributions: the later side's, or none when one side has none."""
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
) -> str:
    """Name a mix by the side that has its package: `fastapi 0.68.2 with starlette 0.15.0`.

    Where everything moved at once, by the side that has most of it.
    """
    differing = moves(old.distributions, new.distributions)
    others_moved = frozenset(move.name for move in differing) - {package}
    if package and taken in ({package}, others_moved):
        one, other = (new, old) if package in taken else (old, new)
        return _lacking(f"{package} {one.versions[package]} with the dependencies of {other.label}", without)
    from_new = [_at(m.name, m.new) for m in differing if m.name in taken and m.name != package]
    from_old = [_at(m.name, m.old) for m in differing if m.name not in taken and m.name != package]
    is_new = package in taken if package else len(from_new) > len(from_old)
    base, others = (new, from_old) if is_new else (old, from_new)
    verb = "and" if " with " in base.label else "with"
    text = f"{base.label} {verb} {listing(others, most=_MOST_NAMED)}" if others else base.label
    return _lacking(text, [name for name in without if f"no {name}" not in others])


def _lacking(text: str, without: Sequence[str]) -> str:
    return f"{text}, without {listing(without, most=_MOST_NAMED)}" if without else text


def _at(name: str, version: str | None) -> str:
    return f"{name} {version}" if version else f"no {name}"
