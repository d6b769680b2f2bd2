"""Decide how often to run each candidate before a result is given, if all runs agree.

A search first makes one run of each candidate. Its result rests on few candidates, which are run again. Both
sides of a boundary are run until chance no longer explains that all runs agree. An end with an unexpected
outcome is run again before it is reported as wrong, and a candidate that failed differently before it is
skipped for that.

How often to run both sides of a boundary
-----------------------------------------
Assume that every run so far agrees with one boundary: all candidates below it passed, and all above it
failed. Assume also that the history has one change. If the boundary is wrong, at least one of its sides is
misjudged: `low` is really bad and passed by chance, or `high` is really good and failed by chance. Take the
first case, and let t be the unknown rate at which bad candidates fail. `low` passed in all its m runs, and
the bad side showed F failures and no pass. The probability of that is t^F (1-t)^m, which is at most

    error_bound(m, F) = max over t = (F / (F + m))^F (m / (F + m))^m,

whatever t is. The second case is its mirror image. Nothing is assumed about how flaky probes are: this is a
bound on how often a wrong result is given, not a posterior.

*Selection.* Any of the bad candidates that a bisection ran may have been the one that passed by chance, and
each of them leads to a different wrong boundary. So the bound is multiplied by the number of failing
candidates that were run (a union bound). Each of the two cases gets half of the error that the confidence
allows.

*What that gives.* At the worst rate (about one half), at most 0.8% of searches end unanimous and wrong. This
is an exact sum over all ways in which a bisection of 16 to 200 candidates may go. Without the halves it would
be 1.4%, which leaves too little for the searches that do not end unanimous. After a bisection, six runs are
wanted.

*No more than that.* Every run that was made already counts. The runs at the boundary are in m. All runs on
the failing side are in F, including those of the end and those far from the boundary, because they show how
probable it is that a bad candidate passes. Six is the least: with five, up to 1.9% of the searches for some
place of the change would end unanimous and wrong. Runs of other releases cannot replace them. A run beyond
the boundary adds to F alone: with two of them on each side, six are still wanted, and the two would have to
be made before the boundary is confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.model import Boundary
from bisect_asgi.core.records import Struct
from bisect_asgi.core.search.all_changes import State
from bisect_asgi.core.search.bisection import NoBoundary
from bisect_asgi.core.tally import Tally

FEWEST_RUNS, MOST_RUNS, END_S = 3, 6, 30.0
"""The fewest and the most runs of an end before it is reported as wrong: those of half a minute."""
FIRST_RUNS = 3
"""The runs of both sides of each of several changes: enough to tell a change from an accident."""


class Confirmation(Struct, frozen=True, kw_only=True):
    """Decides which candidates to run again before an answer is given.

    Its methods return the missing runs as the number of further runs by candidate; empty if none is missing.
    """

    expectation: Expectation
    confidence: float
    repeats: int | None = None
    """The number of further runs of both sides; None: as many as the confidence needs."""
    seconds: Callable[[int], float]
    """Returns the expected time of one more run of a candidate, in seconds."""
    of_each_change: int = FIRST_RUNS
    """How often both sides of each of several changes are run."""
    is_cut_off: Callable[[int], bool] = lambda _: False
    """Whether a candidate is only known by runs that were cut off: it is run once more, to the full limit."""

    def missing(self, state: State, judgement: Judgement) -> dict[int, int]:
        """Return the runs that are missing before a bisection's `state` may be taken for the answer."""
        if judgement.is_flaky:
            return {}
        if more := self.of_different_failures(state, judgement):
            return more
        if judgement.contradicts(self.expectation):
            return self._of_ends(judgement.wrong_ends(self.expectation), judgement)
        match state:
            case Boundary(low=low, high=high):
                return self._of_sides(low, high, judgement, orders=self._orders)
            case NoBoundary():
                tested = judgement.tallies
                return self._of_ends([min(tested), max(tested)] if tested else [], judgement)
            case _:
                return {}

    def of_claim(self, place: int, judgement: Judgement) -> dict[int, int]:
        """Return the runs that are missing before a claim about candidate `place` is judged."""
        tallies, verdicts = judgement.tallies, judgement.verdicts
        both = (place - 1, place)
        if judgement.is_flaky or not all(key in tallies for key in both):
            return {}
        if verdicts[place - 1] is not verdicts[place]:
            return self._of_sides(*both, judgement, orders=1)
        return _missing(dict.fromkeys(both, self._runs(MOST_RUNS)), judgement)

    def of_changes(self, judgement: Judgement, *, placed_only: bool = False) -> dict[int, int]:
        """Return the runs that are missing on both sides of every change: one odd run may look like a change.

        With `placed_only`, only changes without an unknown candidate between their sides count.
        """
        if judgement.is_flaky:
            return {}
        verdicts = judgement.verdicts
        changes = (
            (low, high)
            for low, high in pairwise(sorted(judgement.tallies))
            if verdicts[low] is not verdicts[high]
            and (not placed_only or verdicts.keys() >= set(range(low, high)))
        )
        sides = sorted({key for pair in changes for key in pair})
        return self._with_full(
            sides, _missing(dict.fromkeys(sides, self._runs(self.of_each_change)), judgement)
        )

    def of_different_failures(self, state: State, judgement: Judgement) -> dict[int, int]:
        """Return the runs that are missing before candidates are said to fail differently from the bad end.

        The bad end may fail in more than one way, and a different failure may be an accident, so both are run
        again. If such candidates hide the boundary, more runs of the bad end are worth their time.
        """
        if more := _of_bad_end(judgement, FEWEST_RUNS) or _of_accidents(judgement, state):
            return more
        if judgement.learnt_from is None or not _is_hidden(state, judgement):
            return {}
        return _of_bad_end(judgement, self._fitting(judgement.learnt_from))

    def error_bound(self, found: Boundary, judgement: Judgement) -> float:
        """Bound how often a search would end with as much agreement as this and be wrong, from 0 to 1."""
        return min(1.0, self._orders * chance(judgement.tallies, found.low, found.high))

    @property
    def _orders(self) -> int:
        """The number of possible orders of the sides: 2 if a chance failure may have swapped unnamed ends."""
        return 1 if self.expectation.named else 2

    def _of_sides(self, low: int, high: int, judgement: Judgement, *, orders: int) -> dict[int, int]:
        """Return the runs that are missing on both sides of a boundary that all runs agree with."""
        if self.repeats is not None:
            missing = _missing(dict.fromkeys((low, high), 1 + self.repeats), judgement)
        else:
            more = wanted_runs(judgement.tallies, low, high, confidence=1 - (1 - self.confidence) / orders)
            missing = {key: runs for key, runs in zip((low, high), more, strict=True) if runs}
        return self._with_full((low, high), missing)

    def _with_full(self, sides: Iterable[int], missing: dict[int, int]) -> dict[int, int]:
        """Return the missing runs with one at least of each side that was only cut off."""
        return {key: 1 for key in sides if self.is_cut_off(key)} | missing

    def _of_ends(self, keys: Iterable[int], judgement: Judgement) -> dict[int, int]:
        """Return the runs that are missing before ends are reported to have an unexpected outcome."""
        return _missing({key: self._runs(self._fitting(key)) for key in keys}, judgement)

    def _runs(self, otherwise: int) -> int:
        """Return the number of runs of a candidate in all, if the user sets it; else `otherwise`."""
        return otherwise if self.repeats is None else 1 + self.repeats

    def _fitting(self, key: int) -> int:
        """Return how many runs of an end fit into half a minute, between the fewest and the most."""
        return min(max(int(END_S / self.seconds(key)), FEWEST_RUNS), MOST_RUNS)


def _missing(wanted: Mapping[int, int], judgement: Judgement) -> dict[int, int]:
    """Return how many of the runs that are wanted in all were not made yet."""
    tallies = judgement.tallies
    missing = {key: runs - tallies[key].runs for key, runs in wanted.items()}
    return {key: runs for key, runs in missing.items() if runs > 0}


def _of_bad_end(judgement: Judgement, runs: int) -> dict[int, int]:
    """Return the missing runs of the bad end, if any candidate fails differently from it."""
    key = judgement.learnt_from
    is_needed = any(ruling.fails_differently for ruling in judgement.rulings.values())
    if key is None or not is_needed or key not in judgement.tallies:
        return {}
    return _missing({key: runs}, judgement)


def _of_accidents(judgement: Judgement, state: State) -> dict[int, int]:
    """Return the missing runs of candidates that failed differently: of the outer two inside a boundary."""
    keys = state.skipped if isinstance(state, Boundary) else tuple(judgement.rulings)
    rulings = {key: judgement.rulings[key] for key in keys if key in judgement.rulings}
    different = [key for key, ruling in rulings.items() if ruling.fails_differently]
    outer = different if isinstance(state, NoBoundary) else {*different[:1], *different[-1:]}
    more = {key: FEWEST_RUNS - rulings[key].failed for key in outer}
    return {key: runs for key, runs in more.items() if runs > 0}


def _is_hidden(state: State, judgement: Judgement) -> bool:
    """Return whether a candidate that fails differently lies inside the boundary."""
    keys = state.skipped if isinstance(state, Boundary) else ()
    return any(judgement.rulings[key].fails_differently for key in keys if key in judgement.rulings)


def error_bound(passes: int, fails: int) -> float:
    """Bound the probability that all of `passes` runs pass and all of `fails` like them fail.

    It is the maximum over all failure rates, and 1 if either number is 0. It is symmetrical.
    """
    if passes == 0 or fails == 0:
        return 1.0
    share = fails / (fails + passes)
    return float(share**fails * (1 - share) ** passes)


def chance(tallies: Mapping[int, Tally], low: int, high: int) -> float:
    """Bound how often a search ends with as much agreement as this and is wrong, from 0 to 1.

    `tallies` agree: all runs up to `low` had one outcome, and all runs from `high` on had the other.
    """
    return min(1.0, sum(_chances(tallies, low, high, 0, 0)))


def wanted_runs(
    tallies: Mapping[int, Tally], low: int, high: int, *, confidence: float = 0.99
) -> tuple[int, int]:
    """Return how many more runs of `low` and `high` make chance less probable than 1 - `confidence`.

    `tallies` agree, as for `chance`. The total is the least that suffices; if it is odd, `low` gets one more.
    The result is (0, 0) if no more runs are wanted.
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
    """The bounds for a wrong `low` and for a wrong `high`, after these numbers of further runs."""
    below = [tally.runs for key, tally in tallies.items() if key <= low and tally.runs]
    above = [tally.runs for key, tally in tallies.items() if key >= high and tally.runs]
    at_low, at_high = tallies.get(low, Tally()).runs, tallies.get(high, Tally()).runs
    wrong_low = len(above) * error_bound(at_low + more_low, sum(above) + more_high)
    wrong_high = len(below) * error_bound(at_high + more_high, sum(below) + more_low)
    return wrong_low, wrong_high
