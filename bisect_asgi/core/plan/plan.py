"""What is to be done, as values that the rest can rely on."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi.core.metrics.criteria import Criteria
from bisect_asgi.core.model import Probe, Release, SamplingMode
from bisect_asgi.core.plan.moments import show_moment
from bisect_asgi.core.plan.options import Options, command_line
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.text import duration, plural

DEFAULT_TIMEOUT_S = 120.0
AS_OF_RELEASE_GRACE = timedelta(hours=24)
"""Projects that are released together are uploaded one after the other: their day counts, not the second."""


RELEASES, DEPENDENCY, DATE, PYTHON = "releases", "dependency", "date", "python"
COMMITS, LOCKS = "commits", "locks"
"""The axes by name."""


class PolicyKind(StrEnum):
    """How the other packages move while the axis does."""

    AS_OF_RELEASE = "as-of-release"
    LATEST = "latest"
    AS_OF = "as-of"


class DependencyPolicy(Struct, frozen=True, kw_only=True):
    """The dependency policy; `moment` is that of `as-of`, in UTC."""

    kind: PolicyKind = PolicyKind.AS_OF_RELEASE
    moment: datetime | None = None

    def exclude_newer(self, release: Release) -> datetime | None:
        """The limit of the dependencies' upload times for a candidate; None: no limit."""
        return self.as_of(release.uploaded)

    def as_of(self, moment: datetime | None) -> datetime | None:
        """The same for a candidate that came about at `moment`; None: nobody knows when."""
        match self.kind:
            case PolicyKind.AS_OF_RELEASE:
                return moment + AS_OF_RELEASE_GRACE if moment else None
            case PolicyKind.AS_OF:
                return self.moment
            case PolicyKind.LATEST:
                return None
            case _ as never:
                assert_never(never)

    def told(self, release: str) -> str:
        """Return the policy as a phrase; `release` says whose upload counts for `as-of-release`."""
        match self.kind:
            case PolicyKind.AS_OF_RELEASE:
                return f"dependencies as of {release}"
            case PolicyKind.AS_OF:
                return str(self).replace("as-of", "dependencies as of")
            case PolicyKind.LATEST:
                return "latest dependencies"
            case _ as never:
                assert_never(never)

    def __str__(self) -> str:
        return f"{self.kind} {show_moment(self.moment)}" if self.moment else str(self.kind)


class Budget(Struct, frozen=True, kw_only=True):
    """What one search may spend on noise, before it says that it cannot tell."""

    runs: int | None = 400
    seconds: float | None = None

    def is_spent(self, runs: int, seconds: float) -> bool:
        """Tell whether there is nothing left."""
        return (self.runs is not None and runs >= self.runs) or (
            self.seconds is not None and seconds >= self.seconds
        )

    def __str__(self) -> str:
        return plural(self.runs, "run") if self.runs is not None else duration(self.seconds or 0.0)


class LockText(Struct, frozen=True, kw_only=True):
    """A lock file as it was read."""

    name: str
    text: str


class Plan(Struct, frozen=True, kw_only=True):
    """Everything that a run needs to know before it looks at the world."""

    project: str
    """Normalised (PEP 503)."""
    extras: tuple[str, ...]
    probe: Probe
    probe_path: str = ""
    """As the user gave it; empty for a command alone."""
    over: str = RELEASES
    """The axis: what varies."""
    dependency: str = ""
    """The package whose releases are the candidates, if that is another one than `project`."""
    pinned: SpecifierSet = SpecifierSet()
    """Which releases of the package serve while something else moves."""
    good: str | None = None
    """The end that passes, in the axis' own words: a version, a day, a tag."""
    bad: str | None = None
    locks: tuple[LockText, ...] = ()
    """The old and the new lock file, where they are what is compared."""
    repository: str | None = None
    """Where the commits are: a folder or an address."""
    first_parent: bool = True
    """Whether commits that were merged count as one with their merge."""
    releases: SpecifierSet = SpecifierSet()
    pre: bool = False
    yanked: bool = False
    by_upload: bool = False
    held: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    """Requirements that replace what any distribution says of these projects."""
    policy: DependencyPolicy = DependencyPolicy()
    python: str | None = None
    """The user's choice: a version or a path."""
    requires_python: SpecifierSet = SpecifierSet()
    """The probe's own wish; the user's choice wins over it."""
    criteria: Criteria = Criteria()
    app: str | None = None
    """The app's file, as the user gave it, where it is not the probe's own."""
    include: tuple[str, ...] = ()
    """Paths of what each run finds beside the probe, as the user gave them."""
    jobs: int = 1
    """Trials side by side."""
    most_jobs: int = 1
    """Trials side by side where they mostly wait: for a network, for a clock."""
    confirm: int | None = None
    """How often both sides of a boundary are run once more; None: as often as the claim needs."""
    confidence: float = 0.99
    """How probable the answer of a probe that is not always the same has to be."""
    budget: Budget = Budget()
    sampling: SamplingMode | None = None
    """How samples are taken; None: the probe passes or fails."""
    spot_checks: int = 4
    """How many releases are run beside a boundary that was found, to see whether it is the only change."""
    all_changes: bool = False
    shortest: int = 1
    """With `all_changes`, the shortest state that must not be missed, in releases."""
    culprit: bool = True
    """Whether to find out what carries the change."""
    drill: bool = False
    """Whether to go on into the commits of what carries it."""
    claim: Claim | None = None
    """What `verify` holds against the releases."""
    fresh: bool = False
    term_old: str = "good"
    term_new: str = "bad"

    @property
    def repeats(self) -> int:
        """How often runs that an answer rests on are made once more."""
        return 2 if self.confirm is None else self.confirm

    def requirement(self, version: str) -> str:
        """The candidate as a requirement: `fastapi[all]==0.69.0`."""
        return f"{self.named}=={version}"

    @property
    def named(self) -> str:
        """The package with its extras: `fastapi[all]`."""
        return f"{self.project}{_extras(self.extras)}"

    @property
    def base(self) -> str:
        """The package as a requirement while something else moves: `fastapi==0.68.2`."""
        return f"{self.named}{self.pinned}"

    def check_options(self) -> tuple[str, ...]:
        """Return the words, quoted for a shell, with which `check` runs this probe in the same way."""
        served, timeout_s = self.probe.served, self.probe.timeout_s
        options = Options(
            probe=self.probe_path or None,
            command=self.probe.command,
            include=self.include,
            env=tuple(name for name, _ in self.probe.environ),
            timeout=None if timeout_s == DEFAULT_TIMEOUT_S else timeout_s,
            app=self.app,
            uvicorn=served.options if served else {},
            match=self.criteria.match,
            with_=self.held,
            override=self.overrides,
            deps=None if self.policy.kind is PolicyKind.AS_OF_RELEASE else str(self.policy),
        )
        if served and (load := served.load):
            options = replace(
                options,
                load=load.request,
                requests=load.requests,
                concurrency=load.concurrency,
                keep_alive=None if load.keep_alive else False,
            )
        return command_line(self._with_metric(options), "check")

    def _with_metric(self, options: Options) -> Options:
        """Add the metric; a threshold that was found between two releases has no meaning for one."""
        limit, limit_search = self.criteria.limit, self.criteria.limit_search
        if limit_search:
            return replace(options, metric=limit_search.metric)
        if not limit:
            return options
        above, below = (
            None if bound is None else f"{bound:.12g} {limit.unit}".rstrip()
            for bound in (limit.above, limit.below)
        )
        return replace(options, metric=limit.metric, bad_above=above, bad_below=below)

    @property
    def is_width_said(self) -> bool:
        """Whether somebody said how many trials run side by side."""
        return self.most_jobs == self.jobs


def pinned_version(requirement: str) -> tuple[str, Version] | None:
    """The normalised name and version of a requirement with one exact `==`; None: it leaves a choice."""
    parsed = Requirement(requirement)
    pins = [spec for spec in parsed.specifier if spec.operator in ("==", "===") and "*" not in spec.version]
    try:
        return (canonicalize_name(parsed.name), Version(pins[0].version)) if pins else None
    except InvalidVersion:
        return None


def asked_for(plan: Plan) -> dict[str, str]:
    """What the user asks for by name, with its extras: the package, and what is held beside it."""
    held = (Requirement(text) for text in plan.held)
    names = {canonicalize_name(r.name): f"{r.name}{_extras(r.extras)}" for r in held}
    return ({plan.project: plan.named} if plan.project else {}) | names


def _extras(extras: Collection[str]) -> str:
    return f"[{','.join(sorted(extras))}]" if extras else ""


class Claim(Struct, frozen=True, kw_only=True):
    """A release that is said to be the first fixed one, or the first broken one."""

    version: str
    fixed: bool
    source: str = ""

    @property
    def option(self) -> str:
        """The option that makes it."""
        return "--fixed-in" if self.fixed else "--broken-in"

    def __str__(self) -> str:
        return f"{'fixed' if self.fixed else 'broken'} in {self.version}"
