"""Reports of every shape of result, made by hand, and what a terminal shows of them."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from itertools import pairwise
from typing import Any

from rich.cells import cell_len

from bisect_asgi.core import events
from bisect_asgi.core.events import ResultKind, ShownSet
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import (
    Boundary,
    CulpritKind,
    FailureStretch,
    Move,
    Outcome,
    Phase,
    Ruling,
    Verdict,
)
from bisect_asgi.core.records import replace
from bisect_asgi.report import text as text_report
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.session.axes.commits import Commits
from bisect_asgi.session.axes.dates import Dates
from bisect_asgi.session.axes.locks import Locks
from bisect_asgi.session.axes.pythons import Pythons
from support.builders import ASSERTION, DEPENDENCY_WORDS, TYPE_ERROR, failed, passed, untestable
from support.documents import CHOSEN, LISTED, REGRESSION, STARTED, answered, bad, finished, good, judged
from support.explained_runs import APP, BELOW, COMPARED, DEP, IDLE, WHY, explained, searched
from support.measured_logs import FLAKY, MEASURED

SKIPPED = Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=untestable().signature)
LONG = "a very long explanation of everything that went wrong, " * 12


def history(verdicts: str, *, started: events.RunStarted = STARTED, **fields: Any) -> Report:
    """The report on five releases, `+` good, `-` bad, `?` untestable, ` ` not run; all changes are known."""
    rulings = {key: RULINGS[mark] for key, mark in enumerate(verdicts) if mark != " "}
    runs = {"+": passed(), "-": failed(), "?": untestable()}
    trials = [finished(key, runs[mark]) for key, mark in enumerate(verdicts) if mark != " "]
    tested = [key for key, mark in enumerate(verdicts) if mark in "+-"]
    changes = tuple(
        Boundary(
            low=low, high=high, skipped=tuple(key for key in range(low + 1, high) if verdicts[key] == "?")
        )
        for low, high in pairwise(tested)
        if verdicts[low] != verdicts[high]
    )
    told = {"boundary": changes[-1], "changes": changes, "shortest": 1, **fields} if changes else fields
    kind = told.pop("kind", ResultKind.FOUND if changes else ResultKind.NOT_REPRODUCED)
    ended = events.RunFinished(kind=kind, elapsed_s=108.0, **told)
    return fold([started, CHOSEN, LISTED, *trials, judged(rulings), ended])


RULINGS = {"+": good(), "-": bad(), "?": SKIPPED}


def _of_axis(axis: Any, *labels: str, **words: Any) -> Report:
    own = replace(axis.words, subject="app", context="with app==1.0", others=("latest dependencies",))
    own = replace(own, **words)
    runs = (passed(), *[failed()] * (len(labels) - 1))
    return fold(searched(labels, runs, found=(0, 1), axis=own, over=axis.name))


def _over_dependency() -> Report:
    words = replace(DEPENDENCY_WORDS, subject="dep", context="with app==1.0")
    return fold(
        searched(("1", "2", "3"), (passed(), failed(), failed()), found=(0, 1), axis=words, over="dep")
    )


def _chain() -> Report:
    stretches = (
        FailureStretch(first=2, last=3, signature=TYPE_ERROR),
        FailureStretch(first=4, last=4, signature=ASSERTION),
    )
    log = [
        *REGRESSION[:-2],
        finished(1, passed()),
        finished(2, failed(TYPE_ERROR)),
        finished(3, failed(TYPE_ERROR)),
    ]
    rulings = {1: good(), 2: bad(failure=TYPE_ERROR), 3: bad(failure=TYPE_ERROR), 4: bad()}
    return fold([*log, judged(rulings), answered(boundary=Boundary(low=1, high=2), failures=stretches)])


def _levels() -> Report:
    levels = tuple(
        events.MetricLevel(first=place, last=place, value=12.0 * 2**20 * (place + 1), probability=0.98)
        for place in range(5)
    )
    found = events.LevelsFound(metric="size", unit="B", levels=levels, penalty=9.0, creep=6.0 * 2**20)
    ended = events.RunFinished(kind=ResultKind.FOUND, elapsed_s=9.0, message="size has 5 levels")
    return fold([MEASURED, *FLAKY[1:5], found, ended])


def _threshold() -> Report:
    sampled = events.EndsSampled(
        metric="wall", unit="×", low=0, high=4, reference=0, old=(1.0, 1.0), new=(2.0, 2.1), p=0.01, above=1.5
    )
    return fold([replace(MEASURED, metric="wall"), *FLAKY[1:5], sampled, FLAKY[-1]])


def _sets(*moved: tuple[Move, ...], **fields: Any) -> tuple[ShownSet, ...]:
    return tuple(ShownSet(moved=each, **fields) for each in moved)


def _long_failure() -> Report:
    failure = signature.of_exception("AssertionError", LONG, phase=Phase.CHECK)
    log = [*REGRESSION[:4], finished(2, passed()), finished(3, failed(failure))]
    return fold([*log, judged({2: good(), 3: bad(failure=failure)}), answered()])


def _with_notes() -> Report:
    notes = [events.Note(text=f"{number}: {LONG}") for number in range(9)]
    return fold([*REGRESSION[:-1], *notes, REGRESSION[-1]])


REPORTS: Mapping[str, Report] = {
    "regression": fold(REGRESSION),
    "fix": history("---++"),
    "broken-and-fixed": history("+--++"),
    "four-changes": history("+-+-+"),
    "gap": history("++??-", kind=ResultKind.INCONCLUSIVE, message="the change is in one of 1, 2 and 3"),
    "excluded-between": fold([*REGRESSION[:-1], answered(excluded_between=("0.12.0.post1",))]),
    "contradiction": fold(
        [*REGRESSION[:-1], answered(boundary=Boundary(low=2, high=3, contradictions=(0,)))]
    ),
    "nothing": history("++ ++", message="`leak.py` passes on every release that was tested"),
    "always-bad": history("-----", message="`leak.py` fails on every release"),
    "good-end-fails": history("- - -", kind=ResultKind.GOOD_END_FAILS, message="the good end fails"),
    "untestable": history("+???-", kind=ResultKind.INCONCLUSIVE, message="cannot be tested"),
    "interrupted": history("+   -", kind=ResultKind.INTERRUPTED, message="interrupted"),
    "interrupted-early": history("    -", kind=ResultKind.INTERRUPTED, message="interrupted"),
    "outage": history("    -", kind=ResultKind.UNAVAILABLE, message="the index did not answer"),
    "chain": _chain(),
    "flaky": fold(FLAKY),
    "flaky-metric": fold([replace(MEASURED, limit="above 8.0 MiB"), *FLAKY[1:]]),
    "levels": _levels(),
    "threshold": _threshold(),
    "own-terms": history("++---", started=replace(STARTED, term_old="fast", term_new="slow")),
    "by-upload": history("++---", started=replace(STARTED, order="upload")),
    "dependency": explained(WHY, BELOW, COMPARED),
    "free-dependency": explained(replace(WHY, sets=_sets((DEP,)))),
    "package": explained(replace(WHY, kind=CulpritKind.PACKAGE, sets=_sets((APP,)))),
    "pulled-in": explained(replace(WHY, kind=CulpritKind.PACKAGE, sets=_sets((APP,), pulled_in=(IDLE,)))),
    "together": explained(replace(WHY, kind=CulpritKind.TOGETHER, sets=_sets((APP, DEP)))),
    "either": explained(replace(WHY, kind=CulpritKind.EITHER, sets=_sets((APP,), (DEP,)))),
    "unclear": explained(replace(WHY, kind=CulpritKind.UNCLEAR, sets=_sets((APP, DEP), doubtful=("dep",)))),
    "only-difference": explained(replace(WHY, package=None, moves=(DEP,), sets=_sets((DEP,)))),
    "no-culprit": explained(replace(WHY, kind=CulpritKind.UNCLEAR, sets=(), problem="the index is down")),
    "further": explained(WHY, replace(WHY, is_further=True, sets=_sets((IDLE,)))),
    "over-dependency": _over_dependency(),
    "over-date": _of_axis(
        Dates(), "2021-01-01", "2021-02-01 12:00:01 dep 2.0", "2021-03-01 12:00:01 dep 2.1"
    ),
    "over-python": _of_axis(Pythons(), "3.8.18", "3.9.18", "3.10.13", subject="Python"),
    "over-commits": _of_axis(Commits(), "0123456789 good", "1234567890 bad", "234567890a bad"),
    "locks": _of_axis(Locks(), "old.lock", "new.lock", subject=""),
    "long-failure": _long_failure(),
    "many-notes": _with_notes(),
}
"""The reports by what is special about them."""


def screen(report: Report, *, width: int = 80, is_terminal: bool = True) -> list[str]:
    """The lines that a terminal, or a pipe, shows of the report."""
    out = StringIO()
    console = SafeConsole(file=out, width=width, force_terminal=is_terminal, color_system=None)
    text_report.render(report, console)
    return out.getvalue().splitlines()


def widest(lines: list[str]) -> int:
    return max(map(cell_len, lines))
