"""The part of the text report that says why: what carries the change, the trials behind it, what changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import (
    ASSERTION,
    DEPENDENCY_WORDS,
    IMPORT_ERROR,
    MIX_WORDS,
    a_plan,
    day,
    failed,
    passed,
    target,
    untestable,
)

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.events import Compared, Explained, ResultKind, ShownSet
from bisect_asgi.core.model import (
    Boundary,
    BuiltEnvironment,
    CulpritKind,
    Distribution,
    Excluded,
    Move,
    Observation,
    Outcome,
    Ruling,
    Trial,
    Verdict,
)
from bisect_asgi.core.records import replace
from bisect_asgi.core.release_diff import (
    ChangeKind,
    FileChange,
    FileKind,
    Link,
    LinkKind,
    RequirementChange,
    WhatChanged,
)
from bisect_asgi.report import text as text_report
from bisect_asgi.report.culprit import sentences
from bisect_asgi.report.document import Report, fold
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.report.text import culprit
from bisect_asgi.session.bisection import stages

BOTH_WIDTHS = pytest.mark.parametrize("width", [60, 120])


def shown(report: Report, width: int) -> str:
    out = StringIO()
    text_report.render(report, SafeConsole(file=out, width=width))
    return out.getvalue()


def flat(text: str) -> str:
    """A text as one line, however it was broken into lines."""
    return " ".join(text.split())


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


# --- A run that was explained


def searched(
    labels: Sequence[str],
    runs: Sequence[Observation | None],
    *,
    found: tuple[int, int] | None = None,
    excluded: tuple[Excluded, ...] = (),
    **words: Any,
) -> list[events.Event]:
    """A whole search, with one run of each candidate but for those where it is None."""
    rulings = tuple((key, ruling(run)) for key, run in enumerate(runs) if run)
    low, high = found or (None, None)
    boundary = Boundary(low=found[0], high=found[1]) if found else None
    dates = [day(f"2021-{month:02}-01") for month in range(1, len(labels) + 1)]
    is_mix = words.get("axis") == MIX_WORDS
    return [
        replace(stages.started(a_plan()), started=START, **words),
        events.CandidatesListed(
            candidates=tuple(
                events.CandidateListed(
                    version=label, uploaded=None if is_mix else date, python="3.11.7", is_exact=is_mix
                )
                for label, date in zip(labels, dates, strict=True)
            ),
            excluded=excluded,
        ),
        *(events.TrialFinished(trial=trial(key, labels[key], run)) for key, run in enumerate(runs) if run),
        events.RulingsChanged(
            rulings=rulings, new_is=Outcome.FAILED, reference=(ASSERTION,), low=low, high=high, left=0
        ),
        events.RunFinished(kind=ResultKind.FOUND, elapsed_s=3.0, boundary=boundary),
    ]


RELEASE_WORDS = AxisWords(subject="app")
START = datetime(2024, 5, 1, tzinfo=UTC)


def trial(key: int, label: str, run: Observation) -> Trial:
    own = Distribution(name="app", version=label.rpartition(" ")[2])
    built = BuiltEnvironment(digest=label, distributions=(own,), step="as of the date, wheels only")
    return Trial(key=key, label=label, observations=(run,), environment=built)


def ruling(run: Observation) -> Ruling:
    verdicts = {Outcome.PASSED: Verdict.OLD, Outcome.FAILED: Verdict.NEW}
    return Ruling(
        verdict=verdicts.get(run.outcome, Verdict.SKIP),
        outcome=run.outcome,
        signature=run.signature,
        passed=int(run.outcome is Outcome.PASSED),
        failed=int(run.outcome is Outcome.FAILED),
    )


def staged(stage: int, inner: Sequence[events.Event]) -> list[events.Event]:
    return [events.StageEvent(stage=stage, event=event) for event in inner]


APP, DEP = Move(name="app", old="1.0", new="2.0"), Move(name="dep", old="1", new="4")
IDLE = Move(name="idle", old=None, new="7.0")
MIXED = (
    "app 1.0",
    "app 2.0",
    "app 2.0 with the dependencies of app 1.0",
    "app 1.0 with idle 7.0",
    "app 1.0 with dep 4",
    "app 2.0 with dep 1",
)
WHY = Explained(
    package="app",
    old="app 1.0",
    new="app 2.0",
    moves=(APP, DEP, IDLE),
    kind=CulpritKind.DEPENDENCY,
    sets=(ShownSet(moved=(DEP,), required="==4"),),
    tried_in=1,
    decisive=(0, 1, 4, 5),
    stages_before=1,
)
BELOW = Explained(
    package="dep",
    old="dep 2",
    new="dep 3",
    moves=(Move(name="dep", old="2", new="3"),),
    kind=CulpritKind.PACKAGE,
    sets=(ShownSet(moved=(Move(name="dep", old="2", new="3"),)),),
    stages_before=2,
)
PLACE = "https://git.example.org/a-team-with-a-long-name/a-dependency-of-many/-/compare/v2...v3"
COMMAND = (
    "bisect-asgi dep --over commits --repo https://git.example.org/a-team/dep --good 2 --bad 3 --python 3.11"
)
COMPARED = Compared(
    name="dep",
    old="2",
    new="3",
    changed=WhatChanged(
        name="dep",
        old="2",
        new="3",
        requirements=(RequirementChange(project="anyio", old=None, new=">=3"),),
        old_python=">=3.6",
        new_python=">=3.8",
        files=(
            FileChange(path="dep/core.py", change=ChangeKind.CHANGED, kind=FileKind.TEXT, added=3, removed=1),
        ),
    ),
    changelog="## 3\n\nescape is gone",
    comparison=PLACE,
    drill=COMMAND,
)


def explained(*reasons: events.Event, **run: Any) -> Report:
    """A report on app 1.0 → 2.0, with the mixes and the search along dep's releases."""
    main = searched(("1.0", "2.0"), (passed(), failed()), found=(0, 1), axis=RELEASE_WORDS, **run)
    mixes = searched(
        MIXED,
        (passed(), failed(), passed(), passed(), failed(), passed()),
        over="mixes",
        axis=MIX_WORDS,
    )
    excluded = (Excluded(version="2.1", uploaded=None, reason="it was yanked"),)
    pulled_in = searched(
        ("1", "2", "3", "4"),
        (passed(), passed(), failed(), failed()),
        found=(1, 2),
        excluded=excluded,
        over="dep",
        axis=replace(DEPENDENCY_WORDS, subject="dep", context="in the environment of app 1.0"),
    )
    chosen = events.InterpreterChosen(interpreter=target("3.11.7").interpreter, reason="it is there")
    log = [main[0], chosen, *main[1:-1], *staged(1, mixes), *staged(2, pulled_in), *reasons, main[-1]]
    return fold(log)


@BOTH_WIDTHS
def test_the_whole_answer_is_told_in_the_order_of_what_happened(width: int) -> None:
    text = flat(shown(explained(WHY, BELOW, COMPARED), width))

    told = [
        "app 2.0 is the first bad release, because it requires dep",
        "; dep 3 is the first bad release of dep",
        "Boundary app 1.0 (good, 2021-01-01) → 2.0 (bad, 2021-02-01)",
        "Why",
        "app 1.0 → app 2.0: app 1.0 → 2.0, dep 1 → 4 and idle 7.0 (added)",
        *sentences(WHY, word="bad"),
        "2 more mixes on the way (`--json` has them)",
        "dep 3 is the first bad release in the environment of app 1.0",
        "left out: 2.1: it was yanked",
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

    assert column(text, "Mix", "Verdict") == [
        "app 1.0",
        "app 2.0",
        "app 1.0 with dep 4",
        "app 2.0 with dep 1",
    ]
    assert column(text[text.index("    Mix ") :], "Verdict", "Runs") == ["good", "bad", "bad", "good"]
    assert "idle 7.0 (added)" in flat(text)
    assert MIXED[2] not in flat(text)


@BOTH_WIDTHS
def test_a_dependencys_releases_are_shown_as_those_of_the_package_are(width: int) -> None:
    text = shown(explained(WHY, BELOW), width)

    below = text[text.index("dep 3 is the first bad release in") :]
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
    lines = shown(explained(), 120).splitlines()

    assert "Why" not in lines


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
    assert places[0] > text.index(" Why ")


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

    assert column(shown(mixes, 120), "Mix", "Verdict") == ["a", "b", "c", "d"]
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


# --- What changed


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
