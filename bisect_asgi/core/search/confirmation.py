"""How often to run both sides of a boundary when everything that was seen agrees.

The argument
------------
Say every run so far agrees with one boundary: what lies below it passed, what lies above it failed. If it
is wrong, then (the history having one change) at least one side of it is on the wrong side: `low` is really
bad and passed by luck, or `high` is really good and failed by luck. Take the first, with t the unknown rate
at which bad candidates fail. `low` passed in all its m runs, and the bad side showed F failures and no
pass; the probability of that is t^F (1-t)^m, at most

    luck(m, F) = max over t = (F / (F + m))^F (m / (F + m))^m,

whatever t is. The second case is its mirror image. Nothing is assumed of how flaky probes are: it is a
bound on how often a wrong answer is given, not a posterior.

*Selection.* Any of the bad candidates that a bisection asked may have been the one that passed by luck,
each of which leads to another wrong boundary. So the bound is multiplied by their number (a union bound):
the failing candidates that were asked, of which each might have been it. Each of the two cases gets half of
what the confidence leaves.

*What that gives.* Summed exactly over all ways in which a bisection of 16 to 200 candidates may go, at most
0.8 % of searches end unanimous and wrong, at the worst rate (about one half); without the halves it would
be 1.4 %, which leaves too little for the searches that do not end unanimous. After a bisection six runs are
wanted.
"""

from __future__ import annotations

from collections.abc import Mapping

from bisect_asgi.core.tally import Tally


def error_bound(passes: int, fails: int) -> float:
    """Bound the probability that all of `passes` runs pass and all of `fails` like them fail.

    The maximum over all failure rates; 1 where either is none. Symmetrical.
    """
    if passes == 0 or fails == 0:
        return 1.0
    share = fails / (fails + passes)
    return float(share**fails * (1 - share) ** passes)


def chance(tallies: Mapping[int, Tally], low: int, high: int) -> float:
    """Bound how often a search ends with as much agreement as this and is wrong, from 0 to 1.

    `tallies` agree: what is not above `low` was unanimous one way, what is not below `high` the other.
    """
    return min(1.0, sum(_chances(tallies, low, high, 0, 0)))


def wanted_runs(
    tallies: Mapping[int, Tally], low: int, high: int, *, confidence: float = 0.99
) -> tuple[int, int]:
    """Say how many more runs of `low` and of `high` make luck less probable than 1 - `confidence`.

    `tallies` agree, as for `chance`. The fewest runs in all; `low` gets the odd one; (0, 0): none are wanted.
    """
    total = 0
    while True:
        for more_high in range(total // 2, -1, -1):
            for pair in ((total - more_high, more_high), (more_high, total - more_high)):
                if max(_chances(tallies, low, high, *pair)) <= (1 - confidence) / 2:
                    return pair
        total += 1


def _chances(
    tallies: Mapping[int, Tally], low: int, high: int, more_low: int, more_high: int
) -> tuple[float, float]:
    """The bounds for a wrong `low` and for a wrong `high`, after so many more runs of them."""
    below = [tally.runs for key, tally in tallies.items() if key <= low and tally.runs]
    above = [tally.runs for key, tally in tallies.items() if key >= high and tally.runs]
    at_low, at_high = tallies.get(low, Tally()).runs, tallies.get(high, Tally()).runs
    wrong_low = len(above) * error_bound(at_low + more_low, sum(above) + more_high)
    wrong_high = len(below) * error_bound(at_high + more_high, sum(below) + more_low)
    return wrong_low, wrong_high
