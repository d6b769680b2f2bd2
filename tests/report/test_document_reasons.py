"""What carries the change, in a report: the answer goes down to it."""

from __future__ import annotations

import pytest
from support.builders import (
    DEPENDENCY_WORDS,
    MIX_WORDS,
    failed,
    passed,
)
from support.documents import (
    REGRESSION,
    STARTED,
    WHEELS,
    answered,
    bad,
    good,
    judged,
    shown,
)

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.model import (
    Boundary,
    BuiltEnvironment,
    CulpritKind,
    Move,
    Trial,
)
from bisect_asgi.core.records import replace
from bisect_asgi.report.folding import fold
from bisect_asgi.session.axes.commits import Commits

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
        "starlette broke in 0.12.1 (2019-04-05), because it installs engine 7; engine broke in 5"
    )


def test_the_answer_ends_with_the_commit_that_a_drill_found() -> None:
    into = stage(
        3, "commits", replace(Commits.words, subject="engine"), "aaaaaaa one", "bbbbbbb two", "ccccccc three"
    )

    assert fold([*WITH_REASONS[:-1], *into, answered()]).headline == (
        "starlette broke in 0.12.1 (2019-04-05), because it installs engine 7; "
        "engine broke in 5; the first bad commit of engine is ccccccc three"
    )


@pytest.mark.parametrize(
    ("over", "axis", "said"),
    [
        pytest.param(
            "engine",
            DEPENDENCY_WORDS,
            "engine broke in 4, was fixed in 5, and broke in 6",
            id="of-a-dependency",
        ),
        pytest.param(
            "commits",
            replace(Commits.words, subject="engine"),
            "the first bad commit of engine is 6, and the newest of 3 changes",
            id="of-commits",
        ),
    ],
)
def test_the_answer_tells_that_a_stage_changes_more_than_once(over: str, axis: AxisWords, said: str) -> None:
    *begun, _, _ = stage(2, over, axis, "3", "4", "5", "6")
    changes = tuple(Boundary(low=low, high=low + 1) for low in range(3))
    ended = (
        judged({0: good(), 1: bad(), 2: good(), 3: bad()}),
        answered(boundary=changes[-1], changes=changes, shortest=1),
    )
    last = [events.StageEvent(stage=2, event=event) for event in ended]

    report = fold([*REGRESSION[:-1], EXPLAINED, *begun, *last, answered()])

    assert report.headline.partition("; ")[2] == said


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
        text.rindex("engine broke in 5"),
        text.index("nothing else differs between engine 4 and engine 5"),
    ]
    assert places == sorted(places)
    assert text.index("Cause") < places[0] < text.index("Reproduce")


@pytest.mark.parametrize(
    ("explained", "end"),
    [
        pytest.param(replace(EXPLAINED, problem="a mix both passed and failed"), "", id="a-problem"),
        pytest.param(
            replace(EXPLAINED, sets=(events.ShownSet(moved=(MOVED,), required="<8,>=6"),)),
            ", because it requires engine <8,>=6 and installs 7",
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

    assert fold(log).headline == f"starlette broke in 0.12.1 (2019-04-05){end}"


def test_notes_are_kept_for_the_report() -> None:
    log = [STARTED, events.Note(text="2 entries passed over"), *REGRESSION[1:]]

    assert fold(log).notes == ("2 entries passed over",)
