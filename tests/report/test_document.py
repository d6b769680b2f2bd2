"""Reports: what hand-written logs come to, as rows, as text and as JSON."""

from __future__ import annotations

import json
import shlex
from itertools import pairwise

import pytest
from support.builders import (
    IMPORT_ERROR,
    broken,
    failed,
    passed,
    untestable,
)
from support.documents import (
    LISTED,
    ON_0_12_0,
    ON_0_12_1,
    REGRESSION,
    STARTED,
    answered,
    bad,
    finished,
    good,
    judged,
    shown,
    without_environment,
)

from bisect_asgi.core import codec, events
from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import (
    Boundary,
    Distribution,
    Outcome,
    Ruling,
    Verdict,
)
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.report import document as json_report
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.reproduce import reproduce
from bisect_asgi.session.axes.pythons import Pythons


def test_a_report_says_which_release_changed_the_answer() -> None:
    report = fold(REGRESSION)

    assert report.headline == "starlette broke in 0.12.1 (2019-04-05)"
    assert (report.last, report.first, report.gap) == ("0.12.0", "0.12.1", ())
    assert (report.kind, report.exit_code) == (ResultKind.FOUND, ExitCode.FOUND)
    assert report.elapsed_s == 108.0


def test_rows_say_what_was_run_and_what_is_only_inferred() -> None:
    report = fold(REGRESSION)

    assert [(row.version, row.how, row.verdict, row.passed, row.failed) for row in report.rows] == [
        ("0.10.0", ReleaseState.NOT_RUN, "", 0, 0),
        ("0.11.0", ReleaseState.NOT_RUN, "", 0, 0),
        ("0.12.0", ReleaseState.RUN, "good", 2, 0),
        ("0.12.1", ReleaseState.RUN, "bad", 0, 2),
        ("0.13.0", ReleaseState.RUN, "bad", 0, 1),
    ]
    assert [row.runs for row in report.rows] == [0, 0, 2, 2, 1]
    assert [row.remembered for row in report.rows] == [0, 0, 0, 0, 1]


def test_nothing_is_inferred_beyond_the_newest_release_that_was_run() -> None:
    log = [
        STARTED,
        LISTED,
        finished(0, failed()),
        finished(1, passed()),
        judged(
            {0: Ruling(verdict=Verdict.OLD, outcome=Outcome.FAILED, failed=1), 1: good()},
            new_is=Outcome.PASSED,
        ),
        answered(boundary=Boundary(low=0, high=1)),
    ]

    report = fold(log)

    assert [(row.how, row.verdict) for row in report.rows[2:]] == [(ReleaseState.NOT_RUN, "")] * 3
    assert report.headline == "starlette was fixed in 0.11.0 (2019-02-05)"


def test_nothing_is_inferred_where_no_boundary_was_found() -> None:
    log = [STARTED, LISTED, finished(4, failed()), judged({4: bad()}), answered(ResultKind.INTERRUPTED)]

    report = fold(log)

    assert [(row.how, row.verdict) for row in report.rows] == [(ReleaseState.NOT_RUN, "")] * 4 + [
        (ReleaseState.RUN, "bad")
    ]
    assert (report.last, report.first) == (None, None)


def test_a_broken_candidate_has_no_verdict() -> None:
    log = [
        STARTED,
        LISTED,
        finished(2, passed()),
        without_environment(3, broken()),
        finished(4, failed()),
        judged({2: good(), 4: bad()}),
        answered(ResultKind.UNAVAILABLE, message="no result for starlette 0.12.1"),
    ]

    row = fold(log).rows[3]

    assert (row.how, row.verdict, row.passed, row.failed) == (ReleaseState.NOT_RUN, "", 0, 0)


def test_untestable_and_different_releases_are_skips_with_their_reasons() -> None:
    different = Ruling(
        verdict=Verdict.SKIP, outcome=Outcome.FAILED, signature=IMPORT_ERROR, fails_differently=True, failed=1
    )
    skipped = Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=untestable().signature)
    log = [
        STARTED,
        LISTED,
        finished(1, passed()),
        finished(2, failed(IMPORT_ERROR)),
        without_environment(3, untestable()),
        finished(4, failed()),
        judged({1: good(), 2: different, 3: skipped, 4: bad()}),
        answered(
            ResultKind.INCONCLUSIVE,
            boundary=Boundary(low=1, high=4, skipped=(2, 3)),
            message="in one of them",
        ),
    ]

    report = fold(log)

    assert [(row.verdict, row.fails_differently) for row in report.rows[2:4]] == [
        ("skip", True),
        ("skip", False),
    ]
    assert report.rows[3].signature == untestable().signature
    assert report.gap == ("0.12.0", "0.12.1")
    assert (report.headline, report.exit_code) == ("in one of them", 5)


def test_the_users_words_stand_for_both_verdicts() -> None:
    log = [replace(STARTED, term_old="fast", term_new="slow"), *REGRESSION[1:]]

    report = fold(log)

    assert report.headline == "starlette 0.12.1 is the first slow release"
    assert [row.verdict for row in report.rows] == ["", "", "fast", "slow", "slow"]


def twice(*, shortest: int | None) -> list[events.Event]:
    """0.10.0 fails, too."""
    changes = (Boundary(low=0, high=2, skipped=(1,)), Boundary(low=2, high=3))
    skipped = Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=untestable().signature)
    return [
        *REGRESSION[:-2],
        finished(0, failed()),
        without_environment(1, untestable()),
        judged({0: bad(), 1: skipped, 2: good(2), 3: bad(2), 4: bad()}),
        answered(changes=changes, shortest=shortest),
    ]


def test_every_change_of_a_history_is_told() -> None:
    report = fold(twice(shortest=1))

    assert (
        report.headline
        == "starlette was fixed between 0.10.0 and 0.12.0 (2019-03-05) and broke in 0.12.1 (2019-04-05)"
    )
    assert [(c.last, c.first, c.verdict, c.gap) for c in report.changes] == [
        ("0.10.0", "0.12.0", "good", ("0.11.0",)),
        ("0.12.0", "0.12.1", "bad", ()),
    ]
    lines = shown(report).splitlines()
    assert "Change      0.10.0 → 0.12.0 is good (1 release between untestable)" in lines
    assert "Change      0.12.0 → 0.12.1 is bad" in lines


def test_candidates_that_answer_as_the_newer_side_are_kept_as_contradictions() -> None:
    log = [*REGRESSION[:-2], finished(0, failed())]
    log += [
        judged({0: bad(), 2: good(2), 3: bad(2), 4: bad()}),
        answered(boundary=Boundary(low=2, high=3, contradictions=(0,))),
    ]

    report = fold(log)

    assert report.contradictions == ("0.10.0",)
    assert (report.rows[0].how, report.rows[0].verdict) == (ReleaseState.RUN, "bad")


def test_the_last_rulings_count() -> None:
    log = [STARTED, LISTED, judged({3: good()}), judged({3: bad(2)}), answered()]

    assert fold(log).rows[3].verdict == "bad"


def test_rulings_hold_until_they_are_withdrawn() -> None:
    log = [STARTED, LISTED, judged({2: good(), 3: bad(), 4: bad()}), judged({}), judged({3: bad(2)})]

    assert [row.how for row in fold(log).rows[2:]] == [ReleaseState.RUN] * 3
    log.append(replace(judged({}), withdrawn=(3,)))
    assert [row.how is ReleaseState.RUN for row in fold(log).rows[2:]] == [True, False, True]


def test_a_log_that_was_cut_off_is_a_report_of_what_was_known_by_then() -> None:
    cut = REGRESSION[:6]

    report = fold(cut)

    assert (report.kind, report.exit_code) == (ResultKind.INTERRUPTED, 130)
    assert report.headline == "the log ends before the run does"
    assert [bool(row.observations) for row in report.rows] == [False, False, True, False, True]


def test_a_log_of_something_else_is_an_error() -> None:
    with pytest.raises(UsageError) as caught:
        fold([LISTED])

    assert str(caught.value) == "this is no event log of a run"
    assert caught.value.hint == "logs begin with the event `RunStarted`"


def test_both_sides_have_a_command_that_reproduces_them_with_uv_alone() -> None:
    assert fold(REGRESSION).reproduce == (("0.12.0", ON_0_12_0), ("0.12.1", ON_0_12_1))


@pytest.mark.parametrize(
    ("plan", "end"),
    [
        pytest.param(
            replace(STARTED, probe="my probes/leak.py"), "python 'my probes/leak.py'", id="a-blank-in-it"
        ),
        pytest.param(
            replace(STARTED, probe="", command="pytest -x 'test it.py'"),
            """sh -c 'pytest -x '"'"'test it.py'"'"''""",
            id="a-command",
        ),
    ],
)
def test_the_command_to_reproduce_can_be_pasted_into_a_shell(plan: events.RunStarted, end: str) -> None:
    report = fold([plan, *REGRESSION[1:]])

    _, command = report.reproduce[0]

    assert command.endswith(f" --with uvicorn==0.17.6 {end}")


PINS = tuple(Distribution(name=name, version="1") for name in ("app", "engine", "pump"))


SERVED = replace(
    STARTED,
    project="app",
    requirement="app[all]=={version}",
    served=True,
    check_options=("--probe", "leak.py", "'--load=GET /'"),
)


def test_a_set_that_requirements_forbid_is_installed_without_looking_at_them() -> None:
    make, install, run = reproduce(STARTED, PINS, python="3.8", exact=True).split(" && ")

    assert shlex.split(make)[:2] == ["uv", "venv"]
    assert "--no-deps" in install
    assert {str(pin) for pin in PINS} <= set(shlex.split(install))
    assert run.endswith("bin/python probes/leak.py")


def test_what_was_built_from_a_commit_is_built_again_from_it() -> None:
    source = "app @ git+https://example.org/app.git@0123abc"

    words = shlex.split(reproduce(STARTED, PINS, python="3.8", source=source))

    installed = [word for option, word in pairwise(words) if option == "--with"]
    assert installed == [source, "engine==1", "pump==1"]


@pytest.mark.parametrize("exact", [False, True])
def test_a_command_is_run_with_the_environments_programs(exact: bool) -> None:
    plan = replace(STARTED, probe="", command="pytest -x 'test it.py'")

    words = shlex.split(reproduce(plan, PINS, python="3.8", exact=exact))

    assert words[-3:] == ["sh", "-c", "pytest -x 'test it.py'"]


@pytest.mark.parametrize("exact", [False, True], ids=["free", "exact"])
def test_a_served_probe_is_run_by_this_tool_because_uv_alone_cannot(exact: bool) -> None:
    words = shlex.split(reproduce(SERVED, PINS, python="3.8", exact=exact))

    assert words[:5] == ["bisect-asgi", "check", "app[all]==1", "--python", "3.8"]
    assert words[5:8] == ["--probe", "leak.py", "--load=GET /"]
    # The whole set is asked for, and what its own requirements say of it is set aside.
    whole = {f"{option}={pin}" for pin in PINS if pin.name != "app" for option in ("--with", "--override")}
    assert {word for word in words[8:] if "app" not in word} == (whole if exact else set())


def test_each_side_is_reproduced_on_its_own_interpreter() -> None:
    plan = replace(STARTED, over="python", axis=replace(Pythons.words, context="with starlette==1"))
    pythons = (*("3.8.18",) * 3, *("3.12.1",) * 2)
    listed = replace(
        LISTED,
        candidates=tuple(replace(c, python=p) for c, p in zip(LISTED.candidates, pythons, strict=True)),
    )

    report = fold([plan, listed, *REGRESSION[3:]])

    assert [command.partition("--python ")[2].split()[0] for _, command in report.reproduce] == [
        "3.8.18",
        "3.12.1",
    ]
    assert (report.interpreter, report.affected) == (None, ())
    assert report.headline == "Python 0.12.1 is the first bad interpreter with starlette==1"


def test_the_json_document_says_its_schema_and_reads_back_as_the_report() -> None:
    report = fold(REGRESSION)

    document = json_report.render(report)

    assert "\n" not in document
    assert codec.from_json(document, Report) == report


def test_the_json_document_has_what_a_script_needs() -> None:
    document = json.loads(json_report.render(fold(REGRESSION)))

    assert document["schema"] == "bisect-asgi.report/2"
    assert (document["kind"], document["exit_code"]) == ("found", 0)
    assert (document["last"], document["first"]) == ("0.12.0", "0.12.1")
    assert document["plan"]["dependencies"] == "as-of-release"
    assert document["interpreter"]["version"] == "3.8.18"
    assert document["excluded"][0]["reason"] == "pre-release (include with `--pre`)"
    assert [row["how"] for row in document["rows"]] == ["not run", "not run", "run", "run", "run"]
    assert document["rows"][3]["signature"]["shown"] == "AssertionError: expected 200, got 500"
    assert document["rows"][3]["distributions"][0] == {"name": "starlette", "version": "0.12.1"}
    assert [run["wall_s"] for run in document["rows"][3]["observations"]] == [1.0, 1.2]


def test_a_log_on_the_disk_makes_the_same_report_as_the_run_itself() -> None:
    lines = [codec.event_to_json(event) for event in REGRESSION]

    assert fold(map(codec.event_from_json, lines)) == fold(REGRESSION)


def test_the_headline_tells_that_the_newest_release_is_fine_also_if_the_fix_has_no_place_yet() -> None:
    runs = (finished(2, passed()), finished(3, failed()), finished(4, passed()))
    rulings = judged({2: good(), 3: bad(), 4: good()})

    report = fold([*REGRESSION[:3], *runs, rulings, answered()])

    assert report.headline == (
        "starlette broke in 0.12.1 (2019-04-05); starlette 0.13.0, the newest that was run, is good"
    )
    assert [stretch.specifier for stretch in report.affected] == [">=0.12.1,<0.13.0"]
