"""The part of the text report that says why: what carries the change, the trials behind it, what changed."""

from __future__ import annotations

from typing import Any

import pytest
from support.builders import (
    IMPORT_ERROR,
    MIX_WORDS,
    day,
    failed,
    passed,
    untestable,
)
from support.explained_runs import (
    APP,
    BELOW,
    BOTH_WIDTHS,
    COMMAND,
    COMPARED,
    DEP,
    IDLE,
    MIXED,
    PLACE,
    RELEASE_WORDS,
    WHY,
    explained,
    flat,
    searched,
    shown,
    staged,
)

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.events import ShownSet
from bisect_asgi.core.model import (
    CulpritKind,
    Move,
    Outcome,
)
from bisect_asgi.core.records import replace
from bisect_asgi.report.culprit import sentences
from bisect_asgi.report.folding import fold


def column(text: str, header: str, following: str) -> list[str]:
    """The cells of the table's column, each as one line; a row begins where its verdict stands."""
    lines = text.splitlines()
    top = next(place for place, line in enumerate(lines) if header in line and following in line)
    left, right = lines[top].index(header), lines[top].index(following)
    cells: list[str] = []
    for line in lines[top + 1 :]:
        if not line.strip():
            break
        if line[right : right + 1].strip():
            cells.append("")
        cells[-1] = flat(f"{cells[-1]} {line[left:right]}")
    return cells


@BOTH_WIDTHS
def test_the_whole_answer_is_told_in_the_order_of_what_happened(width: int) -> None:
    text = flat(shown(explained(WHY, BELOW, COMPARED), width))

    told = [
        "app broke in 2.0 (2021-02-01), because it requires dep",
        "; dep broke in 3 (2021-03-01)",
        "Last good 1.0 (2021-01-01): passed 1 of 1 run",
        "First bad 2.0 (2021-02-01): failed 1 of 1 run",
        "Cause",
        "app 1.0 → app 2.0: app 1.0 → 2.0, dep 1 → 4 and idle 7.0 (added)",
        *sentences(WHY, word="bad"),
        "2 more combinations were run (listed in `--json`)",
        "dep broke in 3 (2021-03-01) in the environment of app 1.0",
        "excluded: 2.1: it was yanked",
        *sentences(BELOW, word="bad"),
        "What changed in dep 2 → 3",
        "requires Python >=3.6 → >=3.8",
        "requires anyio >=3 (added)",
        "1 file differs: +3 -1",
        "dep/core.py +3 -1",
        "its changelog:",
        "escape is gone",
        PLACE,
        COMMAND,
        "Reproduce",
    ]
    places = [text.find(each) for each in told]
    assert -1 not in places, told[places.index(-1)]
    assert places == sorted(places)


@BOTH_WIDTHS
def test_the_mixes_that_the_answer_rests_on_are_shown_each_with_its_verdict(width: int) -> None:
    text = shown(explained(WHY), width)

    assert column(text, "Combination", "Verdict") == [
        "app 1.0",
        "app 2.0",
        "app 1.0 with dep 4",
        "app 2.0 with dep 1",
    ]
    assert column(text[text.index("    Combination ") :], "Verdict", "Runs") == ["good", "bad", "bad", "good"]
    assert "idle 7.0 (added)" in flat(text)
    assert MIXED[2] not in flat(text)


@BOTH_WIDTHS
def test_a_dependencys_releases_are_shown_as_those_of_the_package_are(width: int) -> None:
    text = shown(explained(WHY, BELOW), width)

    below = text[text.index("dep broke in 3 (2021-03-01) in") :]
    assert column(below, "Release", "Uploaded") == ["1", "2", "3", "4"]
    assert column(below, "Verdict", "Runs") == ["good", "good", "bad", "bad"]


@BOTH_WIDTHS
def test_only_what_is_pasted_is_longer_than_the_line(width: int) -> None:
    text = shown(explained(WHY, BELOW, COMPARED), width)

    long = [line for line in text.splitlines() if len(line) > width]
    assert all(line.split()[0] in ("comparison", "commits", "uv", "bisect-asgi") for line in long)
    for pasted in (PLACE, COMMAND):
        assert sum(pasted in line for line in text.splitlines()) == 1


@BOTH_WIDTHS
def test_both_sides_commands_are_there_whole_whatever_explains_them(width: int) -> None:
    report = explained(WHY, BELOW, COMPARED)

    lines = [line.strip() for line in shown(report, width).splitlines()]

    assert len(report.reproduce) == 2
    assert all(command in lines for _, command in report.reproduce)


def test_without_a_reason_there_is_no_section_for_it() -> None:
    run = searched(("1.0", "2.0"), (passed(), failed()), found=(0, 1), axis=RELEASE_WORDS)

    assert "Cause" not in shown(fold(run), 120).splitlines()


def sets(*moved: tuple[Move, ...], **fields: Any) -> tuple[ShownSet, ...]:
    return tuple(ShownSet(moved=each, **fields) for each in moved)


@BOTH_WIDTHS
@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"kind": CulpritKind.PACKAGE, "sets": sets((APP,))}, id="package"),
        pytest.param({"kind": CulpritKind.DEPENDENCY, "sets": sets((IDLE,))}, id="dependency"),
        pytest.param({"kind": CulpritKind.TOGETHER, "sets": sets((APP, DEP))}, id="together"),
        pytest.param({"kind": CulpritKind.EITHER, "sets": sets((APP,), (DEP,))}, id="either"),
        pytest.param(
            {"kind": CulpritKind.UNCLEAR, "sets": sets((APP, DEP), doubtful=("dep",))}, id="unclear"
        ),
        pytest.param(
            {"kind": CulpritKind.UNCLEAR, "sets": (), "problem": "the index did not answer"}, id="problem"
        ),
        pytest.param(
            {"kind": CulpritKind.DEPENDENCY, "sets": sets((DEP,), pulled_in=(IDLE,)), "is_all": False},
            id="with-something-along",
        ),
    ],
)
def test_every_sentence_of_an_answer_is_told_in_its_order(told: dict[str, Any], width: int) -> None:
    why = replace(WHY, **told)
    report = explained(why)

    text = flat(shown(report, width))

    places = [text.find(sentence) for sentence in sentences(why, word="bad")]
    assert text.startswith(report.headline)
    assert places == sorted(places)
    assert places[0] > text.index(" Cause ")


@BOTH_WIDTHS
def test_sentences_use_the_users_own_words(width: int) -> None:
    report = explained(WHY, term_old="fast", term_new="slow")
    own = sentences(WHY, word="slow")

    assert any("slow" in sentence for sentence in own)
    assert all(sentence in flat(shown(report, width)) for sentence in own)


def test_a_fix_is_spoken_of_as_one() -> None:
    run = searched(("1.0", "2.0"), (failed(), passed()), found=(0, 1), axis=RELEASE_WORDS)
    report = fold([*run[:-1], replace(WHY, tried_in=None, new_is=Outcome.PASSED), run[-1]])
    own = sentences(WHY, word="good")

    assert any("good" in sentence for sentence in own)
    assert all(sentence in flat(shown(report, 120)) for sentence in own)


@BOTH_WIDTHS
def test_what_is_left_with_that_taken_back_is_told_after_it(width: int) -> None:
    further = replace(WHY, sets=sets((IDLE,)), is_further=True, stages_before=2)

    text = flat(shown(explained(WHY, further), width))

    told = [*sentences(WHY, word="bad"), *sentences(further, word="bad")]
    places = [text.find(sentence) for sentence in told]
    assert -1 not in places
    assert places == sorted(places)
    assert "idle 7.0" in text.partition("Boundary")[0]


def test_many_moves_are_not_all_named() -> None:
    moves = tuple(Move(name=f"lib{number:02}", old="1", new="2") for number in range(30))

    text = flat(shown(explained(replace(WHY, moves=moves)), 120))

    assert "lib06 1 → 2 and 23 more" in text
    assert "lib07" not in text


def test_mixes_that_cannot_be_tested_stay_apart_and_neighbouring_releases_do_not() -> None:
    runs = (passed(), untestable(IMPORT_ERROR), untestable(IMPORT_ERROR), failed())
    labels = ("a", "b", "c", "d")
    mixes = fold(searched(labels, runs, over="mixes", axis=MIX_WORDS))
    releases = fold(searched(labels, runs, found=(0, 3), axis=RELEASE_WORDS))

    assert column(shown(mixes, 120), "Combination", "Verdict") == ["a", "b", "c", "d"]
    assert column(shown(releases, 120), "Release", "Uploaded") != ["a", "b", "c", "d"]
    assert "2 releases: ImportError: cannot import name 'Lifespan'" in flat(shown(releases, 120))


# --- The commit

COMMIT_WORDS = AxisWords(subject="app", noun="commit", nouns="commits", has_versions=False)


def commit(*files: events.CommitFile, link: str | None = None) -> events.CommitShown:
    return events.CommitShown(
        sha="0123456789abcdef",
        subject="Escape\x1b no more",
        author="Ann Other",
        committed=day("2021-01-31"),
        files=files,
        link=link,
    )


def of_commit(told: events.CommitShown) -> list[str]:
    """The lines about the commit in the report of a search among commits."""
    run = searched(("a", "b"), (passed(), failed()), found=(0, 1), axis=COMMIT_WORDS)
    lines = [line.strip() for line in shown(fold([*run[:-1], told, run[-1]]), 120).splitlines()]
    begin = next(place for place, line in enumerate(lines) if line.startswith("commit "))
    return lines[begin : lines.index("", begin) if "" in lines[begin:] else None]


def test_the_commit_at_the_boundary_is_shown_with_its_author_files_and_page() -> None:
    files = (
        events.CommitFile(path="app/a.py", added=1200, removed=2),
        events.CommitFile(path="image", added=None, removed=None),
    )

    assert of_commit(commit(*files, link="https://github.com/o/app/commit/01")) == [
        "commit 0123456789abcdef: Escape� no more",
        "Ann Other, 2021-01-31; 2 files: +1,200 -2",
        "app/a.py +1,200 -2",
        "image (binary)",
        "https://github.com/o/app/commit/01",
    ]


@pytest.mark.parametrize(("count", "last"), [(10, "f9 +1 -0"), (12, "and 2 more files")])
def test_many_files_of_a_commit_are_counted(count: int, last: str) -> None:
    files = (events.CommitFile(path=f"f{n}", added=1, removed=0) for n in range(count))

    assert of_commit(commit(*files))[-1] == last


def test_a_commit_without_files_says_so() -> None:
    assert of_commit(commit())[1] == "Ann Other, 2021-01-31; no file"


def test_the_commit_of_a_stage_is_shown_below_its_table() -> None:
    stage = searched(("a", "b", "c"), (passed(), failed(), failed()), found=(0, 1), axis=COMMIT_WORDS)
    told = commit(events.CommitFile(path="app/a.py", added=1, removed=0))

    text = flat(shown(explained(WHY, *staged(3, [*stage[:-1], told, stage[-1]])), 120))

    assert text.index("app b is the first bad commit") < text.index("Ann Other, 2021-01-31; 1 file: +1 -0")
