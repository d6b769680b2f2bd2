"""The progress of a run: its current stretch, and how long the rest of that may take."""

from __future__ import annotations

from bisect_asgi.core import events
from bisect_asgi.core.events import Stretch
from bisect_asgi.core.model import Trial
from bisect_asgi.core.text import plural, roughly
from bisect_asgi.report.projection import Knowledge

_DERIVED = (Stretch.ENDS, Stretch.SEARCH, Stretch.CONFIRM)
"""The stretches that follow from rulings and repeats; an event begins each of the others."""


class Stretches:
    """The stretches of a run, as its events tell them."""

    def __init__(self) -> None:
        self.planned: tuple[Stretch, ...] = ()
        """The stretches that the run has; empty until it says so."""
        self._current = Stretch.ENDS

    def take(self, event: events.Event, known: Knowledge) -> None:
        """Take in an event of the run itself; `known` is what is known of its candidates after it."""
        match event:
            case events.StretchesPlanned(stretches=stretches):
                self.planned = stretches
            case events.StretchStarted(stretch=stretch):
                self._current = stretch
            case events.CandidatesListed(grows=False) | events.ObservationsReset():
                self._current = Stretch.ENDS
            case events.RepeatsStarted() if self._current is Stretch.SEARCH:
                self._current = Stretch.CONFIRM
            case events.RulingsChanged(left=left) if left and self._current in _DERIVED:
                self._current = Stretch.SEARCH if _has_ends(event, known) else Stretch.ENDS
            case events.RulingsChanged() if self._current is Stretch.ENDS and _has_ends(event, known):
                self._current = Stretch.SEARCH
            case _:
                pass

    @property
    def current(self) -> Stretch:
        """The stretch that the run is in: one that it has planned."""
        if self._current in self.planned or not self.planned:
            return self._current
        return self.planned[0]


def _has_ends(judged: events.RulingsChanged, known: Knowledge) -> bool:
    """Return whether both sides of a change are known, or two candidates if all changes are searched for."""
    if known.low is not None and known.high is not None:
        return True
    return judged.low is None and judged.high is None and len(known.rulings) > 1


class Pace:
    """The durations of a search's trials, and its remaining repeats."""

    def __init__(self) -> None:
        self._trials_s: list[float] = []
        self._runs_s: list[float] = []
        self._wanted: dict[int, int] = {}
        self._done: dict[int, int] = {}

    def take(self, event: events.Event) -> None:
        """Take in an event of the search."""
        match event:
            case events.RepeatsStarted(runs=runs):
                self._wanted, self._done = dict(runs), {}
            case events.TrialFinished(trial=trial):
                self._take_trial(trial)
            case events.RulingsChanged(left=left) if left:
                self._wanted = {}  # the search continues, so the repeated runs are over
            case _:
                pass

    def _take_trial(self, trial: Trial) -> None:
        count = len(trial.observations)
        if trial.key in self._wanted:
            self._done[trial.key] = self._done.get(trial.key, 0) + count
        if trial.remembered < count:
            self._trials_s.append(trial.build_s + trial.run_s)
            self._runs_s.append(trial.run_s / (count - trial.remembered))

    def steps(self, left: int) -> str:
        """Return `roughly 4 steps, 40 s`, for a search with so many candidates left."""
        count = left.bit_length()
        return f"roughly {plural(count, 'step')}{self._after(count, self._trials_s)}"

    @property
    def repeats(self) -> str:
        """Return `3 of 8 runs, roughly 30 s`; empty if nothing is run again."""
        wanted = sum(self._wanted.values())
        if not wanted:
            return ""
        done = sum(min(runs, self._done.get(key, 0)) for key, runs in self._wanted.items())
        rest = self._after(wanted - done, self._runs_s)
        return f"{done} of {plural(wanted, 'run')}{rest.replace(', ', ', roughly ')}"

    def _after(self, count: int, seconds: list[float]) -> str:
        if not seconds or not count:
            return ""
        from statistics import median  # a command that runs nothing does without it

        return f", {roughly(count * median(seconds))}"
