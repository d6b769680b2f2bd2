"""Resolve an environment's spec to the exact list of its distributions.

A date ("as of the release") also limits the tools that build source distributions. Tools of that date may
lack today's interface (PEP 517 came in 2018), and today's tools may no longer build an old project. So these
steps are tried, from the most faithful to the least, and the step that succeeded is recorded:

1. as of the date, wheels only
2. as of the date, wheels only, but the dependencies of held requirements may be newer
3. as of the date, building source distributions
4. as of the date, building source distributions, but the dependencies of held requirements may be newer
5. without the date, wheels only
6. without the date, building source distributions

If the search is over dates, the last two are not tried: they would give today's result under an old date.

In steps that may build, uv first runs where it can start no process. If it needs to build a source
distribution there, this is built separately (`sdists`) with the tools of the date, and uv gets its metadata.
If that build fails, uv runs in a box, where it may get the metadata without a whole build; this takes longer.
If that fails as well, the source distribution is built with tools of 1, 2, 3, 5 and 8 years later and of
today. The index may have a wheel or another file by then, with other metadata. If so, the spec is resolved
again, without the metadata of the build.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bisect_asgi.backend.environments.builds import (
    WheelBuilder,
    built_with,
    read_metadata,
)
from bisect_asgi.backend.environments.lock_file import LockFiles
from bisect_asgi.backend.environments.resolution import (
    AS_OF,
    BUILDS,
    LATEST,
    WHEELS,
    WITHOUT,
    Resolution,
    read_resolution,
)
from bisect_asgi.backend.environments.resolve_building import Building
from bisect_asgi.backend.environments.sdists import Sdist, SdistBuilder
from bisect_asgi.backend.environments.wheel_in_place import with_wheel
from bisect_asgi.backend.process.usage import spending
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Unresolvable
from bisect_asgi.core.model import (
    Commit,
    EnvironmentSpec,
    ExcludeNewerPackage,
    Interpreter,
    OwnProject,
    ProjectMetadata,
    Step,
)
from bisect_asgi.core.records import Struct, replace


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
        self._lock_files = LockFiles(uv, confirm=confirm)
        self._sdists = sdists
        self._wheels = wheels

    def begin(self) -> None:
        """Begin a new command, for which the pages that an earlier one got may be too old."""
        self._lock_files.begin()

    def resolve(
        self,
        spec: EnvironmentSpec,
        token: CancelToken,
        *,
        wheels_only: bool = False,
        likely: Iterable[Sdist] = (),
    ) -> Resolution:
        """Return the resolution of the first step that succeeds.

        `wheels_only`: try only the steps before the first one that may build. `likely`: the source
        distributions of its last resolution.

        Raises:
            Unresolvable, BuildFailed: no step succeeds; the message is that of the first step that failed for
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
        # "No wheels" from a step without builds says less than the failure of the next step.
        telling = [error for error in failures if "no usable wheels" not in str(error)]
        first = (telling or failures)[0]
        first.is_lasting = all(error.is_lasting for error in failures)
        raise first

    def _steps(self, spec: EnvironmentSpec, token: CancelToken) -> Iterator[_Step]:
        if spec.exclude_newer is None:
            yield _Step(name=f"{LATEST}, {WHEELS}", spec=spec, wheels_only=True)
            yield _Step(name=f"{LATEST}, {BUILDS}", spec=spec, wheels_only=False)
            return
        for how, only in ((WHEELS, True), (BUILDS, False)):
            yield _Step(name=f"{AS_OF}, {how}", spec=spec, wheels_only=only)
            eased = self._eased(spec, token, wheels_only=only)
            if eased != spec:
                name = f"{AS_OF}, {how}, what held requirements need may be newer"
                yield _Step(name=name, spec=eased, wheels_only=only)
        if spec.is_date_binding:
            return
        free = replace(spec, exclude_newer=None)
        yield _Step(name=f"{WITHOUT}, {WHEELS}", spec=free, wheels_only=True)
        yield _Step(name=f"{WITHOUT}, {BUILDS}", spec=free, wheels_only=False)

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
            lock = self._lock_files.make(spec, token, "--only-binary", ":all:")
            return read_resolution(lock, spec, step.name)
        return Building(self._lock_files, self._sdists, spec, step.name, token).resolution(likely)
