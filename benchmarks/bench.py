"""Measure this tool and its alternatives, and write the tables into benchmarks/README.md.

    python benchmarks/bench.py [--quick] [--repetitions N] [--work NAME]… [--contender NAME]… [--index NAME]…
    python benchmarks/bench.py --goals [--repetitions N]
    python benchmarks/bench.py --render RESULTS

One repetition runs every contender once, cold, then warm; each repetition begins with another contender.
Each measurement is written as a line into a file in the scratch directory, whose path is printed first. A
table is written only if all of its contenders and work were measured. With `--goals`, only the cases that the
goals name are measured, next to the loop alone: nine times, or three times if they take long. Then the table
of the goals is written. This takes 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import overhead
import tables
from calibrate import write
from contenders import CONTENDERS, LOOP, OURS, Contender
from indexes import MIRROR, REAL, Index, fill, mirror, real, releases
from measuring import Bench, folder_of, measure, own_costs, remembered
from results import AGAIN, COLD, STATES, Result, append, append_result, load, rotated
from work import IMPORT, MAIN, PYTHON, SERVED, WORKS

from bisect_asgi.backend import interpreters
from bisect_asgi.backend.network.configured import binary
from bisect_asgi.core.errors import UsageError

BEGIN, END = "<!-- begin: bench -->", "<!-- end: bench -->"
GOALS_BEGIN, GOALS_END = "<!-- begin: goals -->", "<!-- end: goals -->"
_OF_GOALS = (MAIN, IMPORT, "pandas", "5s")
_LONG = 3
DELAY_S = 0.03
DATED = "ours, dated"
_WHERE = {MAIN: (MIRROR, REAL), IMPORT: (MIRROR, REAL)} | dict.fromkeys(SERVED, (REAL,))


def main() -> None:
    """Measure, print a line for each run, and write the tables."""
    arguments = _arguments()
    if arguments.render:
        _show(arguments.render, arguments)
        return
    # An exception lets the `with` blocks end the mirror and the running contender; SIGTERM itself would not.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = _bench(arguments.scratch, arguments.work)
    print(f"results: {bench.kept}", flush=True)
    with _opened(bench, arguments) as indexes:
        for index in indexes.values():
            for name in arguments.work:
                if index.name in _where(name, arguments):
                    _work(bench, index, name, arguments)
        if OURS in arguments.contender:
            remembered(bench, indexes.values())
            own_costs(bench, next(iter(indexes.values())), min(arguments.repetitions, _LONG))
    _show(bench.kept, arguments)


def _where(name: str, arguments: argparse.Namespace) -> tuple[str, ...]:
    """The indexes on which a work is measured."""
    where = _WHERE.get(name, (MIRROR,))
    return (MIRROR,) if arguments.goals and name != MAIN else where


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the main work once; prints, writes nothing")
    parser.add_argument("--goals", action="store_true", help="what the goals name, beside the loop alone")
    parser.add_argument("--repetitions", type=int, help="of what does not take long (default: 3, or 9)")
    parser.add_argument("--work", action="append", choices=[*WORKS, *SERVED])
    parser.add_argument("--contender", action="append", choices=[*CONTENDERS])
    parser.add_argument("--index", action="append", choices=[MIRROR, REAL])
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir(), "bisect-asgi-bench"))
    parser.add_argument("--render", type=Path, metavar="RESULTS", help="only write the tables again")
    arguments = parser.parse_args()
    chosen = (arguments.work, arguments.contender, arguments.index)
    arguments.is_whole = not any(chosen) and not arguments.quick
    quick, goals = arguments.quick, arguments.goals
    arguments.is_whole = arguments.is_whole and not goals
    arguments.repetitions = 1 if quick else arguments.repetitions or (9 if goals else 3)
    works, contenders = [*WORKS, *SERVED], [*CONTENDERS]
    if quick or goals:
        works, contenders = ([*_OF_GOALS], [OURS, LOOP]) if goals else ([MAIN], [OURS, LOOP, "git"])
    arguments.work = arguments.work or works
    arguments.contender = arguments.contender or contenders
    arguments.index = arguments.index or [MIRROR, REAL]
    return arguments


def _bench(scratch: Path, names: Sequence[str]) -> Bench:
    """Make the directories, and collect the data for the contenders."""
    scratch = scratch.absolute()
    scratch.mkdir(parents=True, exist_ok=True)
    kept = scratch / f"results-{time.strftime('%Y%m%dT%H%M%S')}.jsonl"
    machine = {
        "cores": os.cpu_count(),
        "uv": version("uv"),
        "python": platform.python_version(),
        "delay_s": DELAY_S,
        "load": os.getloadavg()[0],
    }
    append(kept, "machine", machine)
    return Bench(
        scratch=scratch,
        kept=kept,
        python=_python(scratch / "interpreters"),
        listed={name: releases(WORKS[name], scratch / "index") for name in names if name in WORKS},
    )


def _python(folder: Path) -> str:
    """Return the interpreter that all contenders use; if the machine has none, uv installs it."""
    try:
        return interpreters.find(PYTHON, folder).interpreter.path
    except UsageError:
        subprocess.run([binary(), "python", "install", PYTHON], check=True)
        return interpreters.find(PYTHON, folder).interpreter.path


@contextmanager
def _opened(bench: Bench, arguments: argparse.Namespace) -> Iterator[dict[str, Index]]:
    """Yield the chosen indexes; the mirror has fetched everything before anything is measured."""
    overhead.install(bench.tool.parent.parent)
    for name in arguments.contender:
        _install(bench, CONTENDERS[name])
    indexes = {}
    with mirror(bench.scratch / "mirror", DELAY_S) as copy:
        if MIRROR in arguments.index:
            print("filling the mirror", flush=True)
            works = {name: (WORKS[name], listed) for name, listed in bench.listed.items()}
            fill(copy, works, bench.python, bench.scratch / "filling")
            for name in (DATED, "ours, culprit"):  # these need further releases, which only a run finds out
                if name in arguments.contender and MAIN in arguments.work:
                    measure(bench, copy, MAIN, name, COLD, 0)
            indexes[MIRROR] = copy
        if REAL in arguments.index:
            indexes[REAL] = real()
        yield indexes


def _install(bench: Bench, contender: Contender) -> None:
    """Put another tool into an environment of its own."""
    folder = bench.tools / contender.folder
    if contender.package and not folder.exists():
        subprocess.run([binary(), "venv", "--quiet", "--python", bench.python, str(folder)], check=True)
        install = [binary(), "pip", "install", "--quiet", "--python", str(folder)]
        subprocess.run([*install, contender.package], check=True)


def _work(bench: Bench, index: Index, name: str, arguments: argparse.Namespace) -> None:
    """All repetitions of one work on one index."""
    able = [each for each in arguments.contender if name in CONTENDERS[each].works]
    is_long = name in SERVED or WORKS[name].heavy
    times = arguments.repetitions
    if is_long:
        times = min(times, _LONG) if arguments.goals else 1
    only_cold = name in SERVED or WORKS[name].only_cold
    for repetition in range(1, times + 1):
        names = [each for each in able if repetition == 1 or not CONTENDERS[each].is_slow]
        failed = set()
        for state in (COLD,) if only_cold else STATES:
            for each in rotated(names, repetition):
                # A run that failed has not filled the caches, so there is nothing to measure warm.
                if each in failed or (state == AGAIN and not CONTENDERS[each].remembers):
                    continue
                result = measure(bench, index, name, each, state, repetition)
                append_result(bench.kept, result)
                print(_line(result), flush=True)
                if not result.is_right:
                    failed.add(each)
        for each in names:
            shutil.rmtree(folder_of(bench, each), ignore_errors=True)


def _line(result: Result) -> str:
    right = "" if result.is_right else " (wrong)"
    return (
        f"{result.index} {result.work} {result.state} {result.repetition} {result.contender}: "
        f"{result.last} → {result.first}{right}, {result.runs} runs, {result.wall_s:.2f} s, "
        f"CPU {result.cpu_s:.2f} s, {tables.size(result.fetched_bytes)}"
    )


def _show(kept: Path, arguments: argparse.Namespace) -> None:
    """Print the tables, and write them where everything was measured."""
    results, others = load(kept)
    if arguments.goals:
        text = tables.of_goals(results, others)
        write(text, GOALS_BEGIN, GOALS_END)
        print(text)
        return
    text = tables.text(results, others)
    print(text)
    if arguments.is_whole:
        write(text, BEGIN, END)


if __name__ == "__main__":
    main()
