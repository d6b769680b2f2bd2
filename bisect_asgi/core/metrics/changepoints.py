"""Find the levels of a metric along the candidates: its steps, and a gradual trend (here: a creep). Pure.

The library `ruptures` does this as well, but it needs numpy and scipy: 100 MB that nothing else here uses.
Its part that is needed here fits into the forty lines of `_partition`.

**Steps.** The value of a candidate is the median of its samples. The candidates are cut into segments of one
level each. Of all ways to cut them, the module takes the one with the least sum of the distances from the
levels, in units of the noise, and of a penalty for each cut. This is optimal partitioning (Auger and
Lawrence, 1989; Jackson et al., 2005) with absolute distances instead of squares: a single outlier, from a
long tail or an unlucky build, then moves neither a level nor a cut. The best levels are medians, and so are
among the values. A dynamic program over (candidate, level) is therefore exact in n² steps (the L1-Potts
functional: Weinmann, Storath and Demaret, 2015). 400 candidates take 0.1 s, so that PELT's pruning is not
needed.

**The penalty** is that of the Bayesian information criterion for the place and the level of a cut, 2 ln n,
plus a constant. The constant was chosen so that constant noise is cut in less than 1% of histories of any
length, if candidates have three samples or more. With one sample each, an outlier looks like a level: up to
5% of histories are cut if tails are long, and more if there are few candidates and most are equal. If the
noise is estimated from few deviations, it is increased. The price of this caution: a candidate alone on its
level needs two cuts, and is usually found only from some twenty deviations of its median on.

**The noise** is the distance of samples from their candidate's median. It is pooled over all candidates, but
is at least that of candidates with similar values, because a time of 10 s is noisier than one of 1 s. If each
candidate has one sample, the noise is the spread of the differences between neighbors, which steps hardly
change and a creep only shifts. With enough candidates, that spread is also a lower bound. Releases that
differ at random by more than their samples do, as memory does, are therefore noise and not steps.

**A creep** is a straight line under the steps. The candidates are cut again after a slope is subtracted, and
the fit with the least sum of distances and penalties wins. The slope costs as much as a cut. Ten small steps
thus lose against a slope, and one step wins against it. A slope may have steps on it. A metric that rises at
nearly every candidate, or falls at nearly every one, by unequal amounts is not a straight line. It is a creep
as well.

**The probability of a step** is that of its place against all other places between the steps before and after
it, and against no step there, which costs a penalty less. Distances are in units of chi-square, so half of a
cost is a logarithm of odds.

**A lone candidate** whose samples all differ from the others' may stay below the price of two cuts, or of one
at an end. It is not reported as a level, but it is not on the others' level either: `lone` names it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from statistics import median

from bisect_asgi.core.metrics.stats import deviations, mad, rank_sum, relative
from bisect_asgi.core.records import Struct, replace

FEWEST = 5
"""The least number of candidates of a creep."""

_LAPLACE = 0.627
"""The unit of distances, in standard deviations. In this unit, each level that is fitted to normal noise
reduces the sum of absolute distances by a chi-square with one degree of freedom, as it does for squares. The
value is 1 / (4 f(0)), with f the normal density."""

_SIMILAR = 30
"""The number of deviations that the noise of similar values is estimated from."""

_ENOUGH = 10
"""The least number of candidates at which the differences of neighbors are a lower bound of the noise."""

_CROWDED = 4
"""If at least one candidate in this number has a step, the steps may be a creep."""

_ROUGH = 0.1
"""The least part of a creep that a step on it must have, because no real creep is an exact line."""

_FAR = 2.0
"""A lone candidate is this many times as far from the others' level as any of them, and as their noise."""

_BY_CHANCE = 0.01
"""The rate at which one of several equal candidates may look different from the others by chance."""

_CONSTANT, _FEW = 5.0, 4.0
"""The constant of the penalty; and the increase of the noise, by `_FEW` over the number of deviations."""


class Level(Struct, frozen=True, kw_only=True):
    """A segment of candidates with one value, including those in between that have no samples."""

    first: int
    last: int
    value: float
    """The median of its samples, from which a creep is not subtracted."""


class LevelStep(Struct, frozen=True, kw_only=True):
    """A step between two candidates with samples and none with samples in between."""

    low: int
    high: int
    old: float
    """The value without the step. Both values are those at `high`, so that a creep is no part of the step."""
    new: float
    probability: float
    """The probability that there is a step, and that it is exactly here between its neighboring steps."""


class Creep(Struct, frozen=True, kw_only=True):
    """A gradual trend over many candidates, not counting the steps."""

    per_candidate: float
    """The slope in units of the metric, negative for a fall. Candidates without samples count."""
    total: float
    """The change from the first to the last candidate with samples, in units of the metric."""
    relative: float
    """The total as a fraction of the smaller of both ends, never negative."""


class Levels(Struct, frozen=True, kw_only=True):
    """All levels of a metric in order, the steps between them, and the creep through all of them, if any."""

    levels: tuple[Level, ...]
    changes: tuple[LevelStep, ...]
    creep: Creep | None
    penalty: float
    """The cost of a cut, in units of chi-square."""


class _Point(Struct, frozen=True, kw_only=True):
    """A candidate with samples."""

    key: int
    value: float
    noise: float
    """The standard deviation of `value`, above 0."""


class _Fit(Struct, frozen=True, kw_only=True):
    """One way to cut the points into levels on a slope."""

    slope: float
    cuts: tuple[int, ...]
    """The points at which a new level begins, without the first point."""
    cost: float


def find_levels(samples: Mapping[int, Sequence[float]], *, effect: float) -> Levels:
    """Return the levels of a metric along the candidates, and its creep if there is one.

    Candidates without samples are skipped. Levels that differ by less than the fraction `effect` become one,
    the nearest first, and a smaller creep is dropped.
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
        changes=tuple(_changes(points, best, penalty)),
        creep=_creep(points, best),
        penalty=penalty,
    )


def lone(samples: Mapping[int, Sequence[float]], *, effect: float) -> list[int]:
    """Return the candidates whose samples differ from all others' by `effect` or more, and not by chance.

    They are farther from the others than those are from each other.
    """
    return [key for key in samples if _is_lone(key, samples, effect)]


def _is_lone(key: int, samples: Mapping[int, Sequence[float]], effect: float) -> bool:
    others = [values for other, values in samples.items() if other != key]
    every = [value for values in others for value in values]
    if not every:
        return False
    value, level = median(samples[key]), median(every)
    spread = max(mad(every), *(abs(median(values) - level) for values in others))
    is_apart = relative(value, level) >= effect and abs(value - level) > _FAR * spread
    return is_apart and rank_sum(samples[key], every) * len(samples) < _BY_CHANCE


def _penalty(size: int) -> float:
    return 2 * math.log(size) + _CONSTANT if size else 0.0


def _points(samples: Mapping[int, Sequence[float]], effect: float) -> list[_Point]:
    values = {key: median(runs) for key, runs in samples.items()}
    steps = [(b - a) / math.sqrt(2) for a, b in pairwise(values.values())]
    noise_at = _noise(samples, values)
    floor = mad(steps) if len(values) >= _ENOUGH else 0.0
    floor = max(floor, 1e-9 * max(map(abs, values.values()), default=0.0)) or 1.0
    return [
        _Point(
            key=key,
            value=value,
            # The standard deviation of a normal sample's median, within 2%. A part of the effect is added,
            # because without any noise a step of any size would count.
            noise=max(floor, noise_at(value) / math.sqrt(1 + (len(samples[key]) - 1) * 2 / math.pi))
            + effect * abs(value) / 30,
        )
        for key, value in values.items()
    ]


def _noise(samples: Mapping[int, Sequence[float]], values: Mapping[int, float]) -> Callable[[float], float]:
    """Return a function that estimates the standard deviation of one sample near a given value."""
    pool = [(values[key], rest) for key, runs in samples.items() for rest in deviations(runs)]
    # If more than half of the deviations are 0, as among counts, their median is 0 although there is noise.
    # Their mean is not: it is 1 / 1.2533 standard deviations of normal noise.
    least = 1.2533 / len(pool) * sum(rest for _, rest in pool) if pool else 0.0
    few = _FEW
    if len(pool) < FEWEST:
        pool = [(b, abs(b - a) / math.sqrt(2)) for a, b in pairwise(values.values())]
        # Differences of neighbors are worth less: each shares a value with the next, and one may be a step.
        least, few = 0.0, 2 * _FEW
    pool.sort()

    def noise_at(value: float) -> float:
        index = bisect_left(pool, (value,))
        near = pool[max(0, index - _SIMILAR) : index + _SIMILAR]
        near.sort(key=lambda pair: abs(pair[0] - value))
        return max(overall, 1.4826 * median(rest for _, rest in near[:_SIMILAR]))

    overall = 1.4826 * median(rest for _, rest in pool) if pool else 0.0
    if not overall:
        return lambda _value: least
    return lambda value: noise_at(value) * (1 + few / len(pool))


def _slanted(points: Sequence[_Point], penalty: float, effect: float) -> Iterator[_Fit]:
    """Yield fits with a slope, estimated from pairs of points far apart and less far apart.

    Each is refined once, by the slope within the segments between its cuts, which steps do not change.
    """
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
            slope = median([*(each for part in parts for each in _slopes(part, len(part) // 2))] or [slope])


def _slopes(points: Sequence[_Point], lag: int) -> list[float]:
    return [(b.value - a.value) / (b.key - a.key) for a, b in zip(points, points[lag:], strict=False)]


def _fit(points: Sequence[_Point], slope: float, penalty: float) -> _Fit:
    values = [point.value - slope * (point.key - points[0].key) for point in points]
    cuts, cost = _partition(values, [1 / _LAPLACE / point.noise for point in points], penalty)
    return _Fit(slope=slope, cuts=cuts, cost=cost + penalty * bool(slope))


def _partition(
    values: Sequence[float], weights: Sequence[float], penalty: float
) -> tuple[tuple[int, ...], float]:
    """Return the cuts with the least sum of weighted distances and penalties, and that sum.

    Of several equal ones it is that with the fewest cuts.
    """
    levels = sorted(set(values))
    costs, starts = [0.0] * len(levels), [0] * len(levels)
    best, begins = math.inf, list[int]()
    # For each level: the least cost of all values so far if the last is on it, and where its segment starts.
    for index, (value, weight) in enumerate(zip(values, weights, strict=True)):
        jump = best + penalty
        starts = [start if cost <= jump else index for start, cost in zip(starts, costs, strict=True)]
        costs = [
            min(cost, jump) + weight * abs(value - level) for cost, level in zip(costs, levels, strict=True)
        ]
        best = min(costs)
        begins.append(starts[costs.index(best)])
    cuts = list[int]()
    index = begins[-1]
    while index:
        cuts.append(index)
        index = begins[index - 1]
    return tuple(reversed(cuts)), best


def _heights(points: Sequence[_Point], fit: _Fit) -> list[float]:
    """Return the level of each segment, as the value of its sloped line at the first candidate."""
    return [
        median(point.value - fit.slope * (point.key - points[0].key) for point in points[start:stop])
        for start, stop in pairwise([0, *fit.cuts, len(points)])
    ]


def _ends(points: Sequence[_Point], fit: _Fit) -> tuple[float, float]:
    """Return the first and the last value of the creep, without the steps."""
    start = _heights(points, fit)[0]
    return start, start + fit.slope * (points[-1].key - points[0].key)


def _sizes(points: Sequence[_Point], fit: _Fit) -> Iterator[tuple[float, float]]:
    """Yield the values before and after each step, as at its newer side."""
    for cut, (old, new) in zip(fit.cuts, pairwise(_heights(points, fit)), strict=True):
        creep = fit.slope * (points[cut].key - points[0].key)
        yield old + creep, new + creep


def _changes(points: Sequence[_Point], fit: _Fit, penalty: float) -> Iterator[LevelStep]:
    edges = [0, *fit.cuts, len(points)]
    for index, (cut, (old, new)) in enumerate(zip(fit.cuts, _sizes(points, fit), strict=True)):
        beside = points[edges[index] : edges[index + 2]]
        yield LevelStep(
            low=points[cut - 1].key,
            high=points[cut].key,
            old=old,
            new=new,
            probability=_probability(beside, fit.slope, cut - edges[index], penalty),
        )


def _probability(points: Sequence[_Point], slope: float, cut: int, penalty: float) -> float:
    """Return how probable a cut of these points before the one at `cut` is, of all cuts and of none."""
    values = [(point.value - slope * point.key, 1 / _LAPLACE / point.noise) for point in points]
    costs = [_distance(values[:place]) + _distance(values[place:]) for place in range(1, len(values))]
    least = costs[cut - 1]
    none = _distance(values) - penalty
    return 1 / sum(math.exp(min(700.0, (least - cost) / 2)) for cost in (*costs, none))


def _distance(values: Sequence[tuple[float, float]]) -> float:
    """Return the least sum of weighted distances of values, each with its weight, from one level."""
    ordered = sorted(values)
    sums = list(accumulate(weight for _, weight in ordered))
    level = ordered[bisect_left(sums, sums[-1] / 2)][0]
    return sum(weight * abs(value - level) for value, weight in ordered)


def _merged(points: Sequence[_Point], fit: _Fit, effect: float) -> _Fit:
    """Return the fit without the steps that are below `effect` or a small part of the creep.

    They are removed one by one, the smallest first, because each removal changes the levels beside it.
    """
    rough = _ROUGH * abs(fit.slope) * (points[-1].key - points[0].key)
    while fit.cuts:
        steps = [relative(old, new) if abs(new - old) >= rough else 0.0 for old, new in _sizes(points, fit)]
        smallest = min(range(len(steps)), key=steps.__getitem__)
        if steps[smallest] >= effect:
            break
        fit = replace(fit, cuts=fit.cuts[:smallest] + fit.cuts[smallest + 1 :])
    return fit


def _climb(points: Sequence[_Point], flat: _Fit) -> _Fit | None:
    """Return a creep in place of many steps if all go one way and none is most of the change, else None."""
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
