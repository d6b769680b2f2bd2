"""The report that fits on a screen: of every shape of result, at every width, with names of any length."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.answer_reports import REPORTS, history, screen, widest
from support.documents import REGRESSION, STARTED

from bisect_asgi.core import events
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.records import replace
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.headline import brief

BOTTOM, SIDE = "╰", "│"
every_shape = pytest.mark.parametrize(
    "report", [pytest.param(each, id=name) for name, each in REPORTS.items()]
)


def flat(lines: list[str]) -> str:
    return " ".join(" ".join(lines).replace(SIDE, " ").split())


def in_box(text: str) -> str:
    return f"│ {text:<76} │"


def test_a_regression_shown_whole() -> None:
    assert screen(fold(REGRESSION)) == [
        "Last good   0.12.0 (2019-03-05): passed 2 of 2 runs",
        "First bad   0.12.1 (2019-04-05): failed 2 of 2 runs: AssertionError: expected",
        "            200, got 500",
        "Affected    >=0.12.1 (all run; searched 0.12.0 to 0.13.0)",
        "History     one change is assumed (`--history all` looks for others)",
        "With        Python 3.8.18, uvicorn==0.17.6, other dependencies as of each",
        "            release's upload",
        "Runs        5 runs on 3 of 5 releases, 1 min 48 s",
        "Reproduce   bisect-asgi check starlette==0.12.1 --python 3.8",
        "More        bisect-asgi report --full",
        f"╭{'─' * 78}╮",
        in_box("starlette broke in 0.12.1 (2019-04-05)"),
        in_box('Fix         "starlette<0.12.1" (run: 0.12.0)'),
        f"╰{'─' * 78}╯",
    ]


@every_shape
@pytest.mark.parametrize("width", [80, 120, 200])
def test_it_fits_on_a_screen_with_the_result_above_the_prompt(report: Report, width: int) -> None:
    lines = screen(report, width=width)

    assert len(lines) < 24
    assert widest(lines) <= width
    assert lines[-1].startswith(BOTTOM)
    top = max(place for place, line in enumerate(lines) if line.startswith("╭"))
    box = flat(lines[top + 1 : -1])
    assert box.startswith(brief(report)[:40])
    assert [fix.requirement in box.replace('"', "") for fix in report.fix] == [True] * len(report.fix)
    assert sum(line.startswith("More ") for line in lines) == 1


@every_shape
def test_a_pipe_gets_the_sentence_first_and_all_of_the_same(report: Report) -> None:
    lines = screen(report, is_terminal=False)

    assert len(lines) <= 24
    assert widest(lines) <= 80
    assert flat(lines).startswith(brief(report)[:40])
    assert lines[-1].startswith("More ")
    of_terminal = flat(screen(report)).replace("╭", "").replace("╰", "")
    assert all(fix.requirement.split()[0] in of_terminal for fix in report.fix)


@every_shape
def test_a_command_that_reproduces_is_whole_or_not_there(report: Report) -> None:
    lines = screen(report)

    shown = [line for line in lines if line.startswith("Reproduce ")]
    assert bool(shown) == bool(report.check)
    if report.check:
        assert report.check in flat(lines).replace(" \\ ", " ")


@pytest.mark.parametrize("name", [name for name, each in REPORTS.items() if each.exit_code is ExitCode.FOUND])
def test_a_boundary_has_both_its_sides_with_their_runs(name: str) -> None:
    report = REPORTS[name]
    text = flat(screen(report))

    for which, version in (("Last", report.last), ("First", report.first)):
        row = report.row(version)
        assert row is None or f"{which} {row.verdict} {version}" in text


NAMES = st.from_regex(r"[a-z]{1,60}(-[a-z]{1,40}){0,3}", fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=300)


@settings(max_examples=60, deadline=None)
@given(NAMES, WORDS, WORDS, st.integers(60, 130), st.booleans(), st.sampled_from(["+--++", "++???", "-+-+-"]))
def test_names_of_any_length_fit(
    name: str, note: str, path: str, width: int, is_terminal: bool, verdicts: str
) -> None:
    axis = replace(STARTED.axis, subject=name, others=(f"held: {note}", note))
    words = ("--probe", "'" + path.replace("'", "") + "'")
    started = replace(
        STARTED, project=name, requirement=f"{name}=={{version}}", axis=axis, check_beside_table=words
    )
    log = [started, *REGRESSION[1:-1], events.Note(text=note), REGRESSION[-1]]
    for report in (fold(log), history(verdicts, started=started)):
        lines = screen(report, width=width, is_terminal=is_terminal)

        assert len(lines) <= 24
        assert widest(lines) <= width


def test_what_is_left_out_is_counted() -> None:
    notes = [events.Note(text=f"note {number}: {'words ' * 30}") for number in range(9)]

    lines = screen(fold([*REGRESSION[:-1], *notes, REGRESSION[-1]]))

    (more,) = (line for line in lines if line.startswith("More"))
    told = sum(line.startswith("Note ") for line in lines)
    assert 0 < told < 9
    assert more == f"More        bisect-asgi report --full ({9 - told} more facts)"


def test_yanked_releases_are_not_among_those_that_the_headline_counts() -> None:
    report = REPORTS["always-bad"]
    yanked = replace(report.rows[0], version="0.9.0", yanked="loses data")

    lines = screen(replace(report, rows=(yanked, *report.rows)))

    assert flat(lines).startswith("Failed 5: ")


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        (
            "broken-and-fixed",
            [
                "Changes 0.10.0 → 0.11.0 bad; 0.12.0 → 0.12.1 good",
                "starlette broke in 0.11.0 (2019-02-05) and was fixed in 0.12.1 (2019-04-05)",
                'Fix "starlette>=0.12.1" (run: 0.12.1 and 0.13.0)',
                'or "starlette<0.11.0" (run: 0.10.0)',
                "Reproduce bisect-asgi check starlette==0.12.0",
            ],
        ),
        (
            "gap",
            [
                "Untestable 0.12.0 and 0.12.1: the requirements conflict",
                'Fix "starlette<=0.11.0"',
                "the change is in one of",
            ],
        ),
        ("nothing", ["passes on every release that was tested; a state of 1 release may have been missed"]),
        ("always-bad", ["5 releases from 0.10.0 to 0.13.0, all run"]),
        ("untestable", ["Untestable 0.11.0, 0.12.0 and 0.12.1: the requirements conflict"]),
        (
            "flaky",
            [
                "Confidence 99.7% probability; 0 of 12 runs failed up to 1.2, 9 of 12 runs failed from 1.3",
                "First bad 1.3: failed 9 of 12 runs",
                "(fails 75% from 1.3 on, 0% before)",
            ],
        ),
        ("threshold", ["Threshold the ratio of wall to 1.0's above 1.5 ×"]),
        ("levels", ["Trend", "Level 1.0 → 1.1: 12582912 → 25165824 (+100%) (98.0% probability)"]),
        (
            "own-terms",
            [
                "Last fast 0.11.0",
                "First slow 0.12.0",
                'For fast "starlette<0.12.0"',
                "is the first slow release",
            ],
        ),
        (
            "dependency",
            ["Cause dep 4 (bad from 3 on), required by app 2.0: with dep reverted to 1, app 2.0 is good"],
        ),
        ("free-dependency", ["installed with app 2.0", 'or "dep<=1" with app 2.0 (run: dep 1)']),
        ("package", ["Cause app itself: app 2.0 is bad with the dependencies of app 1.0"]),
        ("pulled-in", ["Cause app itself, which does not run without idle 7.0"]),
        ("together", ["Cause app 2.0 and dep 4 together; with any of them reverted, it is good"]),
        ("either", ["Cause each of app 2.0 and dep 4 alone"]),
        ("only-difference", ["Cause dep 4 (bad from 3 on): nothing else differs"]),
        ("no-culprit", ["Cause the cause could not be determined: the index is down"]),
        ("over-dependency", ["dep broke in 2 (2021-02-01) with app==1.0", 'Fix "dep<2" (run: 1)']),
        ("over-date", ["app 1.0 broke with dep 2.0 (uploaded 2021-02-01)"]),
        ("over-python", ["Python 3.9.18 is the first bad interpreter", 'Fix "python<3.9" (run: 3.8.18)']),
        ("chain", ["starlette 0.11.0 is the last good release", 'Fix "starlette<0.12.0" (run: 0.11.0)']),
        ("by-upload", ['Fix "starlette==0.11.0" (run: 0.11.0)']),
    ],
)
def test_each_shape_says_what_is_special_about_it(name: str, facts: list[str]) -> None:
    text = flat(screen(REPORTS[name], width=120))

    for fact in facts:
        assert fact in text
