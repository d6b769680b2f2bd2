"""A run whose change was explained, and its text report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest

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
    RequirementChange,
    WhatChanged,
)
from bisect_asgi.report import text as text_report
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.session.bisection import stages
from support.builders import (
    ASSERTION,
    DEPENDENCY_WORDS,
    MIX_WORDS,
    a_plan,
    day,
    failed,
    passed,
    target,
)

BOTH_WIDTHS = pytest.mark.parametrize("width", [60, 120])


def shown(report: Report, width: int) -> str:
    out = StringIO()
    text_report.render(report, SafeConsole(file=out, width=width), whole=True)
    return out.getvalue()


def flat(text: str) -> str:
    """A text as one line, however it was broken into lines."""
    return " ".join(text.split())


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
