"""Ask the package index which releases of a project there are.

Pages come as JSON (PEP 691, 700) or HTML (PEP 503, 592, 658), as the index gives them; mousebender reads
both. They are kept by hishel as RFC 9111 says, and asked for again on every run, so that a release that
was uploaded a minute ago is seen; an index that sends validators then answers in a few bytes.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hishel
import hishel.httpx
import httpx
from mousebender import simple
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from bisect_asgi.environments.uv import Indexes
from bisect_asgi.errors import Unavailable, UsageError
from bisect_asgi.model import Release, ReleaseFile
from bisect_asgi.releases import SDIST_SUFFIXES

_TIMEOUT_S = 30.0
_ATTEMPTS = 5
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError)


class IndexClient:
    """Reads project pages from the user's indexes, the first that has the project.

    Args:
        indexes: where to look, in order.
        cache: the folder in which pages are kept.
        transport: what carries the requests; None: the network.
    """

    def __init__(
        self, indexes: Indexes, cache: Path, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._urls = indexes.urls
        cache.mkdir(parents=True, exist_ok=True)
        logging.getLogger("hishel").setLevel(logging.CRITICAL)  # a page that cannot be kept is no trouble
        self._client = hishel.httpx.CacheClient(
            storage=hishel.SqliteStorage(database_path=cache / "pages.db"),
            transport=transport,
            timeout=_TIMEOUT_S,
            follow_redirects=True,
            headers={"Accept": simple.ACCEPT_SUPPORTED, "Cache-Control": "max-age=0"},
        )

    def close(self) -> None:
        """Let go of connections and of the cache."""
        self._client.close()

    def releases(self, project: str) -> tuple[Release, ...]:
        """Return all releases of a project, oldest version first.

        Raises:
            UsageError: no index has such a project.
            Unavailable: an index did not answer, or not as an index does.
        """
        for url in self._urls:
            files = self._page(url, project)
            if files is not None:
                return group(project, files)
        raise UsageError(
            f"there is no package `{project}` on the index",
            hint="check the spelling; uv's configuration says which index is asked",
        )

    def _page(self, index: str, project: str) -> list[ReleaseFile] | None:
        url = simple.create_project_url(index, project)
        response = self._get(url)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.is_error:
            status = f"{response.status_code} {response.reason_phrase}"
            raise Unavailable(
                f"the package index answered `{status}`: `{shown(url)}`",
                hint="nothing was learnt about any release; check the index in uv's configuration",
            )
        try:
            content_type = _media_type(response)
            page = simple.parse_project_details(response.text, content_type, project)
            return [_read_file(file) for file in page["files"]]
        except (simple.UnsupportedMIMEType, simple.UnsupportedAPIVersion, *_MALFORMED) as error:
            raise Unavailable(
                f"this is no page of a package index: `{shown(url)}` ({error or content_type})",
                hint="check the index in uv's configuration",
            ) from error

    def _get(self, url: str) -> httpx.Response:
        attempts = Retrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential_jitter(initial=0.2, max=5),
            reraise=True,
        )
        try:
            return attempts(self._get_once, url)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Unavailable(
                f"the index's address cannot be used: `{shown(url)}` ({error})",
                hint="an index with an `http` or `https` address is needed in uv's configuration",
            ) from error
        except (httpx.TransportError, httpx.HTTPStatusError) as error:
            what = f"`{shown(url)}` ({_reason(error)})"
            raise Unavailable(
                f"the package index did not answer after {_ATTEMPTS} attempts: {what}",
                hint="nothing was learnt about any release; run the same command again when it is back",
            ) from error

    def _get_once(self, url: str) -> httpx.Response:
        response = self._client.get(url)
        if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            response.raise_for_status()
        return response


def shown(url: str) -> str:
    """An address without the credentials in it."""
    return re.sub(r"//[^/@]*@", "//", url)


def _media_type(response: httpx.Response) -> str:
    """The media type without its parameters."""
    text: str = response.headers.get("content-type", "text/html")
    return text.partition(";")[0].strip().lower()


def _is_passing(error: BaseException) -> bool:
    """Tell whether asking again may help."""
    return isinstance(error, (httpx.TransportError, httpx.HTTPStatusError)) and not isinstance(
        error, httpx.UnsupportedProtocol
    )


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"{error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__


def group(project: str, files: Iterable[ReleaseFile]) -> tuple[Release, ...]:
    """Put the files of a project together by version, oldest version first.

    Files whose names carry no version that can be read are passed over.
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
    """The version that a file of `project` belongs to; None when its name does not say."""
    readers: tuple[Callable[[str], Version], ...] = (
        lambda name: parse_wheel_filename(name)[1],
        lambda name: parse_sdist_filename(name)[1],
        lambda name: Version(_after_name(project, name)),
    )
    for read in readers:
        try:
            return read(filename)
        except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
            continue
    return None


def _after_name(project: str, filename: str) -> str:
    """What follows the project's name in a file of an old kind, such as `demo-1.0.win32.exe`."""
    stem = next((filename.removesuffix(s) for s in SDIST_SUFFIXES if filename.endswith(s)), filename)
    for end in range(len(stem), 0, -1):
        if stem[end - 1 : end] == "-" and canonicalize_name(stem[: end - 1]) == project:
            rest = stem[end:].split("-")[0]
            return _without_platform(rest)
    return ""


def _without_platform(text: str) -> str:
    """`1.0.win32` and `1.0.egg` are of version 1.0."""
    numbers = text.split(".")
    while numbers and not numbers[-1][:1].isdigit():
        numbers.pop()
    return ".".join(numbers)


def _read_file(file: Any) -> ReleaseFile:
    yanked = file.get("yanked", False)
    return ReleaseFile(
        filename=file["filename"],
        uploaded=_moment(file.get("upload-time")),
        requires_python=file.get("requires-python"),
        yanked=None if yanked is False else "" if yanked is True else str(yanked),
    )


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
