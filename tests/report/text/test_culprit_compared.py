"""What changed in the culprit, in the text report."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.explained_runs import (
    BOTH_WIDTHS,
    COMPARED,
    PLACE,
    WHY,
    explained,
    flat,
    shown,
)

from bisect_asgi.core.events import Compared
from bisect_asgi.core.records import replace
from bisect_asgi.core.release_diff import (
    ChangeKind,
    FileChange,
    FileKind,
    Link,
    LinkKind,
)
from bisect_asgi.report.text import culprit


def compared(*files: FileChange, **fields: Any) -> Compared:
    changed = replace(COMPARED.changed, files=files) if COMPARED.changed else None
    return replace(COMPARED, changed=changed, **fields)


def section(told: Compared, width: int = 120) -> str:
    text = shown(explained(told), width)
    return text[text.index("What changed in") : text.index("Reproduce")]


def diff_of(lines: int) -> str:
    body = "".join(f"+line {number}\n" for number in range(lines - 3))
    return f"--- a/dep/core.py\n+++ b/dep/core.py\n@@ -1 +1,{lines - 3} @@\n{body}"


CORE = FileChange(
    path="dep/core.py", change=ChangeKind.CHANGED, kind=FileKind.TEXT, added=17, diff=diff_of(20), lines=(12,)
)


@BOTH_WIDTHS
def test_what_could_not_be_compared_says_why(width: int) -> None:
    told = Compared(name="dep", old="2", new="3", problem="the index did not answer: it is down for repairs")

    assert flat(section(told, width)) == (
        "What changed in dep 2 → 3 it could not be compared: the index did not answer: it is down for repairs"
    )


@pytest.mark.parametrize(("old", "new"), [("", "3"), ("2", "")])
def test_where_nothing_was_compared_there_is_no_section(old: str, new: str) -> None:
    text = shown(explained(WHY, Compared(name="dep", old=old, new=new)), 120)

    assert "What changed in" not in text


@pytest.mark.parametrize(
    ("files", "is_shown"),
    [
        pytest.param([CORE], True, id="short-and-in-the-traceback"),
        pytest.param([replace(CORE, diff=diff_of(21))], False, id="too-long"),
        pytest.param([replace(CORE, lines=())], False, id="not-in-the-traceback"),
        pytest.param([replace(CORE, path="a.py", lines=(), diff=""), CORE], False, id="not-the-first"),
    ],
)
def test_a_short_diff_of_where_it_fails_is_shown(files: list[FileChange], is_shown: bool) -> None:
    assert ("+line 16" in section(compared(*files))) is is_shown


def test_the_file_in_the_traceback_is_marked_with_its_line() -> None:
    assert "dep/core.py +17 -0 (in the traceback, line 12)" in section(compared(CORE))


@pytest.mark.parametrize(("lines", "more"), [(15, None), (16, "1 more line"), (100, "85 more lines")])
def test_a_long_changelog_is_cut_and_says_how_much(lines: int, more: str | None) -> None:
    text = section(compared(changelog="\n".join(f"entry {number}" for number in range(1, lines + 1))))

    assert ("entry 15\n" in text, "entry 16\n" in text) == (True, False)
    assert ("(`--json` has them)" in text) is (more is not None)
    assert f"… {more} (" in text or more is None


def test_links_are_those_that_tell_of_changes_and_the_comparison_is_first() -> None:
    links = tuple(
        Link(label=kind.value, address=f"https://example.org/{kind.value}", kind=kind) for kind in LinkKind
    )

    lines = [line.split() for line in section(compared(links=links)).splitlines()]

    addresses = [line for line in lines if len(line) == 2 and line[1].startswith("https://")]
    assert addresses == [
        ["comparison", PLACE],
        ["changelog", "https://example.org/changelog"],
        ["source", "https://example.org/source"],
        ["home", "https://example.org/home"],
    ]


EVIL = "\x1b]0;owned\x07\x1b[2J\r\u202eyes"


@BOTH_WIDTHS
@pytest.mark.parametrize(
    "told",
    [
        pytest.param(compared(changelog=f"## 3\n\n{EVIL}"), id="changelog"),
        pytest.param(compared(replace(CORE, diff=f"+{EVIL}")), id="diff"),
        pytest.param(compared(replace(CORE, path=f"dep/{EVIL}.py")), id="path"),
        pytest.param(Compared(name="dep", old="2", new="3", problem=EVIL), id="problem"),
    ],
)
def test_what_others_wrote_does_not_reach_the_terminal_as_commands(told: Compared, width: int) -> None:
    text = section(told, width)

    assert "yes" in text
    assert all(character == "\n" or character.isprintable() for character in text)


@given(st.lists(st.sampled_from(["[bold]", "[/]", "[red]x[/red]", "\\[", "[link=x]", "plain"]), min_size=1))
def test_what_others_wrote_is_no_markup(words: list[str]) -> None:
    entry = "x".join(words)

    assert entry in section(compared(replace(CORE, diff=f"+{entry}"), changelog=entry), 400)


def test_diffs_are_all_that_are_kept_in_full() -> None:
    other = replace(CORE, path="dep/other.py", lines=(), diff=diff_of(300))
    binary = replace(CORE, path="dep/x.so", kind=FileKind.BINARY, diff="", lines=())

    lines = list(culprit.diffs(compared(CORE, binary, other)))

    assert lines == [*CORE.diff.splitlines(), *other.diff.splitlines()]
    assert list(culprit.diffs(Compared(name="dep", old="2", new="3"))) == []
