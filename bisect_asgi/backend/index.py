"""Ask the package index which releases a project has.

Pages come as JSON (PEP 691, 700) or HTML (PEP 503, 592, 658); mousebender reads both.

Every command asks for the page, however long the index allows to cache it: a release that was uploaded a
minute ago must be seen. An index that sends validators (RFC 9110, 13.1) then answers in a few bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urljoin

import httpx
from mousebender import simple
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from bisect_asgi import __version__
from bisect_asgi.backend.files import write_whole
from bisect_asgi.backend.uv import Indexes
from bisect_asgi.core import codec
from bisect_asgi.core.errors import Unavailable, UsageError
from bisect_asgi.core.model import Release, ReleaseFile
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases import SDIST_SUFFIXES
from bisect_asgi.core.text import date, duration, listing, plural, size, without_credentials

_TIMEOUT_S = 30.0
_ATTEMPTS = 5
_ANSWER_S = 120.0
"""How long one answer may take: a page that comes byte by byte never reaches a time-out."""
_ALL_S = 300.0
"""How long all attempts may take together."""
_LONGEST_WAIT_S = 60.0
_LARGEST_PAGE = 64 * 2**20
# html.parser asserts what it expects of the page.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, AssertionError)
_YEARS = range(1990, 2200)


class IndexClient:
    """Reads a project's page from the first of the user's indexes that has it.

    Args:
        indexes: the indexes in the order in which they are asked.
        cache: the folder of cached pages.
        transport: carries the requests; None for the network.
    """

    def __init__(
        self, indexes: Indexes, cache: Path, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._urls = indexes.urls
        self._pages = PageCache(cache)
        self._client = httpx.Client(
            transport=transport,
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
            Unavailable: an index did not answer, or its answer is no index page.
        """
        project = canonicalize_name(project)
        for url in self._urls:
            releases = self._releases(url, project)
            if releases is not None:
                return releases
        raise UsageError(f"there is no package `{project}` on the index", hint=self._near(project))

    def _near(self, project: str) -> str:
        """Return what to write instead of a name that no index has."""
        from bisect_asgi.backend.known_names import near_names

        near = [name for name in near_names(project, self._pages.folder) if self._has(name)]
        if near:
            return f"write {' or '.join(f'`{name}`' for name in near)}"
        asked = listing(f"`{without_credentials(url)}`" for url in self._urls)
        return f"check the spelling, or name another index to uv: {asked} has it not"

    def _has(self, project: str) -> bool:
        with suppress(Unavailable):
            return any(self._releases(url, project) is not None for url in self._urls)
        return False

    def download(self, file: ReleaseFile, *, at_most: int) -> bytes | None:
        """Return a file's content, or None if it has no address or is larger than `at_most` bytes.

        Raises:
            Unavailable: the index did not answer.
        """
        if not file.url:
            return None
        try:
            with self._client.stream("GET", file.url) as response:
                return _content(response, at_most=at_most) if response.is_success else None
        except _TooLarge:
            return None
        except (*_REQUEST_FAILED, *_NO_ADDRESS) as error:
            raise Unavailable(
                f"the package index did not answer: `{without_credentials(file.url)}` ({_reason(error)})",
                hint="run the same command again when it is back",
            ) from error

    def _releases(self, index: str, project: str) -> tuple[Release, ...] | None:
        """Return the releases on the project's page, or None if this index has no such project."""
        url = simple.create_project_url(index, project)
        page = self._page(url)
        if page is None:
            return None
        # Parsing a large page takes longer than getting it.
        text = codec.digest(__version__, page.media_type, page.text)
        if (releases := self._pages.get_read(url, text)) is None:
            releases = _read_page(page, project, url=url)
            self._pages.put_read(url, text, releases)
            self._pages.put_versions(project, releases)
        elif not self._pages.has_versions(project):
            self._pages.put_versions(project, releases)
        return releases

    def _page(self, url: str) -> Page | None:
        """Return the page as it is now, or None if there is none."""
        kept = self._pages.get(url)
        response, text = self._get(url, kept.conditions if kept else {})
        if response.status_code == httpx.codes.NOT_MODIFIED and kept:
            return kept
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.is_error:
            status = f"{response.status_code} {response.reason_phrase}"
            raise Unavailable(
                f"the package index answered `{status}`: `{without_credentials(url)}`",
                hint="nothing was learnt about any release; check the index in uv's configuration",
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
        shown = f"`{without_credentials(url)}`"
        try:
            return attempts(self._get_once, url, conditions)
        except _TooLarge as error:
            raise Unavailable(
                f"the package index sent more than a page: {shown} ({error})",
                hint="check the index in uv's configuration",
            ) from error
        except _NO_ADDRESS as error:
            raise Unavailable(
                f"the index's address cannot be used: {shown} ({_reason(error)})",
                hint="an index with an `http` or `https` address is needed in uv's configuration",
            ) from error
        except _REQUEST_FAILED as error:
            times = plural(attempts.statistics.get("attempt_number", 1), "attempt")
            raise Unavailable(
                f"the package index did not answer after {times}: {shown} ({_reason(error)})",
                hint="nothing was learnt about any release; run the same command again when it is back",
            ) from error

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


def _read_page(page: Page, project: str, *, url: str) -> tuple[Release, ...]:
    """Return the releases on a page.

    Raises:
        Unavailable: it is no index page.
    """
    try:
        details: Any = simple.parse_project_details(page.text, page.media_type, project)
        times = upload_times(page.text) if page.media_type != simple.ACCEPT_JSON_V1 else {}
        dated = ({"upload-time": times.get(file["filename"]), **file} for file in details["files"])
        releases = group(project, (_read_file(file, page_url=url) for file in dated))
        if page.media_type == "text/html" and not releases:
            raise ValueError("it links to no files of the project")
    except (simple.UnsupportedMIMEType, simple.UnsupportedAPIVersion, *_MALFORMED) as error:
        raise Unavailable(
            f"this is no page of a package index: `{without_credentials(url)}` ({error or page.media_type})",
            hint="check the index in uv's configuration",
        ) from error
    return releases


def upload_times(page: str) -> dict[str, str]:
    """Return the upload times in an HTML page by file name.

    No PEP specifies them there. Some indexes have them as `data-upload-time`, which uv reads as well.
    """
    links = _Links()
    links.feed(page)
    return links.times


class _Links(HTMLParser):
    """Collects the upload times of links; the text of a link is the file's name (PEP 503)."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, str] = {}
        self._time: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._time = dict(attrs).get("data-upload-time")

    def handle_data(self, data: str) -> None:
        if self._time and data.strip():
            self.times[data.strip()] = self._time
            self._time = None


def _media_type(response: httpx.Response) -> str:
    """Return the media type without its parameters."""
    text: str = response.headers.get("content-type", "text/html")
    return text.partition(";")[0].strip().lower()


def _is_passing(error: BaseException) -> bool:
    """Return whether asking again may help."""
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.TooManyRedirects)):
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


def group(project: str, files: Iterable[ReleaseFile]) -> tuple[Release, ...]:
    """Group the files of a project by version, oldest version first.

    Files without a readable version in their name are left out.
    """
    by_version: dict[Version, list[ReleaseFile]] = defaultdict(list)
    for file in files:
        version = version_of(project, file.filename)
        if version is not None:
            by_version[version].append(file)
    return tuple(
        Release(
            project=project,
            version=str(version),
            uploaded=min((file.uploaded for file in by_version[version] if file.uploaded), default=None),
            files=tuple(by_version[version]),
        )
        for version in sorted(by_version)
    )


def version_of(project: str, filename: str) -> Version | None:
    """Return the version that a file of `project` belongs to, or None if its name has none."""
    if filename.endswith(".whl"):
        try:
            return parse_wheel_filename(filename)[1]
        except ValueError:  # of the name, the version, or a number with thousands of digits
            return None
    suffix = next((suffix for suffix in SDIST_SUFFIXES if filename.endswith(suffix)), "")
    rest = _after_name(project, filename.removesuffix(suffix))
    # Old formats have the Python and the platform behind the version: `demo-1.0.win32-py2.7.exe`.
    parts = rest.split("-")[0].split(".")
    for text in [*([rest] if suffix else []), *(".".join(parts[:end]) for end in range(len(parts), 0, -1))]:
        try:
            return Version(text)
        except ValueError:
            continue
    return None


def _after_name(project: str, stem: str) -> str:
    """Return the rest behind the project's name; both the name and the version may contain dashes."""
    ends = (end for end, letter in enumerate(stem) if letter == "-")
    return next((stem[end + 1 :] for end in ends if canonicalize_name(stem[:end]) == project), "")


def _read_file(file: Any, *, page_url: str) -> ReleaseFile:
    """Return a file of a page.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, OverflowError: it is not as the standards say.
    """
    yanked = file.get("yanked", False)
    found = {
        "filename": file["filename"],
        "uploaded": _moment(file.get("upload-time")),
        "requires_python": file.get("requires-python"),
        "yanked": None if yanked is False else "" if yanked is True else str(yanked),
        "url": urljoin(page_url, file.get("url", "")).partition("#")[0],
    }
    for text in found.values():
        if isinstance(text, str):
            text.encode()  # half of a character is no text
    return codec.convert(found, ReleaseFile)


def _moment(text: str | None) -> datetime | None:
    """Return a moment in UTC, whatever its offset.

    Raises:
        ValueError: it is none, or no year of any package.
    """
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.year not in _YEARS:
        raise ValueError(f"a file is of the year {moment.year}")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class Page(Struct, frozen=True, kw_only=True):
    """A page's text, its media type and its validators."""

    text: str
    media_type: str
    etag: str | None = None
    last_modified: str | None = None

    @property
    def conditions(self) -> dict[str, str]:
        """Return the headers of a request that may be answered with "not modified"."""
        stated = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in stated.items() if value}


class _Read(Struct, frozen=True, kw_only=True):
    """The releases that were parsed from a page."""

    # `text` is the digest of the page and of the version of this tool that parsed it.

    text: str
    releases: tuple[Release, ...]


VERSIONS = "versions"
"""The folder, inside that of the pages, with a file of versions for each package."""


class PageCache:
    """Caches pages that have validators, and the releases that were parsed from pages, in a file each.

    If the folder cannot be written, nothing is cached, and the index is asked again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """The folder of the files."""

    def get(self, url: str) -> Page | None:
        """Return the page as the index last sent it, or None if it is not cached."""
        try:
            return codec.from_json(self._path(url).read_bytes(), Page)
        except (OSError, codec.Unreadable):
            return None

    def put(self, url: str, page: Page) -> None:
        """Cache a page, unless it has no validators and would be sent in full again."""
        if not page.conditions:
            return
        self._put(self._path(url), page)

    def get_read(self, url: str, text: str) -> tuple[Release, ...] | None:
        """Return the releases that were parsed from the page with the digest `text`, or None."""
        try:
            read = codec.from_json(self._path("read", url).read_bytes(), _Read)
        except (OSError, codec.Unreadable):
            return None
        return read.releases if read.text == text else None

    def put_read(self, url: str, text: str, releases: tuple[Release, ...]) -> None:
        """Cache the releases that were parsed from the page with the digest `text`."""
        self._put(self._path("read", url), _Read(text=text, releases=releases))

    def has_versions(self, project: str) -> bool:
        """Return whether the versions of a project are written where shells look for them."""
        return (self.folder / VERSIONS / project).exists()

    def put_versions(self, project: str, releases: Iterable[Release]) -> None:
        """Write the versions that a page has, with their days, where shells look for completions."""
        lines = [f"{release.version}\t{date(release.uploaded)}\n" for release in releases]
        folder = self.folder / VERSIONS
        with suppress(OSError):
            folder.mkdir(exist_ok=True)
            write_whole(folder / project, "".join(lines).encode())

    def _put(self, path: Path, value: object) -> None:
        with suppress(OSError):
            write_whole(path, codec.to_json(value))

    def _path(self, *what: str) -> Path:
        return self.folder / f"{codec.digest(*what)}.json"
