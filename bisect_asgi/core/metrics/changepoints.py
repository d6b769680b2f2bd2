"""The levels that a metric has along the candidates: steps, more than one of them, or a creep. Pure.

Written here and not taken from `ruptures`, because that brings numpy and scipy, 100 MB for a tool that has
neither, and what is needed is the forty lines of `_partition`.

**Steps.** Each candidate is its median. Of all ways to cut the candidates into segments of one level, the one
is taken whose distances from the levels, in units of the noise, plus a penalty for each cut, are the least.
That is optimal partitioning (Auger and Lawrence, 1989; Jackson et al., 2005), with distances instead of
squares: one candidate that is far out, by a long tail or an unlucky build, then pulls neither a level nor a
cut. The best levels are medians, so values that occur, and a dynamic program over (candidate, level) is exact
in n² steps (the L1-Potts functional: Weinmann, Storath and Demaret, 2015). PELT's pruning is not needed: 400
candidates take 0.1 s.

**The penalty** is that of the Bayesian information criterion for a cut, its place and its level: 2 ln n, and
a constant on top that was chosen so that constant noise is cut in less than 1 % of histories of any length,
if candidates have three samples or more. With one sample each, an outlier is a level as far as anybody can
tell: up to 5 % where tails are long, and more among few candidates of which most are equal. The noise is
taken larger where it is estimated from few. The price is that one candidate alone on its level, which takes
two cuts, has to be some twenty deviations of its median away to be told in most cases.

**The noise** is how far samples are from their candidate's median, pooled over all candidates, but no less
than among the samples of candidates with similar values: a time of 1 s is less noisy than one of 10 s. Where
each candidate has one sample, and as a floor where there are enough candidates, it is the spread of
differences between neighbours, which steps hardly touch and a creep only shifts. So releases that differ at
random by more than their samples do, as memory does, are noise and no steps.

**A creep** is a straight line under the steps. The candidates are cut again with a slope taken away, and what
has the least distances and penalties wins, the slope costing as much as a cut: ten small steps lose against
one slope, one step wins over it. A slope with steps left on it is a creep and steps. A metric that never
falls and rises at nearly every candidate, by unequal amounts, is no straight line, and still a creep.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

from bisect_asgi.core.metrics.stats import deviations, mad, relative
from bisect_asgi.core.records import Struct, replace

FEWEST = 5
"""Through how many candidates a creep goes at least."""

_LAPLACE = 0.627
"""Divided by this many standard deviations, distances of normal noise shrink with each parameter of a
fit as squares do, by a chi-square with one degree of freedom: 1 / (4 f(0)) of the normal density."""

_SIMILAR = 30
"""Of how many deviations the noise of similar values is estimated."""

_ENOUGH = 10
"""From how many candidates on the differences of neighbours say what noise is."""

_CROWDED = 4
"""A stair with a step at every so many candidates, or more, may be a creep."""

_ROUGH = 0.1
"""Beside a creep, steps are told that are this part of it, or more: none goes in an exact line."""

_CONSTANT, _FEW = 5.0, 4.0
"""The penalty over 2 ln n; and the noise is taken larger by as many of the deviations' number, for few."""


class Level(Struct, frozen=True, kw_only=True):
    """Neighbouring candidates with one value; those without samples in between belong to it."""

    first: int
    last: int
    value: float
    """The median of its samples, the slope of a creep included."""


class LevelStep(Struct, frozen=True, kw_only=True):
    """A step between two neighbouring candidates with samples, without what a creep adds there."""

    low: int
    high: int
    old: float
    new: float


class Creep(Struct, frozen=True, kw_only=True):
    """A slow change over many candidates, without the steps in it."""

    per_candidate: float
    """In units of the metric, negative for a fall; candidates without samples count."""
    total: float
    """From the first candidate with samples to the last, in units of the metric."""
    relative: float
    """The total as a fraction of the smaller of both ends, never negative."""


class Levels(Struct, frozen=True, kw_only=True):
    """All levels in order, the steps between them, and the creep that goes through all of them."""

    levels: tuple[Level, ...]
    changes: tuple[LevelStep, ...]
    creep: Creep | None
    penalty: float
    """What a cut had to save, in units of the fit's chi-square."""


class _Point(Struct, frozen=True, kw_only=True):
    key: int
    value: float
    noise: float
    """The standard deviation of `value`; above 0."""


class _Fit(Struct, frozen=True, kw_only=True):
    slope: float
    cuts: tuple[int, ...]
    """At which points a new level begins, the first level left out."""
    cost: float


def find_levels(samples: Mapping[int, Sequence[float]], *, effect: float) -> Levels:
    """Find the steps of a metric along the candidates, and whether it creeps.

    Candidates without samples are skipped. Steps and creeps of less than the fraction `effect` are not told:
    two levels that are nearer become one, the nearest first.
    """
    points = _points({key: values for key, values in sorted(samples.items()) if values}, effect)
    penalty = _penalty(len(points))
    if not points:
        return Levels(levels=(), changes=(), creep=None, penalty=penalty)
    flat = _fit(points, 0.0, penalty)
    best = min([flat, *_slanted(points, penalty, effect)], key=lambda fit: fit.cost)
    best = _merged(points, best, effect)
    if len(best.cuts) >= max(FEWEST - 1, len(points) / _CROWDED):
        best = _climb(points, _merged(points, flat, effect)) or best
    return Levels(
        levels=tuple(_levels(points, best, samples)),
        changes=tuple(_changes(points, best)),
        creep=_creep(points, best),
        penalty=penalty,
    )


def _penalty(size: int) -> float:
    return 2 * math.log(size) + _CONSTANT if size else 0.0


def _points(samples: Mapping[int, Sequence[float]], effect: float) -> list[_Point]:
    values = {key: median(own) for key, own in samples.items()}
    steps = [(b - a) / math.sqrt(2) for a, b in pairwise(values.values())]
    noise_at = _noise(samples, values)
    floor = mad(steps) if len(values) >= _ENOUGH else 0.0
    floor = max(floor, 1e-9 * max(map(abs, values.values()), default=0.0)) or 1.0
    return [
        _Point(
            key=key,
            value=value,
            # The deviation of a normal sample's median, within 2 %; the rest is for what has no noise.
            noise=max(floor, noise_at(value) / math.sqrt(1 + (len(samples[key]) - 1) * 2 / math.pi))
            + effect * abs(value) / 30,
        )
        for key, value in values.items()
    ]


def _noise(samples: Mapping[int, Sequence[float]], values: Mapping[int, float]) -> Callable[[float], float]:
    """Estimate the standard deviation of one sample, by the value it is near to."""
    pool = [(values[key], rest) for key, own in samples.items() for rest in deviations(own)]
    # More than half of the samples may be equal, as counts are; that is no proof of no noise.
    least = 1.2533 / len(pool) * sum(rest for _, rest in pool) if pool else 0.0
    few = _FEW
    if len(pool) < FEWEST:
        pool = [(b, abs(b - a) / math.sqrt(2)) for a, b in pairwise(values.values())]
        # Each of these shares a value with the next, and a step may be among them.
        least, few = 0.0, 2 * _FEW
    pool.sort()

    def noise_at(value: float) -> float:
        place = bisect_left(pool, (value,))
        near = pool[max(0, place - _SIMILAR) : place + _SIMILAR]
        near.sort(key=lambda pair: abs(pair[0] - value))
        return max(overall, 1.4826 * median(rest for _, rest in near[:_SIMILAR]))

    overall = 1.4826 * median(rest for _, rest in pool) if pool else 0.0
    if not overall:
        return lambda _value: least
    return lambda value: noise_at(value) * (1 + few / len(pool))


def _slanted(points: Sequence[_Point], penalty: float, effect: float) -> Iterator[_Fit]:
    """Fits with a slope: of points far and less far apart, and what is left of each between its cuts."""
    if len(points) < FEWEST:
        return
    for lag in (len(points) // 2, max(1, len(points) // 6)):
        slope = median(_slopes(points, lag))
        for _ in range(2):
            fit = _fit(points, slope, penalty)
            if slope and relative(*_ends(points, fit)) >= effect:
                yield fit
            bounds = pairwise([0, *fit.cuts, len(points)])
            parts = [points[start:stop] for start, stop in bounds if stop - start >= FEWEST]
            slope = median([*(s for part in parts for s in _slopes(part, len(part) // 2))] or [slope])


def _slopes(points: Sequence[_Point], lag: int) -> list[float]:
    return [(b.value - a.value) / (b.key - a.key) for a, b in zip(points, points[lag:], strict=False)]


def _fit(points: Sequence[_Point], slope: float, penalty: float) -> _Fit:
    values = [point.value - slope * (point.key - points[0].key) for point in points]
    cuts, cost = _partition(values, [1 / _LAPLACE / point.noise for point in points], penalty)
    return _Fit(slope=slope, cuts=cuts, cost=cost + penalty * bool(slope))


def _partition(
    values: Sequence[float], weights: Sequence[float], penalty: float
) -> tuple[tuple[int, ...], float]:
    """Cut values into levels: least weighted distances and penalties, of equals the fewest cuts."""
    levels = sorted(set(values))
    costs, starts = [0.0] * len(levels), [0] * len(levels)
    best, begins = math.inf, list[int]()
    for place, (value, weight) in enumerate(zip(values, weights, strict=True)):
        jump = best + penalty
        starts = [start if cost <= jump else place for start, cost in zip(starts, costs, strict=True)]
        costs = [
            min(cost, jump) + weight * abs(value - level) for cost, level in zip(costs, levels, strict=True)
        ]
        best = min(costs)
        begins.append(starts[costs.index(best)])
    cuts = list[int]()
    place = begins[-1]
    while place:
        cuts.append(place)
        place = begins[place - 1]
    return tuple(reversed(cuts)), best


def _heights(points: Sequence[_Point], fit: _Fit) -> list[float]:
    """The level of each segment, where its line passes the first candidate."""
    return [
        median(point.value - fit.slope * (point.key - points[0].key) for point in points[start:stop])
        for start, stop in pairwise([0, *fit.cuts, len(points)])
    ]


def _ends(points: Sequence[_Point], fit: _Fit) -> tuple[float, float]:
    """Where the creep begins and ends, the steps taken away."""
    start = _heights(points, fit)[0]
    return start, start + fit.slope * (points[-1].key - points[0].key)


def _changes(points: Sequence[_Point], fit: _Fit) -> Iterator[LevelStep]:
    heights = _heights(points, fit)
    for cut, (old, new) in zip(fit.cuts, pairwise(heights), strict=True):
        crept = fit.slope * (points[cut].key - points[0].key)
        yield LevelStep(low=points[cut - 1].key, high=points[cut].key, old=old + crept, new=new + crept)


def _merged(points: Sequence[_Point], fit: _Fit, effect: float) -> _Fit:
    """Leave cuts out whose steps are below the effect or a small part of the creep, the least first."""
    rough = _ROUGH * abs(fit.slope) * (points[-1].key - points[0].key)
    while fit.cuts:
        steps = [
            relative(change.old, change.new) if abs(change.new - change.old) >= rough else 0.0
            for change in _changes(points, fit)
        ]
        out = min(range(len(steps)), key=steps.__getitem__)
        if steps[out] >= effect:
            break
        fit = replace(fit, cuts=fit.cuts[:out] + fit.cuts[out + 1 :])
    return fit


def _climb(points: Sequence[_Point], flat: _Fit) -> _Fit | None:
    """Take a stair that only rises, or only falls, at every few candidates, for a creep."""
    heights = _heights(points, flat)
    steps = [new - old for old, new in pairwise(heights)]
    total = heights[-1] - heights[0]
    is_one_way = min(steps) > 0 or max(steps) < 0
    if len(heights) < FEWEST or not is_one_way or 2 * max(map(abs, steps)) > abs(total):
        return None
    return replace(flat, slope=total / (points[-1].key - points[0].key), cuts=())


def _creep(points: Sequence[_Point], fit: _Fit) -> Creep | None:
    if not fit.slope:
        return None
    start, end = _ends(points, fit)
    return Creep(per_candidate=fit.slope, total=end - start, relative=relative(start, end))


def _levels(points: Sequence[_Point], fit: _Fit, samples: Mapping[int, Sequence[float]]) -> Iterator[Level]:
    for start, stop in pairwise([0, *fit.cuts, len(points)]):
        keys = [point.key for point in points[start:stop]]
        yield Level(
            first=keys[0], last=keys[-1], value=median(value for key in keys for value in samples[key])
        )
