"""Decide whether one change explains the runs of a flaky probe, whatever the order of the candidates.

`posterior` assumes that one rate holds below a place, and another from it on. Here the two rates may come in
any order: every division of the candidates into two sets is a model, with the same priors of both rates.

*Odds.* The evidence of one change is the mean over all its places. The evidence of several changes is a sum
over divisions, each with the prior 1 / (n - 1) / C(n, k) for a set of k among n candidates. Only the n - 1
divisions are summed that put the k candidates with the lowest rates into one set, so that the odds are too
low rather than too high. Both are marginal likelihoods: if there is one change, odds of x : 1 are ever
reached in at most one of x searches, however often they are computed (Ville's inequality).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import accumulate

from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.records import Struct
from bisect_asgi.core.search.posterior import log_evidence
from bisect_asgi.core.tally import Tally

ENOUGH = 40
"""A candidate that was run so often is in the nearer set, although its own rate may be a third one."""


class Division(Struct, frozen=True, kw_only=True):
    """The candidates in two sets, by how often they fail."""

    rare: frozenset[int]
    """The candidates that fail less often."""
    often: frozenset[int]
    log_odds: float
    """The natural logarithm of the odds for several changes, against at most one."""


def divide(tallies: Mapping[int, Tally]) -> Division:
    """Return the likeliest division of the candidates that were run, at least one of them."""
    seen = {key: tally for key, tally in sorted(tallies.items()) if tally.runs}
    by_rate = sorted(seen, key=lambda key: (_share(seen[key]), key))
    size = len(by_rate)
    weights = [
        evidence - math.log(size - 1) - math.log(math.comb(size, count))
        for count, evidence in enumerate(_cuts(seen[key] for key in by_rate)[1:-1], 1)
    ]
    places = _cuts(seen.values())[:-1]  # the last place stands for no change, like the first one
    one_change = _log_sum(places) - math.log(len(places)) if places else 0.0
    best = max(range(len(weights)), key=weights.__getitem__, default=-1) + 1
    return Division(
        rare=frozenset(by_rate[:best]),
        often=frozenset(by_rate[best:]),
        log_odds=_log_sum(weights) - one_change if weights else -math.inf,
    )


def by_own_runs(tallies: Mapping[int, Tally], *, confidence: float) -> Noise:
    """Return the side of each candidate whose own runs determine it.

    The newer side is that of the newest candidate that shows one. A candidate is compared with all others.
    """
    division = divide(tallies)
    sets = {True: _total(tallies, division.often), False: _total(tallies, division.rare)}
    fails = {
        key: side
        for key, tally in tallies.items()
        if (side := _fails(tally, sets, is_often=key in division.often, confidence=confidence)) is not None
    }
    new_fails = fails[max(fails)] if fails else True
    return Noise(
        new_is=Outcome.FAILED if new_fails else Outcome.PASSED,
        old=sets[not new_fails],
        new=sets[new_fails],
        placed={key: Verdict.NEW if each is new_fails else Verdict.OLD for key, each in fails.items()},
        confidence=confidence,
    )


def _fails(tally: Tally, sets: Mapping[bool, Tally], *, is_often: bool, confidence: float) -> bool | None:
    """Return whether a candidate fails as often as those of the worse set, or None if that is not clear."""
    others = {side: total - tally if side is is_often else total for side, total in sets.items()}
    noise = Noise(new_is=Outcome.FAILED, old=others[False], new=others[True], confidence=confidence)
    side = noise.side(0, tally)
    if side is None:
        return _nearer(tally, others) if tally.runs >= ENOUGH else None
    return side is Verdict.NEW


def _nearer(tally: Tally, others: Mapping[bool, Tally]) -> bool:
    """Return whether the runs are more likely at the rate of the worse set than at that of the other one."""
    shares = {side: _share(total) for side, total in others.items()}
    logs = {
        side: tally.failed * math.log(share) + tally.passed * math.log(1 - share)
        for side, share in shares.items()
    }
    return logs[True] > logs[False]


def _share(tally: Tally) -> float:
    return (tally.failed + 0.5) / (tally.runs + 1)


def _total(tallies: Mapping[int, Tally], keys: Iterable[int]) -> Tally:
    return sum((tallies[key] for key in keys), Tally())


def _cuts(tallies: Iterable[Tally]) -> list[float]:
    """Return the log evidence of two rates for each cut of a sequence, those at its ends included."""
    below = list(accumulate(tallies, initial=Tally()))
    return [log_evidence(left) + log_evidence(below[-1] - left) for left in below]


def _log_sum(logs: list[float]) -> float:
    top = max(logs)
    return top + math.log(sum(math.exp(log - top) for log in logs))
