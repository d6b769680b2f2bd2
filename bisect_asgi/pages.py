"""Index pages as they were last sent, with what the index needs to say that they have not changed.

A page is asked for on every run, whatever an index allows to keep it for: a release that was uploaded a
minute ago has to be seen. An index that sends validators (RFC 9110, 13.1) answers in a few bytes then.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bisect_asgi import codec


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


class PageCache:
    """Keeps pages that have validators, one file each; a page that cannot be kept is no trouble."""

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
        path = self._path(url)
        aside = path.with_suffix(f".{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(codec.to_json(page))
            aside.rename(path)
        except OSError:
            aside.unlink(missing_ok=True)

    def _path(self, url: str) -> Path:
        return self._folder / f"{codec.digest(url)}.json"
