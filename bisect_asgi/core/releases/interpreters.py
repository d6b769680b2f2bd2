"""Choose the interpreter that suits a whole range of releases best.

One interpreter runs all candidates, because a second one might explain a difference. The search skips a
release that cannot be installed on it. Of the others, a release counts 1 if it has a wheel for the
interpreter and ¾ if it has no wheels at all. It counts ¼ if it has wheels for other interpreters only,
because its source distribution was rarely ever built on this one. A release older than the interpreter counts
half of that: it was never tried there, so it may install and then fail to import.

Among interpreters that score nearly the same, the environments at the ends of the range decide. On an old
interpreter, an end gets older dependencies than its users had. On a new one, its dependencies have no wheels.

An environment here always has all marker variables, because packaging takes a missing one from the
interpreter that it runs on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from packaging.markers import (
    InvalidMarker,
    Marker,
    UndefinedComparison,
    UndefinedEnvironmentName,
    default_environment,
)
from packaging.version import Version

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Distribution, Interpreter, Release
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.installable import TargetPython, has_wheel, unusable
from bisect_asgi.core.text import plural

# The first releases of CPython 3.6 to 3.8. From 3.9 on, there is one each October (PEP 602).
_FIRST_RELEASED = {(3, 6): (2016, 12, 23), (3, 7): (2018, 6, 27), (3, 8): (2019, 10, 14)}

_LEAST_SHARE = 2 / 3


class InterpreterChoice(Struct, frozen=True, kw_only=True):
    """The interpreter that was chosen, with the reason in a few words."""

    target: TargetPython
    reason: str
    others: tuple[TargetPython, ...] = ()
    """The others that suit the named ends as well, the best first; none if the user chose."""

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter itself."""
        return self.target.interpreter


class Needs(Struct, frozen=True, kw_only=True):
    """The distributions that one end of the range needs on several interpreters."""

    name: str
    """The end, such as `fastapi 0.69.0`."""
    installed: Mapping[str, Sequence[Distribution] | None]
    """The distributions by the path of the interpreter; None if not all of them have wheels."""


class _Score(Struct, frozen=True, kw_only=True):
    worth: float
    installable: int
    older: int
    total: int


class Ranking(Struct, frozen=True, kw_only=True):
    """The interpreters that suit a range of releases, one for each minor version, the best first."""

    targets: tuple[TargetPython, ...]
    close: int
    """The number of them that score nearly as much as the best."""
    scores: tuple[_Score, ...]

    @property
    def in_question(self) -> tuple[TargetPython, ...]:
        """The interpreters among which the needs of the ends may decide."""
        return self.targets[: self.close]

    def choice(self, ends: Sequence[Needs] = ()) -> InterpreterChoice:
        """Return the best interpreter, given what the ends need on those that are in question.

        An end without wheels counts most, then how many dependencies are older than on another interpreter.
        """
        paths = [target.interpreter.path for target in self.in_question]
        best = min(range(self.close), key=lambda place: (*_lacks(paths[place], ends), place))
        reason = _reason(self.scores[best])
        if best:
            drawback = _drawback(paths[0], paths[best], ends)
            reason += f"; on Python {self.targets[0].interpreter.short}, {drawback}"
        others = (*self.targets[:best], *self.targets[best + 1 :])
        return InterpreterChoice(target=self.targets[best], reason=reason, others=others)


def rank(
    interpreters: Sequence[TargetPython],
    releases: Sequence[Release],
    *,
    required: Sequence[Release] = (),
    wished: Sequence[Release] = (),
) -> Ranking | None:
    """Return how well interpreters suit `releases`, or None if none can install all of `required`.

    One that can install all of `wished` is preferred, unless it scores less than two thirds of the best. If
    two score the same, the newer one is preferred, because more wheels are made for it.
    """
    suitable = {
        target: _score(target, releases)
        for target in _newer_first(interpreters)
        if _installs(target, required)
    }
    if not suitable:
        return None
    least = max(score.worth for score in suitable.values()) * _LEAST_SHARE
    close = {target for target, score in suitable.items() if score.worth >= least}
    preferred = {target for target in close if _installs(target, wished)} or close
    order = sorted(suitable, key=lambda target: (target not in preferred, -suitable[target].worth))
    minors = {target.interpreter.minor: target for target in reversed(order)}
    kept = [target for target in order if minors[target.interpreter.minor] is target]
    return Ranking(
        targets=tuple(kept),
        close=sum(target in preferred for target in kept),
        scores=tuple(suitable[target] for target in kept),
    )


def _newer_first(interpreters: Sequence[TargetPython]) -> list[TargetPython]:
    return sorted(interpreters, key=lambda target: Version(target.interpreter.version), reverse=True)


def _lacks(path: str, ends: Sequence[Needs]) -> tuple[int, int]:
    """Return at how many ends not all has wheels, and how many dependencies are older than elsewhere."""
    without_wheels = sum(end.installed[path] is None for end in ends)
    return without_wheels, sum(len(_outdated(path, end)) for end in ends)


def _outdated(path: str, end: Needs) -> list[Distribution]:
    """Return the distributions of an end that are older on this interpreter than on another one."""
    newest: dict[str, Version] = {}
    for each in _versioned(*end.installed.values()):
        version = Version(each.version)
        newest[each.name] = max(version, newest.get(each.name, version))
    return [each for each in _versioned(end.installed[path]) if Version(each.version) < newest[each.name]]


def _versioned(*installed: Sequence[Distribution] | None) -> list[Distribution]:
    """Return the distributions that have a version; one that is required by its address may have none."""
    return [each for found in installed for each in found or () if each.version]


def _drawback(path: str, chosen: str, ends: Sequence[Needs]) -> str:
    """Return what an end lacks on an interpreter, as a reason why another one was chosen."""
    for end in ends:
        if end.installed[path] is None and end.installed[chosen] is not None:
            return f"some dependencies of {end.name} have no wheels"
    name, old = next((end.name, outdated[0]) for end in ends if (outdated := _outdated(path, end)))
    return f"{name} gets older dependencies, such as {old.name} {old.version}"


def first_released(minor: tuple[int, int]) -> datetime:
    """Return the date of the first release of this minor version of CPython."""
    year, month, day = _FIRST_RELEASED.get(minor, (2011 + minor[1], 10, 5))
    return datetime(year, month, day, tzinfo=UTC)


def _installs(target: TargetPython, releases: Sequence[Release]) -> bool:
    return all(unusable(release, target) is None for release in releases)


def _score(target: TargetPython, releases: Sequence[Release]) -> _Score:
    installable = [release for release in releases if unusable(release, target) is None]
    since = first_released(target.interpreter.minor)
    older = {release.version for release in installable if release.uploaded and release.uploaded < since}
    worth = sum(
        _file_worth(release, target) * (0.5 if release.version in older else 1.0) for release in installable
    )
    return _Score(worth=worth, installable=len(installable), older=len(older), total=len(releases))


def _file_worth(release: Release, target: TargetPython) -> float:
    if has_wheel(release, target):
        return 1.0
    return 0.25 if has_wheel(release) else 0.75


def _reason(score: _Score) -> str:
    text = f"can install {score.installable} of {plural(score.total, 'release')}"
    if not score.older:
        return text
    return f"{text} ({score.older} of them {'predates' if score.older == 1 else 'predate'} this Python)"


_OF_PLATFORM = (
    *("os_name", "sys_platform", "platform_machine", "platform_system"),
    *("platform_release", "platform_version"),
)


def marker_environment(
    version: str, *, implementation: str = "CPython", platform: Mapping[str, str]
) -> dict[str, str]:
    """Return the marker variables of an interpreter with this version and implementation.

    `platform` has the variables of the machine, such as `sys_platform`. Others in it are ignored. The version
    of the implementation, which on PyPy differs from that of the language, is taken to be `version`.

    Raises:
        KeyError: `platform` lacks a variable.
    """
    return {
        **{variable: platform[variable] for variable in _OF_PLATFORM},
        "python_version": ".".join(version.split(".")[:2]),
        "python_full_version": version,
        "implementation_name": implementation.lower(),
        "implementation_version": version,
        "platform_python_implementation": implementation,
        "extra": "",
    }


def markers_of(interpreter: Interpreter) -> dict[str, str]:
    """Return the marker variables of an interpreter of this machine."""
    platform = {name: str(value) for name, value in default_environment().items()}
    return marker_environment(
        interpreter.version, implementation=interpreter.implementation, platform=platform
    )


def holds(
    marker: str | None, environment: Mapping[str, str], *, file: str, extras: Collection[str] = ()
) -> bool:
    """Return whether `marker` holds without an extra or with any of `extras`. None always holds.

    Raises:
        UsageError: `marker` is not a marker.
    """
    if not marker:
        return True
    try:
        parsed = Marker(marker)
        return any(parsed.evaluate({**environment, "extra": extra}, "requirement") for extra in ("", *extras))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName) as error:
        raise not_a_marker(marker, file) from error


def not_a_marker(marker: str, file: str) -> UsageError:
    """Return the error about a marker that cannot be read, or not be evaluated."""
    return UsageError(
        f"`{marker}` in `{file}` is no environment marker",
        hint="it is as in PEP 508, such as `python_version < '3.11'`",
    )
