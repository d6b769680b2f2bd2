"""Text in Markdown: whatever it has in it, it renders as itself."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bisect_asgi.core.text import printable
from bisect_asgi.report.markdown.text import block, code, details, link, plain, table

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})

MARKS = (
    "@ # 12 gh-3 https:// www. a1b2c3d4 ` `` | \\ <b> &amp; * _ ~~ $ [x](y) ![ 1. - + = --- > : :tada: "
    "<!-- -->"
)
pieces = st.sampled_from([*MARKS.split(), "- ", "\n", "\t", "\x1b", "\u202e", " "])
texts = st.lists(st.one_of(pieces, st.text(max_size=4)), max_size=12).map("".join)


def shown(rendered: str) -> str:
    """Return the text of a rendered page, comments and tags left out."""
    return html.unescape(re.sub(r"<!--.*?-->|<[^>]*>", "", rendered, flags=re.DOTALL))


def one_line(text: str) -> str:
    return " ".join(printable(text).split())


@given(texts)
@example("1. first")
@example("- item")
@example("::")
@example("a|b\\|c`d")
def test_plain_text_renders_as_itself_and_as_nothing_else(text: str) -> None:
    rendered = MARKDOWN.render(plain(text)).strip()
    assert shown(rendered).split() == one_line(text).split()
    assert set(re.findall(r"<(\w+)", re.sub(r"<!--.*?-->", "", rendered))) <= {"p"}


@given(texts)
@example("a\\|b")
def test_code_renders_as_itself_and_stands_in_code(text: str) -> None:
    rendered = MARKDOWN.render(f"x {code(text)} y").strip()
    assert shown(rendered).split() == ["x", *one_line(text).split(), "y"]
    assert set(re.findall(r"<(\w+)", rendered)) <= {"p", "code"}


@given(st.lists(st.tuples(texts, texts), max_size=4))
def test_a_table_has_the_rows_and_cells_that_it_is_given(rows: list[tuple[str, str]]) -> None:
    rendered = MARKDOWN.render(table(["A", "B"], [(plain(a), code(b)) for a, b in rows]))
    cells = [shown(cell).split() for cell in re.findall(r"<td>(.*?)</td>", rendered, re.DOTALL)]
    assert cells == [one_line(text).split() for row in rows for text in row]


@given(texts)
@example("~~~\n```\n````")
def test_a_block_of_code_is_not_left_before_its_end(text: str) -> None:
    rendered = MARKDOWN.render(f"{block(text, 'text')}\n\nafter")
    assert rendered.endswith("</code></pre>\n<p>after</p>\n")
    assert rendered.count("<pre>") == 1


@pytest.mark.parametrize(
    ("text", "linked"),
    [
        ("@name", "@name"),
        ("see #12", "#12"),
        ("owner/repo#12", "#12"),
        ("GH-12", "GH-12"),
        ("https://example.org", "https://example.org"),
        ("www.example.org", "www.example.org"),
        ("fixed by 0d3f2a9b4c", "0d3f2a9b4c"),
        (":tada:", ":tada:"),
    ],
)
def test_what_github_would_make_a_link_of_is_in_two_parts(text: str, linked: str) -> None:
    assert linked not in plain(text)
    assert re.sub(r"<!-- -->|\\", "", plain(text)) == text


def test_a_word_of_hexadecimal_letters_is_no_hash_of_a_commit() -> None:
    assert plain("effaced and 1234") == "effaced and 1234"


@given(texts)
def test_a_summary_is_text(text: str) -> None:
    rendered = MARKDOWN.render(details(text, "body"))
    summary = re.search(r"<summary>(.*?)</summary>", rendered, re.DOTALL)
    assert summary is not None
    assert html.unescape(summary[1]).split() == one_line(text).split()
    assert "<p>body</p>" in rendered


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.org/a(b)", '<a href="https://example.org/a(b)">home</a>'),
        ("javascript:alert(1)", "home"),
        ("https://example.org/a b", "home"),
        ("https://example.org/>", "home"),
    ],
)
def test_only_the_address_of_a_page_is_a_link(address: str, expected: str) -> None:
    assert MARKDOWN.render(link("home", address)).strip() == f"<p>{expected}</p>"
