"""The excerpt of a changelog between two versions, in the formats that changelogs have."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bisect_asgi.core.releases.changelog import candidates, excerpt

reproducible = settings(derandomize=True, deadline=None, max_examples=200)

MARKDOWN = """\
# Changelog

What was done.

## 0.15.0

June 23, 2021

### Fixed

* Support for 3.6.

## 0.14.2

* Older.
"""

STYLES = {
    "markdown": "## {}",
    "markdown-v": "## v{}",
    "markdown-closed": "## {} ##",
    "keep-a-changelog": "## [{}] - 2021-06-23",
    "release-please": "## [{0}](https://example.org/compare/v0.0.1...v{0}) (2021-06-23)",
    "by-reference": "## [{}][link] - 2021-06-23",
    "named": "## Star-Lette {}",
    "named-otherwise": "## star_lette-{}",
    "release": "### Release {}",
    "changes-in": "# Changes in version {}:",
    "what-is-new": "# What's new in {}",
    "emoji": "## 🚀 {} (2021-06-23)",
    "code-name": '## {} "Codename"',
    "remark": "## {} - the one with anyio",
    "unreleased": "## {} unreleased",
    "setext": "Version {}\n-------------",
    "setext-date": "{} (2021-06-23)\n===================",
    "overlined": "===============\nVersion {}\n===============",
    "overlined-indented": "===============\n Version {}\n===============",
    "bold-link": "**[v{0}](https://example.org/compare/v0.0.1...v{0})** (2021-06-23)",
    "backticks": "{} (2021-06-23)\n``````````````````",
    "rubric": ".. rubric:: {}",
    "asciidoc": "== {} (2021-06-23)",
    "bold": "**{}**",
    "slash": "v{} / 2021-06-23",
    "plain": "{}",
    "plain-date": "{} (2021-06-23)",
    "plain-month": "Release {}: Wed, 23 June 2021",
    "plain-unreleased": "{} (unreleased)",
}


def changelog(style: str, *versions: str) -> str:
    """A changelog in which each version's section says `new in …`."""
    return (
        "\n\n".join(f"{STYLES[style].format(version)}\n\n- new in {version}" for version in versions) + "\n"
    )


def told(text: str | None) -> list[str]:
    """The versions whose sections are in an excerpt."""
    assert text is not None
    return [line.removeprefix("- new in ") for line in text.splitlines() if line.startswith("- new in ")]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "versions",
    [
        pytest.param(["0.16.0", "0.15.0", "0.14.3", "0.14.2", "0.14.1"], id="newest-first"),
        pytest.param(["0.14.1", "0.14.2", "0.14.3", "0.15.0", "0.16.0"], id="oldest-first"),
        pytest.param(["0.15.0", "0.13.9", "0.14.3", "0.14.1"], id="an-older-series-between-them"),
    ],
)
def test_all_spellings_of_headings_are_read_in_either_order(style: str, versions: list[str]) -> None:
    found = excerpt(changelog(style, *versions), "0.14.2", "0.15.0", name="star.lette")

    assert sorted(told(found)) == ["0.14.3", "0.15.0"]
    assert found is not None
    headings = [STYLES[style].format(version) for version in told(found)]
    assert found.startswith(headings[0])
    assert headings[1] in found


def test_an_excerpt_stands_as_it_is_in_the_changelog() -> None:
    assert excerpt(MARKDOWN, "0.14.2", "0.15.0", name="starlette") == (
        "## 0.15.0\n\nJune 23, 2021\n\n### Fixed\n\n* Support for 3.6."
    )


@pytest.mark.parametrize(
    ("old", "new", "versions"),
    [
        pytest.param("1.0", "1.1.0", ["1.1", "1.1rc1"], id="equal-as-versions"),
        pytest.param("1.0.5", "1.1", ["1.1", "1.1rc1"], id="old-is-not-there"),
        pytest.param("0.1", "1.0.0", ["1.0"], id="nothing-older-is-there"),
    ],
)
def test_versions_are_compared_as_versions(old: str, new: str, versions: list[str]) -> None:
    text = changelog("setext", "1.1", "1.1rc1", "1.0")

    assert told(excerpt(text, old, new, name="demo")) == versions


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("1.1", "1.0", id="a-downgrade"),
        pytest.param("1.1", "1.1rc1", id="back-to-a-pre-release"),
        pytest.param("2.0", "1.1", id="old-is-not-there"),
        pytest.param("1.1", "1.1.0", id="the-same-in-another-spelling"),
    ],
)
def test_what_was_taken_back_is_no_news(old: str, new: str) -> None:
    text = changelog("setext", "1.1", "1.1rc1", "1.0")

    assert excerpt(text, old, new, name="demo") is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("## 1.0\n\nonly the old one\n", id="only-old"),
        pytest.param("See 1.1.\n\nand 1.0\n", id="prose"),
        pytest.param("## Support for 1.1\n", id="a-word-before"),
        pytest.param("## 1.1 is no longer supported\n", id="words-behind"),
        pytest.param("## 1.1.x\n", id="a-series"),
        pytest.param("Demo 1.1, which came after a year of work,\nis here.\n", id="a-sentence"),
        pytest.param("- 1.1\n- 1.0\n", id="a-bullet"),
        pytest.param("    1.1\n    ---\n", id="indented"),
        pytest.param("```\n# 1.1\n```\n", id="a-comment-in-a-code-block"),
        pytest.param("a line above\n1.1\n", id="inside-a-paragraph"),
        pytest.param("demo>=1.1\n", id="a-requirement"),
        pytest.param("## 1.1 " + "-" * 400 + "\n", id="too-long-a-line"),
        pytest.param("## 2021-06-23\n", id="a-date"),
    ],
)
def test_there_is_no_excerpt_without_a_heading_of_the_new_version(text: str) -> None:
    assert excerpt(text, "1.0", "1.1", name="demo") is None


@pytest.mark.parametrize(("old", "new"), [("1.0", "2004d"), ("latest", "1.1")])
def test_there_is_no_excerpt_for_versions_that_are_none(old: str, new: str) -> None:
    assert excerpt("## 2004d\n\n## 1.1\n\n## 1.0\n", old, new, name="demo") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("# Changes\n## 1.1\nx\n# License\nMIT\n", "## 1.1\nx", id="higher-heading"),
        pytest.param("## 1.1\n### Fixes\nx\n### 1.0\ny\n", "## 1.1\n### Fixes\nx", id="version-below"),
        pytest.param("### 1.1\n### Fixes\nx\n## 1.0\ny\n", "### 1.1\n### Fixes\nx", id="version-above"),
        pytest.param(
            "Changes\n=======\n\n1.1\n---\nx\n\nLicense\n=======\nMIT\n",
            "1.1\n---\nx",
            id="underline-used-first",
        ),
        pytest.param(
            "1.1\n===\n\nFixes\n-----\nx\n", "1.1\n===\n\nFixes\n-----\nx", id="underline-used-later"
        ),
        pytest.param("1.1\n---\nx\n\n.. _v1.0:\n\n1.0\n---\n", "1.1\n---\nx", id="target-of-the-next"),
        pytest.param("## 1.1\nx\n\n---\n\n<a name='1.0'></a>\n## 1.0\n", "## 1.1\nx", id="rule-and-anchor"),
        pytest.param("## 1.1\n", "## 1.1", id="nothing-below"),
        pytest.param("## 1.1\r\nx\r\n## 1.0\r\n", "## 1.1\nx", id="crlf"),
        pytest.param("## 1.1\n```\n```\n## 1.0\n", "## 1.1\n```\n```", id="after-code"),
        pytest.param("## 1.1\n```\n# 1.0\n```\n", "## 1.1\n```\n# 1.0\n```", id="code-is-kept"),
    ],
)
def test_a_section_ends_where_the_next_version_or_a_higher_heading_begins(text: str, expected: str) -> None:
    assert excerpt(text, "1.0", "1.1", name="demo") == expected


@reproducible
@given(st.text(alphabet="#=-. \n1v0rcab()[]`*", max_size=80), st.sampled_from(["demo", "a.b", "-", ""]))
@example("# 1.0a1b2\n", "demo")
@example("1.0-1\n---", "demo")
@example("# 1." + "rc" * 10_000, "demo")
def test_any_text_is_read_and_an_excerpt_consists_of_its_lines(text: str, name: str) -> None:
    found = excerpt(text, "0.1", "1.0", name=name)

    assert found is None or set(found.splitlines()) <= {*text.splitlines(), ""}


@reproducible
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), unique=True, min_size=2), st.data())
def test_an_excerpt_has_the_sections_after_old_up_to_new(
    versions: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    ordered = sorted(versions)
    low = data.draw(st.integers(0, len(ordered) - 2))
    high = data.draw(st.integers(low + 1, len(ordered) - 1))
    names = {version: ".".join(map(str, version)) for version in versions}

    found = excerpt(
        changelog("markdown", *names.values()), names[ordered[low]], names[ordered[high]], name="demo"
    )

    assert told(found) == [names[v] for v in versions if ordered[low] < v <= ordered[high]]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(["demo/__init__.py", "CHANGELOG.md"], "CHANGELOG.md", id="changelog"),
        pytest.param(["README.md", "CHANGES"], "CHANGES", id="changes-without-a-suffix"),
        pytest.param(["CHANGES-2.0"], "CHANGES-2.0", id="of-a-series"),
        pytest.param(["docs/changes.rst", "HISTORY.rst"], "HISTORY.rst", id="the-shallowest"),
        pytest.param(["NEWS", "ChangeLog"], "ChangeLog", id="the-surest-name"),
        pytest.param(["RELEASE_NOTES.txt"], "RELEASE_NOTES.txt", id="release-notes"),
        pytest.param(["docs/release-notes.md"], "docs/release-notes.md", id="in-docs"),
        pytest.param(["docs/en/docs/release-notes.md"], "docs/en/docs/release-notes.md", id="deep-in-docs"),
        pytest.param(["demo/CHANGELOG.md"], "demo/CHANGELOG.md", id="in-the-package"),
        pytest.param(["docs/whats-new.rst"], "docs/whats-new.rst", id="what-is-new"),
        pytest.param(["demo/vendored/other/CHANGELOG.md"], None, id="of-something-else"),
        pytest.param(["demo/history.py", "demo/news.html"], None, id="code"),
        pytest.param(["changeset.md", "newsletter.md"], None, id="other-words"),
        pytest.param([], None, id="no-files"),
    ],
)
def test_the_changelog_is_found_among_files(files: list[str], expected: str | None) -> None:
    assert next(iter(candidates(files)), None) == expected


def test_all_that_may_be_changelogs_come_with_the_likeliest_first() -> None:
    files = ["docs/release-notes.md", "setup.py", "NEWS.md", "CHANGELOG.md"]

    assert candidates(files) == ("CHANGELOG.md", "NEWS.md", "docs/release-notes.md")
