"""When a live page is made anew."""

from __future__ import annotations

from bisect_asgi.report.live.kept import Kept


class Page:
    """A page that says how often it was made; making it takes `cost_s`."""

    def __init__(self) -> None:
        self.now_s, self.cost_s, self.version, self.made = 100.0, 0.0, 0, 0
        self.kept = Kept(self._make, lambda: self.version, lambda: self.now_s)

    def _make(self) -> str:
        self.made += 1
        self.now_s += self.cost_s
        return f"version {self.version}"


def test_a_page_is_made_when_it_is_first_asked_for() -> None:
    assert Page().kept.text() == "version 0"


def test_a_page_is_not_made_anew_if_nothing_is_new() -> None:
    page = Page()
    for _ in range(3):
        page.kept.text()
        page.now_s += 60.0
    assert page.made == 1


def test_what_is_new_is_shown_after_a_pause() -> None:
    page = Page()
    page.kept.text()
    page.version, page.now_s = 1, page.now_s + 0.5
    assert page.kept.text() == "version 0"
    page.now_s += 0.6
    assert page.kept.text() == "version 1"


def test_a_page_that_takes_long_is_made_more_rarely() -> None:
    page = Page()
    page.cost_s = 0.5
    page.kept.text()
    page.version, page.now_s = 1, page.now_s + 9.0
    assert page.kept.text() == "version 0"
    page.now_s += 1.1
    assert page.kept.text() == "version 1"


def test_the_last_page_has_no_pause_before_it() -> None:
    page = Page()
    page.kept.text()
    page.version = 1
    assert page.kept.text(is_last=True) == "version 1"
    assert page.kept.text(is_last=True) == "version 1"
    assert page.made == 2
