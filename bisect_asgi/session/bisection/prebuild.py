"""Build environments ahead that may be needed next, while trials run.

Building competes with the trials for the processors. Most environments built ahead are never used, because
the search takes only one of the possible ways. So builds only use the processors that trials leave idle. A
probe that computes leaves none idle, but one that waits leaves many, and so do downloads.

A run that takes longer than it computes may have waited for a core that other programs used. That is no
reason to run more trials in parallel, because the run would only wait longer. Each observation has the number
of cores that other programs kept busy meanwhile. Only if they left no core may the run have waited for one.
It then waited at most `_RIVALS` seconds for each second that it computed, because a core is shared with at
most that many others. The rest is the probe's own waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BisectError, Cancelled
from bisect_asgi.core.model import Observation, Step, Trial, TrialRequest
from bisect_asgi.core.search.lookahead import MOST_PER_CORE, parallel_trials
from bisect_asgi.core.services import Prepare

_MOSTLY, _DOMINATES = 0.5, 0.75
_COMPUTING = {Step.RESOLVE: 0.5, Step.DOWNLOAD: 0.5, Step.BUILD: 1.0, Step.LINK: 1.0, Step.START: 1.0}
"""The fraction of each step that roughly keeps a processor busy; for a run, this is measured."""
_RIVALS = 9


class Prebuilder:
    """Builds environments ahead.

    Args:
        prepare: builds one; called in the executor's workers.
        emit: called with an event when each begins and ends, in the thread of the caller.
        clock: the time of events, in seconds.
    """

    def __init__(
        self,
        prepare: Prepare,
        executor: Executor,
        *,
        emit: Callable[[events.Event], None],
        clock: Callable[[], float],
    ) -> None:
        self._prepare = prepare
        self._executor = executor
        self._emit = emit
        self._clock = clock
        self._flights: dict[int, tuple[Future[dict[Step, float]], CancelToken, list[float]]] = {}
        self._launching: CancelToken | None = None
        self.begun: set[int] = set()
        """Candidates whose environments were built ahead, or are being built."""

    @property
    def building(self) -> int:
        """Number of environments being built now."""
        return len(self._flights)

    def start(self, requests: Iterable[TrialRequest]) -> None:
        """Start to build environments."""
        for request in requests:
            self._start(request)

    def _start(self, request: TrialRequest) -> None:
        token, ended = CancelToken(), list[float]()
        self._emit(events.PreparationStarted(key=request.key, at_s=self._clock()))
        self._launching = token  # an interrupt may come before the build is recorded below
        future = self._executor.submit(self._prepare, request, token)
        self._flights[request.key] = (future, token, ended)
        self._launching = None
        self.begun.add(request.key)
        future.add_done_callback(lambda _: ended.append(self._clock()))

    def settle(self, is_wanted: Callable[[int], bool]) -> None:
        """Take note of environments that are built, and stop builds that are no longer wanted."""
        for key, (future, token, ended) in list(self._flights.items()):
            if future.done():
                self._end(key, steps=_steps(future), at_s=ended[0] if ended else self._clock())
            elif not is_wanted(key):
                future.cancel()
                token.cancel()
                self.begun.discard(key)
                self._end(key, steps={}, at_s=self._clock(), is_cancelled=True)

    def abandon(self) -> None:
        """Stop all builds."""
        self.settle(lambda _: False)
        if self._launching is not None:
            self._launching.cancel()

    def _end(self, key: int, *, steps: dict[Step, float], at_s: float, is_cancelled: bool = False) -> None:
        del self._flights[key]
        self._emit(events.PreparationEnded(key=key, at_s=at_s, steps=steps, is_cancelled=is_cancelled))


def _steps(future: Future[dict[Step, float]]) -> dict[Step, float]:
    """Return the times of a build; none if it failed, because the candidate's own trial will show that."""
    try:
        return future.result()
    except (BisectError, Cancelled):
        return {}


def waiting_share(cores: int, trials: Sequence[Trial]) -> float:
    """Return the fraction of their time in which trials needed no processor; 0 if nothing is known.

    `cores`: how many the trials and other programs share.
    """
    all_s = sum(map(_seconds, trials))
    if not all_s:
        return 0.0
    needed_s = sum(_computed_s(trial) + _starved_s(cores, trial) for trial in trials)
    return max(0.0, 1.0 - needed_s / all_s)


def trials_abreast(cores: int, trials: Sequence[Trial]) -> int:
    """Return how many trials to run in parallel, at least `cores`, by how long the last ones waited.

    If trials wait for environments, it is at most twice the number of cores, because each build also computes
    and the downloads will be cached soon. If the probe itself waits, it is the number that keeps the
    processors busy.
    """
    share = waiting_share(cores, trials)
    if share <= _MOSTLY:
        return cores
    run_s = sum(trial.steps.get(Step.RUN, 0.0) for trial in trials)
    is_probe = run_s > _DOMINATES * sum(map(_seconds, trials))
    return max(cores, min(parallel_trials(cores, share), MOST_PER_CORE * cores if is_probe else 2 * cores))


def idle_places(cores: int, trials: Sequence[Trial]) -> int:
    """Return how many environments may be built ahead at a time, by how long the last trials waited.

    Before anything is known, it is the number of cores, because the candidates after both ends are nearly
    certain.
    """
    if not trials:
        return cores
    share = waiting_share(cores, trials)
    return round(2 * cores * share) if share > _MOSTLY else 0


def _seconds(trial: Trial) -> float:
    """Return the time of a trial without its waiting for others, which does not depend on processors."""
    return sum(seconds for step, seconds in trial.steps.items() if step is not Step.WAIT)


def _computed_s(trial: Trial) -> float:
    """Return for how many seconds a trial kept a processor busy."""
    return sum(run.cpu_s for run in _made(trial)) + sum(
        share * trial.steps.get(step, 0.0) for step, share in _COMPUTING.items()
    )


def _starved_s(cores: int, trial: Trial) -> float:
    """Return for how many seconds the runs of a trial may have waited for a core that other programs had."""
    return sum(
        min(max(0.0, run.wall_s - run.cpu_s), _RIVALS * _share_taken(cores, run) * run.cpu_s)
        for run in _made(trial)
    )


def _share_taken(cores: int, run: Observation) -> float:
    """Return the fraction of a run, 0 to 1, in which other programs left it no core; 0 if unknown."""
    return min(max(0.0, (run.other_load or 0.0) - (cores - 1)), 1.0)


def _made(trial: Trial) -> tuple[Observation, ...]:
    return trial.observations[trial.remembered :]
