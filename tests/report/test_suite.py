"""What came of each probe of a suite: rows, table, document, progress."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from support.builders import DEPENDENCY_WORDS, RELEASE_WORDS, run_started

from bisect_asgi.core import events
from bisect_asgi.core.errors import BisectError, ExitCode, Unavailable, UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import CulpritKind, Move, NamedBoundary
from bisect_asgi.core.plan import Claim
from bisect_asgi.core.plan.suites import Agreement
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.affected import AffectedStretch, ReleaseState
from bisect_asgi.report.document import Report
from bisect_asgi.report.progress.board import Board
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.report.rows import Row
from bisect_asgi.report.suite import (
    SuiteReport,
    SuiteRow,
    history,
    render_json,
    row_interrupted,
    row_of,
    row_of_bug,
    row_of_error,
    suite_report,
)
from bisect_asgi.report.text.suite import render

PLAN = run_started(axis=RELEASE_WORDS)
MOVE = Move(name="dep", old="1.0", new="2.0")
BROUGHT = events.Explained(
    package="demo",
    old="demo 1.1",
    new="demo 1.2",
    moves=(MOVE, Move(name="demo", old="1.1", new="1.2")),
    kind=CulpritKind.DEPENDENCY,
    sets=(events.ShownSet(moved=(MOVE,)),),
)
FOUND = Report(
    exit_code=ExitCode.FOUND,
    kind=ResultKind.FOUND,
    headline="demo 1.2 is the first bad release",
    hint=None,
    plan=PLAN,
    interpreter=None,
    interpreter_reason="",
    last="1.1",
    first="1.2",
    changes=(NamedBoundary(last="1.1", first="1.2", verdict="bad"),),
    why=(BROUGHT,),
    elapsed_s=58.0,
)
NOT_FOUND = replace(
    FOUND,
    exit_code=ExitCode.NOT_REPRODUCED,
    kind=ResultKind.NOT_REPRODUCED,
    headline="`leak.py` passes everywhere",
    hint="try `--all`",
    last=None,
    first=None,
    changes=(),
    why=(),
)
BROKEN_IN = Claim(version="1.2", fixed=False)


def test_a_row_has_the_answer_and_what_carries_the_change() -> None:
    row = row_of("leak.py", FOUND, None, log="run.jsonl")

    assert (row.probe, row.package, row.answer, row.why) == (
        "leak.py",
        "demo",
        "1.1 → 1.2 (bad)",
        "it installs dep 2.0",
    )
    assert (row.exit_code, row.problem, row.claim, row.agreement) == (ExitCode.FOUND, "", "", None)
    assert (row.elapsed_s, row.log) == (58.0, "run.jsonl")


def test_a_gap_and_other_changes_are_told_with_the_answer() -> None:
    older = NamedBoundary(last="0.1", first="0.2", verdict="good")
    newer = NamedBoundary(last="1.4", first="1.5", verdict="good")
    report = replace(FOUND, gap=("1.1.1", "1.1.2"), changes=(older, *FOUND.changes, newer))

    assert row_of("leak.py", report, None).answer == "1.1 → 1.2 (bad), 2 between untestable, 2 other changes"


def test_an_answer_that_is_no_boundary_is_its_sentence() -> None:
    report = replace(FOUND, last=None, first=None, changes=(), headline="wall has 2 levels")

    assert row_of("leak.py", report, None).answer == "wall has 2 levels"


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        pytest.param(ResultKind.NOT_REPRODUCED, "not reproduced", id="not-reproduced"),
        pytest.param(ResultKind.GOOD_END_FAILS, "good end fails", id="good-end"),
        pytest.param(ResultKind.INCONCLUSIVE, "inconclusive", id="inconclusive"),
        pytest.param(ResultKind.UNAVAILABLE, "unavailable", id="unavailable"),
        pytest.param(ResultKind.INTERRUPTED, "interrupted", id="interrupted"),
        pytest.param(ResultKind.OUT_OF_TIME, "out of time", id="out-of-time"),
        pytest.param(ResultKind.NOT_ASKED, "not run", id="not-asked"),
    ],
)
def test_without_an_answer_a_row_says_so_and_why(kind: ResultKind, answer: str) -> None:
    row = row_of("leak.py", replace(NOT_FOUND, kind=kind, exit_code=kind.exit_code), BROKEN_IN)

    assert (row.answer, row.exit_code) == (answer, kind.exit_code)
    assert (row.problem, row.hint) == ("`leak.py` passes everywhere", "try `--all`")
    assert (row.claim, row.agreement) == ("broken in 1.2", None)


def test_a_boundary_stands_where_the_search_for_the_reason_was_interrupted() -> None:
    report = replace(FOUND, kind=ResultKind.INTERRUPTED, exit_code=ExitCode.INTERRUPTED, why=())

    assert row_of("leak.py", report, None).answer == "interrupted after 1.1 → 1.2 (bad)"


@pytest.mark.parametrize(
    ("claim", "report", "expected"),
    [
        pytest.param(BROKEN_IN, FOUND, Agreement.AGREES, id="agrees"),
        pytest.param(Claim(version="1.2", fixed=True), FOUND, Agreement.DISAGREES, id="the-other-way"),
        pytest.param(Claim(version="1.0", fixed=False), FOUND, Agreement.DISAGREES, id="elsewhere"),
        pytest.param(
            Claim(version="1.1.5", fixed=False),
            replace(FOUND, changes=(replace(FOUND.changes[0], excluded=("1.1.5",)),)),
            Agreement.INCONCLUSIVE,
            id="left-out",
        ),
        pytest.param(
            BROKEN_IN, replace(FOUND, plan=replace(PLAN, axis=DEPENDENCY_WORDS)), None, id="another-axis"
        ),
        pytest.param(
            Claim(version="1.2", fixed=True),
            replace(
                FOUND,
                changes=(NamedBoundary(last="1.1", first="1.2", verdict="fine"),),
                plan=replace(PLAN, term_old="fine"),
            ),
            Agreement.AGREES,
            id="in-the-users-words",
        ),
    ],
)
def test_a_claim_is_compared_with_what_was_found(
    claim: Claim, report: Report, expected: Agreement | None
) -> None:
    assert row_of("leak.py", report, claim).agreement is expected


@pytest.mark.parametrize(
    ("error", "answer", "code"),
    [
        pytest.param(UsageError("no such file", hint="look"), "not run", ExitCode.USAGE, id="usage"),
        pytest.param(
            Unavailable("disk full", hint="look"), "unavailable", ExitCode.UNAVAILABLE, id="outside"
        ),
    ],
)
def test_what_could_not_be_asked_has_its_error(error: BisectError, answer: str, code: ExitCode) -> None:
    row = row_of_error("leak.py", error, package="demo")

    assert (row.package, row.answer, row.exit_code) == ("demo", answer, code)
    assert (row.problem, row.hint) == (str(error), "look")


def rows() -> list[SuiteRow]:
    found = [
        row_of("leak.py", FOUND, BROKEN_IN),
        row_of("other.py", FOUND, Claim(version="1.0", fixed=False)),
        row_of("hang.py", NOT_FOUND, None),
        row_of_error("broken.py", UsageError("`broken.py` is no TOML", hint="mend it")),
        row_of_bug("odd.py", ValueError("surprise"), package="demo"),
        row_interrupted("late.py", "demo"),
    ]
    return [replace(each, number=number) for number, each in enumerate(found, start=1)]


def text(report: SuiteReport, width: int = 140) -> list[str]:
    out = StringIO()
    render(report, SafeConsole(file=out, width=width))
    return out.getvalue().splitlines()


def test_the_table_has_a_line_for_each_probe_and_below_it_why_some_have_no_answer() -> None:
    lines = text(suite_report(rows(), elapsed_s=108, is_interrupted=True))

    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[:7]]
    assert cells == [
        ["Probe", "Package", "Result", "Cause", "Claim", "Runs", "Time"],
        ["leak.py", "demo", "1.1 → 1.2 (bad)", "it installs dep 2.0", "broken in 1.2: agrees", "0", "58 s"],
        [
            "other.py",
            "demo",
            "1.1 → 1.2 (bad)",
            "it installs dep 2.0",
            "broken in 1.0: disagrees",
            "0",
            "58 s",
        ],
        ["hang.py", "demo", "not reproduced", "0", "58 s"],
        ["broken.py", "not run"],
        ["odd.py", "demo", "a bug of bisect-asgi"],
        ["late.py", "demo", "interrupted"],
    ]
    assert lines[7:] == [
        "",
        "hang.py: `leak.py` passes everywhere",
        "  hint: try `--all`",
        "",
        "broken.py: `broken.py` is no TOML",
        "  hint: mend it",
        "",
        "odd.py: a bug of bisect-asgi: ValueError: surprise",
        "",
        "2 of 6 probes have their result, 1 claim disagrees, 1 min 48 s",
    ]


def test_a_table_that_is_too_wide_becomes_a_few_lines_for_each_probe() -> None:
    lines = text(suite_report(rows(), elapsed_s=108, is_interrupted=True), width=70)

    assert lines[:10] == [
        "leak.py (demo)",
        "  1.1 → 1.2 (bad), it installs dep 2.0",
        "  broken in 1.2: agrees",
        "  0 runs, 58 s",
        "",
        "other.py (demo)",
        "  1.1 → 1.2 (bad), it installs dep 2.0",
        "  broken in 1.0: disagrees",
        "  0 runs, 58 s",
        "",
    ]
    assert "  interrupted" in lines
    assert lines[-1] == "2 of 6 probes have their result, 1 claim disagrees, 1 min 48 s"


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_no_word_of_a_suite_is_broken(width: int) -> None:
    lines = text(suite_report(rows(), elapsed_s=108, is_interrupted=True), width=width)

    assert all(len(line) <= width for line in lines)
    assert {"leak.py", "broken.py", "late.py"} <= {word for line in lines for word in line.split()}


def test_where_the_time_went_is_told_of_each_probe_that_was_run_when_it_is_asked() -> None:
    report = suite_report(rows(), elapsed_s=108, is_interrupted=False)
    out = StringIO()

    render(report, SafeConsole(file=out, width=140), timings=True)

    titles = [line for line in out.getvalue().splitlines() if line.startswith("Timings")]
    assert titles == ["Timings of leak.py", "Timings of other.py", "Timings of hang.py"]
    assert not any("Timings" in line for line in text(report))


def test_without_claims_the_table_has_no_column_for_them() -> None:
    lines = text(suite_report([row_of("leak.py", FOUND, None)], elapsed_s=58, is_interrupted=False))

    assert lines[0].split() == ["Probe", "Package", "Result", "Cause", "Runs", "Time"]
    assert lines[-1] == "1 of 1 probe has its result, 58 s"


def test_what_probes_say_is_no_markup() -> None:
    row = replace(row_of("leak.py", NOT_FOUND, None), problem="[bold]x[/bold]", probe="[red].py")

    lines = text(suite_report([row], elapsed_s=1, is_interrupted=False))

    assert lines[1].startswith("[red].py ")
    assert "[red].py: [bold]x[/bold]" in lines


def test_the_exit_code_is_the_worst_of_all_rows_and_an_interrupts_above_them() -> None:
    found = [row_of("leak.py", FOUND, None)]

    assert suite_report(found, elapsed_s=1, is_interrupted=False).exit_code is ExitCode.FOUND
    assert suite_report(found, elapsed_s=1, is_interrupted=True).exit_code is ExitCode.INTERRUPTED
    assert suite_report(rows()[:5], elapsed_s=1, is_interrupted=False).exit_code is ExitCode.BUG


def test_the_document_has_all_reports() -> None:
    document = json.loads(render_json(suite_report(rows(), elapsed_s=108, is_interrupted=True)))

    assert (document["schema"], document["exit_code"]) == ("bisect-asgi.suite/2", 130)
    first, _, _, broken, *_ = document["probes"]
    assert (first["answer"], first["agreement"], first["report"]["first"]) == (
        "1.1 → 1.2 (bad)",
        "agrees",
        "1.2",
    )
    assert (broken["exit_code"], broken["problem"], broken["report"]) == (2, "`broken.py` is no TOML", None)


def test_progress_says_what_has_ended_and_what_runs() -> None:
    lines: list[str] = []
    board = Board(lines.append, total=3)

    board.begun("leak.py")
    board.begun("hang.py")
    board.ended(row_of("leak.py", FOUND, None))
    board.begun("broken.py")
    board.ended(row_of_error("broken.py", UsageError("it is no TOML")))
    board.ended(row_of("hang.py", NOT_FOUND, None))

    assert lines == [
        "running: leak.py",
        "running: hang.py",
        "[1/3] demo with leak.py: 1.1 → 1.2 (bad), it installs dep 2.0, 58 s; running: hang.py",
        "[2/3] broken.py: not run: it is no TOML; running: hang.py",
        "[3/3] demo with hang.py: not reproduced: `leak.py` passes everywhere, 58 s",
    ]


# --- One probe on several Pythons


def stretch(specifier: str, *run: str) -> AffectedStretch:
    return AffectedStretch(specifier=specifier, run=run, inferred=())


def row(version: str, verdict: str, how: ReleaseState = ReleaseState.RUN) -> Row:
    return Row(version=version, uploaded=None, verdict=verdict, how=how)


GOOD = (row("1.0", "good"), row("1.1", "good", ReleaseState.INFERRED), row("1.2", "good"))
AFFECTED = replace(FOUND, affected=(stretch(">=1.2,<2", "1.2", "1.9"),))


def on(python: str, report: Report, *, number: int = 1) -> SuiteRow:
    return replace(row_of("leak.py", report, None), python=python, number=number)


def across(*rows: SuiteRow) -> SuiteReport:
    return suite_report(rows, elapsed_s=108, is_interrupted=False)


@pytest.mark.parametrize(
    ("report", "told"),
    [
        pytest.param(AFFECTED, "bad from 1.2 to 1.9", id="stretch"),
        pytest.param(
            replace(FOUND, affected=(stretch(">=1.2,<1.3", "1.2"),)), "bad in 1.2", id="one-release"
        ),
        pytest.param(
            replace(FOUND, affected=(stretch("<1.2", "1.0", "1.1"), stretch(">=2", "2.0", "2.1"))),
            "bad from 1.0 to 1.1 and from 2.0 on",
            id="several-and-open",
        ),
        pytest.param(
            replace(FOUND, affected=(stretch(">=1.2,<=1.9", "1.2", "1.9"),)),
            "bad from 1.2 to at least 1.9",
            id="as-far-as-it-was-run",
        ),
        pytest.param(
            replace(FOUND, affected=(stretch(">=1.2,<1.5", "1.2", "1.4"),), searched=("1.2", "1.9")),
            "bad up to 1.4 (oldest run: 1.2)",
            id="older-ones-were-not-run",
        ),
        pytest.param(
            replace(FOUND, affected=(stretch(">=1.2,<1.5", "1.2", "1.4"),), searched=("1.1", "1.9")),
            "bad from 1.2 to 1.4",
            id="an-older-one-was-run",
        ),
        pytest.param(FOUND, "1.1 → 1.2 (bad)", id="no-versions"),
        pytest.param(replace(NOT_FOUND, rows=GOOD), "good on every release run", id="never"),
        pytest.param(
            replace(NOT_FOUND, rows=(row("1.0", "bad"), row("1.2", "bad"))),
            "bad on every release run",
            id="always",
        ),
        pytest.param(
            replace(
                NOT_FOUND,
                kind=ResultKind.GOOD_END_FAILS,
                exit_code=ExitCode.GOOD_END_FAILS,
                rows=(row("1.0", "bad"), row("1.2", "good")),
            ),
            "good end fails",
            id="the-ends-are-wrong",
        ),
        pytest.param(
            replace(NOT_FOUND, kind=ResultKind.INCONCLUSIVE, exit_code=ExitCode.INCONCLUSIVE, rows=GOOD),
            "inconclusive",
            id="untestable",
        ),
        pytest.param(
            replace(NOT_FOUND, kind=ResultKind.NOT_ASKED, exit_code=ExitCode.USAGE),
            "not run",
            id="not-installable",
        ),
    ],
)
def test_a_history_is_told_in_a_few_words(report: Report, told: str) -> None:
    assert history(on("3.8.20", report)) == told


def test_a_row_that_has_no_report_has_its_word_for_a_history() -> None:
    assert history(replace(row_interrupted("leak.py", "demo"), python="3.8.20")) == "interrupted"


def test_pythons_with_the_same_history_are_told_together() -> None:
    never = replace(NOT_FOUND, rows=GOOD)

    report = across(on("3.7.17", AFFECTED), on("3.8.20", never), on("3.9.18", AFFECTED), on("3.10.13", never))

    (told,) = report.across
    assert (told.probe, told.package) == ("leak.py", "demo")
    assert told.headline == (
        "Python 3.7 and 3.9: bad from 1.2 to 1.9; Python 3.8 and 3.10: good on every release run"
    )
    assert [(alike.pythons, alike.history) for alike in told.histories] == [
        (("3.7.17", "3.9.18"), "bad from 1.2 to 1.9"),
        (("3.8.20", "3.10.13"), "good on every release run"),
    ]
    assert report.exit_code is ExitCode.FOUND


def test_two_pythons_of_one_minor_version_are_told_with_their_whole_versions() -> None:
    assert across(on("3.8.1", AFFECTED), on("3.8.20", AFFECTED)).across[0].headline == (
        "Python 3.8.1 and 3.8.20: bad from 1.2 to 1.9"
    )


def test_the_table_of_one_probe_has_a_line_for_each_python() -> None:
    not_there = replace(NOT_FOUND, kind=ResultKind.NOT_ASKED, exit_code=ExitCode.USAGE, headline="no wheel")
    rows = [on("3.7.17", not_there), on("3.8.20", AFFECTED), on("3.9.18", replace(NOT_FOUND, rows=GOOD))]

    lines = text(across(*rows))

    assert lines[0] == (
        "demo: Python 3.7: not run; Python 3.8: bad from 1.2 to 1.9; Python 3.9: good on every release run"
    )
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[2:6]]
    assert cells == [
        ["Python", "Result", "History", "Cause", "Runs", "Time"],
        ["3.7.17", "not run", "0", "58 s"],
        ["3.8.20", "1.1 → 1.2 (bad)", "bad from 1.2 to 1.9", "it installs dep 2.0", "0", "58 s"],
        ["3.9.18", "not reproduced", "good on every release run", "0", "58 s"],
    ]
    # That nothing changes on 3.9 is no problem, because something does on 3.8.
    assert lines[6:] == ["", "Python 3.7.17: no wheel", "  hint: try `--all`", "", "3 Pythons, 1 min 48 s"]


def test_where_nothing_changes_on_any_python_it_is_said_once_with_what_to_do() -> None:
    lines = text(across(on("3.8.20", NOT_FOUND), on("3.9.18", NOT_FOUND)))

    assert lines[5:] == [
        "",
        "Python 3.8.20 and 3.9.18: `leak.py` passes everywhere",
        "  hint: try `--all`",
        "",
        "2 Pythons, 1 min 48 s",
    ]


def test_a_suite_may_have_a_probe_on_several_pythons() -> None:
    rows = [
        on("3.8.20", AFFECTED),
        on("3.9.18", replace(NOT_FOUND, rows=GOOD)),
        replace(row_of("hang.py", NOT_FOUND, None), number=2),
    ]

    report = across(*rows)
    lines = text(report)

    assert report.exit_code is ExitCode.NOT_REPRODUCED  # of hang.py
    assert lines[0] == (
        "demo with leak.py: Python 3.8: bad from 1.2 to 1.9; Python 3.9: good on every release run"
    )
    assert lines[2].split() == ["Probe", "Package", "Python", "Result", "History", "Cause", "Runs", "Time"]
    assert lines[7:] == [
        "hang.py: `leak.py` passes everywhere",
        "  hint: try `--all`",
        "",
        "1 of 2 probes have their result, 1 min 48 s",
    ]


def test_lock_files_on_several_pythons_are_of_no_package() -> None:
    locks = replace(AFFECTED, plan=replace(PLAN, project=""))

    assert text(across(on("3.8.20", locks)))[0] == "Python 3.8: bad from 1.2 to 1.9"


def test_progress_names_the_python() -> None:
    lines: list[str] = []
    board = Board(lines.append, total=2)
    first = on("3.8.20", FOUND)

    board.begun(first.name)
    board.ended(first)

    assert lines == [
        "running: leak.py on Python 3.8.20",
        "[1/2] leak.py on Python 3.8.20: 1.1 → 1.2 (bad), it installs dep 2.0, 58 s",
    ]
