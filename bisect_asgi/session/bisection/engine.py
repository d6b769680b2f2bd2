"""Join the search, the trials and the judge; say everything that happens.

The engine keeps nothing but observations. After each one the judge rules on all of them afresh and a
search is told all rulings afresh, so a ruling that changes with what is seen later needs no bookkeeping.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from statistics import fmean

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Lost
from bisect_asgi.core.judge import signature
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
from bisect_asgi.core.search import Boundary, Open, Search, State
from bisect_asgi.core.search.lookahead import look_ahead
from bisect_asgi.core.services import Emit, RunTrial
from bisect_asgi.session.bisection.prebuild import Prebuilder, idle_places, trials_abreast

_RECENT = 8
"""So many trials tell how much of the next ones will be waiting."""
_BUILD_S = {False: 1.0, True: 20.0}
"""What building an environment is taken to last before any was built: from wheels, and from source."""

MakeSearch = Callable[[Mapping[int, Verdict]], Search]


class SearchSpec(Struct, frozen=True, kw_only=True):
    """What is to be found out, of which candidates."""

    candidates: tuple[Candidate, ...]
    probe: Probe
    expectation: Expectation
    criteria: Criteria
    sampling: SamplingMode | None = None
    fresh: bool = False
    stage: int = 0


class Engine:
    """Runs trials until the search has its answer.

    Args:
        question: what to find out.
        run_trial: does one trial; called in the executor's workers.
        executor: where trials run; `jobs` of them at a time.
        emit: told every event; called from the thread of the caller.
        most: so many trials at a time where they mostly wait; None: `jobs`.
        preparing: builds environments ahead; None: nothing is built ahead.
        clock: what events are dated by, in seconds.
    """

    def __init__(
        self,
        question: SearchSpec,
        *,
        run_trial: RunTrial,
        executor: Executor,
        jobs: int,
        emit: Emit,
        most: int | None = None,
        preparing: Prebuilder | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.question = question
        """What is to be found out; a limit that is found while samples are taken changes it."""
        self.noise: Noise | None = None
        """What a search has found out of a probe that does not always answer the same."""
        self._candidates = list(question.candidates)
        self._run_trial = run_trial
        self._executor = executor
        self._jobs = jobs
        self._most = most or jobs
        self._preparing = preparing
        self._recent: deque[Trial] = deque(maxlen=_RECENT)
        self.emit = emit
        self._clock = clock
        self._flights: dict[Future[Trial], tuple[int, CancelToken]] = {}
        self._launching: CancelToken | None = None
        self._judged: tuple[Judgement, SearchSpec, Noise | None, int] | None = None
        """What was said last, and from what beside the observations; None: there are new ones."""
        self._announced: Mapping[int, Ruling] = {}
        """The rulings that the last event has brought the log up to."""
        self.observed: dict[int, tuple[Observation, ...]] = {}
        self.errors: dict[int, Observation] = {}
        """Candidates that could not be asked; they stay unknown, and the search goes round them."""
        self.environments: dict[int, BuiltEnvironment] = {}
        """What the candidates' runs ran in."""
        self.made = 0
        """How many runs were made that no earlier command had made."""
        self.taken: list[Observation] = []
        """Those runs, in the order in which they came back."""
        self._times: dict[int, tuple[float, float]] = {}
        self._kept: set[int] = set()
        self._usual = (1.0, _BUILD_S)
        """Seconds of a run, and of building an environment from wheels and from source."""

    def judgement(self) -> Judgement:
        """What the observations say so far; asked again without anything new, it is not worked out again."""
        question, noise, size = self.question, self.noise, len(self._candidates)
        if (
            self._judged
            and self._judged[1] is question
            and self._judged[2] is noise
            and self._judged[3] == size
        ):
            return self._judged[0]
        found = judge(
            self.observed,
            size=size,
            expectation=question.expectation,
            criteria=question.criteria,
            noise=noise,
        )
        self._judged = (found, question, noise, size)
        return found

    def ask_anew(self, question: SearchSpec) -> None:
        """Go on with the same candidates, observed otherwise: what was seen so far does not count for it."""
        self.question = question
        self.observed.clear()
        self.errors.clear()
        self._judged = None
        self._announced = {}
        self.emit(events.ObservationsReset())

    def seconds(self, key: int) -> float:
        """How long one more run of a candidate takes, by what others took, its build included."""
        run_s, build_s = self._usual
        is_there = key in self._times or key in self._kept
        if is_there or (self._preparing and key in self._preparing.begun):
            return max(0.01, run_s)
        return max(0.01, run_s + build_s[self._candidates[key].needs_build])

    def _learn(self, trial: Trial, runs: int) -> None:
        """Take in how long things take: environments are held against those that were built alike."""
        self._times.setdefault(trial.key, (trial.build_s, trial.run_s / runs))
        self._recent.append(trial)
        built: dict[bool, list[float]] = {False: [], True: []}
        there = self._kept | (self._preparing.begun if self._preparing else set())
        for key, (build_s, _) in self._times.items():
            if key not in there:
                built[self._candidates[key].needs_build].append(build_s)
        self._usual = (
            fmean(run_s for _, run_s in self._times.values()),
            {kind: fmean(seconds) if seconds else _BUILD_S[kind] for kind, seconds in built.items()},
        )

    def add(self, candidate: Candidate) -> int:
        """Take in one more candidate, behind the others, and return its key."""
        self._candidates.append(candidate)
        return len(self._candidates) - 1

    def known(self, key: int) -> Trial:
        """What is known of a candidate that was observed, as one trial that was made before."""
        observations = self.observed[key]
        return Trial(
            key=key,
            label=self._candidates[key].label,
            observations=observations,
            environment=self.environments.get(key),
            remembered=len(observations),
        )

    def seed(self, key: int, trial: Trial) -> None:
        """Take in what another engine knows of the same environment."""
        self._take(replace(trial, key=key, label=self._candidates[key].label))

    def recall(
        self,
        remember: Callable[[TrialRequest], Trial | None],
        is_built: Callable[[TrialRequest], bool] = lambda _: False,
    ) -> None:
        """Take in what earlier commands observed, so that a command that is given again goes on at once.

        `is_built` tells which environments are there, too: those candidates take less time.
        """
        for key in range(len(self._candidates)):
            if key in self.observed:
                continue
            request = self._request(key, runs=1)
            if trial := remember(request):
                self._take(trial)
            elif is_built(request):
                self._kept.add(key)

    def search(
        self,
        told: MakeSearch,
        *,
        is_over: Callable[[Judgement], bool] = lambda _: False,
        looks_ahead: bool = False,
    ) -> State:
        """Run trials until the search stops, `is_over` says so, or nothing that is left can be asked.

        `told` makes the search that was told all verdicts so far. With `looks_ahead` it is also told what
        may come, and environments are built for what it would ask then.
        """
        try:
            while True:
                judgement = self.judgement()
                search = told(judgement.verdicts)
                state = search.state
                self._say(judgement, state)
                if not isinstance(state, Open) or is_over(judgement):
                    return state
                self._cancel(key for key in self._in_flight() if not search.is_relevant(key))
                waiting = self.observed.keys() - judgement.rulings.keys()
                pending = self._in_flight() | waiting | self.errors.keys()
                width = self._width()
                self._submit(search.ask(width - len(self._flights), pending), runs=1)
                if not self._flights:
                    return state
                if looks_ahead and self._preparing:
                    withheld = waiting | self.errors.keys()
                    self._prepare(self._preparing, told, search, judgement.verdicts, withheld, width)
                self._collect()
        finally:
            self._abandon()

    def repeat(self, keys: Collection[int], runs: int) -> None:
        """Run the probe `runs` more times on each of `keys`."""
        self.repeat_each(dict.fromkeys(keys, runs))

    def repeat_each(self, wanted: Mapping[int, int]) -> None:
        """Run the probe so many more times on each of these, the first ones first.

        Runs of one candidate go side by side where there is room for that, each candidate having its share.
        """
        share = self._width() / max(1, sum(wanted.values()))
        places = {key: min(runs, max(1, int(runs * share))) for key, runs in wanted.items()}
        left = deque(wanted)
        try:
            while left or self._flights:
                while left and sum(places[key] for key in (*self._in_flight(), left[0])) <= self._width():
                    key = left.popleft()
                    self._submit([key], runs=wanted[key], parallel=places[key])
                self.tell()
                self._collect()
        finally:
            self._abandon()
        self.tell()

    def tell(self) -> None:
        """Say what everything that was observed means so far."""
        self._say(self.judgement())

    def _width(self) -> int:
        """How many trials at a time: more than there are processors where those would have nothing to do."""
        return min(self._most, trials_abreast(self._jobs, self._recent))

    def _prepare(
        self,
        preparing: Prebuilder,
        told: MakeSearch,
        search: Search,
        verdicts: Mapping[int, Verdict],
        withheld: Collection[int],
        width: int,
    ) -> None:
        """Build ahead what would be asked next, as far as the trials leave the processors idle."""
        flying = self._in_flight()
        preparing.settle(lambda key: key in flying or search.is_relevant(key))
        idle = idle_places(self._jobs, self._recent)
        keys = look_ahead(
            told,
            verdicts,
            size=len(self._candidates),
            jobs=width,
            in_flight=flying,
            limit=idle - preparing.building,
            withheld=withheld,
            prepared=preparing.begun,
        )
        there = self.environments.keys() | self._kept
        preparing.start(self._request(key, runs=1) for key in keys if key not in there)

    def _in_flight(self) -> set[int]:
        return {key for key, _ in self._flights.values()}

    def _submit(self, keys: Iterable[int], *, runs: int, parallel: int = 1) -> None:
        for key in keys:
            token = CancelToken()
            self.emit(events.TrialStarted(key=key, at_s=self._clock()))
            self._launching = token
            request = replace(self._request(key, runs=runs), parallel=parallel)
            future = self._executor.submit(self._run_trial, request, token)
            self._flights[future] = (key, token)
            self._launching = None

    def _request(self, key: int, *, runs: int) -> TrialRequest:
        candidate = self._candidates[key]
        return TrialRequest(
            key=key,
            label=candidate.label,
            spec=candidate.spec,
            probe=self.question.probe,
            known_runs=len(self.observed.get(key, ())),
            runs=runs,
            fresh=self.question.fresh,
            stage=self.question.stage,
            sampling=self.question.sampling,
        )

    def _collect(self) -> None:
        """Wait until at least one trial is back, and take in all that are.

        What ends the search, a trial's exception or an interrupt, is raised after that: what the other trials
        have measured must not be lost.
        """
        errors: list[BaseException] = []
        try:
            wait(self._flights, return_when=FIRST_COMPLETED)
        except KeyboardInterrupt as interrupt:
            errors.append(interrupt)
        errors += self._take_finished()
        if errors:
            self.tell()
            raise errors[0]

    def _take_finished(self) -> list[BaseException]:
        """Take in the trials that are back, in the order of submission; return the exceptions of others."""
        errors: list[BaseException] = []
        for future in [future for future in self._flights if future.done()]:
            key, _ = self._flights.pop(future)
            try:
                trial = future.result()
            except Lost as error:
                trial = _lost(key, self._candidates[key].label, error)
            except BaseException as error:  # an interrupted session gets KeyboardInterrupt from its futures
                errors.append(error)
                continue
            self._take(trial)
        return errors

    def _take(self, trial: Trial) -> None:
        self.emit(events.TrialFinished(trial=trial, at_s=self._clock()))
        if trial.environment:
            self.environments[trial.key] = trial.environment
        if made := len(trial.observations) - trial.remembered:
            self.made += made
            self.taken += trial.observations[trial.remembered :]
            self._learn(trial, made)
        broken = [run for run in trial.observations if run.outcome is Outcome.ERROR]
        if broken:
            self.errors[trial.key] = broken[0]
        else:
            self.observed[trial.key] = self.observed.get(trial.key, ()) + trial.observations
            self._judged = None

    def _abandon(self) -> None:
        """Stop everything, also what an interrupt has kept from being written down as in flight."""
        self._cancel(self._in_flight())
        if self._preparing:
            self._preparing.abandon()
        if self._launching is not None:
            self._launching.cancel()

    def _cancel(self, keys: Iterable[int]) -> None:
        """Stop trials whose results do not matter any more; they answer nothing."""
        unwanted = set(keys)
        for future, (key, token) in list(self._flights.items()):
            if key in unwanted:
                del self._flights[future]
                future.cancel()
                token.cancel()
                self.emit(events.TrialCancelled(key=key, at_s=self._clock()))

    def _say(self, judgement: Judgement, state: State | None = None) -> None:
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
        self.emit(
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


def _lost(key: int, label: str, error: Lost) -> Trial:
    """The trial of a candidate whose workers died: nothing was learnt about it."""
    sign = signature.of_environment(Phase.INSTALL, str(error))
    run = Observation(outcome=Outcome.ERROR, phase=Phase.INSTALL, signature=sign)
    return Trial(key=key, label=label, observations=(run,))
