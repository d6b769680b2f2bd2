"""The runs whose output README and docs show, and the text that the report's own code prints for them.

The numbers are those of real runs; everything else comes from the code that prints reports. So a test fails
if a page shows other labels, another order or other lines than a command prints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any
from unittest.mock import Mock, patch

from bisect_asgi.cli import live as live_pages
from bisect_asgi.cli import verify
from bisect_asgi.cli.suite import Case
from bisect_asgi.core import dry_run, events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.claims import ClaimVerdict, Finding
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.events import Activity, Explained, ResultKind, ShownSet
from bisect_asgi.core.metrics.criteria import Threshold
from bisect_asgi.core.model import (
    Boundary,
    CulpritKind,
    Excluded,
    Move,
    Observation,
    Outcome,
    Ruling,
    Trial,
    Verdict,
)
from bisect_asgi.core.plan import Claim
from bisect_asgi.core.records import replace
from bisect_asgi.core.tally import Tally
from bisect_asgi.report import text as text_report
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.report.suite import SuiteRow, row_of, row_of_finding, suite_report
from bisect_asgi.report.text import suite as suite_text
from bisect_asgi.session.axes.locks import Locks
from support.builders import ASSERTION, MIX_WORDS, day, failed, passed, run_started, target
from support.progress import Screen

LEAKS = Threshold(metric="growth_mib", above=8.0).signature(29.9)
AS_OF = "dependencies as of each release's upload"


def on(version: str) -> events.InterpreterChosen:
    """The Python of a run."""
    return events.InterpreterChosen(interpreter=target(version).interpreter, reason="can install all")


def release(label: str, uploaded: str = "") -> events.CandidateListed:
    return events.CandidateListed(version=label, uploaded=day(uploaded) if uploaded else None)


def run(mark: str, metric: str = "", value: float = 0.0) -> Observation:
    """A run that passed (`+`) or failed (`-`), or one that passed with a value of the metric."""
    if metric:
        return replace(passed(), metrics={metric: value})
    return passed() if mark == "+" else failed()


def search(
    candidates: Sequence[events.CandidateListed],
    ran: Mapping[str, str],
    *,
    changes: Sequence[tuple[str, str]] = (),
    values: Mapping[str, Sequence[float]] = {},
    shortest: int | None = None,
    elapsed_s: float = 1.0,
    new_is: Outcome = Outcome.FAILED,
    said: Mapping[str, Any] = {},
    between: Sequence[events.Event] = (),
) -> list[events.Event]:
    """The events of a search.

    Args:
        ran: the runs of each candidate that was run, with a mark for each run.
        changes: the boundaries, first the one that the user searched for.
        values: the samples of the metric.
        between: further events before the last one.
    """
    keys = {each.version: key for key, each in enumerate(candidates)}
    metric = said.get("metric") or ""
    trials, rulings = [], []
    for label, marks in ran.items():
        own = values.get(label, [0.0] * len(marks))
        runs = tuple(run(mark, metric, value) for mark, value in zip(marks, own, strict=True))
        trials.append(events.TrialFinished(trial=Trial(key=keys[label], label=label, observations=runs)))
        is_good, good, bad = marks[0] == "+", marks.count("+"), marks.count("-")
        rulings.append(
            (
                keys[label],
                Ruling(
                    verdict=Verdict.OLD if is_good is (new_is is Outcome.FAILED) else Verdict.NEW,
                    outcome=Outcome.PASSED if is_good else Outcome.FAILED,
                    signature=None if is_good else LEAKS if metric else ASSERTION,
                    passed=good,
                    failed=bad,
                ),
            )
        )
    found = tuple(Boundary(low=keys[low], high=keys[high]) for low, high in changes)
    asked = found[0] if found else None
    return [
        run_started(**{"dependencies": "as-of-release", **said}),
        events.CandidatesListed(candidates=tuple(candidates), excluded=()),
        *trials,
        events.RulingsChanged(
            rulings=tuple(rulings),
            new_is=new_is,
            reference=(ASSERTION,),
            low=asked.low if asked else None,
            high=asked.high if asked else None,
            left=0,
        ),
        *between,
        events.RunFinished(
            kind=ResultKind.FOUND if found else ResultKind.NOT_REPRODUCED,
            elapsed_s=elapsed_s,
            boundary=asked,
            changes=found if shortest else (),
            shortest=shortest,
        ),
    ]


def inside(stage: int, log: Sequence[events.Event]) -> list[events.Event]:
    return [events.StageEvent(stage=stage, event=event) for event in log]


def screen(report: Report, *, width: int = 80) -> str:
    out = StringIO()
    text_report.render(report, SafeConsole(file=out, width=width))
    return out.getvalue()


# --- README.md: fastapi leaks


FASTAPI = """
    0.60.0 0.60.1 0.60.2 0.61.0 0.61.1 0.61.2 0.62.0 0.63.0 0.64.0 0.65.0 0.65.1 0.65.2 0.65.3 0.66.0
    0.66.1 0.67.0 0.68.0 0.68.1 0.68.2 0.69.0 0.70.0 0.70.1 0.71.0 0.72.0 0.73.0 0.74.0 0.74.1 0.75.0
    0.75.1 0.75.2 0.76.0 0.77.0 0.77.1 0.78.0 0.79.0 0.79.1 0.80.0 0.81.0 0.82.0 0.83.0 0.84.0 0.85.0
    0.85.1 0.85.2 0.86.0 0.87.0 0.88.0 0.89.0 0.89.1 0.90.0 0.90.1 0.91.0 0.92.0 0.93.0 0.94.0 0.94.1
    0.95.0 0.95.1 0.95.2 0.96.0 0.96.1 0.97.0 0.98.0 0.99.0 0.99.1 0.100.0 0.100.1 0.101.0 0.101.1
    0.102.0 0.103.0 0.103.1 0.103.2 0.104.0 0.104.1 0.105.0 0.106.0 0.107.0 0.108.0 0.109.0 0.109.1
    0.109.2 0.110.0 0.110.1 0.110.2 0.110.3 0.111.0 0.111.1 0.112.0 0.112.1 0.112.2 0.112.3 0.112.4
    0.113.0 0.114.0 0.114.1 0.114.2 0.115.0 0.115.1 0.115.2 0.115.3 0.115.4 0.115.5 0.115.6 0.115.7
    0.115.8 0.115.9 0.115.10 0.115.11 0.115.12 0.115.13 0.115.14 0.116.0 0.116.1 0.116.2 0.117.0 0.117.1
    0.118.0 0.118.1 0.118.2 0.118.3 0.119.0 0.119.1 0.120.0 0.120.1 0.120.2 0.120.3 0.120.4 0.121.0
    0.121.1 0.121.2 0.121.3 0.122.0 0.122.1 0.123.0 0.123.1 0.123.2 0.123.3 0.123.4 0.123.5 0.123.6
    0.123.7 0.123.8 0.123.9 0.123.10 0.124.0 0.124.1 0.124.2 0.124.3 0.124.4
""".split()  # noqa: SIM905 (a list would have a line for each)
DAYS = {
    "0.65.2": "2021-06-09",
    "0.68.2": "2021-10-05",
    "0.69.0": "2021-10-07",
    "0.72.0": "2022-01-16",
    "0.84.0": "2022-09-14",
    "0.85.0": "2022-09-15",
    "0.124.4": "2025-12-12",
}
ENDS = ("fastapi 0.68.2", "fastapi 0.69.0")
WITHOUT, WITH_IT = f"{ENDS[0]} with starlette 0.15.0", f"{ENDS[1]} with starlette 0.14.2"
STARLETTE = Move(name="starlette", old="0.14.2", new="0.15.0")


def leak() -> Report:
    """Return the run that `make bisect` made on a machine with two cores."""
    combined = search(
        [release(label) for label in (*ENDS, WITH_IT, WITHOUT)],
        {ENDS[0]: "+" * 4, ENDS[1]: "-" * 4, WITH_IT: "+" * 7, WITHOUT: "-" * 7},
        said={"project": "fastapi", "over": "mixes", "axis": MIX_WORDS},
    )
    of_starlette = search(
        [release("0.14.2", "2021-02-02"), release("0.15.0", "2021-06-23")],
        {"0.14.2": "++++", "0.15.0": "----"},
        changes=[("0.14.2", "0.15.0")],
        said={"project": "starlette", "over": "starlette", "axis": AxisWords(subject="starlette")},
    )
    itself = search(
        [release(f"starlette {version}") for version in ("0.14.2", "0.15.0", "0.15.0 with the dependencies")],
        {"starlette 0.14.2": "+", "starlette 0.15.0": "-", "starlette 0.15.0 with the dependencies": "-" * 7},
        said={"project": "starlette", "over": "mixes", "axis": MIX_WORDS},
    )
    why = Explained(
        package="fastapi",
        old=ENDS[0],
        new=ENDS[1],
        moves=(STARLETTE, Move(name="anyio", old=None, new="3.3.2")),
        within="0.69.0",
        kind=CulpritKind.DEPENDENCY,
        sets=(ShownSet(moved=(STARLETTE,), required="==0.15.0"),),
        tried_in=1,
        decisive=(0, 1, 2, 3),
        stages_before=1,
    )
    below = Explained(
        package="starlette",
        old="starlette 0.14.2",
        new="starlette 0.15.0",
        moves=(STARLETTE,),
        within="0.69.0",
        kind=CulpritKind.PACKAGE,
        sets=(ShownSet(moved=(STARLETTE,)),),
        tried_in=3,
        stages_before=3,
    )
    log = search(
        [release(label, DAYS.get(label, "")) for label in FASTAPI],
        dict.fromkeys(("0.65.2", "0.67.0", "0.68.1", "0.85.1", "0.95.1", "0.103.2", "0.112.0"), "+")
        | {"0.124.4": "+", "0.68.2": "+" * 6, "0.85.0": "+" * 6}
        | {"0.69.0": "-" * 6, "0.84.0": "-" * 6}
        | dict.fromkeys(("0.72.0", "0.74.1", "0.75.0", "0.79.0", "0.82.0"), "-"),
        changes=[("0.68.2", "0.69.0"), ("0.84.0", "0.85.0")],
        values={
            "0.68.2": (0.184, 0.301, 0.168, 0.203, 0.176, 0.18),
            "0.69.0": (32.6, 32.2, 30.6, 30.8, 31.0, 31.31),
            "0.84.0": (31.9, 31.0, 31.9, 31.6, 31.5, 32.3),
            "0.85.0": (1.61, 1.34, 1.73, 1.61, 1.48, 1.8),
        },
        shortest=61,
        elapsed_s=106.0,
        said={
            "project": "fastapi",
            "requirement": "fastapi=={version}",
            "probe": "probes/leak.py",
            "held": ("uvicorn==0.17.6",),
            "metric": "growth_mib",
            "limit": "above 8",
            "axis": AxisWords(subject="fastapi", others=(AS_OF, "held: uvicorn==0.17.6")),
            "check_options": ("--probe", "probes/leak.py"),
            "check_beside_table": ("--probe", "probes/leak.py"),
            "check_python": "3.8",
        },
        between=[*inside(1, combined), *inside(2, of_starlette), *inside(3, itself), why, below],
    )
    return fold([log[0], on("3.8.18"), *log[1:]])


# --- docs/own-project.md: one's own project, and its lock files


def own_project() -> Report:
    note = (
        "`shop` requires starlette>=0.27: 132 releases excluded; "
        "`--override starlette` has them installed all the same"
    )
    why = Explained(
        package="starlette",
        old="starlette 0.52.1",
        new="starlette 1.0.0",
        moves=(Move(name="starlette", old="0.52.1", new="1.0.0"),),
        kind=CulpritKind.PACKAGE,
        sets=(ShownSet(moved=(Move(name="starlette", old="0.52.1", new="1.0.0"),)),),
    )
    log = search(
        [release("0.52.1", "2026-01-18"), release("1.0.0", "2026-03-22"), release("1.10.0", "2026-10-05")],
        {"0.52.1": "++++", "1.0.0": "---", "1.10.0": "-"},
        changes=[("0.52.1", "1.0.0")],
        said={"project": "starlette", "requirement": "starlette=={version}", "axis": of("starlette")},
        between=[events.Note(text=note), why],
    )
    return fold([log[0], on("3.12.1"), *log[1:]])


def own_locks() -> Report:
    moved = Move(name="starlette", old="0.50.0", new="1.10.0")
    why = Explained(
        package=None,
        old="old.lock",
        new="uv.lock",
        moves=(moved, Move(name="anyio", old="4.11.0", new="4.13.0")),
        kind=CulpritKind.DEPENDENCY,
        sets=(ShownSet(moved=(moved,)),),
        tried_in=1,
        decisive=(0, 1, 2),
        stages_before=1,
    )
    reverted, upgraded = "uv.lock with starlette 0.50.0", "old.lock with starlette 1.10.0"
    combined = search(
        [
            release("old.lock"),
            release("uv.lock"),
            release(reverted),
            release("old.lock with starlette 1.10.0"),
        ],
        {"old.lock": "+", "uv.lock": "-", reverted: "+++", upgraded: "---"},
        said={"project": "starlette", "over": "mixes", "axis": MIX_WORDS},
    )
    of_package = search(
        [release("0.50.0"), release("0.52.1"), release("1.0.0"), release("1.10.0")],
        {"0.50.0": "+", "0.52.1": "+++", "1.0.0": "---", "1.10.0": "-"},
        changes=[("0.52.1", "1.0.0")],
        said={"project": "starlette", "over": "starlette", "axis": of("starlette")},
    )
    below = replace(why, package="starlette", old="starlette 0.52.1", new="starlette 1.0.0", stages_before=2)
    own = Move(name="starlette", old="0.52.1", new="1.0.0")
    below = replace(
        below, moves=(own,), kind=CulpritKind.PACKAGE, sets=(ShownSet(moved=(own,)),), tried_in=None
    )
    log = search(
        [release("old.lock"), release("uv.lock")],
        {"old.lock": "+++", "uv.lock": "---"},
        changes=[("old.lock", "uv.lock")],
        said={"project": "", "over": "locks", "axis": replace(Locks.words, subject="")},
        between=[*inside(1, combined), *inside(2, of_package), why, below],
    )
    return fold([log[0], on("3.12.1"), *log[1:]])


def of(package: str) -> AxisWords:
    return AxisWords(subject=package, others=(AS_OF,))


# --- docs/cause.md: two packages, each of which is enough


def either() -> Report:
    numpy, alchemy = (
        Move(name="numpy", old="1.23.5", new="1.24.2"),
        Move(name="sqlalchemy", old="1.4.46", new="2.0.4"),
    )
    why = Explained(
        package=None,
        old="old.txt",
        new="new.txt",
        moves=(numpy, alchemy, Move(name="idna", old="3.3", new="3.4")),
        kind=CulpritKind.EITHER,
        sets=(ShownSet(moved=(numpy,)), ShownSet(moved=(alchemy,))),
        stages_before=0,
    )
    stages = [
        inside(
            number,
            search(
                [release(good), release(bad), release(newest)],
                {good: "+++", bad: "---", newest: "-"},
                changes=[(good, bad)],
                said={"project": name, "over": name, "axis": of(name)},
            ),
        )
        for number, (name, good, bad, newest) in enumerate(
            [("numpy", "1.23.5", "1.24.0", "1.24.2"), ("sqlalchemy", "1.4.46", "2.0.0", "2.0.4")], start=1
        )
    ]
    below = [
        Explained(
            package=name,
            old=f"{name} {old}",
            new=f"{name} {new}",
            moves=(Move(name=name, old=old, new=new),),
            kind=CulpritKind.PACKAGE,
            sets=(ShownSet(moved=(Move(name=name, old=old, new=new),)),),
            stages_before=number,
        )
        for number, (name, old, new) in enumerate(
            [("numpy", "1.23.5", "1.24.0"), ("sqlalchemy", "1.4.46", "2.0.0")], start=1
        )
    ]
    log = search(
        [release("old.txt"), release("new.txt")],
        {"old.txt": "+++", "new.txt": "---"},
        changes=[("old.txt", "new.txt")],
        said={"project": "", "over": "locks", "axis": replace(Locks.words, subject="")},
        between=[why, *stages[0], below[0], *stages[1], below[1]],
    )
    return fold([log[0], on("3.11.7"), *log[1:]])


# --- docs/searching.md: a flaky probe


def flaky() -> Report:
    why = Explained(
        package="uvicorn",
        old="uvicorn 0.12.2",
        new="uvicorn 0.12.3",
        new_is=Outcome.PASSED,
        moves=(Move(name="uvicorn", old="0.12.2", new="0.12.3"),),
        kind=CulpritKind.PACKAGE,
        sets=(ShownSet(moved=(Move(name="uvicorn", old="0.12.2", new="0.12.3"),)),),
    )
    believed = events.BeliefUpdated(
        low=1,
        high=2,
        probability=0.9944,
        old=Tally(passed=5, failed=14).rate,
        new=Tally(passed=17).rate,
        first=2,
        last=2,
        confidence=0.99,
    )
    log = search(
        [release("0.12.0"), release("0.12.2", "2020-10-19"), release("0.12.3", "2020-11-21")],
        {"0.12.0": "-----++", "0.12.2": "---------+++", "0.12.3": "+" * 17},
        changes=[("0.12.2", "0.12.3")],
        new_is=Outcome.PASSED,
        said={"project": "uvicorn", "requirement": "uvicorn=={version}", "axis": of("uvicorn")},
        between=[believed, why],
    )
    return fold([log[0], on("3.8.18"), *log[1:]])


# --- Several probes, or several Pythons


def affected(python: str, *, runs: int, elapsed_s: float, is_affected: bool = True) -> SuiteRow:
    """The row of the leak on a Python, with so many runs."""
    ran = {"0.68.2": "+", "0.69.0": "-", "0.84.0": "-", "0.85.0": "+"}
    if not is_affected:
        ran = dict.fromkeys(ran, "+")
    ran["0.68.2"] += "+" * (runs - len(ran))
    log = search(
        [release(label) for label in ran],
        ran,
        changes=[("0.68.2", "0.69.0"), ("0.84.0", "0.85.0")] if is_affected else [],
        shortest=3 if is_affected else None,
        elapsed_s=elapsed_s,
        said={"project": "fastapi", "axis": AxisWords(subject="fastapi")},
    )
    report = fold(log)
    claim = Claim(version="0.69.0", fixed=False)
    return replace(row_of("probes/leak.py", report, claim), python=python)


def pythons() -> str:
    rows = [
        affected("3.7.16", runs=26, elapsed_s=167),
        affected("3.8.18", runs=25, elapsed_s=178),
        affected("3.9.18", runs=18, elapsed_s=180, is_affected=False),
    ]
    return suite(rows, elapsed_s=349)


def suite(rows: Sequence[SuiteRow], *, elapsed_s: float) -> str:
    out = StringIO()
    report = suite_report(rows, elapsed_s=elapsed_s, is_interrupted=False)
    suite_text.render(report, SafeConsole(file=out, width=160))
    return out.getvalue()


def probe_row(
    name: str, low: str, high: str, why: Explained, *, fixed: bool, claim: str, runs: int, elapsed_s: float
) -> SuiteRow:
    marks = ("-", "+") if fixed else ("+", "-")
    package = str(why.package)
    log = search(
        [release(low), release(high)],
        {low: marks[0] * (runs - 3), high: marks[1] * 3},
        changes=[(low, high)],
        elapsed_s=elapsed_s,
        new_is=Outcome.PASSED if fixed else Outcome.FAILED,
        said={"project": package, "axis": AxisWords(subject=package)},
        between=[why],
    )
    made = Claim(version=claim, fixed=fixed) if claim else None
    return row_of(f"probes/{name}", fold(log), made)


def because(package: str, low: str, high: str, *moved: Move, required: str = "") -> Explained:
    """Return the explanation that these distributions are the culprit; without any, the package itself is."""
    own = Move(name=package, old=low, new=high)
    return Explained(
        package=package,
        old=f"{package} {low}",
        new=f"{package} {high}",
        moves=(own, *moved),
        kind=CulpritKind.DEPENDENCY if moved else CulpritKind.PACKAGE,
        sets=(ShownSet(moved=moved or (own,), required=required),),
    )


def probes() -> str:
    anyio = Move(name="anyio", old=None, new="3.3.2")
    rows = [
        probe_row(
            "anyio_import.py",
            "0.68.2",
            "0.69.0",
            because("fastapi", "0.68.2", "0.69.0", anyio),
            fixed=True,
            claim="",
            runs=63,
            elapsed_s=22,
        ),
        probe_row(
            "background_tasks.py",
            "0.28.0",
            "0.29.0",
            because("starlette", "0.28.0", "0.29.0"),
            fixed=True,
            claim="0.29.0",
            runs=27,
            elapsed_s=70,
        ),
        probe_row(
            "leak.py",
            "0.68.2",
            "0.69.0",
            because("fastapi", "0.68.2", "0.69.0", STARLETTE, required="==0.15.0"),
            fixed=False,
            claim="0.69.0",
            runs=38,
            elapsed_s=124,
        ),
    ]
    others = [replace(rows[0], number=number, probe=f"probes/{number}.py") for number in range(4, 8)]
    return suite([*(replace(row, number=at) for at, row in enumerate(rows, 1)), *others], elapsed_s=194)


def claim() -> str:
    finding = Finding(
        claim=Claim(version="0.15.0", fixed=True),
        verdict=ClaimVerdict.INCOMPLETE,
        truth="fixed in 0.13.7, broken in 0.13.8 and fixed in 0.15.0",
    )
    report = fold(search([release("0.15.0")], {"0.15.0": "+"}, said={"project": "starlette"}))
    row = row_of_finding("probes/streaming_memory.py", finding, report)
    out = StringIO()
    with redirect_stdout(out), patch.dict("os.environ", COLUMNS=""):
        verify._show(Case(name=row.probe, plan=UsageError("")), row)
    return out.getvalue()


# --- docs/commands.md: the plan, and the progress


def planned() -> str:
    releases = [("2.0", "2008-07-17"), *[(f"2.{minor}", "2010-01-01") for minor in range(1, 47)]]
    candidates = tuple(
        dry_run.PlannedCandidate(version=label, uploaded=day(uploaded), cached_runs=2 if place < 7 else 0)
        for place, (label, uploaded) in enumerate([*releases, ("3.1.6", "2025-03-05")])
    )
    pre = "pre-release (include with `--pre`)"
    plan = dry_run.DryRun(
        package="jinja2",
        probe="probes/jinja2_escape.py",
        python="3.9.18",
        python_reason="can install 48 of 48 releases (36 of them predate this Python)",
        candidates=candidates,
        excluded=tuple(Excluded(version=f"3.0.0rc{n}", uploaded=None, reason=pre) for n in range(4)),
        notes=(),
        search_runs=dry_run.runs_to_find(48, gallops=True),
        confirm_runs=dry_run.runs_to_confirm(7, 7, confidence=0.995),
        later=("cause", "history"),
        median_run_s=0.32,
        estimated_s=6.4,
    )
    return "\n".join(dry_run.lines(plan, AxisWords(subject="jinja2"), 100))


def live() -> str:
    shown = Screen(width=100)
    log = search([release(f"0.{number}.0") for number in range(65, 80)], {"0.65.0": "+", "0.72.0": "-"})
    shown.take([log[0], events.StretchesPlanned(stretches=tuple(events.Stretch)), *log[1:2]])
    shown.now_s = 20.0
    shown.take([events.TrialStarted(key=4)])
    shown.now_s = 23.0
    shown.take([events.TrialStarted(key=2)])
    shown.take([events.TrialProgressed(key=4, activity=Activity.RUNNING)])
    shown.take([events.TrialProgressed(key=2, activity=Activity.BUILDING)])
    shown.take([*log[2:4], replace(log[4], low=0, high=7, left=6)])
    shown.now_s = 24.0
    return "\n".join(shown.status)


def address() -> str:
    """Return the line with the address at which a running command serves its report."""
    place, out = "http://127.0.0.1:43121/3q2-7wLk0c9mJr5Xn1vQeA/", StringIO()
    serving = patch("bisect_asgi.backend.live.serving", lambda _: nullcontext(place))
    with redirect_stderr(out), serving, live_pages._served(Mock()):
        pass
    return out.getvalue()


SHOWN: Mapping[tuple[str, str], Callable[[], str]] = {
    ("README", "bisect-asgi --probe probes/leak.py"): lambda: screen(leak()),
    ("cause", "bisect-asgi locks old.txt new.txt"): lambda: screen(either(), width=110),
    ("own-project", "bisect-asgi starlette --probe repro.py"): lambda: screen(own_project(), width=130),
    ("own-project", "bisect-asgi locks old.lock uv.lock"): lambda: screen(own_locks(), width=130),
    ("searching", "bisect-asgi --probe probes/leak.py --python 3.7,3.8,3.9"): pythons,
    ("searching", "bisect-asgi uvicorn --probe flaky.py"): lambda: screen(flaky()),
    ("suites", "bisect-asgi suite probes/ --quiet"): probes,
    ("suites", "bisect-asgi verify starlette"): claim,
    ("commands", "bisect-asgi --probe probes/jinja2_escape.py --dry-run"): planned,
    ("commands", ""): live,
    ("reports", "bisect-asgi --probe leak.py --live"): address,
}
"""The code's output for each run that a page shows, by the page and the beginning of the command there."""
