"""Pages in a real browser: they load nothing, and can be read by everybody, everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import html_pages
from support.answer_reports import REPORTS
from support.browsers import WIDER, Opening
from support.pictures import drawn_report

from bisect_asgi.report import forms
from bisect_asgi.report.forms import Form
from bisect_asgi.report.page.fold import page_of

SCHEMES = ("light", "dark")
MOST_BYTES = 1_000_000


@pytest.mark.parametrize("name", html_pages.KINDS)
def test_a_page_loads_nothing_else_and_fits_a_phone(name: str, open_page: Opening) -> None:
    opened = open_page(html_pages.page(name), viewport={"width": 360, "height": 640})
    assert opened.page.locator("h1").is_visible()
    assert opened.loaded == []
    assert opened.errors == []

    opened.unfold()
    assert opened.page.evaluate(WIDER) == 0


@pytest.mark.parametrize("name", html_pages.KINDS)
def test_axe_finds_nothing_in_a_page_with_all_its_parts_open(name: str, open_page: Opening) -> None:
    opened = open_page(html_pages.page(name), color_scheme="light")
    opened.unfold()
    assert opened.violations() == []

    opened.page.emulate_media(color_scheme="dark")
    assert opened.violations(rules=("color-contrast",)) == []


def test_axe_finds_what_is_wrong(open_page: Opening) -> None:
    """Without this, a version of axe that is not run any more would find nothing, either."""
    found = open_page(html_pages.page("regression").replace('lang="en"', "")).violations()
    assert [line.partition(":")[0] for line in found] == ["html-has-lang"]


def test_a_picture_keeps_its_size_on_a_phone_and_scrolls_by_itself(open_page: Opening) -> None:
    page = open_page(html_pages.page("metric"), viewport={"width": 360, "height": 640}).page
    picture = page.locator("svg.metric")
    assert picture.evaluate("drawn => drawn.getBoundingClientRect().width") == float(
        picture.get_attribute("width") or 0
    )
    assert picture.evaluate("drawn => getComputedStyle(drawn.parentElement).overflowX") == "auto"


def test_a_page_is_dark_where_its_reader_wants_that(open_page: Opening) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    seen = [
        open_page(html_pages.page("regression"), color_scheme=each).page.evaluate(background)
        for each in SCHEMES
    ]
    assert sum(html_pages.brightness(seen[0])) > 700 > 100 > sum(html_pages.brightness(seen[1]))


@pytest.mark.parametrize("name", ["metric", "history"])
def test_a_picture_alone_is_seen_in_light_and_dark(name: str, tmp_path: Path, open_page: Opening) -> None:
    samples = {0: (1.0,), 1: (3.0,)} if name == "metric" else None
    file = tmp_path / "picture.svg"
    file.write_text(forms.render(drawn_report("gb", samples=samples), Form.SVG), encoding="utf-8")
    style = "getComputedStyle(document.querySelector('text')).fill"
    for scheme, is_dark in zip(SCHEMES, (False, True), strict=True):
        opened = open_page(file=file, color_scheme=scheme)
        background = opened.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (opened.loaded, opened.errors) == ([], [])
        ink = sum(html_pages.brightness(opened.page.evaluate(style)))
        assert (ink > sum(html_pages.brightness(background))) is is_dark


def test_paper_is_white_and_has_no_buttons(open_page: Opening) -> None:
    page = open_page(html_pages.page("regression"), color_scheme="dark").page
    assert page.locator(".copy").count() == page.locator(".command").count() > 0
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".copy").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_the_keyboard_reaches_each_release_and_enter_leads_to_its_row(open_page: Opening) -> None:
    report = REPORTS["four-changes"]
    page = open_page(html_pages.page("four-changes")).page
    reached = []
    for _ in range(len(report.rows) + 1):  # The figure, which can be scrolled, is the first.
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.getAttribute('href')"))
    assert reached == [None, *(f"#row-{key}" for key in range(len(report.rows)))]

    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == reached[-1]
    assert report.rows[-1].version in page.locator("tr:has(:target)").inner_text()


def test_a_page_is_read_without_scripts(open_page: Opening) -> None:
    report = REPORTS["regression"]
    page = open_page(html_pages.page("regression"), java_script_enabled=False).page
    assert page.locator("h1").inner_text() == page_of(report).title
    assert page.locator("svg.history a").count() == len(report.rows)
    assert page.locator("button").count() == 0
    summary = page.locator("summary", has_text="Installed").first
    summary.click()
    assert page.locator("details[open] pre").is_visible()


def test_a_page_of_500_releases_is_small_and_draws_each_of_them(open_page: Opening) -> None:
    text = forms.render(drawn_report("g" * 250 + "b" * 250), Form.HTML)
    assert len(text.encode()) < MOST_BYTES
    assert open_page(text).page.locator("svg.history a").count() == 500


def test_a_catalogue_leads_to_its_pages_and_back(tmp_path: Path, open_page: Opening) -> None:
    for name, text in html_pages.catalogue().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    opened = open_page(file=tmp_path / "index.html")
    opened.page.locator("table a").first.click()
    assert opened.page.locator("h1").inner_text() == page_of(REPORTS["regression"]).title
    opened.page.get_by_text("All probes").click()
    assert opened.page.url.endswith("index.html")
    assert opened.errors == []
