"""Search for a change between two failure rates, where one run of a candidate does not settle it.

No clock, no I/O, no randomness: the whole state is the tallies. The top of `posterior.py` explains the model
and the choice of the next run.

*Several in parallel.* The outcome of a run in flight is not known yet. The information of the next run is
averaged over the outcomes of the first `FORESEEN` runs in flight, so that not all workers run the same
candidate. Of any further run in flight, only the likelier outcome is considered.

*Both ends first.* A side without runs is expected to fail half of the time. If the other side fails exactly
that often, no single run there tells anything about the place of the change, and a search that looks one run
ahead would never go there. So the oldest and the newest testable candidates are run first.

*A margin.* The prior covers all pairs of rates. For pairs to which it gives little weight, such as 0.3 and
0.7, results with a stated confidence of 0.99 were right in 98.0% of simulated searches. So a search ends only
if the doubt that is left is at most `MARGIN` of what is allowed, which costs three more runs in a hundred
there.

*Cost.* The expected information of a run is divided by the seconds that it is expected to take. If all
candidates cost the same, only the best place of each stretch is considered; otherwise every candidate, up to
`FINE` of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

from bisect_asgi.core.model import Boundary
from bisect_asgi.core.search.bisection import NoBoundary, Open, StopReason
from bisect_asgi.core.search.posterior import Belief, InformationGain, Posterior
from bisect_asgi.core.tally import Tally

MARGIN = 0.7
FORESEEN = 3
FINE = 512
_CERTAIN: Mapping[int, float] = MappingProxyType({})


def same_for_all(_key: int) -> float:
    """One second, whatever the candidate."""
    return 1.0


class NoisySearch:
    """Find two neighboring testable candidates that fail at different rates.

    Args:
        size: number of candidates, at least 1.
        tallies: the runs so far, by candidate.
        skips: untestable candidates; they are never run, and their tallies do not count.
        confidence: the search is over when a result has this probability, and a margin more.
        seconds: how long one run of a candidate is expected to take, including the build of its environment;
            above 0.
        postponed: candidates that are probably untestable, which are run after all others.
        likely: the probability that a candidate is testable, for those of which that is uncertain.

    Raises:
        ValueError: `size` is below 1.
    """

    def __init__(
        self,
        size: int,
        tallies: Mapping[int, Tally],
        *,
        skips: Collection[int] = (),
        confidence: float = 0.99,
        seconds: Callable[[int], float] = same_for_all,
        postponed: Collection[int] = (),
        likely: Mapping[int, float] = _CERTAIN,
    ) -> None:
        if size < 1:
            raise ValueError(f"a search needs at least one candidate, not {size}")
        self.size = size
        self.confidence = confidence
        self._seconds = seconds
        skipped = frozenset(skips)
        self._testable: Sequence[int] = (
            [key for key in range(size) if key not in skipped] if skipped else range(size)
        )
        self._posterior = Posterior(self._testable, size, tallies) if self._testable else None
        ends = dict.fromkeys((*self._testable[:1], *self._testable[-1:]))
        unseen = [key for key in ends if not tallies.get(key, Tally()).runs]
        self._postponed = frozenset(postponed)
        self._likely = likely
        ends_instead = dict.fromkeys(map(self._nearest, unseen))
        self._unseen_ends = [key for key in ends_instead if key not in likely]
        self._belief = self._posterior.belief(confidence) if self._posterior else _nothing(size)

    @property
    def belief(self) -> Belief:
        """Return the posterior for all runs so far."""
        return self._belief

    @property
    def state(self) -> Open | Boundary | NoBoundary:
        """Return the state. While it is open, the change is probably above `low` and not above `high`."""
        belief = self._belief
        if not self._testable:
            return NoBoundary(reason=StopReason.UNTESTABLE)
        if 1 - belief.probability <= MARGIN * (1 - self.confidence):
            return Boundary(low=belief.low, high=belief.high, skipped=belief.skipped)
        if belief.no_change >= self.confidence:
            return NoBoundary(reason=StopReason.SAME)
        return Open(low=belief.likely[0] - 1, high=belief.likely[1])

    def ask(self, limit: int, pending: Collection[int] = ()) -> tuple[int, ...]:
        """Return the candidates to run once (more) next, the most informative per second first.

        `pending` are those in flight; they are not in the result. It has at most `limit` keys, and none when
        the search is over.
        """
        if self._posterior is None or not isinstance(self.state, Open):
            return ()
        outlooks = [(1.0, InformationGain(self._posterior))]
        taken: list[int] = []
        for key in (key for key in pending if key in self._testable):
            outlooks = self._foresee(outlooks, key, taken)
        asked = [key for key in self._unseen_ends if key not in taken][:limit]
        for key in asked:
            outlooks = self._foresee(outlooks, key, taken)
        while len(asked) < limit and (left := self._points(outlooks, taken)):
            asked.append(self._best(outlooks, left))
            if len(asked) < limit:
                outlooks = self._foresee(outlooks, asked[-1], taken)
        return tuple(asked)

    def is_relevant(self, key: int) -> bool:
        """Return whether a result for `key` can still change the answer; until then any testable one can."""
        return isinstance(self.state, Open) and key in self._testable

    def _foresee(
        self, outlooks: Sequence[tuple[float, InformationGain]], key: int, taken: list[int]
    ) -> list[tuple[float, InformationGain]]:
        """Record that `key` is in flight."""
        both = len(taken) < FORESEEN
        taken.append(key)
        return [
            (weight * probability, after)
            for weight, outlook in outlooks
            for probability, after in outlook.foresee(key, both=both)
        ]

    def _nearest(self, wanted: int) -> int:
        """The candidate nearest to the wanted one that is not postponed."""
        if wanted not in self._postponed:
            return wanted
        others = (key for key in self._testable if key not in self._postponed)
        return min(others, key=lambda key: abs(key - wanted), default=wanted)

    def _points(self, outlooks: Sequence[tuple[float, InformationGain]], taken: Collection[int]) -> list[int]:
        """The candidates that may be the best to run; if no informative one is free, any."""
        points = {key for _, outlook in outlooks for key in outlook.points()}
        if len(self._testable) <= FINE and (self._seconds is not same_for_all or points <= set(taken)):
            points.update(self._testable)
        return sorted({self._nearest(key) for key in points}.difference(taken))

    def _best(self, outlooks: Sequence[tuple[float, InformationGain]], keys: Sequence[int]) -> int:
        """The candidate that probably tells the most per second; on a tie, the one nearest to the middle."""
        middle = (self._testable[0] + self._testable[-1]) / 2

        def worth(key: int) -> tuple[float, float]:
            gain = sum(weight * outlook.gain(key) for weight, outlook in outlooks)
            return round(gain * self._likely.get(key, 1.0) / self._seconds(key), 12), -abs(key - middle)

        return max(keys, key=worth)


def _nothing(size: int) -> Belief:
    """Return the posterior if no candidate is testable."""
    unknown = Tally().rate
    return Belief(
        low=0,
        high=0,
        skipped=(),
        probability=0.0,
        old=unknown,
        new=unknown,
        likely=(0, size - 1),
        no_change=0.0,
    )
