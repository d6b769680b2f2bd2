"""What is to be done, checked: the options of a run turned into values that the rest can rely on."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import assert_never

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi.claims import Claim
from bisect_asgi.errors import UsageError
from bisect_asgi.judge import Limit, Rules
from bisect_asgi.metadata import Options, ProbeMetadata
from bisect_asgi.model import Probe, Release

AS_OF_RELEASE_GRACE = timedelta(hours=24)
"""Projects that are released together are uploaded one after the other: their day counts, not the second."""


SERVER = "uvicorn"
"""What serves apps; held unless it is what moves."""


class PolicyKind(StrEnum):
    """How the other packages move while the axis does."""

    AS_OF_RELEASE = "as-of-release"
    LATEST = "latest"
    AS_OF = "as-of"


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyPolicy:
    """The dependency policy; `moment` is the end of the day of `as-of`."""

    kind: PolicyKind = PolicyKind.AS_OF_RELEASE
    moment: datetime | None = None

    def not_after(self, release: Release) -> datetime | None:
        """The limit of the dependencies' upload times for a candidate; None: no limit."""
        match self.kind:
            case PolicyKind.AS_OF_RELEASE:
                return release.uploaded + AS_OF_RELEASE_GRACE if release.uploaded else None
            case PolicyKind.AS_OF:
                return self.moment
            case PolicyKind.LATEST:
                return None
            case _ as never:
                assert_never(never)

    def __str__(self) -> str:
        return f"{self.kind} {self.moment.date()}" if self.moment else str(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a run needs to know before it looks at the world."""

    project: str
    """Normalised (PEP 503)."""
    extras: tuple[str, ...]
    probe: Probe
    probe_path: str = ""
    """As the user gave it; empty for a command alone."""
    good: Version | None = None
    bad: Version | None = None
    releases: SpecifierSet = SpecifierSet()
    pre: bool = False
    yanked: bool = False
    by_upload: bool = False
    held: tuple[str, ...] = ()
    policy: DependencyPolicy = DependencyPolicy()
    python: str | None = None
    """The user's choice: a version or a path."""
    requires_python: SpecifierSet = SpecifierSet()
    """The probe's own wish; the user's choice wins over it."""
    rules: Rules = Rules()
    jobs: int = 1
    confirm: int = 1
    spot_checks: int = 4
    """How many releases are run beside a boundary that was found, to see whether it is the only change."""
    all_changes: bool = False
    shortest: int = 1
    """With `all_changes`, the shortest state that must not be missed, in releases."""
    claim: Claim | None = None
    """What `verify` holds against the releases."""
    fresh: bool = False
    term_old: str = "good"
    term_new: str = "bad"

    def requirement(self, version: str) -> str:
        """The candidate as a requirement: `fastapi[all]==0.69.0`."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.project}{extras}=={version}"

    def check_options(self) -> tuple[str, ...]:
        """The options with which `check` runs this probe the same way; those of its own table it has."""
        options = ["--probe", self.probe_path] if self.probe_path else ["--app", self.probe.name]
        options += [f"--with={requirement}" for requirement in self.held]
        if self.policy.kind is not PolicyKind.AS_OF_RELEASE:
            options.append(f"--deps={self.policy}")
        if limit := self.rules.limit:
            bound = (
                f"--bad-above={limit.above:g}" if limit.above is not None else f"--bad-below={limit.below:g}"
            )
            options += [f"--metric={limit.metric}", bound]
        if served := self.probe.served:
            options += [f"--uvicorn={key}={value}" for key, value in served.options.items()]
            if load := served.load:
                options += [f"--load={load.request}", f"--requests={load.requests}"]
                options += [f"--concurrency={load.concurrency}"]
                options += [] if load.keep_alive else ["--no-keep-alive"]
        return tuple(shlex.quote(option) for option in options)


def make_plan(options: Options, probe: Probe, metadata: ProbeMetadata, *, probe_path: str = "") -> Plan:
    """Check every option and return the plan; `options` has the probe's table merged in.

    Raises:
        UsageError: an option is missing, malformed or out of range; the message has its value.
    """
    if not options.package:
        raise UsageError(
            "no package is named",
            hint="`bisect-asgi PACKAGE --probe FILE`, or `package = …` in the probe's table",
        )
    package = parse_package(options.package)
    if package.specifier:
        raise UsageError(
            f"`{options.package}` names releases, and a bisection looks for one",
            hint=f"limit the range by `--releases '{package.specifier}'`; one release: `bisect-asgi check`",
        )
    plan = Plan(
        project=canonicalize_name(package.name),
        extras=tuple(sorted(package.extras)),
        probe=probe,
        probe_path=probe_path,
        good=_version(options.good, "--good"),
        bad=_version(options.bad, "--bad"),
        releases=parse_specifiers(options.releases, "--releases"),
        pre=bool(options.pre),
        yanked=bool(options.yanked),
        by_upload=options.order == "upload",
        held=_held(options.with_, metadata.dependencies, probe, moving=canonicalize_name(package.name)),
        policy=parse_policy(options.deps or PolicyKind.AS_OF_RELEASE),
        python=options.python,
        requires_python=parse_specifiers(metadata.requires_python, "requires-python"),
        rules=Rules(
            any_failure=bool(options.any_failure), match=_pattern(options.match), limit=_limit(options)
        ),
        jobs=_at_least(1, options.jobs, os.cpu_count() or 1, "--jobs"),
        confirm=_at_least(0, options.confirm, 1, "--confirm"),
        spot_checks=_at_least(0, options.spot_checks, 4, "--spot-checks"),
        all_changes=bool(options.all),
        shortest=_at_least(1, options.shortest, 1, "--shortest"),
        claim=_claim(options),
        fresh=bool(options.fresh),
        term_old=options.term_old or "good",
        term_new=options.term_new or "bad",
    )
    _check_together(plan, options)
    return plan


def _check_together(plan: Plan, options: Options) -> None:
    if plan.good is not None and plan.good == plan.bad:
        raise UsageError(
            f"`--good` and `--bad` are the same release: `{options.good}`", hint="name two, one or none"
        )
    if plan.rules.match is not None and plan.rules.any_failure:
        raise UsageError(
            "`--match` and `--any-failure` say two things about which runs are bad", hint="choose one of them"
        )
    if plan.term_old == plan.term_new:
        raise UsageError(
            f"`--term-old` and `--term-new` are the same word: `{plan.term_old}`", hint="choose two words"
        )


def parse_project(text: str) -> str:
    """Read a package's name in any spelling; extras and versions are passed over.

    Raises:
        UsageError: it is no name.
    """
    return canonicalize_name(parse_package(text).name)


def parse_package(text: str) -> Requirement:
    """Read `name`, `name[extra]` or `name==1.0`.

    Raises:
        UsageError: it is no requirement, or one with a marker or an address.
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise _malformed(
            "package", text, "a name as on the index, such as `fastapi` or `fastapi[all]`"
        ) from error
    if requirement.url or requirement.marker:
        raise _malformed("package", text, "a name as on the index, without address or marker")
    return requirement


def parse_policy(text: str) -> DependencyPolicy:
    """Read `as-of-release`, `latest` or `as-of 2022-01-10`.

    Raises:
        UsageError: it is none of them.
    """
    words = text.split()
    try:
        match words:
            case [PolicyKind.AS_OF_RELEASE | PolicyKind.LATEST as kind]:
                return DependencyPolicy(kind=PolicyKind(kind))
            case [PolicyKind.AS_OF, day]:
                end = datetime.combine(datetime.fromisoformat(day), time(23, 59, 59), tzinfo=UTC)
                return DependencyPolicy(kind=PolicyKind.AS_OF, moment=end)
    except ValueError as error:
        raise _malformed("--deps", text, _POLICY_FORM) from error
    raise _malformed("--deps", text, _POLICY_FORM)


_POLICY_FORM = "`as-of-release`, `latest` or `as-of 2022-01-10`"


def pinned_version(requirement: str) -> tuple[str, Version] | None:
    """The normalised name and version of a requirement with one exact `==`; None: it leaves a choice."""
    parsed = Requirement(requirement)
    pins = [spec for spec in parsed.specifier if spec.operator in ("==", "===") and "*" not in spec.version]
    try:
        return (canonicalize_name(parsed.name), Version(pins[0].version)) if pins else None
    except InvalidVersion:
        return None


def _held(said: tuple[str, ...], of_probe: tuple[str, ...], probe: Probe, *, moving: str) -> tuple[str, ...]:
    """The held requirements: the command line's, and those of the probe that it does not replace.

    A served app needs a server. A script that also runs by itself requires the package under test; that one
    moves and is not held.
    """
    stated = [_requirement(text, "--with") for text in said]
    if any(canonicalize_name(requirement.name) == moving for requirement in stated):
        raise UsageError(
            f"`{moving}` is what moves; it cannot be held as well",
            hint="drop it from `--with`; `--releases` limits its range",
        )
    replaced = {moving, *(canonicalize_name(requirement.name) for requirement in stated)}
    own = [_requirement(text, "the probe's dependencies") for text in of_probe]
    kept = [requirement for requirement in own if canonicalize_name(requirement.name) not in replaced]
    names = {moving, *(canonicalize_name(requirement.name) for requirement in kept + stated)}
    served = [Requirement(SERVER)] if probe.served and SERVER not in names else []
    return tuple(str(requirement) for requirement in kept + stated + served)


def _requirement(text: str, option: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise _malformed(option, text, "a requirement (PEP 508), such as `uvicorn==0.17.6`") from error


def _version(text: str | None, option: str) -> Version | None:
    try:
        return Version(text) if text is not None else None
    except InvalidVersion as error:
        raise _malformed(option, text, "a version (PEP 440), such as `0.69.0`") from error


def parse_specifiers(text: str | None, option: str) -> SpecifierSet:
    """Read version specifiers; none stand for all versions.

    Raises:
        UsageError: they are malformed.
    """
    try:
        return SpecifierSet(text or "")
    except InvalidSpecifier as error:
        form = "version specifiers (PEP 440), such as `>=0.60,<0.110`"
        raise _malformed(option, text, form) from error


def _claim(options: Options) -> Claim | None:
    if options.fixed_in is not None and options.broken_in is not None:
        raise UsageError(
            "a claim is `--fixed-in` or `--broken-in`, not both", hint="verify them one after the other"
        )
    if fixed := _version(options.fixed_in, "--fixed-in"):
        return Claim(version=str(fixed), fixed=True, source=options.source or "")
    if broken := _version(options.broken_in, "--broken-in"):
        return Claim(version=str(broken), fixed=False, source=options.source or "")
    return None


def _limit(options: Options) -> Limit | None:
    above, below = options.bad_above, options.bad_below
    if options.metric is None and above is None and below is None:
        return None
    if (above is None) == (below is None):
        raise UsageError(
            "a metric needs one limit: `--bad-above X` or `--bad-below X`",
            hint="name what is measured, too: `--metric growth --bad-above 8e6`",
        )
    return Limit(metric=options.metric or "value", above=above, below=below)


def _pattern(text: str | None) -> str | None:
    try:
        re.compile(text or "")
    except re.error as error:
        raise _malformed("--match", text, "a regular expression of Python's `re`") from error
    return text


def _at_least(least: int, value: int | None, default: int, option: str) -> int:
    if value is not None and value < least:
        raise UsageError(f"`{option} {value}` is out of range", hint=f"it is {least} or more")
    return default if value is None else value


def _malformed(option: str, text: str | None, form: str) -> UsageError:
    return UsageError(f"`{text}` cannot be read ({option})", hint=f"it is {form}")
