"""From an environment's recipe to the exact list of what is in it.

A limit of date ("as of the release") has a trap: it also limits the tools that build source
distributions, and tools of that time may not know how to be asked today (PEP 517 came in 2018), while
today's may no longer build what was written then. So there are steps, from the truest to the last resort,
and the one that served is recorded:

1. as of the date, wheels only
2. as of the date, wheels only, what held requirements need may be newer
3. as of the date, building source distributions
4. the same, what held requirements need may be newer
5. without the date, wheels only
6. without the date, building source distributions

A source distribution is built with the tools of the date; where that fails, *beside* the resolution, with
those of 1, 2, 3, 5 and 8 years later and of today. uv keeps what was built by the file's hash, whatever the
limit was, and the resolution as of the date then finds it there.
"""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from bisect_asgi.backend.environments.build_tools import BuildTools, later, stamp, when
from bisect_asgi.backend.environments.commit_wheels import WheelBuilder, built_with
from bisect_asgi.backend.process.timing import spending
from bisect_asgi.backend.uv import SdistBuildFailed, Uv
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Unresolvable
from bisect_asgi.core.model import (
    Commit,
    Distribution,
    EnvironmentSpec,
    ExcludeNewerPackage,
    Interpreter,
    Step,
)
from bisect_asgi.core.records import Struct, replace

_MOST_BUILDS = 50
_FRESH_FOR = timedelta(minutes=10)


class Resolution(Struct, frozen=True, kw_only=True):
    """The exact set with hashes, and how it came about."""

    digest: str
    """Of the files' hashes and the interpreter: equal digest, equal environment."""
    pins: tuple[str, ...]
    """Requirements with the hashes of all files that may serve."""
    exclude_newer: datetime | None
    """The limits of date that served: tools that build source distributions have them, too."""
    exclude_newer_package: tuple[ExcludeNewerPackage, ...]
    distributions: tuple[Distribution, ...]
    step: str


class _Step(Struct, frozen=True, kw_only=True):
    name: str
    spec: EnvironmentSpec
    wheels_only: bool


class Resolver:
    """Resolves specs with uv.

    Args:
        uv: the uv to ask.
        recall_failure: the reason why building `name==version` with tools up to a limit failed before.
        record_failure: keeps such a reason.
        wheels: builds what specs with a commit are about; without it they cannot be resolved.
    """

    def __init__(
        self,
        uv: Uv,
        *,
        recall_failure: Callable[[str], str | None],
        record_failure: Callable[[str, str], None],
        wheels: WheelBuilder | None = None,
    ) -> None:
        self._uv = uv
        self._tools = BuildTools(recall_failure=recall_failure, record_failure=record_failure)
        self._wheels = wheels

    def begin(self) -> None:
        """Begin a new command: pages that an earlier one got may be old."""
        self._uv.begin()

    def resolve(self, spec: EnvironmentSpec, token: CancelToken) -> Resolution:
        """Return the set that the first step which serves gives.

        Raises:
            Unresolvable, BuildFailed: no step does; the reason is the first step's that said something
                else than that there are no wheels.
            UsageError: there is no such commit or repository.
            Unavailable: the index did not answer.
            Cancelled: the token was cancelled.
        """
        if spec.commit:
            return self._resolve_commit(spec, spec.commit, token)
        return self._first(spec, token)

    def _resolve_commit(self, spec: EnvironmentSpec, commit: Commit, token: CancelToken) -> Resolution:
        """Build the commit's wheel, and resolve with it in the place of its project."""
        if self._wheels is None:
            raise ValueError(f"commit {commit.sha} needs a builder of wheels")
        with spending(Step.BUILD):
            wheel = self._wheels.wheel(commit, spec.interpreter, token)
        resolution = self._first(with_wheel(spec, commit.project, wheel), token)
        if tools := built_with(wheel):
            how = f"{commit.project} {commit.sha[:12]} built with tools of {tools}"
            return replace(resolution, step=f"{resolution.step} ({how})")
        return resolution

    def _first(self, spec: EnvironmentSpec, token: CancelToken) -> Resolution:
        """What the first step that serves gives."""
        failures: list[Exception] = []
        for step in self._steps(spec, token):
            try:
                return self._take(step, token)
            except (Unresolvable, BuildFailed) as error:
                failures.append(error)
        told = [error for error in failures if "no usable wheels" not in str(error)]
        raise (told or failures)[0]

    def built(
        self,
        action: Callable[[], str],
        interpreter: Interpreter,
        exclude_newer: datetime | None,
        token: CancelToken,
    ) -> tuple[str, str]:
        """Do what may need source distributions built; return its result and what had to be built how.

        Raises:
            BuildFailed: one of them cannot be built with the tools of any time that was tried.
        """
        built: dict[str, str] = {}
        for _ in range(_MOST_BUILDS):
            try:
                return action(), "; ".join(
                    f"{name} built with tools of {when}" for name, when in built.items()
                )
            except SdistBuildFailed as error:
                pin = f"{error.name}=={error.version}"
                if pin in built:
                    raise
                built[pin] = self._build(pin, interpreter, exclude_newer, token)
        raise BuildFailed(f"more than {_MOST_BUILDS} distributions need building")

    def _steps(self, spec: EnvironmentSpec, token: CancelToken) -> Iterator[_Step]:
        wheels, builds = "wheels only", "building source distributions"
        if spec.exclude_newer is None:
            yield _Step(name=f"latest, {wheels}", spec=spec, wheels_only=True)
            yield _Step(name=f"latest, {builds}", spec=spec, wheels_only=False)
            return
        eased = self._eased(spec, token)
        for how, only in ((wheels, True), (builds, False)):
            yield _Step(name=f"as of the date, {how}", spec=spec, wheels_only=only)
            if eased != spec:
                name = f"as of the date, {how}, what held requirements need may be newer"
                yield _Step(name=name, spec=eased, wheels_only=only)
        free = replace(spec, exclude_newer=None)
        yield _Step(name=f"without the date, {wheels}", spec=free, wheels_only=True)
        yield _Step(name=f"without the date, {builds}", spec=free, wheels_only=False)

    def _eased(self, spec: EnvironmentSpec, token: CancelToken) -> EnvironmentSpec:
        """The spec with all that the held requirements need let off the date, up to their own."""
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
            needed = self._take(_Step(name="", spec=own, wheels_only=False), token).distributions
        except (Unresolvable, BuildFailed):
            return spec
        known = {exemption.name for exemption in spec.exclude_newer_package}
        more = (
            ExcludeNewerPackage(name=found.name, exclude_newer=spec.held_exclude_newer)
            for found in needed
            if found.name not in known
        )
        return replace(spec, exclude_newer_package=(*spec.exclude_newer_package, *more))

    def _take(self, step: _Step, token: CancelToken) -> Resolution:
        def compile_() -> str:
            return self._compile(step.spec, step.wheels_only, token)

        spec = step.spec
        lock, how = self.built(compile_, spec.interpreter, spec.exclude_newer, token)
        return read_lock(lock, spec, f"{step.name} ({how})" if how else step.name)

    def _compile(self, spec: EnvironmentSpec, wheels_only: bool, token: CancelToken) -> str:
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
        if wheels_only:
            arguments += ["--only-binary", ":all:"]
        stdin = "\n".join(spec.requirements)
        with tempfile.TemporaryDirectory(prefix="bisect-asgi-") as folder:
            for option, lines in (("--constraints", spec.constraints), ("--overrides", spec.overrides)):
                if lines:
                    path = Path(folder, option.strip("-") + ".txt")
                    path.write_text("\n".join(lines))
                    arguments += [option, str(path)]
            try:
                return self._uv.run(*arguments, token=token, stdin=stdin)
            except Unresolvable:
                if not _may_be_stale(spec):
                    raise
                # A page that uv keeps may be older than the release that was asked for.
                return self._uv.run(*arguments, token=token, stdin=stdin, ask_again=True)

    def _build(
        self, pin: str, interpreter: Interpreter, exclude_newer: datetime | None, token: CancelToken
    ) -> str:
        """Build one source distribution with tools of other times; return which served."""

        def build(limit: datetime | None) -> None:
            self._build_with(pin, interpreter, limit, token)

        try:
            with spending(Step.BUILD):
                return when(self._tools.build(pin, interpreter, later(exclude_newer), build))
        except BuildFailed as error:
            raise BuildFailed(f"`{pin}` has no wheel for this Python and cannot be built: {error}") from error

    def _build_with(
        self, pin: str, interpreter: Interpreter, limit: datetime | None, token: CancelToken
    ) -> None:
        target = tempfile.mkdtemp(prefix="bisect-asgi-")
        name = canonicalize_name(Requirement(pin).name)
        try:
            self._uv.run(
                *("install", "--no-deps", "--target", target, "--python", interpreter.path, pin),
                *date_arguments(limit, (ExcludeNewerPackage(name=name),)),
                token=token,
            )
        finally:
            shutil.rmtree(target, ignore_errors=True)


def with_wheel(spec: EnvironmentSpec, project: str, wheel: Path) -> EnvironmentSpec:
    """The spec with a wheel in the place of a project, whatever anything requires of that project."""
    extras: set[str] = set()
    for line in spec.requirements:
        if _is_of(line, project):
            extras |= Requirement(line).extras
    suffix = f"[{','.join(sorted(extras))}]" if extras else ""
    own = f"{project}{suffix} @ {wheel.absolute().as_uri()}"
    return replace(
        spec,
        requirements=(*_without(spec.requirements, project), own),
        constraints=_without(spec.constraints, project),
        overrides=(*_without(spec.overrides, project), own),
    )


def _without(lines: tuple[str, ...], project: str) -> tuple[str, ...]:
    return tuple(line for line in lines if not _is_of(line, project))


def _is_of(line: str, project: str) -> bool:
    return canonicalize_name(Requirement(line).name) == project


def read_lock(lock: str, spec: EnvironmentSpec, step: str) -> Resolution:
    """Read a lock file (PEP 751) into a resolution."""
    packages = tomllib.loads(lock).get("packages", [])
    found = sorted(map(_read_package, packages), key=lambda package: str(package.distribution))
    return Resolution(
        # Not of addresses: it does not matter where a wheel with these hashes lies.
        digest=codec.digest(spec.interpreter, [f"{p.distribution}{p.hashes}" for p in found]),
        pins=tuple(f"{package.where}{package.hashes}" for package in found),
        exclude_newer=spec.exclude_newer,
        exclude_newer_package=spec.exclude_newer_package,
        distributions=tuple(package.distribution for package in found),
        step=step,
    )


class _Package(Struct, frozen=True, kw_only=True):
    distribution: Distribution
    where: str
    """What is required, without the hashes."""
    hashes: str
    """As requirements files write them."""


def _read_package(package: dict[str, Any]) -> _Package:
    name = canonicalize_name(package["name"])
    archive = package.get("archive")
    address = _address(archive) if archive else ""
    version = _version_of(address) if archive else str(package.get("version", ""))
    distribution = Distribution(name=name, version=version)
    files = (*package.get("wheels", ()), *filter(None, [package.get("sdist"), archive]))
    hashes = sorted(f" --hash={kind}:{value}" for file in files for kind, value in file["hashes"].items())
    where = f"{name} @ {address}" if archive else str(distribution)
    return _Package(distribution=distribution, where=where, hashes="".join(hashes))


def _address(archive: dict[str, Any]) -> str:
    """Where a file that was required by its place is."""
    return str(archive.get("url") or Path(archive["path"]).absolute().as_uri())


def _version_of(address: str) -> str:
    """The version in the name of a wheel."""
    return str(parse_wheel_filename(Path(unquote(urlsplit(address).path)).name)[1])


def date_arguments(
    limit: datetime | None, exclude_newer_package: tuple[ExcludeNewerPackage, ...]
) -> list[str]:
    """uv's arguments for a limit of date and the projects outside it; none without a limit."""
    if limit is None:
        return []
    arguments = ["--exclude-newer", stamp(limit)]
    for exemption in exclude_newer_package:
        until = exemption.exclude_newer or datetime.now(UTC) + timedelta(days=1)
        arguments += ["--exclude-newer-package", f"{exemption.name}={stamp(until)}"]
    return arguments


def _may_be_stale(spec: EnvironmentSpec) -> bool:
    return spec.exclude_newer is None or spec.exclude_newer > datetime.now(UTC) - _FRESH_FOR
