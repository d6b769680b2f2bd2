"""The interpreters of this machine, oldest first, with the same package on each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from packaging.version import Version

from bisect_asgi.core.axis_words import AxisWords, EndHints
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.model import Candidate, EnvironmentSpec, Interpreter, Release
from bisect_asgi.core.plan import PYTHON, DependencyPolicy, Plan, PolicyKind, pinned_version
from bisect_asgi.core.plan.parsing import ALL_PYTHONS, parse_pythons
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.core.releases.selection import ReleaseRange, outermost
from bisect_asgi.core.services import Interpreters, Services
from bisect_asgi.core.text import listing
from bisect_asgi.session.axes.base import (
    Axis,
    SearchSpace,
    admitted,
    check_dates,
    held_package,
    newest_upload,
    outside_the_limit,
)


class Pythons(Axis):
    """Interpreters of this machine."""

    name = PYTHON
    words = AxisWords(
        subject="Python",
        noun="interpreter",
        nouns="interpreters",
        context="with {base}",
        title="Interpreter",
        has_versions=False,
    )
    hints = EndHints(
        bad_passes="pass another `--bad` or `--deps`",
        nothing_later="pass another `--deps`",
        untestable="pass another {noun} with `--{end}`, or another `--deps`",
    )
    holds_package = True
    replaces = "--python"
    as_of = "the package's upload"
    is_explained = False  # both sides may have the same packages installed

    def policy(self, plan: Plan) -> DependencyPolicy:
        """Return the plan's policy; without one exact release of the package no upload limits the others."""
        if plan.policy.kind is PolicyKind.AS_OF_RELEASE and pinned_version(plan.base) is None:
            return DependencyPolicy(kind=PolicyKind.LATEST)
        return plan.policy

    def prepare(self, plan: Plan, services: Services) -> SearchSpace:
        """Return a candidate for each interpreter; one that cannot install the package will be untestable.

        Raises:
            UsageError: a named interpreter is not there, or there are fewer than two.
            Unavailable: the index did not answer.
        """
        held, pinned = held_package(plan, services.index)
        check_dates(plan, pinned)
        limit = _limit(plan, pinned)
        found = admitted(plan, services.interpreters, ReleaseRange(releases=()))
        pythons = sorted(found, key=lambda target: Version(target.interpreter.version))
        good, bad = _place(plan.good, "--good", pythons), _place(plan.bad, "--bad", pythons)
        start, end = outermost(good, bad, len(pythons))
        if end - start < 1:
            raise UsageError(
                f"there is only one Python to run: {_names(pythons[start : end + 1])}",
                hint="widen `--good` and `--bad`; `uv python install` gets further ones",
            )

        def spec(interpreter: Interpreter) -> EnvironmentSpec:
            return EnvironmentSpec(
                interpreter=interpreter,
                requirements=held,
                overrides=plan.overrides,
                constraints=plan.constraints,
                projects=plan.projects,
                hashes=plan.hashes,
                exclude_newer=limit,
                exclude_newer_package=outside_the_limit(pinned),
                held=plan.held,
                held_exclude_newer=limit,
            )

        chosen = [target.interpreter for target in pythons[start : end + 1]]
        return SearchSpace(
            choice=None,
            candidates=tuple(Candidate(label=each.version, spec=spec(each)) for each in chosen),
            expectation=Expectation(
                good=None if good is None else good - start, bad=None if bad is None else bad - start
            ),
            notes=_lacking(plan, chosen, services),
        )


def each_python(plan: Plan, interpreters: Interpreters) -> list[tuple[str, Plan]]:
    """Return the Pythons that `--python` names, oldest first: the version, and the plan for that one alone.

    `all` stands for those that the probe's `requires-python` admits, the newest of each minor version.

    Raises:
        UsageError: there is none, or not one that is named.
    """
    wishes = parse_pythons(plan.python or ALL_PYTHONS)
    if wishes == (ALL_PYTHONS,):
        found = admitted(plan, interpreters, ReleaseRange(releases=()))
        newest_last = sorted(found, key=lambda target: Version(target.interpreter.version))
        versions = {target.interpreter.minor: target.interpreter.version for target in newest_last}
        named = {version: version for version in versions.values()}
    else:
        named = {interpreters.find(wish).interpreter.version: wish for wish in wishes}
    return [(version, replace(plan, python=named[version])) for version in sorted(named, key=Version)]


def _lacking(plan: Plan, chosen: Sequence[Interpreter], services: Services) -> tuple[str, ...]:
    """Return a note with the minor versions between the ends that this machine does not have, if any."""
    there = {interpreter.minor for interpreter in chosen}
    (major, low), (_, high) = min(there), max(there)
    lacking = [
        f"{major}.{minor}"
        for minor in range(low, high + 1)
        if (major, minor) not in there and plan.requires_python.contains(f"{major}.{minor}")
    ]
    if not lacking:
        return ()
    text = f"this machine has no Python {listing(lacking, most=99)}, where the change may be"
    offered = {target.interpreter.short for target in services.interpreters.downloadable()}
    if gets := [minor for minor in lacking if minor in offered]:
        text += f": `uv python install {' '.join(gets)}` gets {'it' if len(gets) == 1 else 'them'}"
    return (text,)


def _limit(plan: Plan, pinned: Sequence[Release]) -> datetime | None:
    """The date limit of the package's dependencies; None: each interpreter gets the latest."""
    if plan.policy.kind is not PolicyKind.AS_OF_RELEASE:
        return plan.policy.moment
    is_pinned = any(release.project == plan.project for release in pinned)
    return newest_upload(pinned) if is_pinned else None  # without a pin, the package has no date


def _place(wish: str | None, option: str, pythons: list[TargetPython]) -> int | None:
    """The place of the newest interpreter of the version that the user names."""
    if wish is None:
        return None
    fitting = [
        place
        for place, target in enumerate(pythons)
        if f"{target.interpreter.version}.".startswith(f"{wish}.")
    ]
    if not fitting:
        raise UsageError(
            f"there is no Python `{wish}` on this machine (`{option}`)", hint=f"pass one of {_names(pythons)}"
        )
    return fitting[-1]


def _names(pythons: list[TargetPython]) -> str:
    return listing((target.interpreter.version for target in pythons), most=99) or "none"


AXIS = Pythons()
