"""Find the boundaries of noisy probes on real releases, several times over, with all cores busy.

    python benchmarks/noisy_cases.py [--times 5] [--idle] [CASE …]

Each search starts without cached runs. The true boundary of each case was found by hand, with uv alone; the
files in `benchmarks/probes` say what they measure, and why it changes there. The table is written into
benchmarks/README.md only if all cases were run.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from calibrate import write
from repeat_probes import load

from bisect_asgi import session
from bisect_asgi.backend.executors import open_executor
from bisect_asgi.cli.probe_files import read_plan
from bisect_asgi.cli.wiring.local import open_trials
from bisect_asgi.cli.wiring.paths import CachePaths
from bisect_asgi.cli.wiring.services import open_services
from bisect_asgi.core.errors import BisectError
from bisect_asgi.core.events import Event
from bisect_asgi.core.plan.options import Options
from bisect_asgi.report.folding import fold

BEGIN, END = "<!-- begin: noisy cases -->", "<!-- end: noisy cases -->"
PROBES = Path(__file__).parent / "probes"


@dataclass(frozen=True)
class Case:
    """A probe, and the last release before its change and the first after it."""

    last: str
    first: str


CASES = {
    "flaky_keepalive": Case("0.12.2", "0.12.3"),
    "tqdm_import": Case("4.67.1", "4.67.2"),
    "marshmallow_import": Case("3.20.2", "3.21.0"),
    "typer_memory": Case("0.16.1", "0.17.0"),
    "jsonschema_memory": Case("4.17.3", "4.18.0"),
    "models_json": Case("0.129.2", "0.130.0"),
}


@dataclass(frozen=True)
class Search:
    """What came out of one search."""

    is_right: bool
    runs: int
    seconds: float
    told: str


def main() -> None:
    """Print one line for each search, and exit with 1 if any was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--idle", action="store_true", help="leave the cores to the searches")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (default: all)")
    arguments = parser.parse_args()
    found: dict[str, list[Search]] = {}
    with load(not arguments.idle):
        for name in arguments.cases or CASES:
            found[name] = [search(name, CASES[name]) for _ in range(arguments.times)]
    if not arguments.cases:
        write(table(found, is_busy=not arguments.idle), BEGIN, END)
    sys.exit(any(not each.is_right for searches in found.values() for each in searches))


def search(name: str, case: Case) -> Search:
    """Search once, and print the result."""
    plan = read_plan(Options(probe=str(PROBES / f"{name}.py"), fresh=True, culprit=False))
    seen: list[Event] = []
    begun = time.monotonic()
    places = CachePaths.configured()
    with (
        suppress(BisectError),  # the last event reports it
        open_trials(places, seen.append) as runner,
        open_executor(None, plan.jobs, most=plan.most_jobs) as executor,
        open_services(places, runner, executor) as services,
    ):
        session.bisect(plan, services, seen.append)
    report = fold(seen)
    result = Search(
        is_right=(report.last, report.first) == (case.last, case.first),
        runs=sum(row.passed + row.failed for row in report.rows),
        seconds=time.monotonic() - begun,
        told=report.headline,
    )
    print(f"{name}: {result.told} ({result.runs} runs, {result.seconds:.0f} s)", flush=True)
    return result


def table(found: Mapping[str, Sequence[Search]], *, is_busy: bool) -> str:
    """One row for each case."""
    rows = [
        f"| {name} | {CASES[name].last} → {CASES[name].first} | "
        f"{sum(each.is_right for each in searches)} of {len(searches)} | "
        f"{median(each.runs for each in searches):.0f} | {median(each.seconds for each in searches):.0f} s |"
        for name, searches in found.items()
    ]
    where = f"{os.cpu_count()} cores, {'all of them busy with other work' if is_busy else 'idle'}"
    head = "| probe | truth | right | runs (median) | time (median) |\n|---|---|---|---|---|"
    return "\n".join([f"On {where}:", "", head, *rows])


if __name__ == "__main__":
    main()
