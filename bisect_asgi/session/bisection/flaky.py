"""Make an answer sure where a probe contradicts itself.

Everything that was seen is handed to `NoisySearch`, which runs on until one boundary is as probable as it has
to be, or the budget is spent. It takes it for granted that the history changes once. So a few candidates
elsewhere, and named ends that would be as they should not be, are then run until their own runs tell on which
side they belong; where that is not where the boundary has them, the search goes on with it, and it is said.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from bisect_asgi.core import events
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.plan.plan import Plan
from bisect_asgi.core.search import Boundary, NoBoundary, State
from bisect_asgi.core.search.noisy import NoisySearch
from bisect_asgi.core.tally import Tally
from bisect_asgi.core.text import listing
from bisect_asgi.session.axes.base import SearchSpace
from bisect_asgi.session.bisection.confirm import Beside, confirmation_of, run_again
from bisect_asgi.session.bisection.engine import Engine

_FITS, _MISFIT = 0.9, 0.9999
"""How clear it has to be that a candidate is on the side where one change puts it, and that it is not."""
_MOST_LOOKS = 16
"""How often a candidate elsewhere is run, where its runs do not tell before."""


def search_noisy(
    engine: Engine,
    plan: Plan,
    space: SearchSpace,
    *,
    beside: Beside = lambda _: (),
) -> tuple[State, events.BeliefUpdated]:
    """Search on with a probe that contradicts itself, and rule on all candidates by what is found.

    `beside` says where to look for other changes, once there is a boundary.
    """
    hunt = _Noisy(engine, plan, space)
    state = hunt.settle()
    last = hunt.search()  # before candidates between the likely places lose their rulings, and their tallies
    if not isinstance(state, NoBoundary):
        noise = _noise(last, state, plan)
        if isinstance(state, Boundary):
            ends = _wrong_ends(noise, space.expectation)
            noise = hunt.look_elsewhere(noise, dict.fromkeys([*ends, *beside(state)]))
            last = _the_same(last, hunt.search())
            engine.emit(_believed(last, plan))
        engine.noise = noise
        engine.tell()
        _tell_misfits(engine, noise, space)
    return state, _believed(last, plan)


class _Noisy:
    """A search with noise, and what it may spend."""

    def __init__(self, engine: Engine, plan: Plan, space: SearchSpace) -> None:
        self._engine = engine
        self._plan = plan
        self._size = len(space.candidates)
        self._confirmation = confirmation_of(engine, plan, space)
        self._begun = time.monotonic()

    def search(self) -> NoisySearch:
        """The search that was told everything so far."""
        judgement = self._engine.judgement()
        skips = {key for key, ruling in judgement.rulings.items() if ruling.verdict is Verdict.SKIP}
        return NoisySearch(
            self._size,
            judgement.tallies,
            skips=skips | self._engine.errors.keys(),
            confidence=self._plan.confidence,
            seconds=self._engine.seconds,
        )

    def settle(self) -> State:
        """Run on until one boundary is probable enough and no failure is unexplained, or all is spent."""
        while True:
            state = self._engine.search(self._told, is_over=lambda _: self._is_spent())
            if not isinstance(state, Boundary) or self._is_spent():
                return state
            more = self._confirmation.of_different_failures(state, self._engine.judgement())
            if not more or self._engine.errors.keys() & more.keys() or not run_again(self._engine, more):
                return state

    def look_elsewhere(self, noise: Noise, keys: Collection[int]) -> Noise:
        """Run these until it is known on which side each is; return what is then known of both sides."""
        before = self._engine.judgement().tallies
        while True:
            judgement = self._engine.judgement()
            tallies = judgement.tallies
            more = {key: tallies[key] - before.get(key, Tally()) for key in keys if key in tallies}
            told = noise.with_more(more)
            asked = [key for key in keys if not self._is_skipped(key, judgement)]
            unclear = [key for key in asked if _is_unclear(key, tallies.get(key, Tally()), told)]
            if not unclear or self._is_spent():
                return told
            self._engine.repeat(unclear, 1)

    def _is_skipped(self, key: int, judgement: Judgement) -> bool:
        ruling = judgement.rulings.get(key)
        return key in self._engine.errors or (ruling is not None and ruling.verdict is Verdict.SKIP)

    def _told(self, _: Mapping[int, Verdict]) -> NoisySearch:
        found = self.search()
        self._engine.emit(_believed(found, self._plan))
        return found

    def _is_spent(self) -> bool:
        return self._plan.budget.is_spent(self._engine.made, time.monotonic() - self._begun)


def _is_unclear(key: int, seen: Tally, noise: Noise) -> bool:
    """Tell whether its runs neither fit to where it is nor are clearly of the other side, yet."""
    if seen.runs >= _MOST_LOOKS:
        return False
    fits = noise.by_itself(key, seen, confidence=_FITS) is noise.side(key, seen)
    return not fits and noise.by_itself(key, seen, confidence=_MISFIT) is None


def _the_same(before: NoisySearch, after: NoisySearch) -> NoisySearch:
    """What is known after looking elsewhere, unless that alone would move the boundary."""
    old, new = before.belief, after.belief
    return after if (old.low, old.high) == (new.low, new.high) else before


def _wrong_ends(noise: Noise, expectation: Expectation) -> list[int]:
    """The named ends that the boundary has on the side where they should not be."""
    sides = {Verdict.OLD: noise.old_is, Verdict.NEW: noise.new_is, None: None}
    wanted = expectation.outcomes
    return [key for key, outcome in wanted.items() if sides[noise.side(key, Tally())] not in (None, outcome)]


def _tell_misfits(engine: Engine, noise: Noise, space: SearchSpace) -> None:
    """Warn of candidates that answer as the other side does: one change may not be all that there is."""
    tallies = engine.judgement().tallies
    misfits = [space.labels[key] for key in sorted(tallies) if _is_misfit(key, tallies[key], noise, _MISFIT)]
    if misfits:
        told = f"{listing(misfits)} {'answers' if len(misfits) == 1 else 'answer'} as the other side does"
        engine.emit(events.Note(text=f"{told}: the history may change more than once"))


def doubtful_ends(engine: Engine, plan: Plan, space: SearchSpace) -> frozenset[int]:
    """Named ends that the search with noise has on the wrong side, and whose own runs are the other's."""
    judgement, noise = engine.judgement(), engine.noise
    if noise is None or noise.low is None:
        return frozenset()
    wrong = judgement.wrong_ends(space.expectation)
    return frozenset(key for key in wrong if _is_misfit(key, judgement.tallies[key], noise, plan.confidence))


def _is_misfit(key: int, seen: Tally, noise: Noise, confidence: float) -> bool:
    """Tell whether a candidate's own runs are the other side's.

    Of one that was run so often that it should have shown where it belongs, less will do: the other change
    is in what is known of its side, too.
    """
    wanted = min(_FITS, confidence) if seen.runs >= _MOST_LOOKS else confidence
    return noise.by_itself(key, seen, confidence=wanted) not in (None, noise.side(key, seen))


def _believed(search: NoisySearch, plan: Plan) -> events.BeliefUpdated:
    belief = search.belief
    return events.BeliefUpdated(
        low=belief.low,
        high=belief.high,
        probability=belief.probability,
        old=belief.old,
        new=belief.new,
        first=belief.likely[0],
        last=belief.likely[1],
        confidence=plan.confidence,
        no_change=belief.no_change,
    )


def _noise(search: NoisySearch, state: State, plan: Plan) -> Noise:
    """What is known of both sides; between what is likely, a candidate's own runs tell."""
    belief = search.belief
    old, new = (Tally(passed=r.runs - r.failed, failed=r.failed) for r in (belief.old, belief.new))
    is_worse = new.failed * old.runs >= old.failed * new.runs
    is_found = isinstance(state, Boundary)
    # Where no change may well be all there is, no range holds it with the confidence that is asked for.
    is_likely = belief.no_change <= 1 - plan.confidence
    return Noise(
        new_is=Outcome.FAILED if is_worse else Outcome.PASSED,
        old=old,
        new=new,
        low=belief.low if is_found else belief.likely[0] - 1 if is_likely else None,
        high=belief.high if is_found else belief.likely[1] if is_likely else None,
        confidence=plan.confidence,
    )
