"""Join the search algorithm, the trials and the judge, and emit an event for everything that happens.

The engine keeps only observations. After each one, the judge rules on all of them anew, and the algorithm is
made anew from all verdicts. So a ruling that later observations change needs no bookkeeping.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from functools import partial
from typing import NamedTuple

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Lost
from bisect_asgi.core.judge import hangs, signature
from bisect_asgi.core.judge.judge import Expectation, Judgement, judge
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.metrics.criteria import Criteria
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Candidate,
    Observation,
    Outcome,
    Phase,
    Probe,
    Ruling,
    SamplingMode,
    Trial,
    TrialRequest,
    Verdict,
)
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.search import Boundary, Open, SearchAlgorithm, State
from bisect_asgi.core.search.cuts import TrialCosts, fill
from bisect_asgi.core.search.lookahead import look_ahead
from bisect_asgi.core.services import Emit, RunTrial
from bisect_asgi.session.bisection.prebuild import Prebuilder, idle_places, trials_abreast

_RECENT = 8
"""The number of the last trials from which the waiting time of the next ones is estimated."""

Replay = Callable[[Mapping[int, Verdict]], SearchAlgorithm]
"""Makes a search algorithm that knows all verdicts so far."""


class SearchSpec(Struct, frozen=True, kw_only=True):
    """The part of a search that the engine needs: its candidates, its probe and its criteria."""

    candidates: tuple[Candidate, ...]
    probe: Probe
    expectation: Expectation
    criteria: Criteria
    sampling: SamplingMode | None = None
    fresh: bool = False
    stage: int = 0


class _Flight(NamedTuple):
    """A trial that is under way, and how it was asked for."""

    key: int
    token: CancelToken
    runs: int
    parallel: int
    in_full: bool


class Engine:
    """Runs trials until a search has its result.

    Args:
        spec: what to run, and how runs are judged.
        run_trial: does one trial; called in the executor's workers.
        executor: where trials run; `jobs` of them at a time.
        emit: called with every event, in the thread of the caller.
        most: number of trials at a time if they mostly wait; None: `jobs`.
        prebuilder: builds environments ahead; None: nothing is built ahead.
        clock: the time of events, in seconds.
    """

    def __init__(
        self,
        spec: SearchSpec,
        *,
        run_trial: RunTrial,
        executor: Executor,
        jobs: int,
        emit: Emit,
        most: int | None = None,
        prebuilder: Prebuilder | None = None,
        clock: Callable[[], float] = lambda: time.monotonic(),
    ) -> None:
        self._spec = spec
        self._noise: Noise | None = None
        self._candidates = list(spec.candidates)
        self._size = len(self._candidates)
        """Number of candidates in the range; those behind it are newer."""
        self._costs = TrialCosts(self._candidates)
        self._run_trial = run_trial
        self._executor = executor
        self._jobs = jobs
        self._most = most or jobs
        self._prebuilder = prebuilder
        self._recent: deque[Trial] = deque(maxlen=_RECENT)
        self._emit = emit
        self._clock = clock
        self._flights: dict[Future[Trial], _Flight] = {}
        self._launching: CancelToken | None = None
        self._judgement: Judgement | None = None
        """The judgement of all observations; None if something has changed since."""
        self._announced: Mapping[int, Ruling] = {}
        """The rulings that the last event has brought the log up to."""
        self._told_limit_s = 0.0
        self.observed: dict[int, tuple[Observation, ...]] = {}
        self.errors: dict[int, Observation] = {}
        """Candidates that gave no result, although they were tried twice; they stay unknown, and the search
        avoids them."""
        self._asked_again: set[int] = set()
        self.environments: dict[int, BuiltEnvironment] = {}
        """The environments in which candidates were run."""
        self.made = 0
        """Number of runs made here, and not by an earlier command."""
        self.trials: list[Trial] = []
        """All that came back, in that order, those of earlier commands included."""
        self.taken: list[Observation] = []
        """Those runs, in the order in which they came back."""

    @property
    def spec(self) -> SearchSpec:
        """Return the candidates, the probe and the criteria."""
        return self._spec

    @property
    def noise(self) -> Noise | None:
        """Return the noise of a flaky probe; None if a candidate's runs are expected to agree."""
        return self._noise

    def judge_by(self, spec: SearchSpec, noise: Noise | None) -> None:
        """Judge all observations, those that are there included, by something else from here on."""
        self._spec, self._noise, self._judgement = spec, noise, None

    def start_anew(self, spec: SearchSpec) -> None:
        """Continue with the same candidates, run in another way: earlier observations do not count."""
        self.observed.clear()
        self.errors.clear()
        self._asked_again.clear()
        self._announced = {}
        self.judge_by(spec, self._noise)
        self._emit(events.ObservationsReset())

    def judgement(self) -> Judgement:
        """Return the judgement of the observations so far."""
        if self._judgement is None:
            self._judgement = judge(
                self._standing(),
                size=self._size,
                expectation=self._spec.expectation,
                criteria=self._spec.criteria,
                noise=self._noise,
            )
        return self._judgement

    def _standing(self) -> hangs.Observed:
        """Return the observations that count: all but cut-off runs that are void."""
        return hangs.standing(self.observed)

    def is_cut_off(self, key: int) -> bool:
        """Return whether a candidate is only known by runs that were ended before the probe's own limit."""
        return hangs.is_cut_off(self._standing().get(key, ()))

    def _limit_s(self) -> float | None:
        """Return the limit of further runs, and emit a change of it; None for the probe's own limit."""
        if self._spec.criteria.metric is not None:
            return None
        limit_s = hangs.limit_s(self.observed, timeout_s=self._spec.probe.timeout_s)
        if limit_s is not None and limit_s > 2 * self._told_limit_s:
            self._told_limit_s = limit_s
            self._emit(events.Note(text=_told_limit(limit_s, self._spec.probe.timeout_s)))
        return limit_s

    def seconds(self, key: int) -> float:
        """Return how long one more run of a candidate is expected to take, its build included."""
        return self._costs.seconds(key, prebuilt=self._prebuilt)

    @property
    def _prebuilt(self) -> Collection[int]:
        return self._prebuilder.begun if self._prebuilder else ()

    def add(self, candidate: Candidate) -> int:
        """Append one more candidate, and return its key."""
        self._candidates.append(candidate)
        self._size = len(self._candidates)
        self._judgement = None
        return len(self._candidates) - 1

    def extend(self, newer: Iterable[Candidate]) -> None:
        """Append candidates that are newer than the range: they may be run, and do not move its ends."""
        self._candidates += newer

    def label(self, key: int) -> str:
        """Return the label of a candidate, or of what was added to them."""
        return self._candidates[key].label

    def known(self, key: int) -> Trial:
        """Return what was observed of a candidate as one trial that an earlier command made."""
        observations = self.observed[key]
        return Trial(
            key=key,
            label=self._candidates[key].label,
            observations=observations,
            environment=self.environments.get(key),
            remembered=len(observations),
        )

    def seed(self, key: int, trial: Trial) -> None:
        """Copy what another engine has observed in the same environment."""
        self._take(replace(trial, key=key, label=self._candidates[key].label))

    def recall(
        self,
        remember: Callable[[TrialRequest], Trial | None],
        is_built: Callable[[TrialRequest], bool] = lambda _: False,
    ) -> None:
        """Recall what earlier commands observed, so that a command that is given again continues.

        Candidates whose environments already exist, as `is_built` says, are expected to take less time.
        """
        for key in range(len(self._candidates)):
            if key in self.observed:
                continue
            request = self._request(key, runs=1)
            if trial := remember(request):
                self._take(trial)
            elif is_built(request):
                self._costs.kept.add(key)

    def search(
        self,
        replay: Replay,
        *,
        is_over: Callable[[Judgement], bool] = lambda _: False,
        looks_ahead: bool = False,
        until_s: float | None = None,
        hands_on: bool = False,
    ) -> State:
        """Run trials until the search stops, `is_over` says so, or no candidate that is left gives a result.

        With `looks_ahead`, environments are built for the candidates that may be next. At the moment
        `until_s` of the clock the search ends as it is, and no trial is begun that would last longer. With
        `hands_on`, trials in flight continue, and the next search keeps those that are relevant to it.
        """
        is_handed_on = False
        try:
            while True:
                judgement = self.judgement()
                algorithm = replay(judgement.verdicts)
                state = algorithm.state
                self._emit_rulings(judgement, state)
                if not isinstance(state, Open) or is_over(judgement) or self._left_s(until_s) <= 0:
                    is_handed_on = hands_on
                    return state
                self._cancel(key for key in self._in_flight() if not algorithm.is_relevant(key))
                withheld = (self._standing().keys() - judgement.rulings.keys()) | self.errors.keys()
                width = self._width()
                wanted = fill(
                    width - len(self._flights),
                    ask=algorithm.ask,
                    under_way=self._in_flight(),
                    withheld=withheld,
                    is_slow_beside=partial(self._costs.is_slow_beside, prebuilt=self._prebuilt),
                )
                self._submit([key for key in wanted if self.seconds(key) <= self._left_s(until_s)], runs=1)
                if not self._flights:
                    return state
                if looks_ahead:
                    self._build_ahead(replay, algorithm, judgement.verdicts, withheld, width)
                self._collect(self._left_s(until_s))
        finally:
            if not is_handed_on:
                self._abandon()

    def _left_s(self, until_s: float | None) -> float:
        return math.inf if until_s is None else until_s - self._clock()

    def repeat(self, keys: Collection[int], runs: int) -> None:
        """Run the probe `runs` more times on each of `keys`."""
        self.repeat_each(dict.fromkeys(keys, runs))

    def repeat_each(self, wanted: Mapping[int, int]) -> None:
        """Run the probe this many more times on each of these candidates, in their order.

        Runs of one candidate are made in parallel as far as workers are free, and each candidate gets its
        share. One that is left gets the share of those that are done. Candidates that were only cut off
        before are first run once with the probe's own limit.
        """
        self._emit(events.RepeatsStarted(runs=tuple(wanted.items())))
        in_full = [key for key in wanted if self._noise is None and self.is_cut_off(key)]
        if in_full:
            self._repeat(dict.fromkeys(in_full, 1), in_full=True)
        self._repeat({key: left for key, runs in wanted.items() if (left := runs - (key in in_full))})

    def _repeat(self, wanted: Mapping[int, int], *, in_full: bool = False) -> None:
        share = self._width() / max(1, sum(wanted.values()))
        places = {key: min(runs, max(1, int(runs * share))) for key, runs in wanted.items()}
        left = deque(wanted)
        try:
            while left or self._flights:
                while left and sum(places[key] for key in (*self._in_flight(), left[0])) <= self._width():
                    key = left.popleft()
                    self._submit([key], runs=wanted[key], parallel=places[key], in_full=in_full)
                if not left:
                    self._widen(places)
                self.emit_rulings()
                self._collect()
        finally:
            self._abandon()
        self.emit_rulings()

    def _widen(self, places: dict[int, int]) -> None:
        """Give the places that no trial needs any more to those that could use them."""
        free = self._width() - sum(places[key] for key in self._in_flight())
        for key, token, runs, *_ in self._flights.values():
            if (more := min(free, runs - places[key])) > 0:
                token.widen(more)
                places[key] += more
                free -= more

    def emit_rulings(self) -> None:
        """Emit the rulings on everything that was observed so far, without the state of a search."""
        self._emit_rulings(self.judgement())

    def _width(self) -> int:
        """Return the number of trials at a time: more than there are cores if trials mostly wait."""
        return min(self._most, trials_abreast(self._jobs, self._recent))

    def _build_ahead(
        self,
        replay: Replay,
        algorithm: SearchAlgorithm,
        verdicts: Mapping[int, Verdict],
        withheld: Collection[int],
        width: int,
    ) -> None:
        """Build ahead the environments that are probably next, on processors that the trials leave idle."""
        if (prebuilder := self._prebuilder) is None:
            return
        flying = self._in_flight()
        prebuilder.settle(lambda key: key in flying or algorithm.is_relevant(key))
        idle = idle_places(self._jobs, self._recent)
        keys = look_ahead(
            replay,
            verdicts,
            size=len(self._candidates),
            jobs=width,
            in_flight=flying,
            limit=idle - prebuilder.building,
            withheld=withheld,
            prepared=prebuilder.begun,
        )
        there = self.environments.keys() | self._costs.kept
        prebuilder.start(self._request(key, runs=1) for key in keys if key not in there)

    def _in_flight(self) -> set[int]:
        return {flight.key for flight in self._flights.values()}

    def _submit(self, keys: Iterable[int], *, runs: int, parallel: int = 1, in_full: bool = False) -> None:
        for key in keys:
            self._launch(_Flight(key, CancelToken(may_widen=runs > parallel), runs, parallel, in_full))

    def _launch(self, flight: _Flight) -> None:
        limit_s = None if flight.in_full else self._limit_s()
        self._emit(events.TrialStarted(key=flight.key, at_s=self._clock()))
        self._launching = flight.token
        request = replace(
            self._request(flight.key, runs=flight.runs), parallel=flight.parallel, limit_s=limit_s
        )
        future = self._executor.submit(self._run_trial, request, flight.token)
        self._flights[future] = flight
        self._launching = None

    def _request(self, key: int, *, runs: int) -> TrialRequest:
        candidate = self._candidates[key]
        return TrialRequest(
            key=key,
            label=candidate.label,
            spec=candidate.spec,
            probe=self._spec.probe,
            known_runs=len(self.observed.get(key, ())),
            runs=runs,
            fresh=self._spec.fresh,
            stage=self._spec.stage,
            sampling=self._spec.sampling,
        )

    def _collect(self, at_most_s: float = math.inf) -> None:
        """Wait until at least one trial is back, or for `at_most_s`, and take in all that are.

        A trial's exception or an interrupt ends the search. It is raised only after that, so that the
        observations of the other trials are not lost.
        """
        errors: list[BaseException] = []
        try:
            timeout_s = None if at_most_s == math.inf else max(0.0, at_most_s)
            wait(self._flights, timeout=timeout_s, return_when=FIRST_COMPLETED)
        except KeyboardInterrupt as interrupt:
            errors.append(interrupt)
        errors += self._take_finished()
        if errors:
            self.emit_rulings()
            raise errors[0]

    def _take_finished(self) -> list[BaseException]:
        """Take in the trials that are back, in the order of submission; return the exceptions of others.

        A trial without a result is made once more, because a fault of this machine, an index or a file may be
        gone then.
        """
        errors: list[BaseException] = []
        without: list[tuple[_Flight, Observation]] = []
        for future in [future for future in self._flights if future.done()]:
            flight = self._flights.pop(future)
            try:
                trial = future.result()
            except Lost as error:  # by several workers, one after the other
                trial = _lost(flight.key, self._candidates[flight.key].label, error)
                self._asked_again.add(flight.key)
            except BaseException as error:  # an interrupted session gets KeyboardInterrupt from its futures
                errors.append(error)
                continue
            self._take(trial)
            if failure := _error(trial):
                without.append((flight, failure))
        for flight, failure in without if not errors else ():
            self._ask_again(flight, failure)
        return errors

    def _take(self, trial: Trial) -> None:
        self.trials.append(trial)
        self._emit(events.TrialFinished(trial=trial, at_s=self._clock()))
        if trial.environment:
            self.environments[trial.key] = trial.environment
        if made := len(trial.observations) - trial.remembered:
            self.made += made
            self.taken += trial.observations[trial.remembered :]
            self._costs.learn(trial, runs=made, prebuilt=self._prebuilt)
            self._recent.append(trial)
        if _error(trial) is None:
            self._asked_again.discard(trial.key)
            self.observed[trial.key] = self.observed.get(trial.key, ()) + trial.observations
            self._judgement = None

    def _ask_again(self, flight: _Flight, error: Observation) -> None:
        """Make a trial once more that had no result; one that has none again stays without."""
        if flight.key in self._asked_again:
            self.errors[flight.key] = error
            return
        self._asked_again.add(flight.key)
        label = self._candidates[flight.key].label
        self._emit(events.Note(text=f"there is no result for {label}; it is asked again", is_live=True))
        self._launch(flight._replace(token=CancelToken(may_widen=flight.token.may_widen)))

    def _abandon(self) -> None:
        """Cancel all work, including a trial that an interrupt kept from being recorded as in flight."""
        self._cancel(self._in_flight())
        if self._prebuilder:
            self._prebuilder.abandon()
        if self._launching is not None:
            self._launching.cancel()

    def _cancel(self, keys: Iterable[int]) -> None:
        """Cancel trials whose results no longer matter."""
        unwanted = set(keys)
        for future, (key, token, *_) in list(self._flights.items()):
            if key in unwanted:
                del self._flights[future]
                future.cancel()
                token.cancel()
                self._emit(events.TrialCancelled(key=key, at_s=self._clock()))

    def _emit_rulings(self, judgement: Judgement, state: State | None = None) -> None:
        low, high, left = None, None, 0
        if isinstance(state, (Open, Boundary)):
            low, high = state.low, state.high
        if isinstance(state, Open):
            known = judgement.rulings.keys()
            floor, ceiling = (
                -1 if low is None else low,
                len(self._candidates) if high is None else high,
            )
            left = sum(1 for key in range(floor + 1, ceiling) if key not in known)
        rulings, before = judgement.rulings, self._announced
        self._announced = rulings
        self._emit(
            events.RulingsChanged(
                rulings=tuple(
                    (key, rulings[key]) for key in sorted(rulings) if rulings[key] != before.get(key)
                ),
                withdrawn=tuple(sorted(before.keys() - rulings.keys())),
                new_is=judgement.new_is,
                reference=judgement.reference,
                low=low,
                high=high,
                left=left,
            )
        )


def _told_limit(limit_s: float, timeout_s: float) -> str:
    return (
        f"the probe hangs: further runs are ended after {limit_s:g} s, at least {hangs.MULTIPLE} times the "
        f"longest run that ended; both sides of a boundary are run once with the limit of {timeout_s:g} s"
    )


def _error(trial: Trial) -> Observation | None:
    """Return why a trial has no result, or None."""
    return next((run for run in trial.observations if run.outcome is Outcome.ERROR), None)


def _lost(key: int, label: str, error: Lost) -> Trial:
    """Return the trial of a candidate whose workers died: there is no result."""
    sign = signature.of_environment(Phase.INSTALL, str(error))
    run = Observation(outcome=Outcome.ERROR, phase=Phase.INSTALL, signature=sign)
    return Trial(key=key, label=label, observations=(run,))
