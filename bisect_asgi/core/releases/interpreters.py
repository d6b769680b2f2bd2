"""Choose the interpreter that suits a whole range of releases best.

One interpreter runs all candidates, because a second one might explain a difference. The search skips a
release that cannot be installed on it. Of the others, a release counts 1 if it has a wheel for the
interpreter and ¾ if it has no wheels at all. It counts ¼ if it has wheels for other interpreters only,
because its source distribution was rarely ever built on this one. A release older than the interpreter counts
half of that: it was never tried there, so it may install and then fail to import.

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
from bisect_asgi.core.model import Interpreter, Release
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases import TargetPython, has_wheel, unusable
from bisect_asgi.core.text import plural

# The first releases of CPython 3.6 to 3.8. From 3.9 on, there is one each October (PEP 602).
_FIRST_RELEASED = {(3, 6): (2016, 12, 23), (3, 7): (2018, 6, 27), (3, 8): (2019, 10, 14)}

_LEAST_SHARE = 2 / 3


class InterpreterChoice(Struct, frozen=True, kw_only=True):
    """The interpreter that was chosen, with the reason in a few words."""

    target: TargetPython
    reason: str

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter itself."""
        return self.target.interpreter


class _Score(Struct, frozen=True, kw_only=True):
    worth: float
    installable: int
    older: int


def best_interpreter(
    interpreters: Sequence[TargetPython],
    releases: Sequence[Release],
    *,
    required: Sequence[Release] = (),
    wished: Sequence[Release] = (),
) -> InterpreterChoice | None:
    """Return the interpreter that suits `releases` best, or None if none can install all of `required`.

    One that can install all of `wished` is preferred, unless it scores less than two thirds of the best. If
    two score the same, the newer one is chosen, because more wheels are made for it.
    """
    suitable = [target for target in interpreters if _installs(target, required)]
    if not suitable:
        return None
    scores = {target.interpreter.path: _score(target, releases) for target in suitable}
    least = max(score.worth for score in scores.values()) * _LEAST_SHARE
    preferred = [
        target
        for target in suitable
        if _installs(target, wished) and scores[target.interpreter.path].worth >= least
    ]
    best = max(
        preferred or suitable,
        key=lambda target: (scores[target.interpreter.path].worth, Version(target.interpreter.version)),
    )
    return InterpreterChoice(target=best, reason=_reason(scores[best.interpreter.path], len(releases)))


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
    return _Score(worth=worth, installable=len(installable), older=len(older))


def _file_worth(release: Release, target: TargetPython) -> float:
    if has_wheel(release, target):
        return 1.0
    return 0.25 if has_wheel(release) else 0.75


def _reason(score: _Score, total: int) -> str:
    text = f"it installs {score.installable} of {plural(total, 'release')}"
    return f"{text}, {score.older} of them older than it" if score.older else text


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
