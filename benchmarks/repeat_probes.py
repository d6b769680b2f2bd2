"""Run each probe many times on both sides of each of its changes, and count the verdicts.

    python benchmarks/repeat_probes.py [--runs 20] [--busy] [PROBE …]

A probe is worth keeping only if each release gets the same verdict every time, also when other work keeps all
cores busy (`--busy`). This file lists the releases on both sides of each change, with the verdict that each
must get.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bisect_asgi import session
from bisect_asgi.cli.probe_files import read_plan
from bisect_asgi.cli.wiring.local import open_trials
from bisect_asgi.cli.wiring.paths import CachePaths
from bisect_asgi.cli.wiring.services import open_services
from bisect_asgi.core.plan.options import Options

PROBES = Path(__file__).parent.parent / "probes"
SIDES = {
    "streaming_memory": {
        "0.13.6": "failed",
        "0.13.7": "passed",
        "0.13.8": "failed",
        "0.14.2": "failed",
        "0.15.0": "passed",
    },
    "background_tasks": {
        "0.20.0": "failed",
        "0.20.1": "passed",
        "0.23.0": "passed",
        "0.23.1": "failed",
        "0.28.0": "failed",
        "0.29.0": "passed",
    },
    "upload_threads": {"0.13.4": "failed", "0.13.5": "passed"},
    "keepalive_hang": {"0.12.2": "failed", "0.12.3": "passed"},
    "leak": {"0.68.2": "passed", "0.69.0": "failed", "0.84.0": "failed", "0.85.0": "passed"},
}


def spin() -> None:
    """Keep one core busy."""
    while True:
        sum(range(10_000))


@contextmanager
def load(other_load: bool) -> Iterator[None]:
    """Keep all cores busy meanwhile."""
    processes = [multiprocessing.Process(target=spin, daemon=True) for _ in range(os.cpu_count() or 1)]
    try:
        for process in processes if other_load else ():
            process.start()
        yield
    finally:
        for process in processes if other_load else ():
            process.kill()
            process.join()


def main() -> None:
    """Print one line for each side, and exit with 1 if any verdict was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("probes", nargs="*", metavar="PROBE", help=f"of {', '.join(SIDES)} (default: all)")
    arguments = parser.parse_args()
    places, failures = CachePaths.configured(), 0
    with (
        load(arguments.other_load),
        open_trials(places) as runner,
        ThreadPoolExecutor(1) as executor,
        open_services(places, runner, executor) as services,
    ):
        for name in arguments.probes or SIDES:
            plan = read_plan(Options(probe=str(PROBES / f"{name}.py"), fresh=True))
            for version, wanted in SIDES[name].items():
                started = time.monotonic()
                seen: Counter[str] = Counter()
                for _ in range(arguments.runs):
                    _, trial = session.check(plan, version, services)
                    ruling = session.rule_on(plan, trial)
                    seen[str(ruling.outcome) if ruling else "broken"] += 1
                failures += seen.total() - seen[wanted]
                each = (time.monotonic() - started) / arguments.runs
                print(f"{name} {version}: {dict(seen)}, wanted {wanted}, {each:.1f} s a run", flush=True)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
