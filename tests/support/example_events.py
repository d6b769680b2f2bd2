"""One example of each kind of event, with every field of it set."""

from __future__ import annotations

from bisect_asgi.core import release_diff as differences
from bisect_asgi.core.events import (
    Activity,
    BeliefUpdated,
    CandidateListed,
    CandidatesListed,
    CommitFile,
    CommitShown,
    Compared,
    Confirmed,
    EndsSampled,
    Explained,
    InterpreterChosen,
    LevelsFound,
    MetricLevel,
    Note,
    ObservationsReset,
    OutputSeen,
    PreparationEnded,
    PreparationStarted,
    RepeatsStarted,
    ResultKind,
    RulingsChanged,
    RunFinished,
    RunStarted,
    ShownSet,
    Stretch,
    StretchesPlanned,
    StretchStarted,
    TrialCancelled,
    TrialFinished,
    TrialProgressed,
    TrialStarted,
)
from bisect_asgi.core.model import (
    Boundary,
    BuiltEnvironment,
    CulpritKind,
    Distribution,
    Excluded,
    Move,
    Outcome,
    Ruling,
    Step,
    Trial,
    Verdict,
)
from bisect_asgi.core.records import replace
from bisect_asgi.core.tally import Tally
from support.builders import ASSERTION, CONFLICT, broken, day, failed, passed, target, untestable

MOVED = Move(name="starlette", old="0.14.2", new="0.15.0")


WARM_UP = replace(passed(), wall_s=1.5, is_warm_up=True)


SAMPLE = replace(
    passed(),
    wall_s=1.25,
    metrics={"p95": 0.25},
    units={"p95": "s"},
    other_load=0.5,
    complaint="the metric `p50` cannot be read",
    reference_metrics={"wall": 1.2, "p95": 0.2},
)

EVENTS = [
    RunStarted(
        tool_version="0.1.0",
        started=day("2024-05-01"),
        project="fastapi",
        requirement="fastapi[all]=={version}",
        probe="probes/leak.py",
        command=None,
        order="version",
        dependencies="as-of 2022-01-10",
        held=("uvicorn==0.17.6",),
        good="0.69.0",
        bad=None,
        releases=None,
        jobs=4,
    ),
    InterpreterChosen(interpreter=target().interpreter, reason="can install 3 of 3 releases"),
    CandidatesListed(
        candidates=(
            CandidateListed(version="0.69.0", uploaded=day("2021-10-07"), exclude_newer=day("2021-10-08")),
            CandidateListed(version="0.70.0", uploaded=None),
        ),
        excluded=(Excluded(version="0.70.0rc1", uploaded=None, reason="pre-release"),),
    ),
    TrialStarted(key=3),
    TrialProgressed(key=3, activity=Activity.BUILDING),
    OutputSeen(key=3, text='ünïcode ☃\n"quoted"\x00'),
    TrialFinished(
        trial=Trial(
            key=3,
            label="fastapi 0.69.0",
            observations=(passed("ok\n"), failed(), untestable(), broken(), WARM_UP, SAMPLE),
            environment=BuiltEnvironment(
                digest="ab12", distributions=(Distribution(name="h11", version="0.9"),), step="latest"
            ),
            remembered=1,
            build_s=1.5,
            steps={Step.RESOLVE: 0.5, Step.LINK: 1.0},
            host="elsewhere",
        )
    ),
    TrialCancelled(key=4, at_s=12.5),
    PreparationStarted(key=5, at_s=1.25),
    PreparationEnded(key=5, at_s=2.5, steps={Step.LINK: 0.25}, is_cancelled=True),
    RulingsChanged(
        rulings=((0, Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=2)),),
        withdrawn=(3,),
        new_is=Outcome.FAILED,
        reference=(ASSERTION, CONFLICT),
        low=0,
        high=None,
        left=7,
    ),
    ObservationsReset(),
    BeliefUpdated(
        low=11,
        high=12,
        probability=0.997,
        old=Tally(passed=12).rate,
        new=Tally(passed=3, failed=9).rate,
        first=12,
        last=13,
        confidence=0.99,
    ),
    Confirmed(low=11, high=12, runs=12, error_bound=0.004),
    EndsSampled(
        metric="wall",
        unit="×",
        low=0,
        high=114,
        reference=0,
        old=(1.0, 1.02, 0.99),
        new=(1.31, 1.29, 1.4),
        p=0.0121,
        above=1.15,
    ),
    LevelsFound(
        metric="peak-memory",
        unit="B",
        levels=(MetricLevel(first=0, last=7, value=2.5e7), MetricLevel(first=8, last=9, value=3e7)),
        penalty=6.9,
        creep=-0.02,
        steps=((2.6e7, 2.9e7),),
    ),
    Note(text="fastapi 0.69.1 was yanked", is_live=True),
    StretchesPlanned(stretches=(Stretch.ENDS, Stretch.HISTORY)),
    StretchStarted(stretch=Stretch.CAUSE),
    RepeatsStarted(runs=((3, 2), (4, 1))),
    Explained(
        package="fastapi",
        old="fastapi 0.68.2",
        new="fastapi 0.69.0",
        moves=(MOVED, Move(name="anyio", old=None, new="3.3.0")),
        kind=CulpritKind.DEPENDENCY,
        sets=(
            ShownSet(moved=(MOVED,), pulled_in=(MOVED,), doubtful=("starlette",), required=">=0.15,<0.16"),
        ),
        is_all=False,
        tried_in=1,
        decisive=(0, 2),
        stages_before=2,
    ),
    Compared(
        name="starlette",
        old="0.14.2",
        new="0.15.0",
        changed=differences.WhatChanged(
            name="starlette",
            old="0.14.2",
            new="0.15.0",
            requirements=(differences.RequirementChange(project="anyio", old=None, new="<4,>=3"),),
            old_python=">=3.6",
            new_python=None,
            files=(
                differences.FileChange(
                    path="starlette/routing.py",
                    change=differences.ChangeKind.CHANGED,
                    kind=differences.FileKind.TEXT,
                    diff="-old\n+new\n",
                    lines=(3,),
                ),
            ),
        ),
        links=(
            differences.Link(
                label="Notes", address="https://example.org/notes", kind=differences.LinkKind.CHANGELOG
            ),
        ),
    ),
    CommitShown(
        sha="0123456789",
        subject="Escape no more",
        author="Ann Other",
        committed=day("2021-10-01"),
        files=(CommitFile(path="demo.py", added=3, removed=1),),
        link="https://github.com/o/demo/commit/0123456789",
    ),
    RunFinished(
        kind=ResultKind.FOUND,
        elapsed_s=108.0,
        boundary=Boundary(low=3, high=5, skipped=(4,), contradictions=(1,)),
        excluded_between=("0.68.3",),
    ),
]
