"""The page of one search."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from support.documents import CHOSEN, LISTED, REGRESSION, STARTED
from support.random_logs import HAPPENS, dated, listed
from support.random_logs import STARTED as MEASURED

from bisect_asgi.core import events
from bisect_asgi.report.folding import fold
from bisect_asgi.report.live.pages import FIRST, SearchPages
from bisect_asgi.report.page.fold import page_of

TITLE = "Bisecting starlette: leak.py"


class Watched(SearchPages):
    """Pages that are looked at once in a while."""

    now_s = 0.0

    def page(self, name: str) -> str | None:
        Watched.now_s += 60.0
        return super().page(name)


def watching(*log: events.Event) -> Watched:
    pages = Watched(TITLE, clock=lambda: Watched.now_s)
    for event in log:
        pages.search(event)
    return pages


def heading(text: str | None) -> str:
    found = re.search(r"<h1>(.*?)</h1>", text or "")
    return found[1] if found else ""


def test_a_page_has_its_heading_before_anything_is_known() -> None:
    assert heading(watching().page(FIRST)) == TITLE


def test_a_page_shows_what_is_known_and_keeps_its_heading_until_the_end() -> None:
    pages = watching(*REGRESSION[:-1])
    text = pages.page(FIRST) or ""
    assert heading(text) == TITLE
    assert "Still running: the change is between" in text
    assert "0.12.1" in text

    pages.search(REGRESSION[-1])
    assert heading(pages.page(FIRST)) == page_of(fold(REGRESSION)).title


def test_there_is_one_page() -> None:
    assert watching(*REGRESSION).page("leak.html") is None


def test_what_packages_and_probes_say_is_text() -> None:
    evil = events.Note(text="<script>alert(1)</script><img src=x onerror=alert(1)>")
    pages = watching(STARTED, CHOSEN, LISTED, evil)
    assert "<script>alert" not in (pages.page(FIRST) or "")
    assert "<img" not in (pages.page(FIRST) or "")
    assert "<img" not in pages.progress(FIRST)


def test_readers_are_told_when_the_command_has_ended_too_early() -> None:
    pages = watching(STARTED, CHOSEN, LISTED)
    assert not pages.is_ended
    pages.end("the index is down")
    assert pages.is_ended
    assert pages.last_words.endswith("the index is down")
    assert heading(pages.page(FIRST)) == "the command ended before the search did"


def test_readers_are_told_of_no_problem_if_there_was_none() -> None:
    pages = watching(*REGRESSION)
    pages.end()
    assert "error" not in pages.last_words


@settings(derandomize=True, deadline=None, max_examples=40)
@given(HAPPENS, HAPPENS, st.integers(1, 8))
def test_there_is_a_page_at_any_moment(
    happened: list[events.Event], inside: list[events.Event], every: int
) -> None:
    pages = watching()
    staged = [events.StageEvent(stage=1, event=event) for event in (MEASURED, listed("3"), *inside)]
    for number, event in enumerate([MEASURED, listed(), *dated(happened, 101), *dated(staged, 201)]):
        pages.search(event)
        if number % every == 0:
            assert pages.progress(FIRST)
            assert heading(pages.page(FIRST)) == TITLE
    pages.end()
    assert heading(pages.page(FIRST)) != TITLE
