"""Choose the time limit of runs that may hang: each hang costs the whole limit, at each candidate again.

Once a run has hung up to the probe's own limit, and another one has passed, further runs are *cut off* after
a multiple of the longest run that ended. A cut-off run counts as a hang as long as no run that ended took
half as long. Some candidate may only be slow, so before a boundary is reported, both its sides are run to the
full limit once. If such a run ends after all, it is now the longest one. The cut-off runs are then void, and
the limit rises.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from bisect_asgi.core.model import FailureKind, Observation, Outcome

MULTIPLE = 5
LEAST_S = 10.0
_DOUBTFUL = 0.5
"""A cut-off run is void if a run that ended took more than this fraction of its limit."""

Observed = Mapping[int, Sequence[Observation]]


def limit_s(observed: Observed, *, timeout_s: float) -> float | None:
    """Return the limit of further runs in seconds, or None for the probe's own limit, `timeout_s`."""
    runs = [run for runs in observed.values() for run in runs]
    has_passed = any(run.outcome is Outcome.PASSED for run in runs)
    if not has_passed or not any(_hung(run) and run.cut_s is None for run in runs):
        return None
    limit = max(LEAST_S, float(math.ceil(MULTIPLE * longest_s(runs))))
    return limit if limit < timeout_s else None


def longest_s(runs: Iterable[Observation]) -> float:
    """Return how long the longest run took that ended, in seconds; 0 if none did."""
    return max((run.wall_s for run in runs if not _hung(run)), default=0.0)


def standing(observed: Observed) -> Observed:
    """Return the observations without the cut-off runs that are void."""
    if not any(run.cut_s for runs in observed.values() for run in runs):
        return observed
    ended = longest_s(run for runs in observed.values() for run in runs)
    kept = {
        key: tuple(run for run in runs if run.cut_s is None or ended <= run.cut_s * _DOUBTFUL)
        for key, runs in observed.items()
    }
    return {key: runs for key, runs in kept.items() if runs}


def is_cut_off(runs: Sequence[Observation]) -> bool:
    """Return whether a candidate is only known by runs that were cut off."""
    return bool(runs) and all(run.cut_s is not None for run in runs)


def _hung(run: Observation) -> bool:
    return run.signature is not None and run.signature.kind is FailureKind.TIMEOUT
