"""Simulate searches with the package's own search, and write their times into benchmarks/README.md.

    python benchmarks/simulate.py [--quick]

All seeds are fixed: every way of searching gets the same histories with the same seconds. `simulator.py`
describes what is simulated, and by what rules.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import mean

from simulator import Result, Way, World, bound, cheapest, simulate

from bisect_asgi.core.records import replace
from bisect_asgi.core.search.lookahead import parallel_trials

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- begin: simulate -->", "<!-- end: simulate -->"

BUILD_S, PROBE_S, SIGMA = 2.0, 1.0, 0.5
PLENTY = 1e6
WORKERS = (1, 2, 3, 4, 8, 16, 64)
SIZES = (10, 30, 100, 300, 1_000, 3_000, 10_000)
SIDE_BY_SIDE = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
AHEAD = 4

Draw = Callable[[Random, int], float]


def always(seconds: float) -> Draw:
    """The same for all."""
    return lambda random, key: seconds


def varying(mean_s: float) -> Draw:
    """Lognormal, with that mean."""
    return lambda random, key: random.lognormvariate(math.log(mean_s) - SIGMA**2 / 2, SIGMA)


def kept(share: float) -> Draw:
    """A share of environments is there already."""
    return lambda random, key: 0.0 if random.random() < share else BUILD_S


def from_source(random: Random, key: int) -> float:
    """Three of ten have to be built from source."""
    return 10 * BUILD_S if random.random() < 0.3 else BUILD_S


def older_from_source(random: Random, key: int) -> float:
    """The older half has to be built from source."""
    return 10 * BUILD_S if key < 50 else BUILD_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One cell: many histories, one way."""

    size: int
    way: Way
    times: int
    kind: str = "varying"
    cores: float = PLENTY
    waiting: float = 0.5
    everywhere: bool = False
    """Each history with its change at every place, not at one."""


KINDS: dict[str, tuple[Draw, Draw]] = {
    "equal": (always(BUILD_S), always(PROBE_S)),
    "varying": (varying(BUILD_S), varying(PROBE_S)),
    "10% kept": (kept(0.1), always(PROBE_S / 5)),
    "50% kept": (kept(0.5), always(PROBE_S / 5)),
    "30% from source": (from_source, always(PROBE_S)),
    "older half from source": (older_from_source, always(PROBE_S)),
    "lognormal, known": (varying(BUILD_S), varying(PROBE_S)),
}
"""What building and running take."""


def worlds(case: Case) -> Iterator[World]:
    """The histories of a case; their changes are spread evenly, so that few of them are enough."""
    build, probe = KINDS[case.kind]
    for number in range(case.times):
        random = Random(f"{case.kind}/{case.size}/{number}")
        world = World(
            build=[build(random, key) for key in range(case.size)],
            probe=[probe(random, key) for key in range(case.size)],
            change=1 + int((number + 0.5) * (case.size - 1) / case.times),
            cores=case.cores,
            waiting=case.waiting,
        )
        changes = range(1, case.size) if case.everywhere else [world.change]
        yield from (replace(world, change=change) for change in changes)


def score(case: Case) -> Result:
    """What the searches of a case took on average."""
    results = [simulate(world, case.way) for world in worlds(case)]
    return Result(
        seconds=mean(result.seconds for result in results),
        runs=round(mean(result.runs for result in results)),
        cancelled=round(mean(result.cancelled for result in results)),
        in_vain=round(mean(result.in_vain for result in results)),
    )


class Scores:
    """All cells, each worked out once, side by side."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def of(self, cases: Sequence[Case]) -> list[Result]:
        """What each of these took."""
        return list(self._pool.map(score, cases))


def times(size: int, quick: bool) -> int:
    """How many histories; few places are taken one by one."""
    return min(size - 1, 20 if quick else 100)


def distance(scores: Scores, quick: bool) -> Iterator[str]:
    """How far from the bound, where all trials take as long."""
    cells = {(size, k): times(size, quick) for size in SIZES for k in WORKERS}
    results = scores.of(
        [Case(size=n, way=Way(workers=k), times=t, kind="equal") for (n, k), t in cells.items()]
    )
    ratios = {
        (n, k): result.seconds
        / bound(n, Way(workers=k), build=BUILD_S, probe=PROBE_S, cores=PLENTY, waiting=0.5)
        for (n, k), result in zip(cells, results, strict=True)
    }
    (n, k), most = max(ratios.items(), key=lambda item: item[1])
    yield "#### From the bound: wall time of the bound's, all trials equally long, a core for each\n"
    yield (
        f"**Furthest: {n:,} candidates, {k} workers, {most:.2f} times the bound.** "
        f"On average over the table {mean(ratios.values()):.2f}. {FURTHEST}\n"
    )
    yield "| candidates | " + " | ".join(f"k = {k}" for k in WORKERS) + " |"
    yield "|---" * (1 + len(WORKERS)) + "|"
    for n in SIZES:
        yield f"| {n:,} | " + " | ".join(f"{ratios[n, k]:.2f}" for k in WORKERS) + " |"


FURTHEST = """\
The bound is a tree whose last round leaves nobody idle. The search cuts evenly, so that in its last round
many gaps hold one or two candidates and most workers have nothing left to do; it takes as many rounds at the
worst. Cutting as the bound does was tried: it wins that where all trials take equally long, and loses up to
8% where they vary. (Below 1.00: the histories are a sample.)"""


def ways(scores: Scores, quick: bool) -> Iterator[str]:
    """Our way beside others, with seconds that vary."""
    for cores in (PLENTY, 2):
        table = (
            ("rounds", lambda k: Way(workers=k, rounds=True, cancels=False)),
            ("no cancelling", lambda k: Way(workers=k, cancels=False)),
            ("ours, nothing built ahead", lambda k: Way(workers=k)),
            (f"ours, {AHEAD} built ahead", lambda k: Way(workers=k, ahead=AHEAD)),
        )
        size = 100
        count = times(size, quick)
        workers = WORKERS[:-1]
        cases = [Case(size=size, way=way(k), times=count, cores=cores) for k in workers for _, way in table]
        (plain,) = scores.of([Case(size=size, way=Way(), times=count, cores=cores)])
        results = iter(scores.of(cases))
        machine = "a core for each trial" if cores == PLENTY else f"{cores} cores"
        yield f"\n#### Ways, {machine}: wall time of plain bisection's\n"
        yield "| workers | " + " | ".join(name for name, _ in table) + " | trials, cancelled, built in vain |"
        yield "|---" * (2 + len(table)) + "|"
        for k in workers:
            row = [next(results) for _ in table]
            last = row[-1]
            yield (
                f"| {k} | "
                + " | ".join(f"{result.seconds / plain.seconds:.2f}" for result in row)
                + f" | {last.runs}, {last.cancelled}, {last.in_vain} |"
            )


def reach(scores: Scores, quick: bool) -> Iterator[str]:
    """Our way over sizes, in seconds."""
    count = 10 if quick else 40
    workers = (1, 2, 4, 16, 64)
    cases = [Case(size=n, way=Way(workers=k), times=min(n - 1, count)) for n in SIZES for k in workers]
    results = iter(scores.of(cases))
    yield f"\n#### Seconds ({BUILD_S:g} s to build, {PROBE_S:g} s to run, varying; nothing built ahead)\n"
    yield "| candidates | " + " | ".join(f"k = {k}" for k in workers) + " |"
    yield "|---" * (1 + len(workers)) + "|"
    for n in SIZES:
        yield f"| {n:,} | " + " | ".join(f"{next(results).seconds:.1f}" for _ in workers) + " |"


def costs(scores: Scores, quick: bool) -> Iterator[str]:
    """What knowing the seconds saves; with one worker against the optimum, over every place of the change."""
    size, count, workers = 100, 20 if quick else 100, (1, 2, 4, 8)
    yield "\n#### Candidates that cost more than others: seconds known, of the seconds of even cuts\n"
    yield "| | " + " | ".join(f"k = {k}" for k in workers) + " | k = 1, of the optimum | even cuts, of it |"
    yield "|---" * (3 + len(workers)) + "|"
    for kind in list(KINDS)[2:]:
        cases = [
            Case(
                size=size,
                way=Way(workers=k, prices=prices),
                times=2 if k == 1 else count,
                kind=kind,
                everywhere=k == 1,
            )
            for k in workers
            for prices in (False, True)
        ]
        results = [result.seconds for result in scores.of(cases)]
        ratios = [known / even for even, known in zip(results[::2], results[1::2], strict=True)]
        least = mean(optimum(world) for world in worlds(replace(cases[0], everywhere=False)))
        yield (
            f"| {kind} | "
            + " | ".join(f"{ratio:.2f}" for ratio in ratios)
            + f" | {results[1] / least:.3f} | {results[0] / least:.2f} |"
        )


def optimum(world: World) -> float:
    """The least expected seconds of one worker that looks at both ends first."""
    seconds = [build + probe for build, probe in zip(world.build, world.probe, strict=True)]
    return seconds[0] + seconds[-1] + cheapest(seconds[1:-1])


def widths(scores: Scores, quick: bool) -> Iterator[str]:
    """The best number of trials side by side, beside the rule's."""
    size, count = 100, 20 if quick else 60
    shares = (0.0, 0.25, 0.5, 0.75, 0.9)
    yield "\n#### Trials side by side: the best number, and what the rule's number takes of its time\n"
    yield "| cores | " + " | ".join(f"{share:.0%} waiting" for share in shares) + " |"
    yield "|---" * (1 + len(shares)) + "|"
    for cores in (1, 2, 4, 8):
        row = []
        for share in shares:
            ruled = parallel_trials(cores, share)
            numbers = sorted({*SIDE_BY_SIDE, ruled})
            cases = [
                Case(size=size, way=Way(workers=k), times=count, cores=cores, waiting=share) for k in numbers
            ]
            by = dict(zip(numbers, (result.seconds for result in scores.of(cases)), strict=True))
            best = min(by, key=lambda k: by[k])
            row.append(f"{best}; rule {ruled}: {by[ruled] / by[best]:.2f}")
        yield f"| {cores} | " + " | ".join(row) + " |"


def write(text: str) -> None:
    """Put `text` between the two marks of the README."""
    head, _, rest = README.read_text().partition(BEGIN)
    README.write_text(f"{head}{BEGIN}\n{text}\n\n{END}{rest.partition(END)[2]}")


def main() -> None:
    """Simulate, and write the tables between the marks of the README."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few histories; prints, writes nothing")
    arguments = parser.parse_args()
    started = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        scores = Scores(pool)
        parts = (distance, ways, reach, costs, widths)
        text = "\n".join(line for part in parts for line in part(scores, arguments.quick))
    if not arguments.quick:
        write(text)
    print(text)
    print(f"\n{time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
