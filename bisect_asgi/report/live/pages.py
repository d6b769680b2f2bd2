"""The pages that are served while a command runs, by name; and the page of one search."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from bisect_asgi.core.records import replace
from bisect_asgi.report import html
from bisect_asgi.report.document import Report
from bisect_asgi.report.html.figures import figures
from bisect_asgi.report.live.kept import Kept
from bisect_asgi.report.live.search import LiveSearch
from bisect_asgi.report.page import Page, Strip
from bisect_asgi.report.page.fold import page_of

FIRST = ""
"""The name of the page that the printed address leads to."""
_ENDED = "The command has ended. This page keeps what it shows, but cannot be loaded again."


class LivePages(ABC):
    """The pages of a command; `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, Kept] = {}
        self.is_ended = False
        """Whether the pages are final."""
        self.last_words = _ENDED
        """The message that the pages show at the end."""

    def page(self, name: str) -> str | None:
        """Return the page of this name as a whole document; None if there is none."""
        kept = self._kept.get(name)
        return kept.text(is_last=self.is_ended) if kept else None

    def progress(self, name: str) -> str:
        """Return the part above the page, in HTML."""
        return html.render_strip(self._strip(name))

    @abstractmethod
    def _strip(self, name: str) -> Strip:
        """Return the progress of the page of this name."""

    def end(self, problem: str = "") -> None:
        """Take in that the command has ended, and the problem that has kept it from a result."""
        self.last_words = f"{_ENDED} It ended with this error: {problem}" if problem else _ENDED
        self.is_ended = True

    def _keep(self, name: str, make: Callable[[], str], version: Callable[[], object]) -> None:
        self._kept[name] = Kept(make, version, self._clock)


class SearchPages(LivePages):
    """The page of one search; `title` is its heading until the search has ended."""

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self.search = LiveSearch(clock)
        self._keep(FIRST, lambda: search_page(self.search, title), lambda: self.search.version)

    def _strip(self, name: str) -> Strip:  # noqa: ARG002 (there is one page)
        return self.search.strip()

    def end(self, problem: str = "") -> None:
        """Take in that the command has ended, and the problem that has kept it from a result."""
        self.search.stop()
        super().end(problem)


def search_page(search: LiveSearch, title: str, *, index: str = "") -> str:
    """Return the page of a search; `title` is its heading as long as it runs."""
    is_over, report = search.is_over, search.report()  # in this order, because the search may end in between
    if report is None:
        return html.render(Page(title=title), index=index, live=True)
    if is_over:
        return report_page(page_of(report), report, index=index)
    so_far = f"{report.headline[:1].upper()}{report.headline[1:]}"
    page = replace(page_of(report), title=title, hint=so_far)
    return html.render(page, tuple(figures(report)), index=index, live=True)


def report_page(page: Page, report: Report, *, index: str = "") -> str:
    """Return the page of a report to which nothing will be added."""
    return html.render(page, tuple(figures(report)), index=index, live=True)
