"""Many simulated searches with a flaky probe, and how many of them are right."""

from __future__ import annotations

from bisect_asgi.core.model import Observation, Outcome
from bisect_asgi.core.tally import Tally
from support.noisy_world import NoisyWorld, Shows

SEEDS = range(20)


def right(tried: list[tuple[NoisyWorld, int]], **fields: object) -> int:
    """In how many of the worlds the boundary that is found is the true one."""
    for made_up, _ in tried:
        made_up.bisect(**fields)
    return sum(made_up.boundary == (first - 1, first) for made_up, first in tried)


def at(first: int, shows: Shows, size: int = 40) -> list[tuple[NoisyWorld, int]]:
    """A world for each seed, all with their change at one release."""
    return [(NoisyWorld(size=size, seed=seed, shows=shows), first) for seed in SEEDS]


def tally(runs: list[Observation]) -> Tally:
    failures = sum(run.outcome is Outcome.FAILED for run in runs)
    return Tally(passed=len(runs) - failures, failed=failures)
