"""Predict which candidates are run next, so that their environments can be built meanwhile.

No clock, no I/O: the search is simulated. In one *step*, one of the candidates in flight becomes OLD or NEW,
the trials that this makes irrelevant are canceled, and the search names the candidates for the free places.
The step is done for every candidate in flight and both verdicts. If more environments may be prepared, the
next step is simulated from each of these states, until there are enough candidates, or until further outcomes
are not worth the time.

*How probable a verdict is.* Between the nearest OLD below and the nearest NEW above, the change is equally
likely at each unknown candidate. While an end is not known, it is assumed to be as expected, because
otherwise there is nothing to search. Between neighbors that agree, as in a search for all changes, the
expected verdict is theirs. Each candidate in flight is equally likely to end first. SKIPs are not foreseen.

*What holds.* Assume that `limit` has room for the candidates of all outcomes of one step and is at least the
number in flight, and that there are at most `OUTCOMES` outcomes (two for each candidate in flight). Then,
whichever verdict comes next, if it is OLD or NEW and possible in this sense, every candidate that the search
wants next was prepared before or is returned here. Otherwise only the likelier outcomes are considered.

How many trials to run at a time
--------------------------------
More trials in parallel make a search shorter, but each one saves less than the one before. k places that cut
evenly divide the range by k + 1, so the second saves 37% and the sixteenth 2%. If trials compute, more of
them than there are cores only slow each other down, and most of that time goes into trials that are then
canceled.

A trial that waits for a share w of its time leaves its core to others for that share, so cores / (1 - w)
trials keep all cores busy. Some more are worth it, because trials do not all wait at the same time. In
simulations, 1 + w times as many are near the best number, for any number of candidates and for seconds that
vary (`make simulate` compares it with the best). If trials do almost nothing but wait, there is no best
number. The bounds are then memory and the load on the network, so there are at most `MOST_PER_CORE` for each
core.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from bisect_asgi.core.model import Verdict
from bisect_asgi.core.records import Struct
from bisect_asgi.core.search import SearchAlgorithm

OUTCOMES, FEWEST = 64, 16


class _Outcome(Struct, frozen=True):
    """The verdicts that may have come back, and the candidates then in flight."""

    came: frozenset[tuple[int, Verdict]]
    in_flight: frozenset[int]


def look_ahead(
    replay: Callable[[Mapping[int, Verdict]], SearchAlgorithm],
    verdicts: Mapping[int, Verdict],
    *,
    size: int,
    jobs: int,
    in_flight: Collection[int],
    limit: int,
    withheld: Collection[int] = (),
    prepared: Collection[int] = (),
) -> tuple[int, ...]:
    """Return up to `limit` candidates to build ahead, the soonest and most likely first.

    `replay` makes the search from `verdicts`, which are those known so far. `jobs` trials run in parallel, at
    present those of `in_flight`. `withheld` are neither in flight nor to be run. `prepared` are ready or
    being prepared: the simulation goes through them, but the result is without them, and without candidates
    that have a verdict or are in flight.
    """
    if limit < 1:
        return ()
    never = {*verdicts, *in_flight, *withheld, *prepared}
    found: dict[int, None] = {}
    worlds = {_Outcome(frozenset(), frozenset(in_flight)): 1.0}
    left = min(OUTCOMES, max(FEWEST, 2 * limit))
    while worlds and left > 0 and len(found) < limit:
        outcomes = sorted(_outcomes(worlds, verdicts, size), key=lambda outcome: -outcome[0])[:left]
        left -= len(outcomes)
        worlds, weights = {}, dict[int, float]()
        for probability, world in outcomes:
            search = replay({**verdicts, **dict(world.came)})
            flying = frozenset(key for key in world.in_flight if search.is_relevant(key))
            keys = search.ask(jobs - len(flying), flying | frozenset(withheld))
            for key in keys:
                weights[key] = weights.get(key, 0.0) + probability
            after = _Outcome(world.came, flying | frozenset(keys))
            worlds[after] = worlds.get(after, 0.0) + probability
        found |= dict.fromkeys(sorted(weights.keys() - never, key=lambda key: (-weights[key], key)))
    return tuple(found)[:limit]


def _outcomes(
    worlds: Mapping[_Outcome, float], verdicts: Mapping[int, Verdict], size: int
) -> Iterator[tuple[float, _Outcome]]:
    """Each way in which one more result may come back, with its probability; impossible ones are left out."""
    merged: dict[_Outcome, float] = {}
    for world, probability in worlds.items():
        known = {**verdicts, **dict(world.came)}
        for key in sorted(world.in_flight):
            old = share_old(key, known, size)
            for verdict, share in ((Verdict.OLD, old), (Verdict.NEW, 1 - old)):
                after = _Outcome(world.came | {(key, verdict)}, world.in_flight - {key})
                weight = probability * share / len(world.in_flight)
                merged[after] = merged.get(after, 0.0) + weight
    return ((weight, world) for world, weight in merged.items() if weight > 0)


def share_old(key: int, verdicts: Mapping[int, Verdict], size: int) -> float:
    """Return the probability that a candidate without runs is OLD, from 0 to 1."""
    tested = [other for other, verdict in verdicts.items() if verdict is not Verdict.SKIP]
    below = max((other for other in tested if other < key), default=None)
    above = min((other for other in tested if other > key), default=None)
    first = Verdict.OLD if below is None else verdicts[below]
    last = Verdict.NEW if above is None else verdicts[above]
    if first is last:
        return float(first is Verdict.OLD)
    # An end that was not run is assumed to be as expected: the change is above it, or not above it.
    low = 0 if below is None else below
    high = size - 1 if above is None else above
    if key in (low, high):
        same = first if key == low else last
        return float(same is Verdict.OLD)
    unknown_above = _unknown(key, high, verdicts) + 1
    as_first = unknown_above / (_unknown(low, high, verdicts) + 1)
    return as_first if first is Verdict.OLD else 1 - as_first


def _unknown(low: int, high: int, verdicts: Mapping[int, Verdict]) -> int:
    """Return how many candidates between the two have no verdict."""
    return high - low - 1 - sum(1 for key in verdicts if low < key < high)


MOST_PER_CORE = 8


def parallel_trials(cores: float, waiting: float) -> int:
    """Return the number of trials to run in parallel, at least 1.

    `waiting` is the share of a trial's seconds, from 0 to 1, in which none of its processes computes: it is
    measured on finished trials that had the machine to themselves, as their seconds less their CPU seconds.
    Seconds in which a trial waits for a core do not belong to it; with them, the share is too high.
    """
    share = min(max(waiting, 0.0), 1.0)
    wanted = cores * (1 + share) / (1 - share) if share < 1 else cores * MOST_PER_CORE
    return max(1, round(min(wanted, cores * MOST_PER_CORE)))
