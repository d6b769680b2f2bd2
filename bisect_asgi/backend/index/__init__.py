"""Ask the package index which releases a project has.

Indexes are asked as uv asks them (`backend/network`): the first one that has the project counts, unless uv's
strategy is another, and lists of files (`find-links`) add to it.

Every command asks for the page, however long the index allows to cache it: a release that was uploaded a
minute ago must be seen. An index that sends validators (RFC 9110, 13.1) then answers in a few bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic
from urllib.parse import unquote, urlsplit

import httpx
from mousebender import simple
from packaging.utils import canonicalize_name
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from bisect_asgi import __version__
from bisect_asgi.backend.index.cached import PageCache
from bisect_asgi.backend.index.pages import Page, merged, read_folder, read_list, read_page
from bisect_asgi.backend.network import credentials, faults
from bisect_asgi.backend.network.indexes import FIRST_INDEX, Indexes, Traits
from bisect_asgi.backend.network.network import Network
from bisect_asgi.backend.network.transport import CertificateFault, ProxyFault, Routes
from bisect_asgi.core import codec
from bisect_asgi.core.errors import OFFLINE, ONCE_ONLINE, Unavailable, UsageError
from bisect_asgi.core.model import Release, ReleaseFile
from bisect_asgi.core.text import duration, listing, plural, size, without_credentials

_TIMEOUT_S = 30.0
_ATTEMPTS = 5
_ANSWER_S = 120.0
"""How long one answer may take: a page that comes byte by byte never reaches a time-out."""
_ALL_S = 300.0
"""How long all attempts may take together."""
_LONGEST_WAIT_S = 60.0
_LARGEST_PAGE = 64 * 2**20

_Reader = Callable[..., tuple[Release, ...]]


class IndexClient:
    """Reads a project's releases from the user's indexes.

    Args:
        indexes: in the order in which they are asked.
        cache: the folder of cached pages.
        network: by default that of this machine.
        transport: carries the requests in place of the network.
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
        known = (*indexes.urls, *indexes.find_links)
        self._client = httpx.Client(
            transport=transport
            or Routes(network or Network.of_this_machine(), known, indexes.insecure_hosts),
            timeout=_TIMEOUT_S,
            follow_redirects=True,
            headers={"Accept": simple.ACCEPT_SUPPORTED, "Cache-Control": "no-cache"},
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def releases(self, project: str) -> tuple[Release, ...]:
        """Return all releases of a project, oldest version first.

        Raises:
            UsageError: no index has such a project.
            Unavailable: an index did not answer, or its answer is no index page; or nothing may be asked, and
                the page is not cached.
        """
        project = canonicalize_name(project)
        found = list(self._found(project))
        if found:
            releases = merged(project, found)
            if project in self._read_anew or not self._pages.has_versions(project):
                self._pages.put_versions(project, releases)
            return releases
        if self._indexes.offline:
            raise Unavailable(
                f"the releases of `{project}` are not cached, and {OFFLINE}",
                hint=ONCE_ONLINE,
            )
        raise UsageError(f"there is no package `{project}` on the index", hint=self._near(project))

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
        try:
            with self._client.stream("GET", file.url) as response:
                return _content(response, at_most=at_most) if response.is_success else None
        except _TooLarge:
            return None
        except (*_REQUEST_FAILED, *_NO_ADDRESS) as error:
            raise _fault(error, without_credentials(file.url), attempts=1) from error

    def _found(self, project: str) -> Iterator[tuple[Release, ...]]:
        """Yield the releases of each place that counts for the project."""
        for number, url in enumerate(self._indexes.urls):
            traits = self._indexes.of(number)
            if traits.is_flat:
                releases = self._listed(url, project, traits) or None
            else:
                place = simple.create_project_url(_bare(url), project)
                releases = self._read(place, project, read_page, traits=traits)
            if releases is not None:
                yield releases
                if self._indexes.strategy == FIRST_INDEX:
                    break
        for url in self._indexes.find_links:
            if releases := self._listed(url, project, Traits()):
                yield releases

    def _listed(self, url: str, project: str, traits: Traits) -> tuple[Release, ...]:
        """Return the releases of a project in a list of files."""
        url, folder = _bare(url), _path(url)
        try:
            if folder and folder.is_dir():
                return read_folder(folder, project)
        except OSError as error:
            raise _not_there(url, error.strerror or str(error)) from error
        releases = self._read(url, project, read_list, traits=traits, key=f"{url}#{project}")
        if releases is None and not self._indexes.offline:
            raise _not_there(url, "404 Not Found")
        return releases or ()

    def _read(
        self, url: str, project: str, read: _Reader, *, traits: Traits, key: str = ""
    ) -> tuple[Release, ...] | None:
        """Return the releases on a page, or None if there is no such page.

        `key`: of what is cached, if the page is not of this project alone.
        """
        key = key or url
        if path := _path(url):
            page = _local_page(path, url)
        elif self._indexes.offline:
            return self._pages.newest(key)
        else:
            page = self._page(url, traits)
        if page is None:
            return None
        # Parsing a large page takes longer than getting it.
        text = codec.digest(__version__, page.media_type, page.text)
        if (known := self._pages.get_read(key, text)) is not None:
            return known
        self._read_anew.add(project)
        releases = read(page, project, url=url)
        self._pages.put_read(key, text, releases)
        return releases

    def _page(self, url: str, traits: Traits) -> Page | None:
        """Return the page as it is now, or None if there is none."""
        kept = self._pages.get(url)
        response, text = self._get(url, kept.conditions if kept else {})
        if response.status_code == httpx.codes.NOT_MODIFIED and kept:
            return kept
        if response.status_code in (httpx.codes.NOT_FOUND, *traits.ignored):
            return None
        if response.is_error:
            status = f"{response.status_code} {response.reason_phrase}"
            if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
                raise self._indexes.refusal(url, status)
            raise Unavailable(
                f"the package index answered `{status}`: `{url}`",
                hint="check the index in uv's configuration",
            )
        page = Page(
            text=text,
            media_type=_media_type(response),
            etag=response.headers.get("etag"),
            last_modified=response.headers.get("last-modified"),
        )
        self._pages.put(url, page)
        return page

    def _get(self, url: str, conditions: dict[str, str]) -> tuple[httpx.Response, str]:
        """Return the answer to a request, and its text.

        Raises:
            Unavailable: there is none after all attempts, or it is too large for a page.
        """
        attempts = Retrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(_ATTEMPTS) | stop_after_delay(_ALL_S),
            wait=_wait,
            reraise=True,
        )
        try:
            return attempts(self._get_once, url, conditions)
        except (_TooLarge, *_NO_ADDRESS, *_REQUEST_FAILED) as error:
            made = attempts.statistics.get("attempt_number", 1)
            raise _fault(error, without_credentials(url), attempts=made) from error

    def _get_once(self, url: str, conditions: dict[str, str]) -> tuple[httpx.Response, str]:
        with self._client.stream("GET", url, headers=conditions) as response:
            if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
                response.raise_for_status()
            content = _content(response, at_most=_LARGEST_PAGE)
        try:
            return response, content.decode(response.encoding or "utf-8", "replace")
        except LookupError:  # a name that is no encoding of text
            return response, content.decode("utf-8", "replace")


class _TooLarge(Exception):
    """The answer has more bytes than it may have."""


class _TooSlow(httpx.TransportError):
    """The answer takes longer than it may take."""


def _fault(error: Exception, url: str, *, attempts: int) -> Unavailable:
    """Return what a failed request means for the user."""
    if isinstance(error, CertificateFault):
        return faults.certificate(url, str(error))
    if isinstance(error, ProxyFault):
        return faults.proxy(error.proxy, str(error), answered=error.answered)
    if isinstance(error, _TooLarge):
        return Unavailable(
            f"the package index sent more than a page: `{url}` ({error})",
            hint="check the index in uv's configuration",
        )
    if isinstance(error, _NO_ADDRESS):
        return Unavailable(
            f"the index's address cannot be used: `{url}` ({_reason(error)})",
            hint="an index with an `http`, `https` or `file` address is needed in uv's configuration",
        )
    return Unavailable(
        f"the request to the package index failed after {plural(attempts, 'attempt')}: "
        f"`{url}` ({_reason(error)})",
        hint="run the same command again when it responds",
    )


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
    """Return the page of a project in a folder that is an index, or a page in a file; or None.

    Raises:
        Unavailable: the folder of the index is not there.
    """
    try:
        file = path / "index.html" if path.is_dir() else path
        return Page(text=file.read_text("utf-8", "replace"), media_type="text/html")
    except OSError as error:
        if not path.parent.is_dir():
            raise Unavailable(
                f"the folder of the index cannot be read: `{url}` ({error.strerror or error})",
                hint="check the index in uv's configuration",
            ) from error
        return None


# Which of them a bad address raises depends on where it comes from: the configuration, or a redirect.
_NO_ADDRESS = (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError)
_REQUEST_FAILED = (httpx.HTTPError,)


def _content(response: httpx.Response, *, at_most: int) -> bytes:
    """Return the content of an answer.

    Raises:
        _TooLarge: it is larger than `at_most` bytes.
        _TooSlow: it does not end in time.
    """
    content = bytearray()
    since = monotonic()
    for piece in response.iter_bytes():
        content += piece
        if len(content) > at_most:
            raise _TooLarge(f"more than {size(at_most)}")
        if monotonic() - since > _ANSWER_S:
            raise _TooSlow(f"{size(len(content))} in {duration(_ANSWER_S)}")
    return bytes(content)


def _wait(state: RetryCallState) -> float:
    """Return how long to wait before the next attempt: as long as the index asks for."""
    error = state.outcome.exception() if state.outcome else None
    return _asked_wait(error) or wait_random_exponential(multiplier=0.2, max=5)(state)


def _asked_wait(error: BaseException | None) -> float:
    """Return the seconds that an index asks to wait (RFC 9110, 10.2.3), or 0."""
    if not isinstance(error, httpx.HTTPStatusError):
        return 0.0
    text = error.response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    return 0.0


def _media_type(response: httpx.Response) -> str:
    """Return the media type without its parameters."""
    text: str = response.headers.get("content-type", "text/html")
    return text.partition(";")[0].strip().lower()


def _is_passing(error: BaseException) -> bool:
    """Return whether asking again may help."""
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.TooManyRedirects, CertificateFault)):
        return False
    if isinstance(error, ProxyFault) and error.answered:
        return False
    return isinstance(error, httpx.HTTPError) and _asked_wait(error) <= _LONGEST_WAIT_S


def _reason(error: Exception) -> str:
    """Return what is wrong. What is no address is not quoted: it may be a part of a password."""
    if isinstance(error, (httpx.InvalidURL, UnicodeError)):
        return "it is no address: a `/` or `@` in a password is written as `%2F` or `%40`"
    if isinstance(error, httpx.HTTPStatusError):
        wait = _asked_wait(error)
        asks = f", and asks to wait {duration(wait)}" if wait else ""
        return f"{error.response.status_code} {error.response.reason_phrase}{asks}"
    return str(error) or type(error).__name__
