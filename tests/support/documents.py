"""Hand-written logs of runs, and the reports that they come to."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import (
    Boundary,
    BuiltEnvironment,
    Distribution,
    Excluded,
    Observation,
    Outcome,
    Ruling,
    Signature,
    Trial,
    Verdict,
)
from bisect_asgi.core.records import replace
from bisect_asgi.report import text as text_report
from bisect_asgi.report.document import Report
from bisect_asgi.report.progress.console import SafeConsole
from support.builders import (
    ASSERTION,
    day,
    failed,
    passed,
    target,
)

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
    interpreter=target("3.8.18").interpreter, reason="can install 5 of 5 releases"
)


VERSIONS = ("0.10.0", "0.11.0", "0.12.0", "0.12.1", "0.13.0")


LISTED = events.CandidatesListed(
    candidates=tuple(
        events.CandidateListed(version=version, uploaded=day(f"2019-0{month}-05"), python="3.8.18")
        for month, version in enumerate(VERSIONS, start=1)
    ),
    excluded=(
        Excluded(version="0.13.0b1", uploaded=day("2019-04-20"), reason="pre-release (include with `--pre`)"),
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
    text_report.render(report, SafeConsole(file=out, width=width), whole=True)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


UV_RUN = "uv run --isolated --no-project --python 3.8"


ON_0_12_0 = f"{UV_RUN} --with starlette==0.12.0 --with uvicorn==0.17.6 python probes/leak.py"


ON_0_12_1 = f"{UV_RUN} --with starlette==0.12.1 --with uvicorn==0.17.6 python probes/leak.py"
