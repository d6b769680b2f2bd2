"""Past runs: the summary of each in a list, and the list as a document."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from bisect_asgi.core import codec
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.records import Struct
from bisect_asgi.report.document import Report
from bisect_asgi.report.suite import answer_of

SCHEMA = "bisect-asgi.runs/1"
_ID = 7


class PastRun(Struct, frozen=True, kw_only=True):
    """One run in a list of runs."""

    id: str
    """The name by which `bisect-asgi report` shows it; the beginning is enough if no other has the same."""
    log: str
    """The path of its event log."""
    started: datetime | None = None
    """Null if the log cannot be read."""
    package: str = ""
    """Empty for lock files."""
    probe: str = ""
    """The probe's path as given, or the command."""
    over: str = ""
    """The axis, as `--over` takes it."""
    kind: ResultKind | None = None
    """The kind of its result; null while it runs, or if the log cannot be read."""
    answer: str = ""
    """`0.68.2 → 0.69.0 (bad)`, or in two words why there is none."""
    headline: str = ""
    """The result as one sentence."""
    elapsed_s: float = 0.0
    problem: str = ""
    """Why its log cannot be read."""


class PastRuns(Struct, frozen=True, kw_only=True):
    """The list as a document."""

    schema: str = SCHEMA
    runs: tuple[PastRun, ...]
    """The newest first."""


def id_of(name: str) -> str:
    """Return the id of a run, given the name of its log without its ending."""
    return hashlib.sha256(name.encode()).hexdigest()[:_ID]


def past_run(report: Report, *, run_id: str, log: str) -> PastRun:
    """Return the summary of a run for a list."""
    plan = report.plan
    return PastRun(
        id=run_id,
        log=log,
        started=plan.started,
        package=plan.project,
        probe=plan.probe or plan.command or "",
        over=plan.over,
        kind=report.kind,
        answer=answer_of(report),
        headline=report.headline,
        elapsed_s=report.elapsed_s,
    )


def render_json(runs: Sequence[PastRun]) -> str:
    """Return the list as one line of JSON."""
    return codec.to_json(PastRuns(runs=tuple(runs))).decode()
