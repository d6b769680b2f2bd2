"""A report as Markdown: every part, in the room that there is, and nothing of others that is Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from support.example_pages import PAGE, page_full_of

from bisect_asgi.core.records import replace
from bisect_asgi.report.markdown import MOST_OF_AN_ISSUE, render
from bisect_asgi.report.page import Excerpt, Page

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})


def tags(text: str) -> set[str]:
    """Return the names of the elements that a text is rendered to."""
    return set(re.findall(r"<(\w+)", re.sub(r"<!--.*?-->", "", MARKDOWN.render(text))))


@pytest.mark.parametrize(
    "shown",
    [
        "## demo broke in 1.2 (2024-03-01)",
        "> pass another `--bad`",
        "| Last good | 1.1: passed 4 of 4 runs |",
        "run it with `--history all`",
        "**Fix:** `demo<1.2`, or `dep<2`",
        "**demo 1.2 fails: AssertionError**\n\n```text\nTraceback\nAssertionError\n```",
        "<summary>Status by version</summary>",
        "| `1.0 … 1.1` | good | `2 releases: inferred` |",
        "- demo 1.1 is bad with dep 2.0",
        "**dep 2.0 is the first bad release**",
        "[source](<https://example.org/dep>)",
        "```diff\n--- a\n+++ b",
        "| `six` | `–` | `1.16` |",
        "```python\nimport demo\nassert demo.ok\n```",
        "With uv:\n\n```sh\nuv venv env &&\nenv/bin/python leak.py\n```",
        "```sh\nbisect-asgi check demo==1.2 --probe leak.py\n```",
        "<sub>bisect-asgi 1.0, 2024-05-01</sub>",
    ],
)
def test_a_report_has_every_part(shown: str) -> None:
    assert shown in render(PAGE)


def test_what_is_long_is_folded() -> None:
    text = render(PAGE)
    assert text.count("<details>") == text.count("</details>")
    for folded in ("Traceback",):
        assert text.index(folded) < text.index("<details>")
    assert text.index("import demo") > text.index("<details>")


@given(st.text(max_size=30))
@example("\n#")
def test_whatever_others_wrote_is_text(text: str) -> None:
    own = {
        "blockquote",
        "br",
        "code",
        "details",
        "em",
        "h2",
        "h3",
        "li",
        "p",
        "pre",
        "strong",
        "sub",
        "summary",
    }
    assert tags(render(page_full_of(text))) <= own | {"table", "tbody", "td", "th", "thead", "tr", "ul", "hr"}


@pytest.mark.parametrize(
    ("long", "left_out"),
    [
        (
            {"comparisons": (replace(PAGE.comparisons[0], changelog="a line\n" * 20_000),)},
            "diffs, changelogs",
        ),
        ({"excerpts": (Excerpt(title="fails", text="x\n" * 50_000),)}, "the end"),
    ],
)
def test_a_long_report_has_room_in_an_issue_and_says_what_is_missing(
    long: dict[str, object], left_out: str
) -> None:
    text = render(replace(PAGE, **long))
    assert len(text) <= MOST_OF_AN_ISSUE
    assert f"{left_out}._" in text
    assert text.startswith("## demo broke in 1.2")


def test_a_report_that_fits_leaves_nothing_out() -> None:
    assert "Left out" not in render(PAGE)


def test_a_long_diff_is_shown_in_part() -> None:
    diff = Excerpt(title="dep/core.py", text="\n".join(f"+line {number}" for number in range(300)))
    text = render(replace(PAGE, comparisons=(replace(PAGE.comparisons[0], diffs=(diff,)),)))
    assert "+line 199\n```\n\n100 more lines" in text


def test_code_in_the_title_is_code() -> None:
    text = render(Page(title="`leak.py` passes on every release; `#12` too"))
    assert text.startswith("## `leak.py` passes on every release; `#12` too\n")


def test_what_else_a_reproduction_needs_is_named() -> None:
    assert "It also needs, in the same directory: `rows.json`, `my app.py`." in render(
        replace(PAGE, also_needed=("rows.json", "my app.py"))
    )
