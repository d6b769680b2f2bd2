"""Index pages as they were last sent, with what the index needs to say that they have not changed.

A page is asked for on every run, whatever an index allows to keep it for: a release that was uploaded a
minute ago has to be seen. An index that sends validators (RFC 9110, 13.1) answers in a few bytes then.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bisect_asgi.backend.files import write_whole
from bisect_asgi.core import codec
from bisect_asgi.core.model import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page's text, its media type and its validators."""

    text: str
    media_type: str
    etag: str | None = None
    last_modified: str | None = None

    @property
    def conditions(self) -> dict[str, str]:
        """The headers of a request that is content with "not modified"."""
        stated = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in stated.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What was read of a page with this text."""

    text: str
    releases: tuple[Release, ...]


class PageCache:
    """Keeps pages that have validators, and what was read of pages, one file each.

    What cannot be kept is no trouble.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, url: str) -> Page | None:
        """The page of an address as it was last sent."""
        try:
            return codec.from_json(self._path(url).read_bytes(), Page)
        except (OSError, codec.Unreadable):
            return None

    def put(self, url: str, page: Page) -> None:
        """Keep a page, if it can be asked about."""
        if not page.conditions:
            return
        self._put(self._path(url), page)

    def get_read(self, url: str, text: str) -> tuple[Release, ...] | None:
        """The releases on the page of an address, if they were read of the text that is called `text`."""
        try:
            read = codec.from_json(self._path("read", url).read_bytes(), _Read)
        except (OSError, codec.Unreadable):
            return None
        return read.releases if read.text == text else None

    def put_read(self, url: str, text: str, releases: tuple[Release, ...]) -> None:
        """Keep the releases that were read of a page's text."""
        self._put(self._path("read", url), _Read(text=text, releases=releases))

    def _put(self, path: Path, value: object) -> None:
        with suppress(OSError):
            write_whole(path, codec.to_json(value))

    def _path(self, *what: str) -> Path:
        return self._folder / f"{codec.digest(*what)}.json"
