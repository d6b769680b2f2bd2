"""Ask the package index which releases a project has.

Indexes are asked as uv asks them (`backend/network`): the first one that has the project counts, unless the
user has set another strategy for uv. Lists of files (`find-links`) add to it.

A page is requested even if the index allows to use the cached one, because a release that was uploaded a
minute ago must be found. If the index sends validators (RFC 9110, 13.1), its answer is only a few bytes. A
caller that knows all the versions it needs may use a page that is fresh by its headers
(`IndexClient.cached`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from bisect_asgi import __version__
from bisect_asgi.backend.background import in_background
from bisect_asgi.backend.index.cached import Page, PageCache
from bisect_asgi.backend.network import credentials
from bisect_asgi.backend.network.indexes import FIRST_INDEX, Indexes, Traits
from bisect_asgi.core import codec
from bisect_asgi.core.errors import OFFLINE, ONCE_ONLINE, Unavailable, UsageError
from bisect_asgi.core.model import Release, ReleaseFile
from bisect_asgi.core.text import listing, without_credentials

if TYPE_CHECKING:
    import httpx

    from bisect_asgi.backend.index.requests import Requests
    from bisect_asgi.backend.network.network import Network

_Reader = Callable[..., tuple[Release, ...]]


class IndexClient:
    """Reads a project's releases from the user's indexes.

    Args:
        indexes: the user's indexes, in the order in which they are asked.
        cache: the directory of cached pages.
        network: the network settings; by default those of this machine.
        transport: answers the requests in place of the network.
    """

    def __init__(
        self,
        indexes: Indexes,
        cache: Path,
        *,
        network: Network | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._indexes = indexes
        self._pages = PageCache(cache)
        self._read_anew: set[str] = set()
        self._network = network
        self._transport = transport
        self._still_fresh: dict[str, tuple[Release, ...]] = {}
        self._begun: dict[str, Future[tuple[Release, ...]]] = {}

    @cached_property
    def _requests(self) -> Requests:
        from bisect_asgi.backend.index.requests import Requests

        return Requests(self._indexes, network=self._network, transport=self._transport)

    def close(self) -> None:
        """Close all connections."""
        if "_requests" in self.__dict__:
            self._requests.close()

    def begin(self, project: str, *, needs_newest: bool) -> None:
        """Start asking for the releases of a project, for which `releases` then only waits.

        `needs_newest`: as for a caller that has to ask the indexes whether or not the page is fresh.
        """
        project = canonicalize_name(project)
        if self._indexes.offline or not (needs_newest or self.cached(project) is None):
            return
        if not all(map(_path, self._indexes.urls)):
            self._requests.import_transport()
        self._begun[project] = in_background(partial(self._asked, project), name="page")

    def releases(self, project: str) -> tuple[Release, ...]:
        """Return all releases of a project, oldest version first.

        Raises:
            UsageError: no index has such a project.
            Unavailable: an index did not answer, or its answer is no index page; or the command is offline,
                and the page is not cached.
        """
        project = canonicalize_name(project)
        begun = self._begun.pop(project, None)
        return begun.result() if begun else self._asked(project)

    def _asked(self, project: str) -> tuple[Release, ...]:
        found = list(self._found(project))
        if found:
            releases = _merged(project, found)
            if project in self._read_anew or not self._pages.has_versions(project):
                self._pages.put_versions(project, releases)
            return releases
        if self._indexes.offline:
            raise Unavailable(
                f"the releases of `{project}` are not cached, and {OFFLINE}",
                hint=ONCE_ONLINE,
            )
        raise UsageError(f"there is no package `{project}` on the index", hint=self._near(project))

    def cached(self, project: str) -> tuple[Release, ...] | None:
        """Return all releases as they were when they were last asked for, if every page is still fresh.

        None if a page is not fresh, or if no index had the project: then the caller has to ask the indexes.
        """
        if self._indexes.offline:
            return None
        project = canonicalize_name(project)
        if project not in self._still_fresh:
            with suppress(_Stale, Unavailable):
                if found := list(self._found(project, asks=False)):
                    self._still_fresh[project] = _merged(project, found)
        return self._still_fresh.get(project)

    def _near(self, project: str) -> str:
        """Return what to write instead of a name that no index has."""
        from bisect_asgi.backend.known_names import near_names

        near = [name for name in near_names(project, self._pages.folder) if self._has(name)]
        if near:
            return f"write {' or '.join(f'`{name}`' for name in near)}"
        places = (*self._indexes.urls, *self._indexes.find_links)
        asked = listing(f"`{without_credentials(url)}`" for url in places)
        return f"check the spelling, or name another index to uv: {asked} has it not"

    def _has(self, project: str) -> bool:
        with suppress(Unavailable):
            return any(True for _ in self._found(project))
        return False

    def download(self, file: ReleaseFile, *, at_most: int) -> bytes | None:
        """Return a file's content, or None if it cannot be had or is larger than `at_most` bytes.

        Raises:
            Unavailable: the index did not answer.
        """
        if not file.url:
            return None
        if path := _path(file.url):
            return path.read_bytes() if path.is_file() and path.stat().st_size <= at_most else None
        if self._indexes.offline:
            return None
        return self._requests.download(file.url, at_most=at_most)

    def _found(self, project: str, *, asks: bool = True) -> Iterator[tuple[Release, ...]]:
        """Yield the releases of each place that counts for the project.

        `asks`: whether an index may be asked.

        Raises:
            _Stale: an index may not be asked, but has to be.
        """
        for number, url in enumerate(self._indexes.urls):
            traits = self._indexes.of(number)
            if traits.is_flat:
                releases = self._listed(url, project, traits, asks=asks) or None
            else:
                place = project_url(_bare(url), project)
                releases = self._read(place, project, _read_page, traits=traits, asks=asks)
            if releases is not None:
                yield releases
                if self._indexes.strategy == FIRST_INDEX:
                    break
        for url in self._indexes.find_links:
            if releases := self._listed(url, project, Traits(), asks=asks):
                yield releases

    def _listed(self, url: str, project: str, traits: Traits, *, asks: bool) -> tuple[Release, ...]:
        """Return the releases of a project in a list of files."""
        url, folder = _bare(url), _path(url)
        try:
            if folder and folder.is_dir():
                from bisect_asgi.backend.index.pages import read_folder

                return read_folder(folder, project)
        except OSError as error:
            raise _not_there(url, error.strerror or str(error)) from error
        key = f"{url}#{project}"
        releases = self._read(url, project, _read_list, traits=traits, asks=asks, key=key)
        if releases is None and not self._indexes.offline:
            raise _not_there(url, "404 Not Found")
        return releases or ()

    def _read(
        self, url: str, project: str, read: _Reader, *, traits: Traits, asks: bool, key: str = ""
    ) -> tuple[Release, ...] | None:
        """Return the releases on a page, or None if there is no such page.

        `key`: the key of the cached releases, needed if the page lists several projects.
        """
        key = key or url
        if path := _path(url):
            page = _local_page(path, url)
            return self._parsed(page, project, read, url=url, key=key) if page else None
        if self._indexes.offline:
            return self._pages.newest(key)
        if not asks:
            return self._fresh(key)
        kept = self._pages.get(url)
        answer = self._requests.page(url, traits, kept)
        if answer.page:
            self._pages.put(url, answer.page)
        page = kept if answer.is_cached else answer.page
        releases = self._parsed(page, project, read, url=url, key=key) if page else None
        self._pages.note_fresh(key, _text(page), answer.fresh)
        return releases

    def _fresh(self, key: str) -> tuple[Release, ...] | None:
        """Return the releases on a page that is fresh, or None if there was no page.

        Raises:
            _Stale: the page is not fresh, or not cached.
        """
        text = self._pages.get_fresh(key, time.time())
        if text == "":
            return None
        releases = self._pages.get_read(key, text) if text else None
        if releases is None:
            raise _Stale
        return releases

    def _parsed(self, page: Page, project: str, read: _Reader, *, url: str, key: str) -> tuple[Release, ...]:
        # Parsing a large page takes longer than getting it, so the parsed releases are cached as well.
        text = _text(page)
        if (known := self._pages.get_read(key, text)) is not None:
            return known
        self._read_anew.add(project)
        releases = read(page, project, url=url)
        self._pages.put_read(key, text, releases)
        return releases


def _text(page: Page | None) -> str:
    """Return a digest of a page and of the version of this tool that reads it; "" of none."""
    return codec.digest(__version__, page.media_type, page.text) if page else ""


class _Stale(Exception):
    """A page that is cached may not be used any more, or never might."""


def _merged(project: str, found: list[tuple[Release, ...]]) -> tuple[Release, ...]:
    if len(found) == 1:
        return found[0]
    from bisect_asgi.backend.index.pages import merged

    return merged(project, found)


# Imported late: pages that were parsed before need no parser.


def _read_page(page: Page, project: str, *, url: str) -> tuple[Release, ...]:
    from bisect_asgi.backend.index.pages import read_page

    return read_page(page, project, url=url)


def _read_list(page: Page, project: str, *, url: str) -> tuple[Release, ...]:
    from bisect_asgi.backend.index.pages import read_list

    return read_list(page, project, url=url)


def project_url(index: str, project: str) -> str:
    """Return the address of a project's page (PEP 503); `project` is a normalized name."""
    return f"{index.rstrip('/')}/{project}/"


def _not_there(url: str, reason: str) -> Unavailable:
    return Unavailable(
        f"there is no list of files at `{url}` ({reason})",
        hint="check `find-links`, or the index that is `flat`, in uv's configuration",
    )


def _bare(url: str) -> str:
    """Return an address without credentials, which the transport adds; one that is none stays as it is."""
    try:
        return credentials.split(url)[0]
    except ValueError:
        return url


def _path(url: str) -> Path | None:
    """Return the path that a `file:` address names, or None for another address."""
    return Path(unquote(urlsplit(url).path)) if url.startswith("file:") else None


def _local_page(path: Path, url: str) -> Page | None:
    """Return the page of a project in a directory that is an index, or a page in a file; or None.

    Raises:
        Unavailable: the directory of the index is not there.
    """
    try:
        file = path / "index.html" if path.is_dir() else path
        return Page(text=file.read_text("utf-8", "replace"), media_type="text/html")
    except OSError as error:
        if not path.parent.is_dir():
            raise Unavailable(
                f"the directory of the index cannot be read: `{url}` ({error.strerror or error})",
                hint="check the index in uv's configuration",
            ) from error
        return None
