"""The plan of a search: all options, checked, as values."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.metrics.criteria import Criteria
from bisect_asgi.core.model import OwnProject, Probe, Release, SamplingMode, SandboxLevel
from bisect_asgi.core.plan.limit_options import written_limits
from bisect_asgi.core.plan.options import Options, beside, command_line
from bisect_asgi.core.plan.own_projects import GivenProject
from bisect_asgi.core.plan.parsing import names_several, parse_package, show_moment
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.core.releases.selection import Demand
from bisect_asgi.core.text import duration, plural

DEFAULT_TIMEOUT_S = 120.0
DEFAULT_BUILD_TIMEOUT_S = 600.0
_SHORTEST_LOOK_S, _LONGEST_LOOK_S = 5.0, 60.0
"""The shortest and the longest time of `--history auto`, in seconds."""
_MINORS = tuple(f"3.{minor}" for minor in range(6, 31))
"""The minor versions that a `requires-python` may mean."""
AS_OF_RELEASE_GRACE = timedelta(hours=24)
"""Packages that are released together are uploaded one after the other, within a day."""


RELEASES, DEPENDENCY, DATE, PYTHON = "releases", "dependency", "date", "python"
COMMITS, LOCKS = "commits", "locks"
"""The axes by name."""


class PolicyKind(StrEnum):
    """Which releases of the other packages are installed."""

    AS_OF_RELEASE = "as-of-release"
    LATEST = "latest"
    AS_OF = "as-of"


class DependencyPolicy(Struct, frozen=True, kw_only=True):
    """The dependency policy; `moment` is that of `as-of`, in UTC."""

    kind: PolicyKind = PolicyKind.AS_OF_RELEASE
    moment: datetime | None = None

    def exclude_newer(self, release: Release) -> datetime | None:
        """Return the upload time after which nothing is installed with a release, or None without a limit."""
        return self.as_of(release.uploaded)

    def as_of(self, moment: datetime | None) -> datetime | None:
        """Return the same for a candidate that was made at `moment`, which is None if that is unknown."""
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
    """The most runs, or time, that a search spends on a flaky probe or a noisy metric."""

    runs: int | None = 400
    seconds: float | None = None

    def is_spent(self, runs: int, seconds: float) -> bool:
        """Return whether nothing of it is left."""
        return (self.runs is not None and runs >= self.runs) or (
            self.seconds is not None and seconds >= self.seconds
        )

    def __str__(self) -> str:
        return plural(self.runs, "run") if self.runs is not None else duration(self.seconds or 0.0)


class HistoryKind(StrEnum):
    """The part of the history away from the boundary that is run."""

    AUTO = "auto"
    """As much of the history as can be run in the time that the search took."""
    ALL = "all"
    """The whole history, before the result is reported."""
    NONE = "none"
    TIME = "time"


class History(Struct, frozen=True, kw_only=True):
    """The part of the history away from the boundary that is run."""

    kind: HistoryKind = HistoryKind.AUTO
    seconds: float = 0.0
    """With `TIME`, how long."""

    @property
    def of_a_stage(self) -> History:
        """The history for a search inside this one: none, because that search is for one change."""
        return self if self.kind is HistoryKind.NONE else History()

    def budget_s(self, search_s: float) -> float:
        """Return how long to look, if the search took `search_s`; 0: not at all."""
        match self.kind:
            case HistoryKind.AUTO:
                return min(_LONGEST_LOOK_S, max(_SHORTEST_LOOK_S, search_s))
            case HistoryKind.TIME:
                return self.seconds
            case HistoryKind.ALL | HistoryKind.NONE:
                return 0.0
            case _ as never:
                assert_never(never)

    def placing_s(self, search_s: float) -> float:
        """Return how long a look that has found a change may take in all, to place and confirm the change.

        Placing a change takes about one more search. A fixed bound would leave its place open if runs take
        long, and then the report could not say where the affected releases end. Users who hear that a bug was
        fixed want to know in which release.
        """
        return self.seconds if self.kind is HistoryKind.TIME else max(_LONGEST_LOOK_S, search_s)


class LockText(Struct, frozen=True, kw_only=True):
    """The text of a lock file with its name."""

    name: str
    text: str
    own: tuple[LockedProject, ...] = ()
    """The projects in it that are no releases of an index, and can be built here."""


class LockedProject(Struct, frozen=True, kw_only=True):
    """A project in a lock file that is no release of an index."""

    entry: str
    """Its name in `Lock.passed_over`."""
    given: GivenProject | None = None
    """The project, or None if it cannot be built here."""
    problem: str = ""
    """Why it cannot be built here."""


class Building(Struct, frozen=True, kw_only=True):
    """How source distributions and commits are built."""

    timeout_s: float = DEFAULT_BUILD_TIMEOUT_S
    """The most that one call of uv may take."""
    level: SandboxLevel = SandboxLevel.AUTO
    """How it is confined."""


class Plan(Struct, frozen=True, kw_only=True):
    """Everything that a command knows before it asks an index, an interpreter or a repository."""

    project: str
    """The normalized name of the package (PEP 503); empty if lock files are compared."""
    extras: tuple[str, ...]
    probe: Probe
    probe_path: str = ""
    """As the user gave it; empty for a command alone."""
    over: str = RELEASES
    """The axis."""
    dependency: str = ""
    """The package whose releases are the candidates, if that is another one than `project`."""
    pinned: SpecifierSet = SpecifierSet()
    """The releases of the package that may be installed if the axis varies something else."""
    good: str | None = None
    """The good end as the axis reads it: a version, a moment, a tag; None if it is not given."""
    bad: str | None = None
    locks: tuple[LockText, ...] = ()
    """The old and the new lock file, if they are compared."""
    repository: str | None = None
    """A directory or an address."""
    first_parent: bool = True
    """Whether a merge counts as one commit with the commits that it merged."""
    releases: SpecifierSet = SpecifierSet()
    pre: bool = False
    yanked: bool = False
    by_upload: bool = False
    held: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    """Requirements that replace those that any package has of the same projects."""
    constraints: tuple[str, ...] = ()
    """Requirements that limit versions and install nothing."""
    constraint_files: tuple[str, ...] = ()
    """The files of `--constraint`, as the user gave them."""
    hashes: tuple[str, ...] = ()
    """See `EnvironmentSpec.hashes`."""
    own: tuple[GivenProject, ...] = ()
    """The user's own projects that are built."""
    copied: tuple[GivenProject, ...] = ()
    """Those that are not built: their requirements are held, and their files are copied next to the probe."""
    is_free: bool = False
    """Whether releases of the package are installed whatever requires another one."""
    demands: tuple[Demand, ...] = ()
    """Demands of the user's files on the package whose releases are the candidates."""
    policy: DependencyPolicy = DependencyPolicy()
    python: str | None = None
    """The user's choice: a version or a path, or `all` or several ones, each of which gets a plan."""
    other_pythons: tuple[TargetPython, ...] = ()
    """To which releases are left that `python`, which the user did not choose, has no wheels for."""
    requires_python: SpecifierSet = SpecifierSet()
    """The Pythons that the probe and the user's projects ask for; the user's choice wins."""
    python_of: str = "the probe"
    """The origin of `requires_python`, for messages."""
    criteria: Criteria = Criteria()
    app: str | None = None
    """The file of the app as the user gave it, if the app is not in the probe."""
    include: tuple[str, ...] = ()
    """Paths of the files that are copied next to the probe, as the user gave them."""
    jobs: int = 1
    """Trials in parallel."""
    most_jobs: int = 1
    """Trials in parallel if they mostly wait, for example for a network."""
    confirm: int | None = None
    """Extra runs of each release at the boundary; None: as many as the confidence needs."""
    confidence: float = 0.99
    """The confidence required of the boundary."""
    budget: Budget = Budget()
    sampling: SamplingMode | None = None
    """The way to take samples; None if the probe passes or fails."""
    history: History = History()
    """The time of the search for other changes."""
    if_newest_fails: bool = False
    """Whether the search begins only if the newest candidate is bad."""
    culprit: bool = True
    """Whether the cause is searched."""
    drill: bool = False
    """Whether the search continues in the commits of the culprit."""
    claim: Claim | None = None
    """The claim that `verify` checks."""
    time_limit_s: float | None = None
    """The time after which a search ends, with the result that it has by then."""
    build_timeout_s: float = DEFAULT_BUILD_TIMEOUT_S
    """The most that building may take, of source distributions or of a commit."""
    fresh: bool = False
    question: str = ""
    """The question that a person answers for each candidate; empty if a probe does."""
    undone: tuple[str, ...] = ()
    """Labels of candidates whose cached runs are dropped."""
    term_old: str = "good"
    term_new: str = "bad"
    by_table: Options | None = None
    """The options of the probe's table, which `check` would use without any other option."""

    @property
    def every_own(self) -> tuple[GivenProject, ...]:
        """The user's own projects that are built, with those of the lock files, the newer one's last."""
        locked = (each.given for file in self.locks for each in file.own if each.given)
        found = {given.project.name: given for given in (*locked, *self.own)}
        return tuple(found.values())

    @property
    def projects(self) -> tuple[OwnProject, ...]:
        """The user's own projects, as environments have them."""
        return tuple(given.project for given in self.own)

    @property
    def building(self) -> Building:
        """How source distributions and commits are built: confined as runs are."""
        return Building(timeout_s=self.build_timeout_s, level=self.probe.confinement.level)

    @property
    def all_changes(self) -> bool:
        """Whether the search is for every change of the range, and does not assume that there is only one."""
        return self.history.kind is HistoryKind.ALL

    @property
    def has_several_pythons(self) -> bool:
        """Whether `python` asks for a history on each of several Pythons."""
        return self.python is not None and names_several(self.python)

    @property
    def repeats(self) -> int:
        """The number of times that the runs behind a result are repeated."""
        return 2 if self.confirm is None else self.confirm

    def requirement(self, version: str) -> str:
        """Return a release of the package as a requirement: `fastapi[all]==0.69.0`."""
        return f"{self.named}=={version}"

    @property
    def named(self) -> str:
        """The package with its extras: `fastapi[all]`."""
        return f"{self.project}{_extras(self.extras)}"

    @property
    def base(self) -> str:
        """The package as a requirement, if the axis varies something else: `fastapi==0.68.2`."""
        return f"{self.named}{self.pinned}"

    def check_options(self) -> tuple[str, ...]:
        """Return the words, quoted for a shell, with which `check` runs this probe in the same way."""
        return command_line(self.of_check(), "check")

    def check_options_beside_table(self) -> tuple[str, ...]:
        """Return the words of `check_options` that are needed in addition to the probe's own table.

        An option at its default is among them if the table has another value.
        """
        own, table = self.of_check(), self.by_table or Options()
        defaults = Options(
            timeout=DEFAULT_TIMEOUT_S,
            build_timeout=DEFAULT_BUILD_TIMEOUT_S,
            deps=PolicyKind.AS_OF_RELEASE,
            sandbox=SandboxLevel.AUTO.value,
            keep_alive=True,
        )
        return command_line(beside(own, table, defaults), "check")

    def of_check(self) -> Options:
        """Return the options with which `check` runs this probe in the same way; none is at its default."""
        served, timeout_s, confinement = self.probe.served, self.probe.timeout_s, self.probe.confinement
        options = Options(
            probe=self.probe_path or None,
            command=self.probe.command,
            include=self.include,
            env=tuple(name for name, _ in self.probe.environ),
            timeout=None if timeout_s == DEFAULT_TIMEOUT_S else timeout_s,
            build_timeout=None if self.build_timeout_s == DEFAULT_BUILD_TIMEOUT_S else self.build_timeout_s,
            app=self.app,
            uvicorn=served.options if served else {},
            match=self.criteria.match,
            with_=self._given(),
            constraint=self.constraint_files,
            override=(*((self.named,) if self.is_free else ()), *self.overrides),
            deps=None if self.policy.kind is PolicyKind.AS_OF_RELEASE else str(self.policy),
            no_network=None if confinement.network else True,
        )
        if self.probe.limits:
            options = written_limits(self.probe.limits, options)
        if confinement.level is not SandboxLevel.AUTO:
            options = replace(options, sandbox=confinement.level.value)
        if served and (load := served.load):
            options = replace(
                options,
                load=load.request,
                requests=load.requests,
                concurrency=load.concurrency,
                keep_alive=None if load.keep_alive else False,
            )
        return self._with_metric(options)

    @property
    def only_python(self) -> str:
        """The Python that a command with this plan takes whatever the machine has; empty if it depends."""
        if self.python is not None:
            return self.python
        admitted = [minor for minor in _MINORS if self.requires_python.contains(f"{minor}.9")]
        return admitted[0] if len(admitted) == 1 and str(self.requires_python) else ""

    def _given(self) -> tuple[str, ...]:
        """Return what is held, with the user's own projects as the user named them."""
        own = {each.project.name: each.given for each in self.own}
        held = [own.get(canonicalize_name(Requirement(text).name), text) for text in self.held]
        return (*held, *(each.given for each in self.copied))

    @property
    def indexed(self) -> tuple[str, ...]:
        """The held requirements that are not the user's own projects."""
        own = {each.project.name for each in self.own}
        return tuple(text for text in self.held if canonicalize_name(Requirement(text).name) not in own)

    def _with_metric(self, options: Options) -> Options:
        """Add the metric; a threshold that was found between two releases has no meaning for one."""
        limit, threshold_search = self.criteria.threshold, self.criteria.threshold_search
        if threshold_search:
            return replace(options, metric=threshold_search.metric)
        if not limit:
            return options
        above, below = (
            None if bound is None else f"{bound:.12g} {limit.unit}".rstrip()
            for bound in (limit.above, limit.below)
        )
        return replace(options, metric=limit.metric, bad_above=above, bad_below=below)

    @property
    def is_width_said(self) -> bool:
        """Whether an option gave the number of trials in parallel."""
        return self.most_jobs == self.jobs


def pinned_version(requirement: str) -> tuple[str, Version] | None:
    """Return the normalized name and the version of a requirement with an exact `==`, or None without one."""
    parsed = Requirement(requirement)
    pins = [spec for spec in parsed.specifier if spec.operator in ("==", "===") and "*" not in spec.version]
    try:
        return (canonicalize_name(parsed.name), Version(pins[0].version)) if pins else None
    except InvalidVersion:
        return None


def named_release(text: str) -> tuple[str, str]:
    """Return the package, with its extras, and the version of a release such as `fastapi[all]==0.69.0`.

    Raises:
        UsageError: `text` names no single release.
    """
    requirement, pin = parse_package(text), pinned_version(text)
    if pin is None:
        raise UsageError(
            f"`{text}` names no single release", hint=f"write it as `{requirement.name}==VERSION`"
        )
    return f"{requirement.name}{_extras(requirement.extras)}", str(pin[1])


def asked_for(plan: Plan) -> dict[str, str]:
    """Return the packages that the user named, with their extras, by normalized name."""
    held = (Requirement(text) for text in plan.held)
    names = {canonicalize_name(r.name): f"{r.name}{_extras(r.extras)}" for r in held}
    return ({plan.project: plan.named} if plan.project else {}) | names


def _extras(extras: Collection[str]) -> str:
    return f"[{','.join(sorted(extras))}]" if extras else ""


class Claim(Struct, frozen=True, kw_only=True):
    """The claim that a release is the first fixed one, or the first broken one."""

    version: str
    fixed: bool
    source: str = ""

    @property
    def option(self) -> str:
        """The option that makes the claim."""
        return "--fixed-in" if self.fixed else "--broken-in"

    def __str__(self) -> str:
        return f"{'fixed' if self.fixed else 'broken'} in {self.version}"
