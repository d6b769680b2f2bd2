"""Releases of a dependency, while the package is held at one release.

An override suspends requirements that forbid a release, because the package's requirement on the dependency
is often the reason for the search.
"""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Candidate, Distribution, EnvironmentSpec, Interpreter, Release
from bisect_asgi.core.plan import DEPENDENCY, Plan, pinned_version
from bisect_asgi.core.plan.parsing import parse_project
from bisect_asgi.core.services import Services
from bisect_asgi.session.axes import own as own_projects
from bisect_asgi.session.axes.base import (
    Axis,
    SearchSpace,
    check_dates,
    held_package,
    newest_upload,
    outside_the_limit,
)
from bisect_asgi.session.axes.releases import choose_releases


class Dependency(Axis):
    """Releases of another package that the package needs."""

    name = DEPENDENCY
    words = AxisWords(
        subject="{dependency}",
        context="with {base}",
        clause="{name} is the first {verdict} {noun} of {subject}",
    )
    is_option = False
    holds_package = True

    def read_over(self, over: str, package: Requirement, pinned: SpecifierSet) -> str:
        """Return the normalized name of the dependency.

        Raises:
            UsageError: it is no name, it is the package's own, or `pinned` leaves a choice of releases.
        """
        name = parse_project(over)
        if name == canonicalize_name(package.name):
            raise UsageError(
                f"`--over {over}` is the package itself", hint="releases of it move without `--over`"
            )
        if pinned_version(f"{package.name}{pinned}") is None:
            raise UsageError(
                f"`{package}` names no single release to hold while {name} moves",
                hint=f"write it as `bisect-asgi '{package.name}==VERSION' --over {over} …`",
            )
        return name

    def option(self, plan: Plan) -> str:
        """Return the name of the dependency."""
        return plan.dependency

    def prepare(self, plan: Plan, services: Services) -> SearchSpace:
        """Return a candidate for each release of the dependency.

        Raises:
            UsageError: the held release or a named one does not exist, or no interpreter fits.
            Unavailable: the index did not answer.
        """
        held, pinned = held_package(plan, services.index)
        own_limit = newest_upload(pinned)

        def make(release: Release, interpreter: Interpreter) -> Candidate:
            pin, limit = f"{plan.dependency}=={release.version}", plan.policy.exclude_newer(release)
            spec = EnvironmentSpec(
                interpreter=interpreter,
                requirements=(pin, *held),
                overrides=(pin, *plan.overrides),
                constraints=plan.constraints,
                projects=plan.projects,
                hashes=plan.hashes,
                # The package's other dependencies have to exist, however old the dependency's release is.
                exclude_newer=max(limit, own_limit) if limit and own_limit else limit,
                exclude_newer_package=outside_the_limit((release,), pinned),
                held=held,
                held_exclude_newer=own_limit,
                must_install=Distribution(name=plan.dependency, version=release.version),
            )
            return Candidate(label=release.version, spec=spec, uploaded=release.uploaded)

        chosen = choose_releases(plan, plan.dependency, services, make=make, pinned=pinned)
        own_projects.build(plan, chosen.choice.interpreter, services)
        check_dates(plan, (*chosen.span.releases, *pinned))
        return chosen.space(plan)


AXIS = Dependency()
