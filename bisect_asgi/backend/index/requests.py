"""Send requests to the package index, repeated if that may help, within limits of time and size.

This module is imported only when a request is made, because importing httpx takes as long as getting a page.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, TypeVar

import httpx

from bisect_asgi.backend.index.cached import Page
from bisect_asgi.backend.index.freshness import Fresh, fresh
from bisect_asgi.backend.index.waiting import TimeLimitReached, within
from bisect_asgi.backend.network import faults
from bisect_asgi.backend.network.indexes import Indexes, Traits
from bisect_asgi.backend.network.network import Network
from bisect_asgi.backend.network.transport import CertificateFault, ProxyFault, Routes
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import duration, plural, size, without_credentials

if TYPE_CHECKING:
    from tenacity import RetryCallState

ACCEPT = ", ".join(
    [
        "application/vnd.pypi.simple.v1+json",
        "application/vnd.pypi.simple.v1+html;q=0.02",
        "text/html;q=0.01",
    ]
)
"""The content types that mousebender reads, listed here to avoid importing it."""
T = TypeVar("T")
_TIMEOUT_S = 30.0
_ATTEMPTS = 5
_ANSWER_S = 120.0
"""The longest time of one answer: a page that comes byte by byte never reaches a time-out."""
_REQUEST_S = 150.0
"""The longest time of a request with its redirects, and with headers that come byte by byte."""
_ALL_S = 300.0
"""The longest time of all attempts together."""
_LONGEST_WAIT_S = 60.0
_LARGEST_PAGE = 64 * 2**20


class Answer(Struct, frozen=True, kw_only=True):
    """An index's answer to the request for a page."""

    page: Page | None
    """None if there is none, or if it is the one that is cached."""
    is_cached: bool = False
    """Whether the cached page is the page as it is now."""
    fresh: Fresh | None = None
    """The seconds for which the answer may be used without asking again; None if not at all."""


class Requests:
    """Asks the user's indexes.

    Args:
        indexes: the indexes with their credentials and settings.
        network: the network settings; by default those of this machine.
        transport: answers the requests in place of the network.
    """

    def __init__(
        self,
        indexes: Indexes,
        *,
        network: Network | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._indexes = indexes
        known = (*indexes.urls, *indexes.find_links)
        self._client = httpx.Client(
            transport=transport
            or Routes(network or Network.of_this_machine(), known, indexes.insecure_hosts),
            timeout=_TIMEOUT_S,
            follow_redirects=True,
            headers={"Accept": ACCEPT, "Cache-Control": "no-cache"},
        )

    @staticmethod
    def import_transport() -> None:
        """Import what httpx itself imports only with its first request.

        Before a thread asks, that is: beside a thread that imports as well, it would take twice as long, and
        nothing could be imported while the index answers.
        """
        import httpcore  # noqa: F401

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def download(self, url: str, *, at_most: int) -> bytes | None:
        """Return a file's content, or None if it cannot be had or is larger than `at_most` bytes.

        Raises:
            Unavailable: the index did not answer.
        """
        try:
            return _in_time(self._download_once, url, at_most)
        except _TooLarge:
            return None
        except (*_REQUEST_FAILED, *_NO_ADDRESS) as error:
            raise _fault(error, without_credentials(url), attempts=1) from error

    def _download_once(self, url: str, at_most: int) -> bytes | None:
        with self._client.stream("GET", url) as response:
            return _content(response, at_most=at_most) if response.is_success else None

    def page(self, url: str, traits: Traits, kept: Page | None) -> Answer:
        """Return the page as it is now; it is `kept` itself if the index answers that it has not changed.

        Raises:
            Unavailable: there is no answer after all attempts, or it is no page.
        """
        asked_s = time()
        response, text = self._get(url, kept.conditions if kept else {})
        until = fresh(response.headers, asked_s=asked_s)
        if response.status_code == httpx.codes.NOT_MODIFIED and kept:
            return Answer(page=None, is_cached=True, fresh=until)
        if response.status_code in (httpx.codes.NOT_FOUND, *traits.ignored):
            return Answer(page=None, fresh=until)
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
        return Answer(page=page, fresh=until)

    def _get(self, url: str, conditions: dict[str, str]) -> tuple[httpx.Response, str]:
        """Return the answer to a request, and its text.

        Raises:
            Unavailable: there is none after all attempts, or it is too large for a page.
        """
        made, since = 0, monotonic()

        def once() -> tuple[httpx.Response, str]:
            nonlocal made
            made += 1
            return _in_time(self._get_once, url, conditions)

        try:
            try:
                return once()
            except httpx.HTTPError as error:
                first = error
            # Outside of the `except` block, so that the next errors do not have the first one as context.
            return _again(once, first, limit_s=max(0.0, since + _ALL_S - monotonic()))
        except (_TooLarge, *_NO_ADDRESS, *_REQUEST_FAILED) as error:
            raise _fault(error, without_credentials(url), attempts=made) from error

    def _get_once(self, url: str, conditions: dict[str, str]) -> tuple[httpx.Response, str]:
        with self._client.stream("GET", url, headers=conditions) as response:
            if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
                response.raise_for_status()
            content = _content(response, at_most=_LARGEST_PAGE)
        try:
            return response, content.decode(response.encoding or "utf-8", "replace")
        except LookupError:  # the headers name an unknown encoding
            return response, content.decode("utf-8", "replace")


class _TooLarge(Exception):
    """The answer has more bytes than it may have."""


class _TooSlow(httpx.TransportError):
    """The answer takes longer than it may take."""


def _in_time(call: Callable[..., T], *arguments: object) -> T:
    """Return what a request returns; raises _TooSlow if it has not ended in time."""
    try:
        return within(_REQUEST_S, partial(call, *arguments))
    except TimeLimitReached as error:
        raise _TooSlow(f"no answer in {duration(_REQUEST_S)}") from error


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


# A bad address raises one of these, depending on whether it is from the configuration or from a redirect.
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


def _again(
    once: Callable[[], tuple[httpx.Response, str]], error: httpx.HTTPError, *, limit_s: float
) -> tuple[httpx.Response, str]:
    """Call `once` again, as often and as late as may help, after its first call raised `error`."""
    # Imported only after a failure, because most first calls succeed.
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay

    raised = [error]

    def attempt() -> tuple[httpx.Response, str]:
        if raised:
            raise raised.pop()
        return once()

    return Retrying(
        retry=retry_if_exception(_is_passing),
        stop=stop_after_attempt(_ATTEMPTS) | stop_after_delay(limit_s),
        wait=_wait,
        reraise=True,
    )(attempt)


def _wait(state: RetryCallState) -> float:
    """Return how long to wait before the next attempt: as long as the index asks for."""
    from tenacity import wait_random_exponential

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
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.TooManyRedirects, CertificateFault, _TooSlow)):
        return False  # the server was too slow for minutes, and would be again
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
