"""Confirm a result if a candidate both passes and fails.

`NoisySearch` has all tallies, and asks for runs until one boundary is as probable as required, or until the
budget is spent. It assumes one change. Some candidates are therefore run until their own runs show on which
side they are: the ends, a few others away from the boundary, and those whose runs look like the other side's.
If one is on the wrong side of the boundary, there is more than one change, and `flaky_changes` takes over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection

from bisect_asgi.core import events
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.model import Outcome, Ruling, Verdict
from bisect_asgi.core.search import AllBoundaries, Boundary, NoBoundary, Open, State
from bisect_asgi.core.search.noisy import NoisySearch
from bisect_asgi.core.search.two_rates import divide
from bisect_asgi.core.search.untestable_stretches import assumed, likely, postponed
from bisect_asgi.core.tally import Tally
from bisect_asgi.core.text import listing
from bisect_asgi.session.bisection import Search
from bisect_asgi.session.bisection.confirm import SpotChecks, run_again
from bisect_asgi.session.bisection.flaky_changes import FlakyChanges

_FITS, _MISFIT = 0.9, 0.9999
"""How clear it has to be that a candidate is on the side where one change puts it, and that it is not."""
_SUSPICIOUS = 0.75
"""From this probability of the other side on, a candidate is run until it is clear where it belongs."""
_SEVERAL = 0.999
"""The probability of several changes at which the search for one change ends."""
_MOST_CHECKS = 16
"""The most runs of a candidate away from the boundary to find out on which side it is."""
_END_RUNS, _END_SHOWN = 16, 3
"""A named end is run until it has shown its outcome three times, but at most 16 times."""
_MOST_LOOKS = 3
"""The candidates that are run in a stretch that is assumed to be untestable, if it holds the boundary."""


def search_noisy(
    search: Search, *, checks: SpotChecks = lambda _: ()
) -> tuple[State, events.BeliefUpdated | None]:
    """Search on with a flaky probe, and rule on all candidates by what is found.

    Returns the state, and the belief about the place of the change; None if there is more than one.
    """
    run = _NoisyRun(search)
    run.know_ends()
    while True:
        state = run.until_settled()
        # The algorithm is made before the noise is set, because candidates between the likely places then
        # lose their tallies.
        algorithm = run.algorithm()
        if run.is_several(search.judgement()):
            return run.changes(algorithm)
        if not isinstance(state, Boundary):
            break
        noise = _noise(algorithm, state)
        noise = run.until_clear(noise, _doubted(search, noise, checks(state)))
        if run.is_several(search.judgement()) or _has_misfit(search, noise):
            return run.changes(algorithm)
        after = run.algorithm()
        if after.state == state or run.is_spent():
            state, algorithm = _sure(state, after), after
            break
    search.emit(run.belief(algorithm))
    if isinstance(state, NoBoundary):
        return state, run.belief(algorithm)
    noise = _noise(algorithm, state)
    search.settle(noise)
    search.engine.emit_rulings()
    _note_misfits(search, noise)
    if search.plan.all_changes and (others := run.all_changes(noise)):
        return others, None
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
        self._looked: set[int] = set()

    def algorithm(self) -> NoisySearch:
        """Return the search algorithm that knows all tallies so far."""
        judgement, size = self._search.judgement(), len(self._search.labels)
        skips = judgement.skip_reasons
        return NoisySearch(
            size,
            judgement.tallies,
            skips=skips.keys() | self._assumed(judgement) | self._engine.errors.keys(),
            confidence=self._search.plan.confidence,
            seconds=self._engine.seconds,
            postponed=postponed(skips, judgement.tallies, size=size),
            likely=likely(skips, judgement.tallies, size=size),
        )

    def belief(self, algorithm: NoisySearch) -> events.BeliefUpdated:
        """Return the belief about the place of the change, as an event."""
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

    def is_spent(self) -> bool:
        """Return whether the budget is spent."""
        return self._search.plan.budget.is_spent(self._engine.made, time.monotonic() - self._begun)

    def is_several(self, judgement: Judgement) -> bool:
        """Return whether one change does not explain the runs."""
        return divide(judgement.tallies).log_odds > math.log(_SEVERAL / (1 - _SEVERAL))

    def _odd(self, judgement: Judgement) -> list[int]:
        """Return the candidates to run because they may show several changes, as far as that is not clear.

        A search for one change would not run them again, because they tell nothing about the likeliest place.
        """
        tallies = judgement.tallies
        division = divide(tallies)
        if division.log_odds <= math.log(_SUSPICIOUS / (1 - _SUSPICIOUS)):
            return []
        fewer = min(division.often, division.rare, key=len)
        return sorted(key for key in fewer - self._engine.errors.keys() if tallies[key].runs < _MOST_CHECKS)

    def know_ends(self) -> None:
        """Run named ends until it is known how often they do what the user says of them."""
        wanted = self._search.space.expectation.outcomes
        while True:
            rulings = self._search.judgement().rulings
            known = {key: rulings[key] for key in wanted if key in rulings}
            unclear = [key for key, ruling in known.items() if _is_unknown(ruling, wanted[key])]
            if not unclear or self.is_spent() or self._engine.errors.keys() & set(unclear):
                return
            self._engine.repeat(unclear, 1)

    def until_settled(self) -> State:
        """Run until one boundary is probable enough and no failure is unexplained, or the budget is spent."""

        def replay(_: object) -> NoisySearch:
            algorithm = self.algorithm()
            self._search.emit(self.belief(algorithm))
            return algorithm

        def is_over(judgement: Judgement) -> bool:
            return self.is_spent() or self.is_several(judgement)

        while True:
            state = self._engine.search(replay, is_over=lambda each: is_over(each) or bool(self._odd(each)))
            if is_over(self._search.judgement()) or not self._run_doubted(state):
                return state

    def _run_doubted(self, state: State) -> bool:
        """Run what may contradict the state; return whether that may have changed it."""
        judgement = self._search.judgement()
        if odd := self._odd(judgement):
            self._engine.repeat(odd, 1)
            return True
        if not isinstance(state, Boundary):
            return False
        if (key := self._unlooked(state, judgement)) is not None:
            self._looked.add(key)
            self._engine.repeat([key], 1)
            return True
        missing = self._search.confirmation.of_different_failures(state, judgement)
        is_possible = bool(missing) and not self._engine.errors.keys() & missing.keys()
        return is_possible and run_again(self._search, missing)

    def until_clear(self, noise: Noise, keys: Collection[int]) -> Noise:
        """Run candidates until it is clear on which side each is; return what is then known of both sides.

        If the history changes more than once, it never becomes clear, because the rates of both sides are
        then blurred.
        """
        before = self._search.judgement().tallies
        while True:
            judgement = self._search.judgement()
            tallies = judgement.tallies
            more = {key: tallies[key] - before.get(key, Tally()) for key in keys if key in tallies}
            known = noise.with_more(more)
            tested = [key for key in keys if not self._is_skipped(key, judgement)]
            unclear = [key for key in tested if _is_unclear(key, tallies.get(key, Tally()), known)]
            if not unclear or self.is_spent() or self.is_several(judgement):
                return known
            self._engine.repeat(unclear, 1)

    def changes(self, algorithm: NoisySearch) -> tuple[State, events.BeliefUpdated | None]:
        """Return all changes, each candidate being on the side that its own runs show.

        If the budget does not suffice, return the belief about one change, and a note on what contradicts it.
        """
        state = FlakyChanges(self._search, is_spent=self.is_spent).find()
        return state, self.belief(algorithm) if isinstance(state, Open) else None

    def all_changes(self, noise: Noise) -> AllBoundaries | None:
        """Look for more changes than the one that `noise` has placed; return all, or None if there is one."""
        state = FlakyChanges(self._search, is_spent=self.is_spent).find()
        if isinstance(state, AllBoundaries) and len(state.changes) > 1:
            return state
        budget = self._search.plan.budget
        if not isinstance(state, AllBoundaries):
            text = f"{budget} did not show whether there are other changes (`--budget`)"
            self._search.emit(events.Note(text=text))
        elif state.shortest > 1:
            lasted = self._search.context.axis.counted(state.shortest)
            text = f"{budget} showed no other state that lasted for {lasted} or more (`--budget`)"
            self._search.emit(events.Note(text=text))
        self._search.settle(noise)
        self._engine.emit_rulings()
        return None

    def _is_skipped(self, key: int, judgement: Judgement) -> bool:
        return key in self._engine.errors or judgement.verdicts.get(key) is Verdict.SKIP

    def _assumed(self, judgement: Judgement) -> frozenset[int]:
        return assumed(judgement.skip_reasons, judgement.tallies)

    def _unlooked(self, found: Boundary, judgement: Judgement) -> int | None:
        """Return an assumed skip inside a boundary that is to be run, or None if enough were."""
        inside = sorted(self._assumed(judgement) & set(found.skipped))
        if not inside or len(self._looked & set(found.skipped)) >= _MOST_LOOKS:
            return None
        return inside[len(inside) // 2]


def _is_unknown(ruling: Ruling, wanted: Outcome) -> bool:
    """Return whether an end has not shown yet how often it does what the user says."""
    if ruling.verdict is Verdict.SKIP:
        return False
    shown = ruling.failed if wanted is Outcome.FAILED else ruling.passed
    return shown < _END_SHOWN and ruling.passed + ruling.failed < _END_RUNS


def _sure(state: State, algorithm: NoisySearch) -> State:
    """Return the state, or that of an open search if the checks left less than the required confidence."""
    belief = algorithm.belief
    is_same = isinstance(state, Boundary) and (state.low, state.high) == (belief.low, belief.high)
    if is_same and belief.probability >= algorithm.confidence:
        return state
    return Open(low=belief.likely[0] - 1, high=belief.likely[1])


def _noise(algorithm: NoisySearch, state: State) -> Noise:
    """Return what is known of both sides; between the likely places, a candidate's own runs decide."""
    belief, confidence = algorithm.belief, algorithm.confidence
    old, new = (Tally(passed=r.runs - r.failed, failed=r.failed) for r in (belief.old, belief.new))
    is_worse = new.failed * old.runs >= old.failed * new.runs
    is_found = isinstance(state, Boundary)
    # If there may be no change at all, no range contains it with the required confidence.
    is_likely = belief.no_change <= 1 - confidence
    return Noise(
        new_is=Outcome.FAILED if is_worse else Outcome.PASSED,
        old=old,
        new=new,
        low=belief.low if is_found else belief.likely[0] - 1 if is_likely else None,
        high=belief.high if is_found else belief.likely[1] if is_likely else None,
        confidence=confidence,
    )


def _doubted(search: Search, noise: Noise, checks: Collection[int]) -> list[int]:
    """Return the candidates to run until it is clear on which side they are, the outermost ones first."""
    tallies = search.judgement().tallies
    ends = [min(tallies), max(tallies), *_wrong_ends(noise, search.space.expectation)]
    suspicious = (
        key
        for key, tally in sorted(tallies.items())
        if noise.by_itself(key, tally, confidence=_SUSPICIOUS) not in (None, noise.side(key, tally))
    )
    return list(dict.fromkeys([*ends, *checks, *suspicious]))


def _wrong_ends(noise: Noise, expectation: Expectation) -> list[int]:
    """Return the named ends that the boundary has on the side where they should not be."""
    sides = {Verdict.OLD: noise.old_is, Verdict.NEW: noise.new_is, None: None}
    wanted = expectation.outcomes
    return [key for key, outcome in wanted.items() if sides[noise.side(key, Tally())] not in (None, outcome)]


def _is_unclear(key: int, tally: Tally, noise: Noise) -> bool:
    """Return whether runs of a candidate fit neither the side where it is nor, clearly, the other one yet."""
    if tally.runs >= _MOST_CHECKS and tally.contradicts_itself:
        return False
    fits = noise.by_itself(key, tally, confidence=_FITS) is noise.side(key, tally)
    return not fits and noise.by_itself(key, tally, confidence=_MISFIT) is None


def _is_misfit(key: int, tally: Tally, noise: Noise, confidence: float) -> bool:
    """Return whether the runs of a candidate are like those of the other side.

    A candidate that was run so often that its side should be clear needs weaker evidence: another change then
    also blurs the rates of its side.
    """
    wanted = min(_FITS, confidence) if tally.runs >= _MOST_CHECKS else confidence
    return noise.by_itself(key, tally, confidence=wanted) not in (None, noise.side(key, tally))


def _has_misfit(search: Search, noise: Noise) -> bool:
    """Return whether the runs of a candidate leave no doubt that it is not where the boundary has it."""
    return any(
        noise.by_itself(key, tally, confidence=_MISFIT) not in (None, noise.side(key, tally))
        for key, tally in search.judgement().tallies.items()
    )


def _note_misfits(search: Search, noise: Noise) -> None:
    """Note which candidates are like those of the other side: there may be more than one change."""
    tallies = search.judgement().tallies
    misfits = [search.labels[key] for key in sorted(tallies) if _is_misfit(key, tallies[key], noise, _MISFIT)]
    if misfits:
        text = f"{listing(misfits)} {'answers' if len(misfits) == 1 else 'answer'} as the other side does"
        search.emit(events.Note(text=f"{text}: the history may change more than once"))
