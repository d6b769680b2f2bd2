"""The interpreters of this machine, oldest first, with the same package on each."""

from __future__ import annotations

from packaging.version import Version

from bisect_asgi.axes.base import (
    Setting,
    Sources,
    check_dates,
    exemptions,
    newest_upload,
    package_releases,
    pinned_releases,
)
from bisect_asgi.axes.interpreter import admitted
from bisect_asgi.errors import UsageError
from bisect_asgi.format import listing
from bisect_asgi.judge import Expectation
from bisect_asgi.model import Candidate, EnvironmentSpec
from bisect_asgi.plan import Plan, PolicyKind
from bisect_asgi.releases import Range, Usable, outermost


def prepare(plan: Plan, sources: Sources) -> Setting:
    """Return a candidate for each interpreter; what it cannot install shows as untestable.

    Raises:
        UsageError: a named interpreter is not there, or there are fewer than two.
        Unavailable: the index did not answer.
    """
    package_releases(plan, sources.releases_of)
    held = (plan.base, *plan.held)
    pinned = pinned_releases(held, sources.releases_of)
    check_dates(plan, pinned)
    # The day of a package that is not pinned is nobody's: then each interpreter gets the latest.
    own = [release for release in pinned if release.project == plan.project]
    limit = (
        newest_upload(own and pinned) if plan.policy.kind is PolicyKind.AS_OF_RELEASE else plan.policy.moment
    )
    found = admitted(plan, sources, Range(releases=()))
    pythons = sorted(found, key=lambda usable: Version(usable.interpreter.version))
    good, bad = _place(plan.good, "--good", pythons), _place(plan.bad, "--bad", pythons)
    start, end = outermost(good, bad, len(pythons))
    if end - start < 1:
        raise UsageError(
            f"there is only one Python to look at: {_names(pythons[start : end + 1])}",
            hint="widen `--good` and `--bad`; `uv python install` gets further ones",
        )
    return Setting(
        choice=None,
        candidates=tuple(
            Candidate(
                label=usable.interpreter.version,
                spec=EnvironmentSpec(
                    interpreter=usable.interpreter,
                    requirements=held,
                    overrides=plan.overrides,
                    not_after=limit,
                    exempt=exemptions(pinned),
                    held=plan.held,
                    held_not_after=limit,
                ),
            )
            for usable in pythons[start : end + 1]
        ),
        expectation=Expectation(
            good=None if good is None else good - start, bad=None if bad is None else bad - start
        ),
    )


def _place(wish: str | None, option: str, pythons: list[Usable]) -> int | None:
    """The place of the newest interpreter of the version that the user names."""
    if wish is None:
        return None
    fitting = [
        place
        for place, usable in enumerate(pythons)
        if f"{usable.interpreter.version}.".startswith(f"{wish}.")
    ]
    if not fitting:
        raise UsageError(
            f"there is no Python `{wish}` on this machine (`{option}`)", hint=f"there are {_names(pythons)}"
        )
    return fitting[-1]


def _names(pythons: list[Usable]) -> str:
    return listing((usable.interpreter.version for usable in pythons), most=99) or "none"
