"""Make an answer sure if a candidate both passes and fails.

`NoisySearch` knows all tallies, and asks for runs until one boundary is as probable as it has to be, or until
the budget is spent. It assumes one change. So a few candidates elsewhere, and named ends on the side where
they should not be, are then run until their own runs show on which side they belong. If one does not belong
where the boundary has it, the boundary stays, and a note says so.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from bisect_asgi.core import events
from bisect_asgi.core.judge import Expectation, Judgement
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.search import Boundary, NoBoundary, State
from bisect_asgi.core.search.noisy import NoisySearch
from bisect_asgi.core.tally import Tally
from bisect_asgi.core.text import listing
from bisect_asgi.session.bisection.confirm import SpotChecks, run_again
from bisect_asgi.session.bisection.search import Search

_FITS, _MISFIT = 0.9, 0.9999
"""How clear it has to be that a candidate is on the side where one change puts it, and that it is not."""
_MOST_CHECKS = 16
"""How often a candidate elsewhere is run if fewer runs do not show on which side it is."""


def search_noisy(search: Search, *, checks: SpotChecks = lambda _: ()) -> tuple[State, events.BeliefUpdated]:
    """Search on with a flaky probe, and rule on all candidates by what is found.

    Returns the state, and what is believed of the place of the change.
    """
    run = _NoisyRun(search)
    state = run.until_settled()
    # Made before the noise is set, by which candidates between the likely places lose their tallies.
    algorithm = run.algorithm()
    if isinstance(state, NoBoundary):
        return state, run.belief(algorithm)
    noise = _noise(algorithm, state)
    if isinstance(state, Boundary):
        ends = _wrong_ends(noise, search.space.expectation)
        noise = run.until_clear(noise, dict.fromkeys([*ends, *checks(state)]))
        algorithm = _unmoved(algorithm, run.algorithm())
        search.emit(run.belief(algorithm))
    search.settle(noise)
    search.engine.emit_rulings()
    _note_misfits(search, noise)
    return state, run.belief(algorithm)


def doubtful_ends(search: Search) -> frozenset[int]:
    """Return the named ends that the boundary has on the wrong side, although their own runs are right."""
    judgement, noise = search.judgement(), search.engine.noise
    if noise is None or noise.low is None:
        return frozenset()
    tallies, confidence = judgement.tallies, search.plan.confidence
    wrong = judgement.wrong_ends(search.space.expectation)
    return frozenset(key for key in wrong if _is_misfit(key, tallies[key], noise, confidence))


class _NoisyRun:
    """Runs trials for a noisy search, as far as its budget allows."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._engine = search.engine
        self._begun = time.monotonic()

    def algorithm(self) -> NoisySearch:
        """Return the search algorithm that knows all tallies so far."""
        judgement = self._search.judgement()
        skips = {key for key, verdict in judgement.verdicts.items() if verdict is Verdict.SKIP}
        return NoisySearch(
            len(self._search.labels),
            judgement.tallies,
            skips=skips | self._engine.errors.keys(),
            confidence=self._search.plan.confidence,
            seconds=self._engine.seconds,
        )

    def belief(self, algorithm: NoisySearch) -> events.BeliefUpdated:
        """Return what is believed of the place of the change, as an event."""
        belief = algorithm.belief
        return events.BeliefUpdated(
            low=belief.low,
            high=belief.high,
            probability=belief.probability,
            old=belief.old,
            new=belief.new,
            first=belief.likely[0],
            last=belief.likely[1],
            confidence=algorithm.confidence,
            no_change=belief.no_change,
        )

    def until_settled(self) -> State:
        """Run until one boundary is probable enough and no failure is unexplained, or the budget is spent."""

        def replay(_: object) -> NoisySearch:
            algorithm = self.algorithm()
            self._search.emit(self.belief(algorithm))
            return algorithm

        while True:
            state = self._engine.search(replay, is_over=lambda _: self._is_spent())
            if not isinstance(state, Boundary) or self._is_spent():
                return state
            missing = self._search.confirmation.of_different_failures(state, self._search.judgement())
            if not missing or self._engine.errors.keys() & missing.keys():
                return state
            if not run_again(self._search, missing):
                return state

    def until_clear(self, noise: Noise, keys: Collection[int]) -> Noise:
        """Run candidates until it is clear on which side each is; return what is then known of both sides."""
        before = self._search.judgement().tallies
        while True:
            judgement = self._search.judgement()
            tallies = judgement.tallies
            more = {key: tallies[key] - before.get(key, Tally()) for key in keys if key in tallies}
            known = noise.with_more(more)
            tested = [key for key in keys if not self._is_skipped(key, judgement)]
            unclear = [key for key in tested if _is_unclear(key, tallies.get(key, Tally()), known)]
            if not unclear or self._is_spent():
                return known
            self._engine.repeat(unclear, 1)

    def _is_skipped(self, key: int, judgement: Judgement) -> bool:
        return key in self._engine.errors or judgement.verdicts.get(key) is Verdict.SKIP

    def _is_spent(self) -> bool:
        return self._search.plan.budget.is_spent(self._engine.made, time.monotonic() - self._begun)


def _noise(algorithm: NoisySearch, state: State) -> Noise:
    """Return what is known of both sides; between the likely places, a candidate's own runs decide."""
    belief, confidence = algorithm.belief, algorithm.confidence
    old, new = (Tally(passed=r.runs - r.failed, failed=r.failed) for r in (belief.old, belief.new))
    is_worse = new.failed * old.runs >= old.failed * new.runs
    is_found = isinstance(state, Boundary)
    # If there may well be no change at all, no range holds it with the confidence that is asked for.
    is_likely = belief.no_change <= 1 - confidence
    return Noise(
        new_is=Outcome.FAILED if is_worse else Outcome.PASSED,
        old=old,
        new=new,
        low=belief.low if is_found else belief.likely[0] - 1 if is_likely else None,
        high=belief.high if is_found else belief.likely[1] if is_likely else None,
        confidence=confidence,
    )


def _unmoved(before: NoisySearch, after: NoisySearch) -> NoisySearch:
    """Return what is known after the checks, unless those alone would move the boundary."""
    old, new = before.belief, after.belief
    return after if (old.low, old.high) == (new.low, new.high) else before


def _wrong_ends(noise: Noise, expectation: Expectation) -> list[int]:
    """Return the named ends that the boundary has on the side where they should not be."""
    sides = {Verdict.OLD: noise.old_is, Verdict.NEW: noise.new_is, None: None}
    wanted = expectation.outcomes
    return [key for key, outcome in wanted.items() if sides[noise.side(key, Tally())] not in (None, outcome)]


def _is_unclear(key: int, tally: Tally, noise: Noise) -> bool:
    """Return whether runs of a candidate fit neither the side where it is nor, clearly, the other one yet."""
    if tally.runs >= _MOST_CHECKS:
        return False
    fits = noise.by_itself(key, tally, confidence=_FITS) is noise.side(key, tally)
    return not fits and noise.by_itself(key, tally, confidence=_MISFIT) is None


def _is_misfit(key: int, tally: Tally, noise: Noise, confidence: float) -> bool:
    """Return whether the runs of a candidate are like those of the other side.

    Less clearness will do for a candidate that was run so often that it should have shown where it belongs:
    the other change then blurs what is known of its side, too.
    """
    wanted = min(_FITS, confidence) if tally.runs >= _MOST_CHECKS else confidence
    return noise.by_itself(key, tally, confidence=wanted) not in (None, noise.side(key, tally))


def _note_misfits(search: Search, noise: Noise) -> None:
    """Note which candidates are like those of the other side: there may be more than one change."""
    tallies = search.judgement().tallies
    misfits = [search.labels[key] for key in sorted(tallies) if _is_misfit(key, tallies[key], noise, _MISFIT)]
    if misfits:
        text = f"{listing(misfits)} {'answers' if len(misfits) == 1 else 'answer'} as the other side does"
        search.emit(events.Note(text=f"{text}: the history may change more than once"))
