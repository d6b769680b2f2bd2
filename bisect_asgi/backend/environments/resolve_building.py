"""Resolve a spec for which source distributions may have to be built; see `resolve`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial

from bisect_asgi.backend.environments.builds import later
from bisect_asgi.backend.environments.lock_file import LockFiles
from bisect_asgi.backend.environments.resolution import Resolution, read_resolution
from bisect_asgi.backend.environments.sdists import Sdist, SdistBuilder, Wheel
from bisect_asgi.backend.uv import CannotBeAlone, Metadata
from bisect_asgi.backend.uv_output import NetworkFault, SdistBuildFailed
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Unavailable
from bisect_asgi.core.model import EnvironmentSpec
from bisect_asgi.core.records import replace

_MOST_BUILDS = 50


class Building:
    """One resolution for which source distributions may have to be built."""

    def __init__(
        self,
        lock_files: LockFiles,
        sdists: SdistBuilder,
        spec: EnvironmentSpec,
        step: str,
        token: CancelToken,
    ) -> None:
        self._lock_files = lock_files
        self._sdists = sdists
        self._spec = spec
        self._step = step
        self._token = token
        self._wheels: dict[Sdist, Wheel] = {}

    def resolution(self, likely: Iterable[Sdist]) -> Resolution:
        """Return the resolution; uv gets the metadata of the source distributions in `likely` with a wheel.

        Raises: as `Resolver.resolve`.
        """
        for sdist in likely:
            if wheel := self._sdists.kept(sdist, self._spec.interpreter):
                self._wheels[sdist] = wheel
        for _ in range(_MOST_BUILDS):
            try:
                found = read_resolution(self._lock(), self._spec, self._step)
            except SdistBuildFailed as error:
                self._build(error, later(self._spec.exclude_newer))
                continue
            # By now the index may have a wheel or another file, whose metadata differs from that of the
            # build.
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
        compile_ = partial(self._lock_files.make, self._spec, self._token)
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
            except (Unavailable, BuildFailed):  # no process may be started, and this machine or uv needs one
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
        self._wheels[sdist] = self._sdists.built(
            sdist, self._spec.interpreter, limits, self._token, own=self._spec.exclude_newer
        )

    def _sdist(self, error: SdistBuildFailed) -> Sdist:
        """Return what the index has of a release for which uv needs a build."""
        pin = f"{error.name}=={error.version}"
        spec = replace(self._spec, requirements=(pin,), constraints=(), overrides=())
        known = [Metadata(name=error.name, version=error.version)]
        compile_ = partial(self._lock_files.make, spec, self._token, "--no-deps", known=known)
        try:
            lock = compile_(alone=True)
        except CannotBeAlone:
            lock = compile_()
        sdists = read_resolution(lock, spec, "").sdists
        if not sdists:
            raise error
        return sdists[0]
