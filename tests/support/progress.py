"""Events of a run as they come, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO

from bisect_asgi.core import events
from bisect_asgi.core.model import (
    BuiltEnvironment,
    CulpritKind,
    Move,
    Observation,
    Outcome,
    Ruling,
    Trial,
    Verdict,
)
from bisect_asgi.core.records import replace
from bisect_asgi.core.tally import Tally
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.report.progress.plain import PlainSink
from bisect_asgi.report.progress.terminal import TerminalSink
from support.builders import (
    ASSERTION,
    CONFLICT,
    IMPORT_ERROR,
    MIX_WORDS,
    day,
    failed,
    target,
)

STARTED = events.RunStarted(
    tool_version="1.0",
    started=datetime(2024, 5, 1, tzinfo=UTC),
    project="starlette",
    requirement="starlette=={version}",
    probe="leak.py",
    command=None,
    order="version",
    dependencies="as-of-release",
    held=(),
    good=None,
    bad=None,
    releases=None,
    jobs=2,
)


CHOSEN = events.InterpreterChosen(
    interpreter=target("3.8.18").interpreter, reason="can install 10 of 10 releases"
)


LISTED = events.CandidatesListed(
    candidates=tuple(
        events.CandidateListed(version=f"1.{place}", uploaded=day(f"2021-01-{place + 1:02}"))
        for place in range(10)
    ),
    excluded=(),
)


PLANNED = events.StretchesPlanned(stretches=tuple(events.Stretch))


OPENING = [STARTED, PLANNED, CHOSEN, LISTED]


def finished(key: int, *runs: Observation, remembered: int = 0, built: bool = True) -> events.TrialFinished:
    """A trial that was built in 1.25 s and run in 0.4 s."""
    environment = BuiltEnvironment(digest="d", distributions=(), step="as of the date, wheels only")
    return events.TrialFinished(
        trial=Trial(
            key=key,
            label=f"1.{key}",
            observations=runs,
            environment=environment if built else None,
            remembered=remembered,
            build_s=1.21,
            run_s=0.4,
        )
    )


def judged(
    *,
    low: int | None = None,
    high: int | None = None,
    left: int = 0,
    rulings: Sequence[tuple[int, Ruling]] = (),
) -> events.RulingsChanged:
    return events.RulingsChanged(
        rulings=tuple(rulings),
        new_is=Outcome.FAILED,
        reference=(ASSERTION,),
        low=low,
        high=high,
        left=left,
    )


GOOD = Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=1)


BAD = Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, signature=ASSERTION, failed=1)


SKIPPED = Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=CONFLICT)


DIFFERENT = Ruling(
    verdict=Verdict.SKIP, outcome=Outcome.FAILED, signature=IMPORT_ERROR, fails_differently=True, failed=1
)


DIFFERENT_WARNING = [
    "warning: 1.1 fails differently from the bad end",
    "  bad end: check    AssertionError: expected 200, got 500",
    "  1.1:     import   ImportError: cannot import name 'Lifespan'",
    "  treated as untestable; pass `--any-failure` to count it as bad",
]


def plain_lines(log: Sequence[events.Event], *, verbose: bool = False) -> list[str]:
    lines: list[str] = []
    sink = PlainSink(lines.append, verbose=verbose)
    for event in log:
        sink(event)
    return lines


BELIEVED = events.BeliefUpdated(
    low=3,
    high=4,
    probability=0.62,
    old=Tally(passed=5).rate,
    new=Tally(passed=1, failed=4).rate,
    first=2,
    last=6,
    confidence=0.99,
)


LIKELIEST = "flaky: most likely 1.3 → 1.4 (62%)"


# --- Searches inside the run


MIXED = events.CandidatesListed(
    candidates=tuple(
        events.CandidateListed(version=version, uploaded=None)
        for version in ("demo 1.4", "demo 1.5", "demo 1.5 with the dependencies of demo 1.4")
    ),
    excluded=(),
)


EXPLAINED = events.Explained(
    package="demo",
    old="demo 1.4",
    new="demo 1.5",
    moves=(Move(name="demo", old="1.4", new="1.5"), Move(name="engine", old="2", new="3")),
    kind=CulpritKind.DEPENDENCY,
    sets=(events.ShownSet(moved=(Move(name="engine", old="2", new="3"),)),),
)


def staged(*inner: events.Event) -> list[events.Event]:
    return [events.StageEvent(stage=1, event=event) for event in inner]


def inside() -> list[events.Event]:
    """A run that found 1.5, and a stage in which one mix was tried that fails otherwise."""
    mixing = replace(STARTED, over="mixes", axis=replace(MIX_WORDS, context="of demo 1.4 and demo 1.5"))
    first_two = replace(MIXED, candidates=MIXED.candidates[:2], grows=True)
    trial = replace(finished(2, failed(IMPORT_ERROR), remembered=1).trial, label=MIXED.candidates[2].version)
    return [
        *OPENING,
        judged(rulings=[(4, GOOD), (5, BAD)]),
        *staged(
            mixing,
            first_two,
            replace(MIXED, grows=True),
            events.TrialStarted(key=2),
            events.TrialFinished(trial=trial),
        ),
        *staged(judged(rulings=[(0, GOOD), (1, BAD), (2, DIFFERENT)])),
    ]


class Screen:
    """A terminal that keeps what was written to it, and whose clock stands still."""

    def __init__(self, width: int = 120) -> None:
        self.width = width
        self.now_s = 0.0
        self.file = StringIO()
        self.sink = TerminalSink(
            SafeConsole(file=self.file, force_terminal=True, width=width, color_system=None, _environ={}),
            clock=lambda: self.now_s,
        )

    def take(self, log: Sequence[events.Event]) -> None:
        for event in log:
            self.sink(event)

    @property
    def status(self) -> list[str]:
        """Return the lines that are now below the finished trials."""
        return [line.plain for line in self.sink.status(self.width)]
