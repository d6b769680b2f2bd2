"""Specs, and releases to resolve them with."""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.core.model import EnvironmentSpec, ExcludeNewerPackage
from support.builders import day
from support.environments import THIS_PYTHON
from support.local_index import LocalIndex

LONG_AGO, LATER = "2019-01-01", "2022-01-01"


def a_spec(
    *requirements: str,
    exclude_newer: str | None = "2020-01-01",
    exclude_newer_package: Sequence[str] = ("demo",),
    held: tuple[str, ...] = (),
    held_exclude_newer: str | None = None,
    constraints: tuple[str, ...] = (),
    overrides: tuple[str, ...] = (),
) -> EnvironmentSpec:
    """demo 1.0 with what it needs as of 2020, and what is held."""
    return EnvironmentSpec(
        interpreter=THIS_PYTHON,
        requirements=(*(requirements or ("demo==1.0",)), *held),
        constraints=constraints,
        overrides=overrides,
        exclude_newer=day(exclude_newer) if exclude_newer else None,
        exclude_newer_package=tuple(ExcludeNewerPackage(name=name) for name in exclude_newer_package)
        if exclude_newer
        else (),
        held=held,
        held_exclude_newer=day(held_exclude_newer) if held_exclude_newer else None,
    )


def names(resolution: Resolution) -> list[str]:
    return [str(distribution) for distribution in resolution.distributions]


def publish_wheels(index: LocalIndex) -> None:
    """dep 1.0 was there in time, dep 2.0 came later."""
    index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["dep"])
    index.add_wheel("dep", "1.0", uploaded=LONG_AGO)
    index.add_wheel("dep", "2.0", uploaded=LATER)


def publish_held_that_needs_newer(index: LocalIndex) -> None:
    """server is held; the lib that it needs came after demo and, in a third release, after server."""
    publish_wheels(index)
    index.add_wheel("server", "1.0", uploaded=LATER, requires=["lib>=2"])
    for version, uploaded in [("1.0", LONG_AGO), ("2.0", "2021-06-01"), ("3.0", "2024-01-01")]:
        index.add_wheel("lib", version, uploaded=uploaded)


HOLDING = a_spec(
    exclude_newer_package=("demo", "server"), held=("server==1.0",), held_exclude_newer="2022-01-02"
)
