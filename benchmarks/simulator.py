"""Run the package's own search on a simulated machine, with the seconds of each trial taken from a table.

Pure: no clock, no I/O. These things take time in `World`:

- A trial builds its environment and runs the probe. `waiting` is the share of both that waits (for the
  network, a disk, a server): waiting comes first in each, and other work does not slow it down. The rest
  computes: trials that compute share the cores evenly, and none gets more than one core.
- Environments built ahead get only the cores that the trials leave free, because their builds are niced. If a
  trial needs an environment that is still being built, it takes over that build. If a candidate no longer
  matters, its build is dropped.
- The user gives both ends, and they behave as given. Judging results, cancelling and submitting take no time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.search import Bisection, Open
from bisect_asgi.core.search.lookahead import look_ahead

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One history, on one machine. Seconds are those of a trial that has the machine to itself."""

    build: Sequence[float]
    probe: Sequence[float]
    change: int
    """The first NEW candidate."""
    cores: float
    waiting: float = 0.0

    @property
    def size(self) -> int:
        """How many candidates there are."""
        return len(self.build)

    def segments(self, seconds: float) -> list[tuple[bool, float]]:
        """What so much building or running consists of: whether it computes, and seconds."""
        parts = [(False, seconds * self.waiting), (True, seconds * (1 - self.waiting))]
        return [part for part in parts if part[1] > 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a search goes about it."""

    workers: int = 1
    cancels: bool = True
    rounds: bool = False
    """Wait for all in flight before asking again."""
    ahead: int = 0
    """How many environments are built at once beside the trials."""
    prices: bool = False
    """The search knows the seconds of each candidate's trial."""


@dataclass(slots=True)
class Result:
    """What a search took."""

    seconds: float = 0.0
    runs: int = 0
    """Trials that were started."""
    cancelled: int = 0
    in_vain: int = 0
    """Environments that were built ahead, or begun, and never used."""
    boundary: int | None = None


@dataclass(slots=True)
class Task:
    """What is left of a trial or of a build ahead: whether each piece computes, and its seconds."""

    segments: list[tuple[bool, float]]


@dataclass(slots=True)
class Simulation:
    """One search, as it goes."""

    world: World
    way: Way
    told: dict[int, Verdict] = field(default_factory=dict)
    trials: dict[int, Task] = field(default_factory=dict)
    builds: dict[int, Task] = field(default_factory=dict)
    built: set[int] = field(default_factory=set)
    result: Result = field(default_factory=Result)

    def run(self) -> Result:
        """Go on until the search has its answer."""
        while True:
            search = self.make(self.told)
            if not isinstance(state := search.state, Open):
                self.result.boundary = getattr(state, "high", None)
                self.result.in_vain += len(self.builds) + len(self.built)
                return self.result
            if self.way.cancels:
                self.cancel(search)
            if not (self.way.rounds and self.trials):
                self.start(search.ask(self.way.workers - len(self.trials), self.trials.keys()))
            self.build_ahead()
            self.advance()

    def make(self, told: Mapping[int, Verdict]) -> Bisection:
        """The search that was told all of `told`."""
        return Bisection.replay(
            self.world.size,
            told,
            verify=(0, self.world.size - 1),
            seconds=self.seconds if self.way.prices else None,
        )

    def seconds(self, key: int) -> float:
        """What a trial of `key` takes from now on."""
        return self.world.probe[key] + (0.0 if key in self.built else self.world.build[key])

    def cancel(self, search: Bisection) -> None:
        """Drop the trials and builds that no longer matter."""
        for key in [key for key in self.trials if not search.is_relevant(key)]:
            del self.trials[key]
            self.result.cancelled += 1
        for key in [key for key in self.builds if not search.is_relevant(key)]:
            del self.builds[key]
            self.result.in_vain += 1

    def start(self, keys: Iterable[int]) -> None:
        """Begin trials, with the environments that were built ahead for them."""
        for key in keys:
            probe = self.world.segments(self.world.probe[key])
            if key in self.built:
                self.built.remove(key)
                left = []
            elif key in self.builds:
                left = self.builds.pop(key).segments
            else:
                left = self.world.segments(self.world.build[key])
            self.trials[key] = Task(left + probe)
            self.result.runs += 1

    def build_ahead(self) -> None:
        """Fill the places for builds with the candidates that may be run next."""
        free = self.way.ahead - len(self.builds)
        if free < 1:
            return
        keys = look_ahead(
            self.make,
            self.told,
            size=self.world.size,
            jobs=self.way.workers,
            in_flight=self.trials,
            prepared=self.builds.keys() | self.built,
            limit=free,
        )
        for key in keys:
            if segments := self.world.segments(self.world.build[key]):
                self.builds[key] = Task(segments)
            else:
                self.built.add(key)

    def advance(self) -> None:
        """Let time pass until something ends, and take it in."""
        rates = speeds(self.trials, self.builds, self.world.cores)
        pieces = [(task, rate) for task, rate in rates if rate > 0]
        passed = min(task.segments[0][1] / rate for task, rate in pieces)
        self.result.seconds += passed
        for task, rate in pieces:
            computes, left = task.segments[0]
            left -= passed * rate
            task.segments[:1] = [(computes, left)] if left > ROUNDING else []
        for key in [key for key, task in self.trials.items() if not task.segments]:
            del self.trials[key]
            self.told[key] = Verdict.NEW if key >= self.world.change else Verdict.OLD
        for key in [key for key, task in self.builds.items() if not task.segments]:
            del self.builds[key]
            self.built.add(key)


def speeds(trials: Mapping[int, Task], builds: Mapping[int, Task], cores: float) -> list[tuple[Task, float]]:
    """Return each task's progress per second: trials share the cores, builds get the cores that are left."""
    found: list[tuple[Task, float]] = []
    left = cores
    for tasks in (trials.values(), builds.values()):
        computing = sum(1 for task in tasks if task.segments[0][0])
        share = min(1.0, left / computing) if computing else 0.0
        found += [(task, share if task.segments[0][0] else 1.0) for task in tasks]
        left -= share * computing
    return found


def simulate(world: World, way: Way) -> Result:
    """Search `world` in that way."""
    return Simulation(world, way).run()


def rounds(size: int, workers: int) -> float:
    """Return the least average number of rounds in which `workers` in parallel find a change at any place.

    Every trial takes one round. Both ends are run too, and give no information if they are as expected. A
    round without an end distinguishes `workers` + 1 cases, a round with an end only `workers`. So r rounds
    distinguish at most w² (w + 1)^(r - 2) places (w: `workers`). In the best tree for `size` - 1 places, all
    leaves are at two neighboring depths.
    """
    places, depth = size - 1, 1
    able = [0, max(0, workers - 1)]
    while able[-1] < places:
        depth += 1
        able.append(workers**2 * (workers + 1) ** (depth - 2))
    before = able[depth - 1]
    # A node that is opened at the depth before becomes `workers` + 1 nodes. So many have to be opened.
    opened = -(-(places - before) // workers)
    early = max(0, before - opened)
    return (early * (depth - 1) + (places - early) * depth) / places


def bound(size: int, way: Way, *, build: float, probe: float, cores: float, waiting: float) -> float:
    """Return a lower bound of the average seconds of any search with so many workers and equally long trials.

    It assumes the best for the search: the best number of workers up to that, and waiting that overlaps fully
    with computing. With building ahead, all environments but the first are ready in time and cost nothing.
    """
    once = build + probe
    again = probe if way.ahead else once

    def lasts(seconds: float, workers: int) -> float:
        return max(seconds, workers * seconds * (1 - waiting) / cores)

    return min(
        lasts(once, workers) + (rounds(size, workers) - 1) * lasts(again, workers)
        for workers in range(1, way.workers + 1)
    )


def cheapest(seconds: Collection[float]) -> float:
    """Return the expected seconds of the best possible search with one worker, between known ends.

    `seconds` are those of the candidates between the ends; exact, by dynamic programming.
    """
    cost = [0.0, *seconds]
    size = len(cost)
    best = [[0.0] * (size + 1) for _ in range(size + 1)]
    for places in range(2, size + 1):
        for low in range(size - places + 1):
            high = low + places
            row = best[low]
            best[low][high] = min(
                cost[key] * places + row[key] + best[key][high] for key in range(low + 1, high)
            )
    return best[0][size] / size
