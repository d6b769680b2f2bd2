"""Metrics that step, and searches for them."""

from __future__ import annotations

from collections.abc import Callable

from support.noisy_world import NoisyWorld, Shows, steps

SEEDS = range(10)


NOISE = 0.05


BASE = 1e8


def step_of(sigma: float, *, first: int = 23, noise: float = NOISE, **fields: str) -> Shows:
    """A metric that rises by so many standard deviations at a release."""
    return steps({1: BASE, first: BASE * (1 + sigma * noise)}, noise=noise, **fields)


def times(factor: float, *, first: int = 23, noise: float = NOISE) -> Shows:
    """A time of a second that grows by a factor at a release."""
    return steps({1: 1.0, first: factor}, noise=noise, unit="s", name="took")


def right(make: Callable[[int], NoisyWorld], at: tuple[int, int], **fields: object) -> int:
    """Return how many of ten boundaries are the true one."""
    found = 0
    for seed in SEEDS:
        made_up = make(seed)
        made_up.bisect(**fields)
        found += made_up.boundary == at
    return found
