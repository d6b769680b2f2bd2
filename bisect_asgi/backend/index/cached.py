"""Keep pages, the releases that were read from them, and how long both may be used without asking."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bisect_asgi import __version__
from bisect_asgi.backend.files import write_whole
from bisect_asgi.backend.index.freshness import Fresh
from bisect_asgi.core import codec
from bisect_asgi.core.model import Release
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import date


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


class _Asked(Struct, frozen=True, kw_only=True):
    """The time until which releases may be used that were parsed from the page with the digest `text`.

    `text` is "" if there was no page.
    """

    text: str
    fresh: Fresh


VERSIONS = "versions"
"""The directory, inside that of the pages, with a file of versions for each package."""


class PageCache:
    """Caches pages that have validators, and the releases that were parsed from pages, in a file each.

    If the directory cannot be written, nothing is cached, and every command asks the index again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """The directory of the files."""

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

    def newest(self, url: str) -> tuple[Release, ...] | None:
        """Return the releases that were parsed from the page when it was last asked for, or None."""
        try:
            return codec.from_json(self._path("read", url).read_bytes(), _Read).releases
        except (OSError, codec.Unreadable):
            return None

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

    def get_fresh(self, url: str, now_s: float) -> str | None:
        """Return the digest of the page that may still be used, "" if there is none; None if it may not."""
        try:
            asked = codec.from_json(self._path("fresh", __version__, url).read_bytes(), _Asked)
        except (OSError, codec.Unreadable):
            return None
        return asked.text if asked.fresh.at(now_s) else None

    def note_fresh(self, url: str, text: str, fresh: Fresh | None) -> None:
        """Note how long the page with the digest `text` may be used, which was asked for."""
        path = self._path("fresh", __version__, url)
        if fresh:
            self._put(path, _Asked(text=text, fresh=fresh))
        else:
            with suppress(OSError):
                path.unlink()

    def has_versions(self, project: str) -> bool:
        """Return whether the versions of a project are written where shells look for them."""
        return (self.folder / VERSIONS / project).exists()

    def put_versions(self, project: str, releases: Iterable[Release]) -> None:
        """Write the versions of a project, with their days, where shells look for completions."""
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
