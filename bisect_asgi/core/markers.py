"""Evaluate environment markers (PEP 508) for an interpreter other than the one that runs this tool.

An environment here always has all marker variables, because packaging takes a missing one from the
interpreter that it runs on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from packaging.markers import (
    InvalidMarker,
    Marker,
    UndefinedComparison,
    UndefinedEnvironmentName,
    default_environment,
)

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Interpreter

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
