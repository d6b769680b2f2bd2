"""Samples of a measured probe: one at a time on each machine, warm, and next to a reference's.

Environments are built side by side, but whoever measures has the *lane*, a lock of this machine that all
commands share. The first run in an environment that a command comes to finds cold caches and perhaps no
byte-code; it is kept, and marked, and is no sample. Where there is a reference, each sample has a run of it
next to it in time, before it and after it in turns, so that what slows the machine down shows in both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bisect_asgi.backend.environments.cache import Environment
from bisect_asgi.backend.files import locked
from bisect_asgi.core import metrics
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Observation, Outcome
from bisect_asgi.core.records import Struct, field, replace

Run = Callable[[Environment], Observation]
"""Runs the probe once in an environment."""


class MeasuringLock(Struct, frozen=True, kw_only=True):
    """The right to measure on this machine, and what was warmed up by this command."""

    path: Path
    _warm: set[tuple[str, str]] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def taken(self, token: CancelToken) -> Iterator[None]:
        """Have the machine to oneself, as far as this tool goes.

        Raises:
            Cancelled: the token was cancelled.
        """
        with ExitStack() as measuring_lock:
            # Who waits polls: without a turn, whoever measures on and on would take the lane again at once.
            with locked(self.path.with_suffix(".turn"), waiting=token.check):
                measuring_lock.enter_context(locked(self.path, waiting=token.check))
            yield

    def is_first(self, environment: Environment, probe: str) -> bool:
        """Tell whether the probe is new to the environment; only the first who asks is told so."""
        with self._guard:
            place = (str(environment.folder), probe)
            is_first = place not in self._warm
            self._warm.add(place)
            return is_first


def take_sample(
    run: Run, environment: Environment, reference: Environment | None, *, place: int
) -> Observation:
    """Run the probe in the candidate's environment, and in the reference's before or after it."""
    if reference is None:
        return run(environment)
    before = run(reference) if place % 2 == 0 else None
    sample = run(environment)
    return replace(sample, reference_metrics=_metrics(before or run(reference)))


def warm_up(
    run: Run,
    measuring_lock: MeasuringLock,
    environment: Environment,
    reference: Environment | None,
    *,
    probe: str,
) -> Iterator[Observation]:
    """Run the probe once where it was not run yet; one that does not pass says what any run would say."""
    if reference is not None and measuring_lock.is_first(reference, probe):
        run(reference)
    if measuring_lock.is_first(environment, probe):
        seen = run(environment)
        yield replace(seen, is_warm_up=seen.outcome is Outcome.PASSED)


def _metrics(run: Observation) -> dict[str, float]:
    """All metrics of a run of the reference; one that failed has none."""
    if run.outcome is not Outcome.PASSED:
        return {}
    names = {*metrics.BUILT_IN, *run.metrics}
    found = {name: metrics.measured(run, name) for name in sorted(names)}
    return {name: value for name, value in found.items() if value is not None}
