"""Take samples of a measured probe: one at a time on each machine, warm, and next to a baseline.

Environments are built in parallel, but a sample is taken under the *measuring lock*, which all commands on
this machine share. A command's first run in an environment has cold caches and perhaps no byte-code, so it is
stored as a warm-up and is no sample. If there is a reference environment, it is run right before or right
after each sample, in turn. That run is the sample's baseline: if the machine slows down, it affects both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.files import locked
from bisect_asgi.backend.trials.once import Once
from bisect_asgi.core import metrics
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Observation, Outcome
from bisect_asgi.core.records import Struct, field, replace

RunOnce = Callable[[Environment], Observation]
"""A function that runs the probe once in an environment."""


class MeasuringLock(Struct, frozen=True, kw_only=True):
    """The lock for measuring on this machine, and the environments that this command has warmed up."""

    path: Path
    _warm: Once = field(default_factory=Once)

    @contextmanager
    def taken(self, token: CancelToken) -> Iterator[None]:
        """Hold the lock, so that no other command of this tool measures meanwhile.

        Raises:
            Cancelled: the token was cancelled.
        """
        with ExitStack() as measuring_lock:
            # Waiting means polling. So without a second lock for the queue, the holder itself would always
            # get the lock again first.
            with locked(self.path.with_suffix(".turn"), waiting=token.check):
                measuring_lock.enter_context(locked(self.path, waiting=token.check))
            yield

    def is_first(self, environment: Environment, probe: str) -> bool:
        """Return True at the first call for this environment and probe, and False after that."""
        return self._warm.is_first((str(environment.folder), probe))


def take_sample(
    run: RunOnce, environment: Environment, reference: Environment | None, *, place: int
) -> Observation:
    """Return a run in the candidate's environment, with the metrics of one in the reference's next to it."""
    if reference is None:
        return run(environment)
    before = run(reference) if place % 2 == 0 else None
    sample = run(environment)
    return replace(sample, reference_metrics=_metrics(before or run(reference)))


def warm_up(
    run: RunOnce,
    measuring_lock: MeasuringLock,
    environment: Environment,
    reference: Environment | None,
    *,
    probe: str,
) -> Iterator[Observation]:
    """Run the probe once in each environment that is not warm; yield the candidate's run.

    A run that does not pass is no warm-up: its outcome counts as that of any other run.
    """
    if reference is not None and measuring_lock.is_first(reference, probe):
        run(reference)
    if measuring_lock.is_first(environment, probe):
        seen = run(environment)
        yield replace(seen, is_warm_up=seen.outcome is Outcome.PASSED)


def _metrics(run: Observation) -> dict[str, float]:
    """Return all metrics of a run; one that did not pass has none."""
    if run.outcome is not Outcome.PASSED:
        return {}
    names = {*metrics.BUILT_IN, *run.metrics}
    found = {name: metrics.measured(run, name) for name in sorted(names)}
    return {name: value for name, value in found.items() if value is not None}
