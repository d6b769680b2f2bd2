"""Count the runs that only repeat a known outcome, instead of writing a line for each."""

from __future__ import annotations

from collections.abc import Callable

from bisect_asgi.core.model import Outcome, Ruling, Trial
from bisect_asgi.core.records import Struct, field
from bisect_asgi.core.text import plural


class Repeat(Struct):
    """The further runs of one candidate since the last line about them."""

    label: str
    ruling: Ruling
    trials: list[Trial] = field(default_factory=list)

    @property
    def _outcomes(self) -> list[Outcome]:
        return [run.outcome for trial in self.trials for run in trial.observations]

    @property
    def outcome(self) -> Outcome:
        """The outcome that the line is marked with."""
        if self.ruling.is_flaky:
            return Outcome.FAILED if Outcome.FAILED in self._outcomes else Outcome.PASSED
        return Outcome.UNTESTABLE if self.ruling.fails_differently else self.ruling.outcome

    def told(self, verdict: Callable[[Outcome], str]) -> str:
        """Return `bad in 3 more runs`, or of a flaky candidate `failed in 2 of 3 more runs`.

        A sample has no verdict as long as no threshold is known.
        """
        count = len(self._outcomes)
        if self.ruling.is_flaky:
            return f"failed in {self._outcomes.count(Outcome.FAILED)} of {plural(count, 'more run')}"
        return f"{verdict(self.outcome)} in {plural(count, 'more run')}".lstrip()


class Repeats:
    """The outcome of each candidate so far, and its further runs."""

    def __init__(self) -> None:
        self._seen: dict[int, Ruling] = {}
        self._untold: dict[int, Repeat] = {}

    def is_known(self, trial: Trial, ruling: Ruling) -> bool:
        """Take in a trial, and return whether its candidate had the outcome of the ruling before."""
        before = self._seen.get(trial.key)
        self._seen[trial.key] = ruling
        if before is None or not _is_alike(before, ruling):
            return False
        repeat = self._untold.setdefault(trial.key, Repeat(label=trial.label, ruling=ruling))
        repeat.ruling = ruling
        repeat.trials.append(trial)
        return True

    def untold(self) -> list[Repeat]:
        """Return the repeats without a line so far, by key."""
        return [repeat for _, repeat in sorted(self._untold.items())]

    def forget(self) -> None:
        """Note that the repeats have their line."""
        self._untold.clear()

    def begin_anew(self) -> None:
        """Forget all outcomes, because they have become void."""
        self._seen.clear()
        self._untold.clear()


def _is_alike(before: Ruling, ruling: Ruling) -> bool:
    if before.is_flaky or ruling.is_flaky:
        return before.is_flaky and ruling.is_flaky
    return (before.verdict, before.outcome) == (ruling.verdict, ruling.outcome)
