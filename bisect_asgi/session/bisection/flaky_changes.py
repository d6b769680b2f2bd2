"""Find all changes of a flaky probe: each candidate is on the side that its own runs show.

The search is that of all changes of a steady probe. A candidate is run until it is clear whether it fails as
often as the rarely failing candidates or as the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from bisect_asgi.core import events
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.model import Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import AllBoundaries, AllChanges, Open, State
from bisect_asgi.core.search.two_rates import by_own_runs
from bisect_asgi.core.text import listing, plural
from bisect_asgi.session.bisection import Search

_STRETCHES = 8
"""A state is seen if it lasted for an eighth of the range: each candidate takes several runs.

If all changes are wanted, shorter states are searched after that, as long as the budget lasts.
"""
_DECIDING = 8
"""The approximate number of candidates that decide a change, among which the allowed error is divided."""


class FlakyChanges:
    """Runs candidates until every change between them has its place.

    Args:
        is_spent: returns whether no further run may be made.
    """

    def __init__(self, search: Search, *, is_spent: Callable[[], bool]) -> None:
        self._search = search
        self._engine = search.engine
        self._is_spent = is_spent
        self._shortest = max(1, math.ceil(len(search.labels) / _STRETCHES))

    def find(self) -> State:
        """Run candidates until their own runs show all changes; return Open if the budget is spent before."""
        found: AllBoundaries | None = None
        while True:
            noise = self._run_until_clear()
            state = self._algorithm(noise).state
            self._settle(noise)
            if isinstance(state, Open):  # the budget is spent
                break
            found = state
            if not self._search.plan.all_changes or self._shortest == 1:
                self._note_wrong_ends()
                return found
            self._shortest = max(1, self._shortest // 2)
        if found is None:
            self._note(noise)
            return state
        self._note_wrong_ends()
        return self._algorithm(noise).so_far

    def _run_until_clear(self) -> Noise:
        """Run candidates until their own runs show all changes, or the budget is spent."""
        noise = self._noise()
        while (wanted := self._algorithm(noise).ask(self._width)) and not self._is_spent():
            self._engine.repeat(wanted, 1)
            noise = self._noise()
        return noise

    @property
    def _width(self) -> int:
        return self._search.plan.jobs

    def _noise(self) -> Noise:
        """Return the sides of all candidates that are clear so far, wherever a boundary had them."""
        self._search.settle(None)
        confidence = 1 - (1 - self._search.plan.confidence) / _DECIDING
        return by_own_runs(self._search.judgement().tallies, confidence=confidence)

    def _algorithm(self, noise: Noise) -> AllChanges:
        size, verdicts = len(self._search.labels), self._search.judgement().verdicts
        skips = [key for key, verdict in verdicts.items() if verdict is Verdict.SKIP]
        known = {**noise.placed, **dict.fromkeys([*skips, *self._engine.errors], Verdict.SKIP)}
        return AllChanges.replay(size, known, shortest=self._shortest, first=(size - 1, 0))

    def _settle(self, noise: Noise) -> None:
        """Judge the candidates; one without clear runs is on its neighbors' side."""
        tallies = self._search.judgement().tallies
        sides = {key: _between(key, noise) for key in tallies if key not in noise.placed}
        placed = {key: side for key, side in sides.items() if side is not None}
        self._search.settle(replace(noise, placed={**noise.placed, **placed}))
        self._engine.emit_rulings()

    def _note_wrong_ends(self) -> None:
        """Note which named ends have another outcome than the user gave them."""
        judgement, ends = self._search.judgement(), self._search.space.expectation
        for key in judgement.wrong_ends(ends):
            ruling = judgement.rulings[key]
            runs = plural(ruling.passed + ruling.failed, "run")
            end, others = ("bad", "rarely") if key == ends.bad else ("good", "often")
            text = (
                f"the {end} end, {self._search.labels[key]}, failed {ruling.failed} of {runs}, "
                f"as {others} as the {'good' if end == 'bad' else 'bad'} {self._nouns}"
            )
            self._search.emit(events.Note(text=text))

    @property
    def _nouns(self) -> str:
        return self._search.context.axis.nouns

    def _note(self, noise: Noise) -> None:
        """Note which candidates show that there are several changes."""
        newest = max(noise.placed, default=None)
        others = [key for key, side in sorted(noise.placed.items()) if side is Verdict.OLD]
        if newest is not None and others:
            names = listing(self._search.labels[key] for key in others)
            text = f"the history changes more than once: {names} differ from {self._search.labels[newest]}"
            self._search.emit(events.Note(text=text))


def _between(key: int, noise: Noise) -> Verdict | None:
    """Return the side of the two nearest candidates with clear runs, or None if they differ."""
    below = max((other for other in noise.placed if other < key), default=None)
    above = min((other for other in noise.placed if other > key), default=None)
    sides = {noise.placed[other] for other in (below, above) if other is not None}
    return sides.pop() if len(sides) == 1 else None
