"""The package index as a session knows it: releases, what they install, and their changelogs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from bisect_asgi.backend.files import kept, once_each
from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BisectError, NoResult, not_asked
from bisect_asgi.core.model import Distribution, Interpreter, Release, ReleaseFile
from bisect_asgi.core.release_diff import Contents
from bisect_asgi.core.releases import changelog
from bisect_asgi.core.releases.installable import SDIST_SUFFIXES


class PackageIndex:
    """The user's indexes, each project's page asked for once in a command.

    Args:
        client: asks the indexes.
        uv: installs the releases whose contents are compared.
        contents: the directory in which uv installs these.
        answers: the directory that keeps changelogs.
    """

    def __init__(self, client: IndexClient, uv: Uv, *, contents: Path, answers: Path) -> None:
        self._client = client
        self._uv = uv
        self._contents = contents
        self._answers = answers
        self._releases = once_each(client.releases)
        self._asked: set[str] = set()

    def releases(self, project: str, *, having: Collection[str] | None = None) -> tuple[Release, ...]:
        """Return all releases of a project, oldest version first; raises as `IndexClient.releases`.

        `having`: the versions that the caller needs. If a cached page that is fresh by its headers has them
        all, the index is not asked. None: the newest uploads are needed.
        """
        if having is not None and project not in self._asked:
            cached = self._client.cached(project)
            if cached is not None and _has_all(cached, having):
                return cached
        self._asked.add(project)
        return self._releases(project)

    def provider(self, module: str) -> str | None:
        """Return the package that provides a module, or None if neither this machine nor the index tells."""
        from bisect_asgi.backend.known_names import providers  # needed only if a module is missing

        if known := providers(module):
            return known[0] if len(known) == 1 else None
        try:
            self.releases(module)
        except BisectError:
            return None
        return canonicalize_name(module)

    def contents(self, distribution: Distribution, interpreter: Interpreter) -> Contents:
        """Return what a release installs for an interpreter; raises as `ContentsCache.contents`."""
        from bisect_asgi.backend.release_contents import ContentsCache  # needed only behind a boundary

        cache = ContentsCache(self._contents, self._uv)
        try:
            return cache.contents(distribution, interpreter, CancelToken())
        except NoResult as error:
            raise not_asked(error) from error

    def changelogs(self, distribution: Distribution) -> tuple[str, ...]:
        """Return the texts in a release's source distribution that may be changelogs.

        Raises:
            Unavailable: an index did not answer.
        """
        path = self._answers / f"changelogs-{codec.digest(distribution, self._uv.indexes.identity)}.json"
        return kept(path, lambda: self._read_changelogs(distribution))

    def _read_changelogs(self, distribution: Distribution) -> tuple[str, ...]:
        from bisect_asgi.backend import archive_texts  # needed only behind a boundary

        file = self._sdist(distribution)
        content = self._client.download(file, at_most=archive_texts.LARGEST_BYTES) if file else None
        return archive_texts.texts(content, changelog.candidates) if content else ()

    def _sdist(self, distribution: Distribution) -> ReleaseFile | None:
        files = (
            file
            for release in self.releases(distribution.name)
            if release.version == distribution.version
            for file in release.files
        )
        return next((file for file in files if file.filename.endswith(SDIST_SUFFIXES)), None)


def _has_all(releases: Collection[Release], wanted: Collection[str]) -> bool:
    """Return whether all these versions are among the releases, however they are written."""
    known = {release.version for release in releases}
    others = [Version(version) for version in wanted if version not in known]
    return not others or set(others) <= {Version(version) for version in known}
