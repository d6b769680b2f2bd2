"""Resolve an environment's spec to the exact list of its distributions.

A date ("as of the release") also limits the tools that build source distributions. Tools of that time may
not have the interface of today (PEP 517 came in 2018), and today's may no longer build what was written
then. So these steps are tried, from the truest to the last resort, and the step that succeeded is recorded:

1. as of the date, wheels only
2. as of the date, wheels only, what held requirements need may be newer
3. as of the date, building source distributions
4. as of the date, building source distributions, what held requirements need may be newer
5. without the date, wheels only
6. without the date, building source distributions

Where dates are what is searched, the last two are not tried: they would show today under an old date.

In steps that may build, uv runs where it can start no process. What it fails to build there is built apart
(`sdists`) with the tools of the date, and then uv is given its metadata. If it does not build, its metadata
may be had all the same: uv runs in a box, which takes longer. If that fails as well, it is built with tools
of 1, 2, 3, 5 and 8 years later and of today. What was resolved with the metadata of a wheel that was built is
compared with what the index has: if that is another file, or a wheel, it is resolved again without.
"""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from bisect_asgi.backend.environments.builds import (
    WheelBuilder,
    built_with,
    later,
    read_metadata,
    stamp,
)
from bisect_asgi.backend.environments.sdists import Sdist, SdistBuilder, Wheel
from bisect_asgi.backend.process.usage import spending
from bisect_asgi.backend.uv import CannotBeAlone, Metadata, Uv
from bisect_asgi.backend.uv_output import NetworkFault, SdistBuildFailed
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Unavailable, Unresolvable
from bisect_asgi.core.model import (
    Commit,
    Distribution,
    EnvironmentSpec,
    ExcludeNewerPackage,
    Interpreter,
    OwnProject,
    ProjectMetadata,
    Step,
)
from bisect_asgi.core.records import Struct, replace

_MOST_BUILDS = 50
_WITHOUT_VERSIONS = re.compile(r"there are no versions of ([\w.-]+)")
_FRESH_FOR = timedelta(minutes=10)


class Resolution(Struct, frozen=True, kw_only=True):
    """The exact set of distributions with hashes, and the step that gave it."""

    digest: str
    """Digest of the files' hashes and the interpreter; two environments are equal if it is."""
    pins: tuple[str, ...]
    """Requirements, each with the hashes of all files that may be installed."""
    exclude_newer: datetime | None
    """The date of the step, which also limits the tools that build source distributions."""
    exclude_newer_package: tuple[ExcludeNewerPackage, ...]
    distributions: tuple[Distribution, ...]
    step: str
    sdists: tuple[Sdist, ...] = ()
    """Those among the distributions that have no wheel, and have to be built."""

    @property
    def has_wheels(self) -> bool:
        """Whether nothing had to be built, as of the date or as of now."""
        return self.step.startswith((f"{_AS_OF}, {_WHEELS}", f"{_LATEST}, {_WHEELS}"))


_AS_OF, _LATEST, _WITHOUT = "as of the date", "latest", "without the date"
_WHEELS, _BUILDS = "wheels only", "building source distributions"


class _Step(Struct, frozen=True, kw_only=True):
    name: str
    spec: EnvironmentSpec
    wheels_only: bool


class Resolver:
    """Resolves specs with uv.

    Args:
        uv: resolves and builds.
        sdists: builds source distributions.
        wheels: builds commits; without it, a spec with a commit cannot be resolved.
        confirm: asks the index for the page of a project, and raises `Unavailable` if it is no such page.
    """

    def __init__(
        self,
        uv: Uv,
        *,
        sdists: SdistBuilder,
        wheels: WheelBuilder | None = None,
        confirm: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._uv = uv
        self._confirm = confirm
        self._sdists = sdists
        self._wheels = wheels

    def begin(self) -> None:
        """Begin a new command, for which the pages that an earlier one got may be too old."""
        self._uv.begin()

    def resolve(
        self,
        spec: EnvironmentSpec,
        token: CancelToken,
        *,
        wheels_only: bool = False,
        likely: Iterable[Sdist] = (),
    ) -> Resolution:
        """Return the resolution of the first step that succeeds.

        `wheels_only`: only of the steps before the first one that may build. `likely`: what it needed before.

        Raises:
            Unresolvable, BuildFailed: none does; the message is that of the first step that failed for
                another reason than missing wheels.
            UsageError: there is no such commit or repository.
            Unavailable: the index did not answer.
            Cancelled: the token was cancelled.
        """
        if spec.projects:
            spec = self._with_projects(spec, token)
        if spec.commit:
            return self._resolve_commit(spec, spec.commit, token, likely)
        return self._first(spec, token, wheels_only=wheels_only, likely=likely)

    def metadata(self, project: OwnProject, interpreter: Interpreter, token: CancelToken) -> ProjectMetadata:
        """Build a project of the user's, unless its wheel exists, and return what the wheel says.

        Raises:
            BuildFailed: it cannot be built.
            Unavailable: the index did not answer.
            Cancelled: the token was cancelled.
        """
        with spending(Step.BUILD):
            return read_metadata(self._builder().own(project, interpreter, token))

    def _builder(self) -> WheelBuilder:
        if self._wheels is None:
            raise ValueError("a commit or a project needs a builder of wheels")
        return self._wheels

    def _with_projects(self, spec: EnvironmentSpec, token: CancelToken) -> EnvironmentSpec:
        """Return the spec with the wheels of the user's projects in their places."""
        for project in spec.projects:
            with spending(Step.BUILD):
                wheel = self._builder().own(project, spec.interpreter, token)
            spec = with_wheel(spec, project.name, wheel)
        return replace(spec, projects=())

    def _resolve_commit(
        self, spec: EnvironmentSpec, commit: Commit, token: CancelToken, likely: Iterable[Sdist]
    ) -> Resolution:
        """Build the commit's wheel, and resolve with that wheel in place of the project's releases."""
        with spending(Step.BUILD):
            wheel = self._builder().wheel(commit, spec.interpreter, token)
        resolution = self._first(with_wheel(spec, commit.project, wheel), token, likely=likely)
        if tools := built_with(wheel):
            how = f"{commit.project} {commit.sha[:12]} built with tools of {tools}"
            return replace(resolution, step=f"{resolution.step} ({how})")
        return resolution

    def _first(
        self,
        spec: EnvironmentSpec,
        token: CancelToken,
        *,
        wheels_only: bool = False,
        likely: Iterable[Sdist] = (),
    ) -> Resolution:
        failures: list[Unresolvable | BuildFailed] = []
        for step in self._steps(spec, token):
            if wheels_only and not step.wheels_only:
                break
            try:
                return self._take(step, token, likely)
            except (Unresolvable, BuildFailed) as error:
                failures.append(error)
        # That a step without builds finds no wheels says less than what the next step failed with.
        telling = [error for error in failures if "no usable wheels" not in str(error)]
        first = (telling or failures)[0]
        first.is_lasting = all(error.is_lasting for error in failures)
        raise first

    def built(
        self,
        sdists: Iterable[Sdist],
        interpreter: Interpreter,
        exclude_newer: datetime | None,
        token: CancelToken,
    ) -> dict[str, Wheel]:
        """Return the wheels of source distributions by their names, building those that are not kept.

        Raises:
            BuildFailed: one of them cannot be built with the tools of any date that was tried.
            Unavailable, NoResult, Cancelled: as `SdistBuilder.wheel`.
        """
        limits = [exclude_newer, *later(exclude_newer)]
        return {sdist.name: self._built(sdist, interpreter, limits, token) for sdist in sdists}

    def _built(
        self, sdist: Sdist, interpreter: Interpreter, limits: Sequence[datetime | None], token: CancelToken
    ) -> Wheel:
        try:
            with spending(Step.BUILD):
                return self._sdists.wheel(sdist, interpreter, limits, token, own=limits[0])
        except BuildFailed as error:
            message = f"`{sdist}` has no wheel for this Python and cannot be built: {error}"
            raise BuildFailed(message, is_lasting=error.is_lasting) from error

    def _steps(self, spec: EnvironmentSpec, token: CancelToken) -> Iterator[_Step]:
        if spec.exclude_newer is None:
            yield _Step(name=f"{_LATEST}, {_WHEELS}", spec=spec, wheels_only=True)
            yield _Step(name=f"{_LATEST}, {_BUILDS}", spec=spec, wheels_only=False)
            return
        for how, only in ((_WHEELS, True), (_BUILDS, False)):
            yield _Step(name=f"{_AS_OF}, {how}", spec=spec, wheels_only=only)
            eased = self._eased(spec, token, wheels_only=only)
            if eased != spec:
                name = f"{_AS_OF}, {how}, what held requirements need may be newer"
                yield _Step(name=name, spec=eased, wheels_only=only)
        if spec.is_date_binding:
            return
        free = replace(spec, exclude_newer=None)
        yield _Step(name=f"{_WITHOUT}, {_WHEELS}", spec=free, wheels_only=True)
        yield _Step(name=f"{_WITHOUT}, {_BUILDS}", spec=free, wheels_only=False)

    def _eased(self, spec: EnvironmentSpec, token: CancelToken, *, wheels_only: bool) -> EnvironmentSpec:
        """Return the spec with what the held requirements need exempt from the date, up to their own date."""
        if not spec.held or spec.held_exclude_newer is None:
            return spec
        own = replace(
            spec,
            requirements=spec.held,
            exclude_newer_package=(),
            exclude_newer=spec.held_exclude_newer,
            must_install=None,
            held=(),
        )
        try:
            needed = self._take(_Step(name="", spec=own, wheels_only=wheels_only), token).distributions
        except (Unresolvable, BuildFailed):
            return spec
        known = {exemption.name for exemption in spec.exclude_newer_package}
        more = (
            ExcludeNewerPackage(name=found.name, exclude_newer=spec.held_exclude_newer)
            for found in needed
            if found.name not in known
        )
        return replace(spec, exclude_newer_package=(*spec.exclude_newer_package, *more))

    def _take(self, step: _Step, token: CancelToken, likely: Iterable[Sdist] = ()) -> Resolution:
        spec = step.spec
        if step.wheels_only:
            return read_resolution(self._compile(spec, token, "--only-binary", ":all:"), spec, step.name)
        return _Building(self, spec, step.name, token).resolution(likely)

    def _compile(
        self,
        spec: EnvironmentSpec,
        token: CancelToken,
        *options: str,
        known: Iterable[Metadata] = (),
        alone: bool = False,
    ) -> str:
        arguments = [
            "compile",
            "-",
            "--format",
            "pylock.toml",
            "--no-header",
            "--python",
            spec.interpreter.path,
        ]
        arguments += date_arguments(spec.exclude_newer, spec.exclude_newer_package)
        arguments += options
        run = partial(self._uv.run, token=token, stdin="\n".join(spec.requirements), known=known, alone=alone)
        with tempfile.TemporaryDirectory(prefix="bisect-asgi-") as folder:
            for option, lines in (("--constraints", spec.constraints), ("--overrides", spec.overrides)):
                if lines:
                    path = Path(folder, option.strip("-") + ".txt")
                    path.write_text("\n".join(lines))
                    arguments += [option, str(path)]
            try:
                return run(*arguments)
            except Unresolvable as error:
                if error.is_lasting and not _may_be_stale(spec):
                    raise
                # A page that uv has cached may be older than the release that is required, or no page of the
                # index at all.
                return self._compile_again(partial(run, *arguments, ask_again=True))

    def _compile_again(self, run: Callable[[], str]) -> str:
        """Resolve with new pages. uv takes a page without files for one of the index, whoever sent it."""
        try:
            return run()
        except Unresolvable as error:
            for project in _WITHOUT_VERSIONS.findall(str(error)):
                self._confirm(project)
            raise


class _Building:
    """One resolution for which source distributions may have to be built."""

    def __init__(self, resolver: Resolver, spec: EnvironmentSpec, step: str, token: CancelToken) -> None:
        self._resolver = resolver
        self._spec = spec
        self._step = step
        self._token = token
        self._wheels: dict[Sdist, Wheel] = {}

    def resolution(self, likely: Iterable[Sdist]) -> Resolution:
        """Return the resolution; of `likely`, what is kept need not be found out to be needed.

        Raises: as `Resolver.resolve`.
        """
        for sdist in likely:
            if wheel := self._resolver._sdists.kept(sdist, self._spec.interpreter):
                self._wheels[sdist] = wheel
        for _ in range(_MOST_BUILDS):
            try:
                found = read_resolution(self._lock(), self._spec, self._step)
            except SdistBuildFailed as error:
                self._build(error, later(self._spec.exclude_newer))
                continue
            # The index may have a wheel now, or another file, whose metadata is not that of what was built.
            names = {each.name for each in found.distributions} - {each.name for each in found.sdists}
            others = {each.name: each for each in found.sdists}
            wrong = [s for s in self._wheels if s.name in names or others.get(s.name, s) != s]
            if not wrong:
                how = "; ".join(f"{s} built with tools of {w.tools}" for s, w in self._used(found) if w.tools)
                return replace(found, step=f"{self._step} ({how})") if how else found
            for sdist in wrong:
                del self._wheels[sdist]
        raise BuildFailed(f"more than {_MOST_BUILDS} distributions need building")

    def _used(self, found: Resolution) -> Iterator[tuple[Sdist, Wheel]]:
        return ((sdist, wheel) for sdist, wheel in self._wheels.items() if sdist in found.sdists)

    def _lock(self) -> str:
        """Resolve without building; what needs a build is built apart, or else in the box of this call."""
        compile_ = partial(self._resolver._compile, self._spec, self._token)
        while True:
            known = [wheel.metadata for wheel in self._wheels.values() if wheel.metadata]
            try:
                return compile_("--no-build-isolation", known=known, alone=True)
            except SdistBuildFailed as error:
                try:
                    self._build(error, [self._spec.exclude_newer])
                except BuildFailed:
                    break
            except NetworkFault:
                raise
            except (Unavailable, BuildFailed):  # it cannot be alone, or cannot do something alone
                break
        return compile_(known=known)

    def _build(self, error: SdistBuildFailed, limits: Sequence[datetime | None]) -> None:
        """Build what uv could not build, unless that was done before.

        Raises:
            BuildFailed: it was, or it cannot be built.
        """
        if any(str(sdist) == f"{error.name}=={error.version}" for sdist in self._wheels):
            raise error
        sdist = self._sdist(error)
        self._wheels[sdist] = self._resolver._built(sdist, self._spec.interpreter, limits, self._token)

    def _sdist(self, error: SdistBuildFailed) -> Sdist:
        """Return what the index has of a release for which uv needs a build."""
        pin = f"{error.name}=={error.version}"
        spec = replace(self._spec, requirements=(pin,), constraints=(), overrides=())
        known = [Metadata(name=error.name, version=error.version)]
        compile_ = partial(self._resolver._compile, spec, self._token, "--no-deps", known=known)
        try:
            lock = compile_(alone=True)
        except CannotBeAlone:
            lock = compile_()
        sdists = read_resolution(lock, spec, "").sdists
        if not sdists:
            raise error
        return sdists[0]


def with_wheel(spec: EnvironmentSpec, project: str, wheel: Path) -> EnvironmentSpec:
    """Return the spec with a wheel in place of a project, whatever other packages require of it.

    Markers stay: a requirement that does not hold, and an override that removes the project.
    """
    required = [Requirement(line) for line in spec.requirements if _is_of(line, project)]
    extras = sorted(set[str]().union(*(requirement.extras for requirement in required)))
    suffix = f"[{','.join(extras)}]" if extras else ""
    own = f"{project}{suffix} @ {wheel.absolute().as_uri()}"

    def placed(lines: tuple[str, ...], default: str = "") -> tuple[str, ...]:
        found = [_with_marker_of(line, own) for line in lines if _is_of(line, project)]
        return (*_without(lines, project), *(found[:1] or filter(None, [default])))

    return replace(
        spec,
        requirements=placed(spec.requirements),
        constraints=_without(spec.constraints, project),
        overrides=placed(spec.overrides, own),
        held=placed(spec.held),
    )


def _with_marker_of(line: str, requirement: str) -> str:
    marker = Requirement(line).marker
    return f"{requirement} ; {marker}" if marker else requirement


def _without(lines: tuple[str, ...], project: str) -> tuple[str, ...]:
    return tuple(line for line in lines if not _is_of(line, project))


def _is_of(line: str, project: str) -> bool:
    return canonicalize_name(Requirement(line).name) == project


def read_resolution(lock: str, spec: EnvironmentSpec, step: str) -> Resolution:
    """Return the resolution that uv wrote as a lock file (PEP 751)."""
    packages = tomllib.loads(lock).get("packages", [])
    found = sorted(map(_read_package, packages), key=lambda package: str(package.distribution))
    found = _only_known(found, spec.hashes)
    return Resolution(
        # Not of addresses, because a wheel with the same hashes is the same wherever it is.
        digest=codec.digest(spec.interpreter, [f"{p.distribution}{p.hashes}" for p in found]),
        pins=tuple(f"{package.requirement}{package.hashes}" for package in found),
        exclude_newer=spec.exclude_newer,
        exclude_newer_package=spec.exclude_newer_package,
        distributions=tuple(package.distribution for package in found),
        step=step,
        sdists=tuple(package.sdist for package in found if package.sdist),
    )


class _Package(Struct, frozen=True, kw_only=True):
    distribution: Distribution
    requirement: str
    """The requirement without its hashes."""
    hashes: str
    """Hashes as options of a requirements file."""
    sdist: Sdist | None = None
    """What has to be built for it."""


def _read_package(package: dict[str, Any]) -> _Package:
    name = canonicalize_name(package["name"])
    archive = package.get("archive")
    address = _address(archive) if archive else ""
    version = _version_of(address) if archive else str(package.get("version", ""))
    distribution = Distribution(name=name, version=version)
    files = (*package.get("wheels", ()), *filter(None, [package.get("sdist"), archive]))
    hashes = sorted(f" --hash={kind}:{value}" for file in files for kind, value in file["hashes"].items())
    requirement = f"{name} @ {address}" if archive else str(distribution)
    source = package.get("sdist")
    sdist = None
    if source and not archive and not package.get("wheels"):
        of_source = tuple(sorted(f"{kind}:{value}" for kind, value in source["hashes"].items()))
        sdist = Sdist(name=name, version=version, hashes=of_source)
    return _Package(distribution=distribution, requirement=requirement, hashes="".join(hashes), sdist=sdist)


def _only_known(packages: list[_Package], hashes: tuple[str, ...]) -> list[_Package]:
    """Return the packages with only those files of which the user has given the hashes, if any of a release.

    Raises:
        Unresolvable: a release has none of these files.
    """
    known = {release: set(values) for release, *values in map(str.split, hashes)}
    kept = []
    for package in packages:
        wanted = known.get(str(package.distribution))
        if wanted is None:
            kept.append(package)
            continue
        found = [option for option in package.hashes.split() if option.partition("=")[2] in wanted]
        if not found:
            raise Unresolvable(f"no file of {package.distribution} has a hash that the requirements give")
        kept.append(replace(package, hashes="".join(f" {option}" for option in found)))
    return kept


def _address(archive: dict[str, Any]) -> str:
    """Return the address of a file that was required by address or path."""
    return str(archive.get("url") or Path(archive["path"]).absolute().as_uri())


def _version_of(address: str) -> str:
    """Return the version in a wheel's file name."""
    return str(parse_wheel_filename(Path(unquote(urlsplit(address).path)).name)[1])


def date_arguments(
    limit: datetime | None, exclude_newer_package: tuple[ExcludeNewerPackage, ...]
) -> list[str]:
    """Return uv's arguments for a date and for the projects that are exempt from it; none without a date."""
    if limit is None:
        return []
    arguments = ["--exclude-newer", stamp(limit)]
    for exemption in exclude_newer_package:
        until = exemption.exclude_newer or datetime.now(UTC) + timedelta(days=1)
        arguments += ["--exclude-newer-package", f"{exemption.name}={stamp(until)}"]
    return arguments


def _may_be_stale(spec: EnvironmentSpec) -> bool:
    return spec.exclude_newer is None or spec.exclude_newer > datetime.now(UTC) - _FRESH_FOR
