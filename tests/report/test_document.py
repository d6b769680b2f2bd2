"""Reports: what hand-written logs come to, as rows, as text and as JSON."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from io import StringIO
from itertools import pairwise

import pytest
from rich.console import Console
from support.builders import (
    ASSERTION,
    DEPENDENCY_WORDS,
    IMPORT_ERROR,
    MIX_WORDS,
    a_plan,
    broken,
    day,
    failed,
    passed,
    target,
    untestable,
)

from bisect_asgi.core import codec, events
from bisect_asgi.core.axis import AxisWords
from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import (
    Boundary,
    BuiltEnvironment,
    CulpritKind,
    Distribution,
    Excluded,
    Move,
    Observation,
    Outcome,
    Phase,
    Ruling,
    Signature,
    Trial,
    Verdict,
)
from bisect_asgi.core.plan.plan import DependencyPolicy, PolicyKind
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.report import document as json_report
from bisect_asgi.report import text as text_report
from bisect_asgi.report.document import Report, fold
from bisect_asgi.report.reproduce import reproduce
from bisect_asgi.session.axes.commits import Commits
from bisect_asgi.session.axes.pythons import Pythons
from bisect_asgi.session.axes.releases import Releases

WHEELS = "as of the date, wheels only"

STARTED = events.RunStarted(
    tool_version="1.0",
    started=datetime(2024, 5, 1, tzinfo=UTC),
    project="starlette",
    requirement="starlette=={version}",
    probe="probes/leak.py",
    command=None,
    order="version",
    dependencies="as-of-release",
    held=("uvicorn==0.17.6",),
    good=None,
    bad=None,
    releases=None,
    jobs=2,
    axis=AxisWords(
        subject="starlette", others=("dependencies as of each release's upload", "held: uvicorn==0.17.6")
    ),
)
CHOSEN = events.InterpreterChosen(
    interpreter=target("3.8.18").interpreter, reason="it installs 5 of 5 releases"
)
VERSIONS = ("0.10.0", "0.11.0", "0.12.0", "0.12.1", "0.13.0")
LISTED = events.CandidatesListed(
    candidates=tuple(
        events.CandidateListed(version=version, uploaded=day(f"2019-0{month}-05"), python="3.8.18")
        for month, version in enumerate(VERSIONS, start=1)
    ),
    excluded=(
        Excluded(version="0.13.0b1", uploaded=day("2019-04-20"), reason="pre-release (`--pre` brings it in)"),
    ),
)


def finished(
    key: int,
    *runs: Observation,
    remembered: int = 0,
    step: str = WHEELS,
    wall_s: float = 0.5,
) -> events.TrialFinished:
    """A trial of VERSIONS[key], each run of which took `wall_s`."""
    version = VERSIONS[key]
    environment = BuiltEnvironment(
        digest=f"digest-{version}",
        distributions=(
            Distribution(name="starlette", version=version),
            Distribution(name="uvicorn", version="0.17.6"),
        ),
        step=step,
    )
    return events.TrialFinished(
        trial=Trial(
            key=key,
            label=version,
            observations=tuple(replace(run, wall_s=wall_s) for run in runs),
            environment=environment,
            remembered=remembered,
            build_s=1.5,
            run_s=wall_s,
        )
    )


def without_environment(key: int, run: Observation) -> events.TrialFinished:
    return events.TrialFinished(trial=Trial(key=key, label=VERSIONS[key], observations=(run,)))


def judged(rulings: dict[int, Ruling], *, new_is: Outcome | None = Outcome.FAILED) -> events.RulingsChanged:
    return events.RulingsChanged(
        rulings=tuple(rulings.items()), new_is=new_is, reference=(ASSERTION,), low=2, high=3, left=0
    )


def good(runs: int = 1) -> Ruling:
    return Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=runs)


def bad(runs: int = 1, failure: Signature = ASSERTION) -> Ruling:
    return Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, signature=failure, failed=runs)


def answered(kind: ResultKind = ResultKind.FOUND, **fields: object) -> events.RunFinished:
    if kind is ResultKind.FOUND:
        fields = {"boundary": Boundary(low=2, high=3), **fields}
    return events.RunFinished(kind=kind, elapsed_s=108.0, **fields)  # type: ignore[arg-type]


# 0.12.0 passes and 0.12.1 fails, twice each; 0.13.0 was known to fail; the two oldest were not run.
REGRESSION: list[events.Event] = [
    STARTED,
    CHOSEN,
    LISTED,
    events.TrialStarted(key=4),
    finished(4, failed(), remembered=1),
    finished(2, passed(), wall_s=0.4),
    finished(3, failed(), wall_s=1.0),
    events.TrialCancelled(key=1),
    finished(2, passed(), wall_s=0.5),
    finished(3, failed(), wall_s=1.2),
    judged({2: good(2), 3: bad(2), 4: bad()}),
    answered(),
]


def shown(report: Report, *, width: int = 120) -> str:
    """The report as a pipe gets it, without the blanks at the ends of lines."""
    out = StringIO()
    text_report.render(report, Console(file=out, width=width))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_a_report_says_which_release_changed_the_answer() -> None:
    report = fold(REGRESSION)

    assert report.headline == "starlette 0.12.1 is the first bad release"
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
    assert report.headline == "starlette 0.11.0 is the first good release"


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
        answered(ResultKind.UNAVAILABLE, message="nothing was learnt about starlette 0.12.1"),
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

    assert report.headline == "starlette was fixed between 0.10.0 and 0.12.0 and broke in 0.12.1"
    assert [(c.last, c.first, c.verdict, c.gap) for c in report.changes] == [
        ("0.10.0", "0.12.0", "good", ("0.11.0",)),
        ("0.12.0", "0.12.1", "bad", ()),
    ]
    lines = shown(report).splitlines()
    assert "Change     0.10.0 → 0.12.0 is good (1 release between cannot be tested)" in lines
    assert "Change     0.12.0 → 0.12.1 is bad" in lines


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


UV_RUN = "uv run --isolated --no-project --python 3.8"
ON_0_12_0 = f"{UV_RUN} --with starlette==0.12.0 --with uvicorn==0.17.6 python probes/leak.py"
ON_0_12_1 = f"{UV_RUN} --with starlette==0.12.1 --with uvicorn==0.17.6 python probes/leak.py"


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


# --- What carries the change


MOVED = Move(name="engine", old="2", new="7")
EXPLAINED = events.Explained(
    package="starlette",
    old="starlette 0.12.0",
    new="starlette 0.12.1",
    moves=(MOVED, Move(name="starlette", old="0.12.0", new="0.12.1")),
    kind=CulpritKind.DEPENDENCY,
    sets=(events.ShownSet(moved=(MOVED,)),),
    tried_in=1,
    stages_before=1,
)
BELOW = replace(
    EXPLAINED,
    package="engine",
    old="engine 4",
    new="engine 5",
    moves=(replace(MOVED, old="4", new="5"),),
    kind=CulpritKind.PACKAGE,
    sets=(events.ShownSet(moved=(replace(MOVED, old="4", new="5"),)),),
    tried_in=None,
    stages_before=2,
)


def stage(number: int, over: str, axis: AxisWords, *versions: str) -> list[events.Event]:
    """A search inside the run, the last two candidates of which are its boundary."""
    low = len(versions) - 2
    listed = tuple(events.CandidateListed(version=version, uploaded=None) for version in versions)
    environment = BuiltEnvironment(digest=over, distributions=(), step=WHEELS)
    trials = [
        Trial(key=key, label=versions[key], observations=(run,), environment=environment)
        for key, run in ((low, passed()), (low + 1, failed()))
    ]
    inner: list[events.Event] = [
        replace(STARTED, over=over, axis=replace(axis, context="of a stage")),
        events.CandidatesListed(candidates=listed, excluded=()),
        *(events.TrialFinished(trial=trial) for trial in trials),
        judged({low: good(), low + 1: bad()}),
        answered(boundary=Boundary(low=low, high=low + 1)),
    ]
    return [events.StageEvent(stage=number, event=event) for event in inner]


WITH_REASONS: list[events.Event] = [
    *REGRESSION[:-1],
    *stage(1, "mixes", MIX_WORDS, "starlette 0.12.0 with engine 6", "starlette 0.12.0 with engine 7"),
    EXPLAINED,
    *stage(2, "engine", DEPENDENCY_WORDS, "3", "4", "5"),
    BELOW,
    answered(),
]


def test_the_answer_goes_down_to_what_carries_the_change() -> None:
    assert fold(WITH_REASONS).headline == (
        "starlette 0.12.1 is the first bad release, because it brings engine 7; "
        "engine 5 is the first bad release of engine"
    )


def test_the_answer_ends_with_the_commit_that_a_drill_found() -> None:
    into = stage(
        3, "commits", replace(Commits.words, subject="engine"), "aaaaaaa one", "bbbbbbb two", "ccccccc three"
    )

    assert fold([*WITH_REASONS[:-1], *into, answered()]).headline == (
        "starlette 0.12.1 is the first bad release, because it brings engine 7; "
        "engine 5 is the first bad release of engine; the first bad commit of engine is ccccccc three"
    )


def test_searches_inside_the_run_are_reports_of_their_own() -> None:
    report = fold(WITH_REASONS)

    assert [(each.stage, each.plan.over) for each in report.stages] == [(1, "mixes"), (2, "engine")]
    assert [(each.last, each.first) for each in report.stages][1] == ("4", "5")
    assert report.why == (EXPLAINED, BELOW)
    # They leave the run's own rows as they were.
    assert report.rows == fold(REGRESSION).rows


def test_reasons_are_shown_in_the_order_in_which_one_led_to_the_next() -> None:
    text = shown(fold(WITH_REASONS))

    places = [
        text.index("starlette 0.12.0 is bad with engine 7"),
        text.rindex("engine 5 is the first bad release of a stage"),
        text.index("nothing else differs between engine 4 and engine 5"),
    ]
    assert places == sorted(places)
    assert text.index("Why") < places[0] < text.index("Reproduce")


@pytest.mark.parametrize(
    ("explained", "end"),
    [
        pytest.param(replace(EXPLAINED, problem="a mix both passed and failed"), "", id="a-problem"),
        pytest.param(
            replace(EXPLAINED, sets=(events.ShownSet(moved=(MOVED,), required="<8,>=6"),)),
            ", because it requires engine <8,>=6, which brings 7",
            id="required",
        ),
        pytest.param(
            replace(EXPLAINED, sets=(events.ShownSet(moved=(MOVED,), required="==7"),)),
            ", because it requires engine 7",
            id="required-by-a-pin",
        ),
        pytest.param(
            replace(
                EXPLAINED,
                kind=CulpritKind.PACKAGE,
                moves=EXPLAINED.moves[1:],
                sets=(events.ShownSet(moved=EXPLAINED.moves[1:]),),
            ),
            ", by itself",
            id="nothing-else-differs",
        ),
        pytest.param(
            replace(EXPLAINED, kind=CulpritKind.PACKAGE, sets=(events.ShownSet(moved=EXPLAINED.moves[1:]),)),
            ", by itself",
            id="the-package",
        ),
        pytest.param(
            replace(EXPLAINED, kind=CulpritKind.TOGETHER, sets=(events.ShownSet(moved=EXPLAINED.moves),)),
            ", because of engine 7 and starlette 0.12.1 together",
            id="together",
        ),
    ],
)
def test_the_sentence_ends_with_what_was_shown(explained: events.Explained, end: str) -> None:
    log = [*REGRESSION[:-1], explained, answered()]

    assert fold(log).headline == f"starlette 0.12.1 is the first bad release{end}"


def test_notes_are_kept_for_the_report() -> None:
    log = [STARTED, events.Note(text="2 entries passed over"), *REGRESSION[1:]]

    assert fold(log).notes == ("2 entries passed over",)


WHOLE = f"""\
starlette 0.12.1 is the first bad release

Boundary   starlette 0.12.0 (good, 2019-03-05) → 0.12.1 (bad, 2019-04-05)
Evidence   0.12.0 passed 2 of 2 runs; 0.12.1 failed 2 of 2 runs: AssertionError: expected 200, got 500
Affected   >=0.12.1 (searched 0.12.0 to 0.13.0)
Python     3.8.18: it installs 5 of 5 releases
Others     dependencies as of each release's upload; held: uvicorn==0.17.6
Trials     3 of 5 releases, 5 runs (1 remembered), 1 min 48 s

Release          Uploaded    Verdict  Runs    Time  What was seen
0.10.0 … 0.11.0              ?                      2 releases: not run
0.12.0           2019-03-05  good     2     0.90 s
0.12.1           2019-04-05  bad      2      2.2 s  AssertionError: expected 200, got 500
0.13.0           2019-05-05  bad      1     0.50 s  AssertionError: expected 200, got 500

Left out
  1 release: pre-release (`--pre` brings it in) (0.13.0b1)

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


def test_without_an_answer_the_text_has_no_headline_because_the_error_says_it() -> None:
    message = "`leak.py` fails on every release"
    log = [*REGRESSION[:-1], answered(ResultKind.NOT_REPRODUCED, message=message)]

    report = fold(log)

    assert report.headline == message
    assert message not in shown(report)
    assert "Boundary" not in shown(report)


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

    (line,) = (line for line in shown(report).splitlines() if line.startswith("Others"))

    assert line == f"Others     {words}"


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


def test_neighbours_that_cannot_be_tested_for_one_reason_are_one_line() -> None:
    skipped = Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=untestable().signature)
    log = [
        *REGRESSION[:-2],
        without_environment(0, untestable()),
        without_environment(1, untestable()),
        judged({0: skipped, 1: skipped, 2: good(2), 3: bad(2), 4: bad()}),
        answered(),
    ]

    lines = shown(fold(log)).splitlines()

    (row,) = (line for line in lines if line.startswith("0.10.0"))
    assert row.split("  ")[0] == "0.10.0 … 0.11.0"
    assert row.endswith("skip                   2 releases: the requirements conflict")
    assert "Trials     5 of 5 releases, 5 runs (1 remembered), 2 untestable, 1 min 48 s" in lines


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
    assert document["excluded"][0]["reason"] == "pre-release (`--pre` brings it in)"
    assert [row["how"] for row in document["rows"]] == ["not run", "not run", "run", "run", "run"]
    assert document["rows"][3]["signature"]["shown"] == "AssertionError: expected 200, got 500"
    assert document["rows"][3]["distributions"][0] == {"name": "starlette", "version": "0.12.1"}
    assert [run["wall_s"] for run in document["rows"][3]["observations"]] == [1.0, 1.2]


def test_a_log_on_the_disk_makes_the_same_report_as_the_run_itself() -> None:
    lines = [codec.event_to_json(event) for event in REGRESSION]

    assert fold(map(codec.event_from_json, lines)) == fold(REGRESSION)
