"""The script that reproduces a result without bisect-asgi if `python FILE` alone cannot.

The script serves the app of a served probe, and measures and judges a metric. All that it needs is in the
log: what to serve and how, the bad end's failures, and the threshold.
"""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import PurePath

from bisect_asgi.core.events import RunStarted
from bisect_asgi.core.metrics import BUILT_IN
from bisect_asgi.core.metrics.criteria import RATIO
from bisect_asgi.core.model import FailureKind, Served, Signature
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import listing
from bisect_asgi.report.document import Report
from bisect_asgi.report.standalone import script

_NEEDED = "h11"
_HANG = "time-out"
_MEASURED_RUNS = 6
_ONLY_HTTPX = frozenset({"files", "cookies", "auth", "follow_redirects"})
_ONLY_BISECT_ASGI = frozenset({"websocket", "stream", "build_request"})
_LIBRARIES = frozenset({"httpx", "websockets", "bisect_asgi"})


def file_of(plan: RunStarted) -> str:
    """Return the path of the file to save next to the script, as the user gave it: the probe, or the app."""
    options = list(plan.check_options)
    if plan.probe or "--app" not in options:
        return plan.probe
    given = shlex.split(options[options.index("--app") + 1])[0]
    return given.rpartition(":")[0] or given


def also_needed(plan: RunStarted) -> tuple[str, ...]:
    """Return the names of further files next to the probe: included files, and the file of the app."""
    options = list(plan.check_options)
    given = [(option, shlex.split(value)[0]) for option, value in pairwise(options) if option in _FILES]
    paths = [value.rpartition(":")[0] or value if option == "--app" else value for option, value in given]
    names = dict.fromkeys(PurePath(path).name for path in paths)
    return tuple(name for name in names if name != PurePath(file_of(plan)).name)


_FILES = ("--include", "--app")


class Script(Struct, frozen=True, kw_only=True):
    """A file to save next to the probe."""

    name: str
    text: str


def script_of(report: Report, probe: str) -> Script | None:
    """Return the script; None if none is needed, or if a script cannot do all that this probe needs.

    `probe`: the text of the probe, or "" if it is not known.
    """
    plan = report.plan
    own = plan.serving
    if not (plan.probe or plan.command or own) or not (plan.served or plan.metric):
        return None
    if "--match" in plan.check_options:  # the text may be in output that the script does not read
        return None
    if plan.served and (own is None or not _has_h11(report) or set(_beyond(probe))):
        return None
    name = "reproduce.py" if PurePath(plan.probe).name != "reproduce.py" else "reproduce_probe.py"
    parameters = dict(_parameters(report))
    return Script(name=name, text=script(parameters, title=_title(report, name), probe=probe))


def _has_h11(report: Report) -> bool:
    sides = [row for row in map(report.row, (report.last, report.first)) if row]
    return bool(sides) and all(any(d.name == _NEEDED for d in row.distributions) for row in sides)


def _beyond(probe: str) -> Iterator[str]:
    """Yield the parts of httpx's client and the libraries that a probe uses and the script lacks."""
    try:
        nodes = ast.walk(ast.parse(probe))
    except SyntaxError:
        return
    for node in nodes:
        match node:
            case ast.Attribute(attr=name) if name in _ONLY_BISECT_ASGI:
                yield name
            case ast.keyword(arg=str(name)) if name in _ONLY_HTTPX:
                yield name
            case ast.Import(names=names):
                yield from (each.name for each in names if each.name.partition(".")[0] in _LIBRARIES)
            case ast.ImportFrom(module=str(name)) if name.partition(".")[0] in _LIBRARIES:
                yield name
            case _:
                pass


def _parameters(report: Report) -> Iterator[tuple[str, object]]:
    plan = report.plan
    if plan.probe:
        yield "PROBE", PurePath(plan.probe).name
    if plan.command:
        yield "COMMAND", plan.command
    if plan.serving:
        yield from _of_server(plan.serving)
    if plan.timeout_s is not None:
        yield "TIMEOUT_S", plan.timeout_s
    failures = _failures(report)
    yield "FAILURES", failures
    if any(_HANG in failure or "Timeout" in failure for failure in failures):
        yield "HANGS", True
    if plan.metric:
        yield from _of_metric(report, plan.metric)
    elif runs := _runs_until_it_fails(report):
        yield "RUNS", runs
    if (plan.term_old, plan.term_new) != ("good", "bad"):
        yield "GOOD", plan.term_old
        yield "BAD", plan.term_new


def _of_server(served: Served) -> Iterator[tuple[str, object]]:
    yield "APP", served.file
    yield "APP_NAME", served.name
    yield "UVICORN", dict(served.options)
    yield "STARTUP_S", served.startup_s
    if load := served.load:
        told = {"request": load.request, "requests": load.requests, "concurrency": load.concurrency}
        yield "LOAD", {**told, "keep_alive": load.keep_alive}


def _of_metric(report: Report, metric: str) -> Iterator[tuple[str, object]]:
    yield "METRIC", metric
    if report.plan.threshold is not None and report.unit != RATIO:
        yield "BELOW" if report.plan.limit.startswith("below") else "ABOVE", report.plan.threshold
    if report.ends or metric in BUILT_IN:
        yield "RUNS", _MEASURED_RUNS


def _failures(report: Report) -> tuple[str, ...]:
    """Return the types of the failures that the search took for bad ones."""
    bad = [row.signature for row in report.rows if row.verdict == report.plan.term_new and row.signature]
    return tuple(sorted({name for name in map(_type_of, bad) if name}))


def _type_of(failure: Signature) -> str:
    if failure.kind is FailureKind.TIMEOUT:
        return _HANG
    return failure.text.partition(":")[0] if failure.kind is FailureKind.EXCEPTION else ""


def _runs_until_it_fails(report: Report) -> int:
    """Return how many runs show the failure of a flaky probe with a probability of 95%; 0 if one does."""
    last, first = report.row(report.last), report.row(report.first)
    bad = next((row for row in (first, last) if row and row.verdict == report.plan.term_new), None)
    if bad is None or not bad.is_flaky or any(row.is_flaky for row in (last, first) if row and row != bad):
        return 0
    passes = bad.passed / (bad.passed + bad.failed)
    return next(runs for runs in range(1, 1000) if passes**runs <= 0.05 or runs == 100)


def _title(report: Report, name: str) -> str:
    plan = report.plan
    what = _what(report)
    limit = [f"{plan.metric} {plan.limit}"] if plan.metric and plan.limit and report.unit != RATIO else []
    bad = listing([*_failures(report), *limit]) or "see below"
    needs = "the standard library, and h11, which uvicorn requires" if plan.served else "the standard library"
    return "\n".join(
        (
            f"{what}, as bisect-asgi {plan.tool_version} did.",
            "",
            f"    python {name} [RUNS]",
            "",
            f"Exit code 0: {plan.term_old}. 1: {plan.term_new} ({bad}). 125: untestable, or another failure.",
            f"It needs {needs}. It is an excerpt of bisect-asgi (Apache-2.0).",
        )
    )


def _what(report: Report) -> str:
    plan = report.plan
    if plan.serving:
        with_ = (
            "send it requests" if plan.serving.load else f"call probe(server) of {PurePath(plan.probe).name}"
        )
        return f"Serve the app of {plan.serving.file} with this environment's uvicorn and {with_}"
    return f"Run {PurePath(plan.probe).name or 'the command'} and measure {plan.metric}"
