"""The report as text, shown whole, and what a probe said in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.builders import (
    a_plan,
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

from bisect_asgi.core import events
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import (
    Boundary,
    Outcome,
    Phase,
    Ruling,
    Verdict,
)
from bisect_asgi.core.plan import DependencyPolicy, PolicyKind
from bisect_asgi.core.records import replace
from bisect_asgi.core.tally import Tally
from bisect_asgi.report.folding import fold
from bisect_asgi.session.axes.releases import Releases

WHOLE = f"""\
starlette broke in 0.12.1 (2019-04-05)

Last good   0.12.0 (2019-03-05): passed 2 of 2 runs
First bad   0.12.1 (2019-04-05): failed 2 of 2 runs: AssertionError: expected 200, got 500
Affected    >=0.12.1 (searched 0.12.0 to 0.13.0)
History     one change is assumed (`--history all` looks for others)
Python      3.8.18: can install 5 of 5 releases
With        dependencies as of each release's upload; held: uvicorn==0.17.6
Runs        5 runs (1 cached) on 3 of 5 releases, 1 min 48 s
Fix         "starlette<0.12.1" (run: 0.12.0)

Release          Uploaded    Verdict  Runs    Time  Details
0.10.0 … 0.11.0              ?                      2 releases: not run
0.12.0           2019-03-05  good     2     0.90 s
0.12.1           2019-04-05  bad      2      2.2 s  AssertionError: expected 200, got 500
0.13.0           2019-05-05  bad      1     0.50 s  AssertionError: expected 200, got 500

Excluded
  1 release: pre-release (include with `--pre`) (0.13.0b1)

Reproduce
  # 0.12.0 (good)
  {ON_0_12_0}
  # 0.12.1 (bad)
  {ON_0_12_1}"""


def test_the_text_report_shown_whole() -> None:
    assert shown(fold(REGRESSION)) == WHOLE


def test_a_command_to_paste_is_one_line_however_narrow_the_terminal() -> None:
    report = fold(REGRESSION)

    lines = shown(report, width=60).splitlines()

    assert [f"  {command}" in lines for _, command in report.reproduce] == [True, True]


@pytest.mark.parametrize("kind", ResultKind)
def test_the_text_has_the_sentence_of_each_result_and_an_error_is_said_elsewhere(kind: ResultKind) -> None:
    message = "`leak.py` fails on every release"
    log = [*REGRESSION[:-1], answered(kind, boundary=None, message=message)]

    report = fold(log)

    assert message in report.headline
    assert (report.headline in shown(report)) is (kind not in (ResultKind.UNAVAILABLE, ResultKind.NOT_ASKED))
    assert "First bad" not in shown(report)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        pytest.param(DependencyPolicy(), "dependencies as of each release's upload", id="as-of-release"),
        pytest.param(DependencyPolicy(kind=PolicyKind.LATEST), "latest dependencies", id="latest"),
        pytest.param(
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=datetime(2022, 1, 10, 23, 59, 59, tzinfo=UTC)),
            "dependencies as of 2022-01-10",
            id="as-of-a-day",
        ),
    ],
)
def test_the_dependency_policy_is_told_in_words(policy: DependencyPolicy, words: str) -> None:
    report = fold([replace(STARTED, axis=Releases().words_of(a_plan(policy=policy))), *REGRESSION[1:]])

    (line,) = (line for line in shown(report).splitlines() if line.startswith("With"))

    assert line == f"With        {words}"


def test_the_step_that_served_a_release_is_told_where_it_is_not_the_usual_one() -> None:
    step = "as of the date, building source distributions (minibuild built with tools of 2020-01-01)"
    log = [*REGRESSION[:5], finished(2, passed(), step=step), *REGRESSION[6:8], *REGRESSION[9:]]

    assert f"0.12.0: {step}" in " ".join(shown(fold(log), width=300).split("\n"))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("got [red]x[/red]", id="styles"),
        pytest.param("no such tag [/items]", id="closing-tag"),
        pytest.param("raised :bug: here", id="emoji-code"),
    ],
)
def test_what_a_probe_said_is_shown_as_it_is(message: str) -> None:
    failure = signature.of_exception("AssertionError", message, phase=Phase.CHECK)
    log = [
        *REGRESSION[:4],
        finished(2, passed()),
        finished(3, failed(failure)),
        judged({2: good(), 3: bad(failure=failure)}),
        answered(),
    ]

    lines = shown(fold(log)).splitlines()

    (row,) = (line for line in lines if line.startswith("0.12.1 "))
    assert row.endswith(f"AssertionError: {message}")


TRIED = finished(2, passed()), finished(3, failed())
SKIPPED = Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=untestable().signature)
BELIEF = events.BeliefUpdated(
    low=2,
    high=3,
    probability=0.995,
    old=Tally(passed=3, failed=1).rate,
    new=Tally(failed=3).rate,
    first=3,
    last=3,
    confidence=0.99,
)


@pytest.mark.parametrize(
    ("rulings", "fields", "told"),
    [
        pytest.param({}, {"shortest": 1}, "3 releases from 0.12.0 to 0.13.0, all run", id="all"),
        pytest.param(
            {0: good(), 1: SKIPPED},
            {"shortest": 1},
            "5 releases from 0.10.0 to 0.13.0, all run but 1 untestable",
            id="untestable-inside",
        ),
        pytest.param(
            {0: SKIPPED, 1: SKIPPED},
            {"shortest": 1},
            "3 releases from 0.12.0 to 0.13.0, all run",
            id="untestable-beyond",
        ),
        pytest.param(
            {0: good()},
            {"shortest": 2},
            "from 0.10.0 to 0.13.0, a state of 1 release may have been missed (`--history all`)",
            id="one-is-not-run",
        ),
        pytest.param(
            {},
            {"shortest": 4},
            "from 0.12.0 to 0.13.0, a state of up to 3 releases may have been missed (`--history all`)",
            id="several-are-not-run",
        ),
        pytest.param(
            {0: bad()},
            {"boundary": Boundary(low=2, high=3, contradictions=(0,))},
            "more than one change: 0.10.0 is bad, too (`--history all` finds all)",
            id="one-that-contradicts",
        ),
        pytest.param(
            {0: bad(), 1: bad()},
            {"boundary": Boundary(low=2, high=3, contradictions=(0, 1))},
            "more than one change: 0.10.0 and 0.11.0 are bad, too (`--history all` finds all)",
            id="two-that-contradict",
        ),
    ],
)
def test_what_is_known_of_the_history_is_a_line(
    rulings: dict[int, Ruling], fields: dict[str, object], told: str
) -> None:
    log = [*REGRESSION[:-1], judged({**rulings, 2: good(2), 3: bad(2), 4: bad()}), answered(**fields)]

    lines = shown(fold(log), width=200).splitlines()

    assert f"History     {told}" in lines


def test_a_yanked_release_that_was_run_beside_the_others_is_not_their_newest() -> None:
    yanked = events.CandidateListed(version="0.14.0", uploaded=None, yanked="lost a file")
    listed = replace(LISTED, candidates=(*LISTED.candidates, yanked))
    run = finished(4, passed())
    beside = replace(run, trial=replace(run.trial, key=5, label="0.14.0"))
    rulings = judged({2: good(2), 3: bad(2), 4: bad(), 5: good()})

    report = fold([*REGRESSION[:2], listed, *REGRESSION[4:7], beside, rulings, answered(shortest=1)])

    assert report.headline == "starlette broke in 0.12.1 (2019-04-05)"
    assert "History     3 releases from 0.12.0 to 0.13.0, all run" in shown(report).splitlines()


def test_two_candidates_have_no_history() -> None:
    listed = replace(LISTED, candidates=LISTED.candidates[2:4])
    trials = [replace(event, trial=replace(event.trial, key=key)) for key, event in enumerate(TRIED)]

    report = fold(
        [STARTED, listed, *trials, judged({0: good(), 1: bad()}), answered(boundary=Boundary(low=0, high=1))]
    )

    assert "First bad" in shown(report)
    assert "History" not in shown(report)


def test_of_a_flaky_history_the_probability_says_it() -> None:
    assert "History" not in shown(fold([*REGRESSION[:-1], BELIEF, REGRESSION[-1]]))


def test_a_release_that_nobody_tried_has_no_part_in_the_fault_of_its_neighbour() -> None:
    log = [*REGRESSION[:-2], without_environment(1, broken()), judged({2: good(2), 3: bad(2)}), answered()]

    lines = shown(fold(log)).splitlines()

    told = {line.split()[0]: line.split("  ")[-1] for line in lines if line.startswith(("0.10.0", "0.11.0"))}
    assert told["0.10.0"] == "not run"
    assert told["0.11.0"].startswith("no result: ")


def test_neighbours_that_cannot_be_tested_for_one_reason_are_one_line() -> None:
    log = [
        *REGRESSION[:-2],
        without_environment(0, untestable()),
        without_environment(1, untestable()),
        judged({0: SKIPPED, 1: SKIPPED, 2: good(2), 3: bad(2), 4: bad()}),
        answered(),
    ]

    lines = shown(fold(log)).splitlines()

    (row,) = (line for line in lines if line.startswith("0.10.0"))
    assert row.split("  ")[0] == "0.10.0 … 0.11.0"
    assert row.endswith("skip                   2 releases: the requirements conflict")
    assert "Runs        5 runs (1 cached) on 5 of 5 releases, 2 untestable, 1 min 48 s" in lines
