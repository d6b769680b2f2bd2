"""The HTML file of a report: it has every part, loads nothing, and nobody else's text is markup in it."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.answer_reports import REPORTS
from support.example_pages import PAGE, page_full_of
from support.pictures import drawn_report

from bisect_asgi.core.records import replace
from bisect_asgi.report.html import render
from bisect_asgi.report.html.figures import figures
from bisect_asgi.report.page.fold import page_of


class Parsed(HTMLParser):
    """The elements of a page, their attributes and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, name: str) -> set[str]:
        """Return the values of an attribute."""
        return {value for _, own, value in self.attributes if own == name}


_FURTHER = ("<img src=x onerror=a>", "javascript:a", "https://x", "\x1b[31m", "\u202e")
PLAIN = Parsed(render(page_full_of("x"), tuple(figures(drawn_report("gb")))))


@pytest.mark.parametrize(
    "shown",
    [
        "demo broke in 1.2 (2024-03-01)",
        "1.1: passed 4 of 4 runs",
        "demo<1.2",
        "AssertionError",
        "2 releases: inferred",
        "demo==1.2 dep==2.0",
        "demo 1.1 is bad with dep 2.0",
        "demo 1.1 with dep 2.0",
        "dep 2.0 is the first bad release",
        "requires six (added)",
        "+new",
        "- a change",
        "import demo",
        "env/bin/python leak.py",
        "bisect-asgi check demo==1.2 --probe leak.py",
        "pre-release",
        "bisect-asgi 1.0, 2024-05-01",
    ],
)
def test_a_page_shows_every_part(shown: str) -> None:
    assert shown in Parsed(render(PAGE)).text


def test_a_page_loads_nothing() -> None:
    page = Parsed(render(PAGE, tuple(figures(drawn_report("gbG.s")))))
    assert page.having("src") == set()
    assert {value for tag, name, value in page.attributes if tag == "link"} == {"icon", "data:,"}
    policy = next(value for value in page.having("content") if "default-src" in value)
    assert policy.startswith("default-src 'none'")
    assert "@import" not in render(PAGE)
    assert "url(" not in render(PAGE)


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    *[
                        "<script>",
                        "</script>",
                        '"',
                        "'",
                        "&lt;",
                        "{{1}}",
                        "{%x%}",
                        "`",
                        "</style>",
                        "</pre>",
                        "</title>",
                    ],
                    *_FURTHER,
                ]
            ),
            st.text(max_size=3),
        ),
        max_size=6,
    ).map("".join)
)
@example("</style><script>alert(1)</script>")
@example('https://x" onclick="a')
def test_a_text_of_others_makes_no_element_and_no_attribute(text: str) -> None:
    rendered = render(page_full_of(text), tuple(figures(drawn_report("gb"))))
    page = Parsed(rendered)

    may_vary = {
        "a",
        "code",
        "p",
        "pre",
        "section",
        "span",
        "h2",
    }  # links, code between backticks, absent texts
    assert set(page.tags) <= set(PLAIN.tags) | may_vary
    assert page.tags["script"] == 1
    assert not {name for _, name, _ in page.attributes if name.startswith("on")}
    assert all(value.startswith(("#", "https://", "http://", "data:,")) for value in page.having("href"))
    assert not {"\x1b", "\u202e"} & set(rendered)


def test_each_mark_of_the_history_leads_to_a_row_of_the_table() -> None:
    page = Parsed(render(PAGE, tuple(figures(drawn_report("ggb")))))
    links = {value for value in page.having("href") if value.startswith("#row-")}
    assert links == {"#row-0", "#row-1", "#row-2"}
    assert {link[1:] for link in links} <= page.having("id")


def test_code_in_a_sentence_is_code_and_a_lone_backtick_is_itself() -> None:
    assert "run it with <code>--history all</code>" in render(PAGE)
    assert "a ` b" in render(replace(PAGE, hint="a ` b"))


def test_five_hundred_releases_are_a_page_of_less_than_a_megabyte() -> None:
    report = drawn_report("gGGGG" * 50 + "bBBBB" * 50)
    rows = tuple((row.version, row.verdict, "x" * 80) for row in report.rows)
    status = replace(
        PAGE.status, rows=rows, kinds=("good",) * 500, keys=tuple((n,) for n in range(500)), more=()
    )  # type: ignore[type-var]
    assert len(render(replace(PAGE, status=status), tuple(figures(report)))) < 1_000_000


@pytest.mark.parametrize(("name", "has_gap"), [("gap", True), ("regression", False)])
def test_the_legend_says_what_a_gap_is_if_there_is_one(name: str, has_gap: bool) -> None:
    shown = render(page_of(REPORTS[name]), tuple(figures(REPORTS[name])))
    assert ("the change is at one of these" in shown) is has_gap
