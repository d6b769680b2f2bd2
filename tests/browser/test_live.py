"""A live page in a real browser: it follows the command without being loaded again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.browsers import WIDER, Opened
from support.builders import failed, passed
from support.documents import CHOSEN, LISTED, REGRESSION, STARTED, bad, finished, good, judged
from support.processes import PATIENCE_S
from support.progress import PLANNED

from bisect_asgi.backend.live import serving
from bisect_asgi.core import events
from bisect_asgi.report.folding import fold
from bisect_asgi.report.live.board import BoardPages
from bisect_asgi.report.live.pages import LivePages, SearchPages
from bisect_asgi.report.page.fold import page_of
from bisect_asgi.report.suite import row_interrupted, row_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ENDED = "The command has ended. This page keeps what it shows, but cannot be loaded again."
PATIENCE_MS = PATIENCE_S * 1000
BEGUN = [STARTED, PLANNED, CHOSEN, LISTED, events.TrialStarted(key=0), events.TrialStarted(key=4)]
TITLE = "Bisecting starlette: probes/a_probe_with_a_name_that_is_too_long_for_a_phone.py"
Watching = Callable[..., Opened]


@contextmanager
def served(pages: LivePages) -> Iterator[str]:
    """Serve pages as a command does, which has then ended."""
    with serving(pages) as address:
        try:
            yield address
        finally:
            pages.end()


@pytest.fixture
def watch(chromium: Browser) -> Iterator[Watching]:
    opened: list[Opened] = []

    def watching(address: str, **options: object) -> Opened:
        opened.append(Opened.at(chromium, address, **options))
        opened[-1].page.set_default_timeout(PATIENCE_MS)
        opened[-1].page.evaluate("window.isFirst = true")
        return opened[-1]

    yield watching
    for each in opened:
        each.page.context.close()


def take(pages: SearchPages, *log: events.Event) -> None:
    for event in log:
        pages.search(event)


def see(opened: Opened, text: str) -> None:
    """Wait until the page shows a text; it is still the page that was opened first."""
    opened.page.get_by_text(text).first.wait_for()
    assert opened.page.evaluate("window.isFirst")


def test_a_page_follows_the_search_to_its_result_without_being_loaded_again(watch: Watching) -> None:
    pages = SearchPages(TITLE)
    with served(pages) as address:
        opened = watch(address)
        assert opened.page.locator("h1").inner_text() == TITLE
        see(opened, "asking the index")
        take(pages, *BEGUN)
        see(opened, "waiting")
        assert opened.page.locator("[aria-current=step]").inner_text() == "ends"
        take(pages, finished(1, passed()), finished(4, failed()), judged({1: good(), 4: bad()}))
        see(opened, "Still running: the change is between starlette 0.11.0 (good) and 0.13.0 (bad)")
        take(pages, *REGRESSION[4:])
    see(opened, ENDED)

    title = page_of(fold(REGRESSION)).title
    assert opened.page.locator("h1").inner_text() == opened.page.title() == title
    assert opened.page.locator("svg.history a").count() == 5
    assert opened.page.locator("aside strong").count() == 0
    assert opened.errors == []
    assert [url for url in opened.loaded if not url.startswith(address)] == []


def test_what_a_reader_has_opened_or_focused_stays_so(watch: Watching) -> None:
    pages = SearchPages(TITLE)
    take(pages, *BEGUN, finished(4, failed()), judged({4: bad()}))
    with served(pages) as address:
        opened = watch(address)
        page = opened.page
        row = page.locator("tr", has_text="0.13.0")
        row.locator("summary").first.click()
        page.locator("svg.history a").nth(4).focus()
        focused = "document.activeElement.getAttribute('href')"
        assert page.evaluate(focused) == "#row-4"
        take(pages, finished(1, passed()), judged({1: good(), 4: bad()}))
        see(opened, "Still running: the change is between")
        assert row.locator("details[open]").count() == 1
        assert page.locator("details[open]").count() == 1
        assert page.evaluate(focused) == "#row-4"
        take(pages, *REGRESSION[4:])
    see(opened, ENDED)
    assert row.locator("details[open]").count() == 1
    assert page.locator(".copy").count() == page.locator(".command").count() > 0


def test_a_page_that_has_grown_is_the_page_of_the_report(watch: Watching) -> None:
    """What was put in piece by piece is what a browser makes of the whole."""
    pages, whole = SearchPages(TITLE), SearchPages(TITLE)
    take(whole, *REGRESSION)
    with served(pages) as address:
        grown = watch(address)
        for event in REGRESSION:
            take(pages, event)
            grown.page.wait_for_timeout(300)
    see(grown, ENDED)
    with served(whole) as address:
        at_once = watch(address)
    see(at_once, ENDED)
    texts = [each.page.locator("main").inner_html() for each in (grown, at_once)]
    assert texts[0] == texts[1]


def test_a_page_finds_the_command_again_after_a_broken_connection(watch: Watching) -> None:
    pages = SearchPages(TITLE)
    take(pages, *BEGUN)
    with served(pages) as address:
        opened = watch(address)
        see(opened, "waiting")
        opened.page.context.set_offline(True)
        opened.page.context.set_offline(False)
        take(pages, *REGRESSION[3:])
        see(opened, page_of(fold(REGRESSION)).title)


def test_a_killed_command_is_seen_on_its_page(watch: Watching) -> None:
    pages = SearchPages(TITLE)
    opened = None
    with serving(pages) as address:  # It ends without a word.
        opened = watch(address)
        see(opened, "asking the index")
    see(opened, "No connection to the command; trying again.")


def test_a_board_leads_to_the_page_of_each_probe_and_back(watch: Watching) -> None:
    pages = BoardPages([row_interrupted(name, "starlette") for name in ("leak.py", "hang.py")])
    with served(pages) as address:
        opened = watch(address)
        see(opened, "0 of 2 probes ended")
        search = pages.begun(1)
        for event in REGRESSION:
            search(event)
        pages.ended(1, row_of("hang.py", fold(REGRESSION), None))
        see(opened, "1 of 2 probes ended")
        opened.page.locator("table a[href='hang.html']").click()  # The page follows a moment later.
        opened.page.wait_for_url(f"{address}hang.html")
        assert opened.page.locator("h1").inner_text() == page_of(fold(REGRESSION)).title
        opened.page.get_by_text("All probes").click()
        opened.page.wait_for_url(address)
        assert opened.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_live_page_and_it_fits_a_phone(watch: Watching, scheme: str) -> None:
    pages = SearchPages(TITLE)
    take(pages, *BEGUN, finished(1, passed()), judged({1: good()}))
    with served(pages) as address:
        opened = watch(address, color_scheme=scheme, viewport={"width": 360, "height": 640})
        see(opened, "waiting")
        opened.unfold()
        assert opened.page.evaluate(WIDER) == 0
        assert opened.violations() == []


def test_a_live_page_is_read_without_scripts(chromium: Browser) -> None:
    pages = SearchPages(TITLE)
    take(pages, *BEGUN)
    with served(pages) as address:
        opened = Opened.at(chromium, address, java_script_enabled=False)
        assert (
            opened.page.locator("noscript").inner_text().startswith("This page updates itself by a script.")
        )
        assert opened.page.locator("svg.history").count() == 1
        opened.page.context.close()
