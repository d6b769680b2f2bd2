"""How long trials take, learned from those that were made.

A candidate takes a run, and a build before it if its environment is not there yet. Runs are expected to take
what runs took on average. Builds are expected to take what builds of their kind took: one from source takes
many times as long as one from wheels. So a search can prefer what is soon known.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from statistics import fmean

from bisect_asgi.core.model import Candidate, Trial
from bisect_asgi.core.records import Struct

LEAST_S = 0.01


class MeanSeconds(Struct, frozen=True, kw_only=True):
    """Mean durations; the defaults hold until one was measured."""

    run: float = 1.0
    wheel_build: float = 1.0
    source_build: float = 20.0


class TrialCosts:
    """Expects how long one more run of a candidate takes.

    Args:
        candidates: all candidates, by key; the sequence may grow.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = candidates
        self._build_s: dict[int, float] = {}
        self._run_s: dict[int, float] = {}
        self._means = MeanSeconds()
        self.kept: set[int] = set()
        """Candidates whose environments were there before the first trial."""

    def learn(self, trial: Trial, *, runs: int, prebuilt: Collection[int] = ()) -> None:
        """Take in the first trial of a candidate that made `runs` runs itself.

        The trials of `prebuilt` candidates say nothing about building: their environments were built ahead.
        """
        self._build_s.setdefault(trial.key, trial.build_s)
        self._run_s.setdefault(trial.key, trial.run_s / runs)
        built = {key: s for key, s in self._build_s.items() if key not in self.kept and key not in prebuilt}
        wheels = [s for key, s in built.items() if not self._candidates[key].needs_build]
        sources = [s for key, s in built.items() if self._candidates[key].needs_build]
        self._means = MeanSeconds(
            run=fmean(self._run_s.values()),
            wheel_build=fmean(wheels) if wheels else MeanSeconds().wheel_build,
            source_build=fmean(sources) if sources else MeanSeconds().source_build,
        )

    def seconds(self, key: int, *, prebuilt: Collection[int] = ()) -> float:
        """Return how long one more run of a candidate is expected to take, its build included; above 0."""
        means = self._means
        if key in self._run_s or key in self.kept or key in prebuilt:
            return max(LEAST_S, means.run)
        needs_build = self._candidates[key].needs_build
        return max(LEAST_S, means.run + (means.source_build if needs_build else means.wheel_build))
