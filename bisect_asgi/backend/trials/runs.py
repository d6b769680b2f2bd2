"""Make the runs of a trial in environments that are held, and store what each of them showed at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bisect_asgi.backend.environments import Disturbed, Environment, EnvironmentCache
from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.backend.process.usage import spending
from bisect_asgi.backend.trials.killed import Attempt, until_not_killed
from bisect_asgi.backend.trials.masking import secrets_of, without_secrets
from bisect_asgi.backend.trials.once import Once
from bisect_asgi.backend.trials.probe_run import run_probe
from bisect_asgi.backend.trials.results import count
from bisect_asgi.backend.trials.sampling import MeasuringLock, take_sample, warm_up
from bisect_asgi.backend.trials.store import Store
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.events import Event, Note, OutputSeen
from bisect_asgi.core.model import (
    FailureKind,
    Observation,
    Outcome,
    Probe,
    Step,
    TrialRequest,
)
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.core.text import listing, masked, printable

if TYPE_CHECKING:
    from bisect_asgi.backend.trials.bench import Bench

_MOST_THREADS = 32
"""The most runs of one trial at a time, unless it is told to make more."""


class Held(Struct, frozen=True, kw_only=True):
    """The environment of a trial, as long as it is held, and what can be done with it."""

    environment: Environment
    run: Callable[[Probe], Observation]
    """Runs a probe there once, confined and supervised as ever; again if something else kills that run."""
    bench: Callable[[], AbstractContextManager[Bench]]
    """Opens a copy of it for a person."""


class Decider(Protocol):
    """Decides the outcome of each run in this process, in place of the probe's exit code."""

    def __call__(self, request: TrialRequest, held: Held, token: CancelToken) -> Observation:
        """Return what one run showed in the environment.

        Raises:
            BisectError: the search cannot go on.
            Cancelled: the token was cancelled.
        """
        ...


class Task(Struct, frozen=True, kw_only=True):
    """A trial with resolved environments that are not built yet."""

    request: TrialRequest
    key: str
    """Of its observations in the store."""
    resolution: Resolution
    reference: Resolution | None
    """Of the environment that samples are compared with."""
    token: CancelToken


class ProbeRuns(Struct, frozen=True, kw_only=True, eq=False):
    """Makes the runs of one command's trials, and keeps what they showed."""

    store: Store
    environments: EnvironmentCache
    folder: Path
    """The directory in which probes get their working directories."""
    sandbox: Sandbox
    measuring_lock: MeasuringLock
    emit: Callable[[TrialRequest, Event], None]
    """Gets what is to be said of a trial; called from any thread."""
    show_output: bool
    secrets: tuple[str, ...]
    decider: Decider | None
    changed: Once
    """The environments that a run of this command has changed."""
    killed: Once
    """The candidates of which a run does not count because it was killed."""
    rebuilt: Once = field(default_factory=Once)
    """Whether this trial got a new environment because a killed run had changed that of its own."""

    def make(
        self,
        task: Task,
        environment: Environment,
        reference: Environment | None,
        wanted: int,
        made: list[Observation],
    ) -> None:
        """Run the probe until `made` has `wanted` runs, or until an environment is no longer what was built.

        Each observation is stored at once.
        """
        held = [environment, *([reference] if reference else [])]
        runs_ = self._runs(task, environment, reference, done=count(made), wanted=wanted)
        # Closed, so that after an error in one run, the others in parallel are ended.
        with closing(runs_) as runs, suppress(Disturbed):
            for seen in runs:
                made.append(seen)
                if seen.outcome is not Outcome.ERROR:  # such a run has no result to keep
                    self.store.add_observation(task.key, seen)
                if not all(each.exists() for each in held):
                    return

    def _runs(
        self, task: Task, environment: Environment, reference: Environment | None, *, done: int, wanted: int
    ) -> Generator[Observation]:
        """Yield each run as soon as it ends; samples come one by one, warm, and next to the reference's.

        `done`: the number of `wanted` runs that were made before.
        """
        request = task.request

        def run(where: Environment) -> Observation:
            return self._run_once(task, where)

        if request.sampling is None:
            again = range(wanted - done)
            is_alone = request.parallel == 1 and not task.token.may_widen
            if environment.is_own or is_alone or len(again) == 1:
                yield from (run(environment) for _ in again)
            else:
                yield from _in_parallel(lambda: run(environment), len(again), request.parallel, task.token)
            return
        if request.sampling.needs_warm_up:
            probe = codec.digest(request.probe)
            for seen in warm_up(run, self.measuring_lock, environment, reference, probe=probe):
                yield seen
                done += not seen.is_warm_up
        for place in range(done, wanted):
            yield take_sample(run, environment, reference, place=request.known_runs + place)

    def _run_once(self, task: Task, where: Environment) -> Observation:
        """Run the probe once; if something else kills that run, once more.

        Raises:
            Disturbed: the run, or another process, has changed the environment, so that there is no result.
            Unavailable: as `run_probe` and `EnvironmentCache.after_run`.
        """
        return until_not_killed(lambda: self._attempt(task, where), lambda: self._tell_killed(task.request))

    def _attempt(self, task: Task, where: Environment) -> Attempt:
        """Run the probe, and check that it has left its environment as it was; raises as `_run_once`."""
        request = task.request
        secrets = secrets_of(request, self.secrets)

        def output(text: str) -> None:
            self.emit(request, OutputSeen(key=request.key, text=masked(text, secrets)))

        shown = output if self.show_output else None
        imported: list[str] = []
        limit_s = request.limit_s
        probe = replace(request.probe, timeout_s=limit_s) if limit_s else request.probe

        def run(probe: Probe) -> Attempt:
            killed: list[bool] = []
            seen = run_probe(
                probe,
                where,
                self.folder,
                task.token,
                shown,
                self.sandbox,
                on_imported=imported.extend,
                on_killed=lambda: killed.append(True),
            )
            return Attempt(seen=seen, was_killed=bool(killed))

        made = self._decided(task, where, run) if self.decider else run(probe)
        changed = self.environments.after_run(where, task.token, imported)
        if changed:
            self._tell_changed(request, where, changed)
        was_killed = made.was_killed
        if not where.exists():
            # A killed run cannot be made again where it has changed the environment, only in a new one.
            if not (changed and where.is_own) or (was_killed and self.rebuilt.is_first(task.key)):
                raise Disturbed
            was_killed = False
        seen = without_secrets(made.seen, secrets)
        has_hung = seen.signature is not None and seen.signature.kind is FailureKind.TIMEOUT
        return Attempt(seen=replace(seen, cut_s=limit_s) if has_hung else seen, was_killed=was_killed)

    def _decided(self, task: Task, where: Environment, run: Callable[[Probe], Attempt]) -> Attempt:
        """Return what one run showed, as who decides in place of the probe says."""
        if self.decider is None:
            raise AssertionError("it is there")
        from bisect_asgi.backend.trials.bench import open_bench  # most runs are decided by the probe alone

        held = Held(
            environment=where,
            run=lambda probe: until_not_killed(lambda: run(probe), lambda: self._tell_killed(task.request)),
            bench=lambda: open_bench(task.request.probe, where, self.folder, self.sandbox, task.token),
        )
        with spending(Step.RUN):
            seen = self.decider(task.request, held, task.token)
        task.token.check()
        return Attempt(seen=seen, was_killed=False)

    def _tell_killed(self, request: TrialRequest) -> None:
        """Emit once for each candidate that a killed run of it does not count."""
        if self.killed.is_first((request.stage, request.label)):
            self.emit(
                request,
                Note(
                    text=f"a run on {request.label} was killed (SIGKILL) by something else, such as the "
                    "kernel when memory runs out; it was made again"
                ),
            )

    def _tell_changed(self, request: TrialRequest, where: Environment, changed: Sequence[str]) -> None:
        """Emit once for each environment that runs change it."""
        if self.changed.is_first(str(where.folder)):
            names = listing([f"`{printable(path)}`" for path in changed])
            self.emit(
                request,
                Note(
                    text=f"a run on {request.label} changed its environment ({names}): each run there gets a "
                    "new environment of its own"
                ),
            )


def _in_parallel(
    run: Callable[[], Observation], wanted: int, parallel: int, token: CancelToken
) -> Iterator[Observation]:
    """Run `wanted` times, `parallel` at a time or more if the token is widened; yield each run as it ends."""
    places = threading.Semaphore(parallel)

    def run_in_place() -> Observation:
        with places:
            token.check()
            return run()

    with (
        spending(Step.RUN),
        token.on_widened(places.release),
        token.on_cancel(lambda: places.release(wanted)),
        ThreadPoolExecutor(max_workers=max(parallel, _MOST_THREADS), thread_name_prefix="run") as pool,
    ):
        try:
            yield from (
                done.result() for done in as_completed([pool.submit(run_in_place) for _ in range(wanted)])
            )
        except Disturbed:
            pool.shutdown(cancel_futures=True)
            raise
        except BaseException:
            token.cancel()  # do not wait for the results of the other runs
            raise
