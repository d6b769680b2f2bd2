"""Simulate searches with flaky probes, and write how right and how long they were into benchmarks/README.md.

    python benchmarks/calibrate.py [--quick] [--repetitions 1.0]

Every method sees the same worlds: the n-th run of a candidate has the same result whoever asks for it. All
seeds are fixed. git_bayesect is fetched from the package index into a directory that is thrown away.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import mean, median

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.search import Bisection, Boundary, NoisySearch, Open, Tally
from bisect_asgi.core.search.confirmation import wanted_runs
from bisect_asgi.core.tally import wilson_interval

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- begin: calibrate -->", "<!-- end: calibrate -->"
RIVAL = "git_bayesect==1.2"

RATES = (
    *((0.0, 1.0), (0.0, 0.9), (0.0, 0.7), (0.0, 0.5), (0.0, 0.3)),
    *((0.1, 0.9), (0.2, 0.8), (0.3, 0.7), (0.1, 1.0), (0.5, 1.0)),
)
REPETITIONS = {16: 200, 64: 200, 256: 120, 1000: 40}
QUICK = {16: 20, 64: 12}
SKIPPED = (0.0, 0.2)
BUDGET = 400
CONFIDENCE = 0.99
OURS, TWO, RIVAL_DEFAULT, RIVAL_99 = "ours", "ours, 2 at once", "git_bayesect .95", "git_bayesect .99"


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of world."""

    size: int
    good: float
    bad: float
    skipped: float


class World:
    """One history, and the results of all runs that anybody makes of it."""

    def __init__(self, cell: Cell, number: int) -> None:
        random = Random(f"{cell}/{number}")
        self.cell, self.number = cell, number
        change = random.randrange(1, cell.size)
        inner = range(1, cell.size - 1)
        self.skips = {key for key in inner if random.random() < cell.skipped}
        self.high = next(key for key in range(change, cell.size) if key not in self.skips)
        self._change = change
        self._random: dict[int, Random] = {}
        self._results: dict[int, list[bool]] = {}

    def fails(self, key: int, run: int) -> bool:
        """Tell whether run number `run` of a candidate fails."""
        results = self._results.setdefault(key, [])
        random = self._random.setdefault(key, Random(f"{self.cell}/{self.number}/{key}"))
        while len(results) <= run:
            results.append(random.random() < (self.cell.bad if key >= self._change else self.cell.good))
        return results[run]


@dataclass(slots=True)
class Trials:
    """The runs that one search has made in a world, and their cost."""

    world: World
    tallies: dict[int, Tally] = field(default_factory=dict)
    skips: set[int] = field(default_factory=set)
    runs: int = 0

    def run(self, key: int) -> bool | None:
        """Run a candidate once; None: it cannot be tested. Either costs one run."""
        self.runs += 1
        if key in self.world.skips:
            self.skips.add(key)
            return None
        tally = self.tallies.get(key, Tally())
        fails = self.world.fails(key, tally.runs)
        self.tallies[key] = tally + (Tally(failed=1) if fails else Tally(passed=1))
        return fails


REASON = """\
Where results contradict each other, both searches have the same prior and the same greedy choice, so what
is saved is the beginning. Where they do not, the runs after the search are those that the bound of
`core/search/confirmation.py` needs.
"""

Answer = int | None
"""The first new candidate that is testable; None if there was no answer."""


def verdicts(trials: Trials) -> dict[int, Verdict]:
    """What each candidate's majority says."""
    told = dict.fromkeys(trials.skips, Verdict.SKIP)
    for key, tally in trials.tallies.items():
        told[key] = Verdict.NEW if tally.failed > tally.passed else Verdict.OLD
    return told


def repeated(times: int) -> Callable[[World], tuple[int, Answer]]:
    """Plain bisection with up to `times` runs each, until a majority is certain."""

    def search(world: World) -> tuple[int, Answer]:
        trials = Trials(world)
        while keys := Bisection.replay(world.cell.size, verdicts(trials)).ask(1):
            for _ in range(times):
                if trials.run(keys[0]) is None:
                    break
                tally = trials.tallies[keys[0]]
                if max(tally.passed, tally.failed) > times // 2:
                    break
        state = Bisection.replay(world.cell.size, verdicts(trials)).state
        return trials.runs, state.high if isinstance(state, Boundary) else None

    return search


def next_runs(trials: Trials, size: int, limit: int, pending: Sequence[int] = ()) -> tuple[int, ...] | Answer:
    """What the hybrid runs next, or its answer: bisection until something contradicts, then NoisySearch."""
    if not any(tally.contradicts_itself for tally in trials.tallies.values()):
        search = Bisection.replay(size, verdicts(trials))
        match search.state:
            case Open():
                return search.ask(limit, pending)
            case Boundary(low=low, high=high, contradictions=()):
                more_low, more_high = wanted_runs(trials.tallies, low, high, confidence=CONFIDENCE)
                if not more_low and not more_high:
                    return high
                order = (low, high) if more_low >= more_high else (high, low)
                return tuple(key for key in order if key not in pending)[:limit]
    noisy = NoisySearch(size, trials.tallies, skips=trials.skips, confidence=CONFIDENCE)
    match noisy.state:
        case Open():
            return noisy.ask(limit, pending)
        case Boundary(high=high):
            return high
    return None


def hybrid(workers: int) -> Callable[[World], tuple[int, Answer]]:
    """The package's own search with so many at once, which come back in the order of asking."""

    def search(world: World) -> tuple[int, Answer]:
        trials, pending = Trials(world), list[int]()
        while trials.runs < BUDGET:
            wanted = next_runs(trials, world.cell.size, workers - len(pending), pending)
            if not isinstance(wanted, tuple):
                return trials.runs + len(pending), wanted
            pending += wanted
            trials.run(pending.pop(0))
        return trials.runs, None

    return search


def rival(world: World) -> dict[str, tuple[int, Answer]]:
    """One search with git_bayesect's own class, used as by its `run` command, at either confidence."""
    size, trials = world.cell.size, Trials(world)
    bisector = importlib.import_module("git_bayesect").Bisector([1.0] * size)
    found: dict[str, tuple[int, Answer]] = {}
    goals = {RIVAL_DEFAULT: 0.95, RIVAL_99: CONFIDENCE}
    while trials.runs < BUDGET and len(found) < len(goals):
        key = size - 1 - bisector.select()
        # A run of an untestable candidate would show nothing, so the next older testable one is run instead.
        key = next(older for older in range(key, -1, -1) if older not in trials.skips)
        bisector.record(size - 1 - key, trials.run(key))
        place = int(bisector.distribution.argmax())
        for name, goal in goals.items():
            if name not in found and bisector.distribution[place] >= goal:
                # Its oldest place means that no candidate differs from the others.
                found[name] = trials.runs, size - 1 - place or None
    return {name: found.get(name, (trials.runs, None)) for name in goals}


METHODS: Mapping[str, Callable[[World], tuple[int, Answer]]] = {
    "bisection": repeated(1),
    "3 runs": repeated(3),
    "5 runs": repeated(5),
    "10 runs": repeated(10),
    OURS: hybrid(1),
}


@dataclass(frozen=True, slots=True)
class Score:
    """How one method did in one cell."""

    runs: tuple[int, ...]
    given: int
    right: int

    @property
    def share(self) -> float:
        """Right answers among those given; 1 where none was."""
        return self.right / self.given if self.given else 1.0

    @property
    def wrong(self) -> int:
        """Wrong answers."""
        return self.given - self.right


def simulate(task: tuple[Cell, range]) -> tuple[Cell, dict[str, list[tuple[int, Answer, bool]]]]:
    """Run all methods on some of a cell's worlds."""
    cell, numbers = task
    # git_bayesect takes the logarithm of the weight 0 that it gives to skips, and numpy warns of each.
    warnings.simplefilter("ignore")
    found: dict[str, list[tuple[int, Answer, bool]]] = {}
    for number in numbers:
        world = World(cell, number)
        ends = {name: method(world) for name, method in METHODS.items()} | rival(world)
        if cell.size == 64:
            ends[TWO] = hybrid(2)(world)
        for name, (runs, answer) in ends.items():
            found.setdefault(name, []).append((runs, answer, answer == world.high))
    return cell, found


def scores(repetitions: Mapping[int, int]) -> dict[Cell, dict[str, Score]]:
    """Simulate the grid in as many processes as there are cores."""
    cells = [Cell(size, *rates, skip) for size in sorted(repetitions) for rates in RATES for skip in SKIPPED]
    tasks = [
        (cell, range(start, min(start + 20, repetitions[cell.size])))
        for cell in cells
        for start in range(0, repetitions[cell.size], 20)
    ]
    # The longest tasks come first: a long one at the end would run while the other cores are idle.
    tasks.sort(key=lambda task: -task[0].size)
    ends: dict[Cell, dict[str, list[tuple[int, Answer, bool]]]] = {cell: {} for cell in cells}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for cell, found in pool.map(simulate, tasks):
            for name, results in found.items():
                ends[cell].setdefault(name, []).extend(results)
    return {cell: {name: score(results) for name, results in by.items()} for cell, by in ends.items()}


def score(results: Sequence[tuple[int, Answer, bool]]) -> Score:
    """Add up."""
    return Score(
        runs=tuple(runs for runs, _, _ in results),
        given=sum(answer is not None for _, answer, _ in results),
        right=sum(is_right for _, _, is_right in results),
    )


def merged(parts: Sequence[Score]) -> Score:
    """Several cells as one."""
    return Score(
        runs=tuple(runs for part in parts for runs in part.runs),
        given=sum(part.given for part in parts),
        right=sum(part.right for part in parts),
    )


def cell_text(value: Score) -> str:
    """`0.990 · 26/24`, and the share without an answer where there is any."""
    silent = 1 - value.given / len(value.runs)
    text = f"{value.share:.3f} · {mean(value.runs):.0f}/{median(value.runs):.0f}"
    return text + (f" · {silent:.0%} –" if silent else "")


def name_of(cell: Cell) -> str:
    """A cell in a sentence."""
    return f"n={cell.size} {cell.good:g}/{cell.bad:g} skips {cell.skipped:.0%}"


def tables(grid: Mapping[Cell, Mapping[str, Score]]) -> Iterator[str]:
    """One table for each size and share of skips."""
    names = ["bisection", "3 runs", "5 runs", "10 runs", RIVAL_DEFAULT, RIVAL_99, OURS, TWO]
    for size, skipped in sorted({(cell.size, cell.skipped) for cell in grid}):
        rows = {cell: by for cell, by in grid.items() if (cell.size, cell.skipped) == (size, skipped)}
        first = next(iter(rows.values()))
        shown = [name for name in names if name in first]
        histories = len(first[OURS].runs)
        yield f"\n#### {size} candidates, {skipped:.0%} untestable ({histories} histories a row)\n"
        yield f"| P(fail) good, bad | {' | '.join(shown)} | runs, of {RIVAL_99} |"
        yield "|---" * (len(shown) + 2) + "|"
        for cell, by in rows.items():
            cells = " | ".join(cell_text(by[name]) for name in shown)
            yield f"| {cell.good:g}, {cell.bad:g} | {cells} | {ratio(by):.0%} |"


def ratio(by: Mapping[str, Score]) -> float:
    """Our runs of git_bayesect's at the same confidence."""
    return mean(by[OURS].runs) / mean(by[RIVAL_99].runs)


def interval(value: Score) -> str:
    """The share of right answers with its 95% interval."""
    low, high = wilson_interval(value.right, value.given)
    return f"{value.share:.2%} ({low:.2%} to {high:.2%})"


def goals(grid: Mapping[Cell, Mapping[str, Score]]) -> Iterator[str]:
    """Yield the promised numbers next to the simulated ones."""
    yield "\n#### Goals\n"
    ours, theirs = (merged([by[name] for by in grid.values()]) for name in (OURS, RIVAL_99))
    low = {cell: by[OURS] for cell, by in grid.items() if by[OURS].share < 0.985}
    sure = [value for value in low.values() if chance(value.wrong, value.given) < 0.05 / len(grid)]
    few = sum(chance(math.floor(by[OURS].given * 0.015) + 1, by[OURS].given) for by in grid.values())
    yield f"**(a) At least 98.5% right in every cell.** Over all cells {interval(ours)} right; " + (
        f"{len(low)} of {len(grid)} cells are below: {'; '.join(map(shortfall, low.items()))}. "
        f"With 98.5% right everywhere {few:.0f} would be by chance; "
        f"{len(sure)} are too far below for that, all cells considered (Bonferroni)."
        if low
        else "no cell is below."
    )
    worse = {cell: by for cell, by in grid.items() if by[OURS].share < by[RIVAL_99].share}
    yield (
        "\n**(b) As right as git_bayesect at the same confidence.** "
        f"Over all cells it is {interval(theirs)}, {theirs.wrong} wrong answers to our {ours.wrong}; "
        f"{len(worse)} of {len(grid)} of our cells are below its"
        + (f": {'; '.join(versus(cell, by) for cell, by in worse.items())}." if worse else ".")
    )
    yield from economy(grid)
    yield from plain(grid)


def shortfall(item: tuple[Cell, Score]) -> str:
    """One cell below the goal."""
    cell, value = item
    return f"{name_of(cell)}: {value.wrong} wrong of {value.given}"


def chance(wrong: int, given: int) -> float:
    """The probability of at least so many wrong answers if 98.5% are right (binomial)."""
    return 1 - sum(math.comb(given, k) * 0.015**k * 0.985 ** (given - k) for k in range(wrong))


def versus(cell: Cell, by: Mapping[str, Score]) -> str:
    """One cell in which git_bayesect was right more often."""
    return f"{name_of(cell)}: {by[OURS].wrong} wrong to {by[RIVAL_99].wrong}"


def economy(grid: Mapping[Cell, Mapping[str, Score]]) -> Iterator[str]:
    """Goal (c), by rates."""
    over = sum(ratio(by) > 0.7 for by in grid.values())
    yield f"\n**(c) At most 70% of its runs.** {over} of {len(grid)} cells need more."
    yield REASON if over else ""
    yield "Over all sizes and skips:\n"
    yield f"| P(fail) good, bad | runs, of {RIVAL_99} | of {RIVAL_DEFAULT} | our right | its, .99 | .95 |"
    yield "|---" * 6 + "|"
    for good, bad in RATES:
        rows = [by for cell, by in grid.items() if (cell.good, cell.bad) == (good, bad)]
        ours, best, default = (merged([by[name] for by in rows]) for name in (OURS, RIVAL_99, RIVAL_DEFAULT))
        yield (
            f"| {good:g}, {bad:g} | {mean(ours.runs) / mean(best.runs):.0%} "
            f"| {mean(ours.runs) / mean(default.runs):.0%} "
            f"| {ours.share:.2%} | {best.share:.2%} | {default.share:.2%} |"
        )


def plain(grid: Mapping[Cell, Mapping[str, Score]]) -> Iterator[str]:
    """Goal (d): the rows where nothing is flaky and everything can be tested."""
    yield "\n**(d) Where nothing is flaky, at most 2 + ⌈log₂ n⌉ and the confirmations.**"
    for cell, by in grid.items():
        if (cell.good, cell.bad, cell.skipped) == (0.0, 1.0, 0.0):
            most, steps = max(by[OURS].runs), 2 + math.ceil(math.log2(cell.size))
            searched = max(by["bisection"].runs)
            verdict = "kept" if searched <= steps else "not kept"
            yield (
                f"n={cell.size}: at most {searched} runs to search (goal {steps}: {verdict}) and "
                f"{most - searched} to confirm; git_bayesect {mean(by[RIVAL_99].runs):.1f} on average, "
                f"ours {mean(by[OURS].runs):.1f}."
            )


def fetch_rival(directory: str) -> None:
    """Install git_bayesect where this process and its children import it from."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", directory, RIVAL],
        check=True,
    )
    sys.path.append(directory)
    # Child processes need the path. One thread of linear algebra each, because there is a process per core.
    os.environ |= {
        "PYTHONPATH": directory,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def write(text: str, begin: str, end: str) -> None:
    """Put `text` between two marks of the README."""
    head, _, rest = README.read_text().partition(begin)
    README.write_text(f"{head}{begin}\n{text}\n\n{end}{rest.partition(end)[2]}")


def main() -> None:
    """Simulate, and write the tables between the marks of the README."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, few histories; prints, writes nothing"
    )
    parser.add_argument("--repetitions", type=float, default=1.0, help="times as many histories")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else REPETITIONS
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        fetch_rival(directory)
        grid = scores({size: math.ceil(count * arguments.repetitions) for size, count in plan.items()})
    text = "\n".join([*goals(grid), *tables(grid)])
    if not arguments.quick:
        write(text, BEGIN, END)
    print(text)
    print(f"\n{time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
