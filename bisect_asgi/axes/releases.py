"""The default axis: releases of the package, everything else as the dependency policy says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from packaging.version import Version

from bisect_asgi.model import Candidate, Distribution, EnvironmentSpec, Exemption, Interpreter, Release
from bisect_asgi.plan import AS_OF_RELEASE_GRACE, Plan, pinned_version

PINNED_RELEASES = Callable[[str], Sequence[Release]]


def candidates(
    plan: Plan, releases: Iterable[Release], interpreter: Interpreter, pinned: Sequence[Release]
) -> tuple[Candidate, ...]:
    """Return a candidate for each release; `pinned` are the releases that held requirements pin."""
    return tuple(candidate(plan, release, interpreter, pinned) for release in releases)


def candidate(plan: Plan, release: Release, interpreter: Interpreter, pinned: Sequence[Release]) -> Candidate:
    """Return the candidate of one release.

    Its own files are outside the limit of date (wheels for a newer Python come later), and so are the
    projects that the user pins to one version.
    """
    exempt = (Exemption(name=plan.project), *(Exemption(name=held.project) for held in pinned))
    spec = EnvironmentSpec(
        interpreter=interpreter,
        requirements=(plan.requirement(release.version), *plan.held),
        not_after=plan.policy.not_after(release),
        exempt=exempt,
        held=plan.held,
        held_not_after=_held_limit(pinned),
        proves=Distribution(name=plan.project, version=release.version),
    )
    return Candidate(label=release.version, spec=spec, uploaded=release.uploaded)


def pinned_releases(plan: Plan, releases_of: PINNED_RELEASES) -> tuple[Release, ...]:
    """Look up the releases that held requirements pin with `==`; one that does not exist is passed over."""
    found = []
    for requirement in plan.held:
        if pin := pinned_version(requirement):
            project, version = pin
            found += [r for r in releases_of(project) if Version(r.version) == version]
    return tuple(found)


def _held_limit(pinned: Sequence[Release]) -> datetime | None:
    """When the newest of the pinned releases could be installed with what it needs."""
    moments = [release.uploaded for release in pinned if release.uploaded]
    return max(moments) + AS_OF_RELEASE_GRACE if moments else None
