"""An engine whose trials show what is written down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Executor

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.metrics.criteria import Criteria
from bisect_asgi.core.model import (
    Candidate,
    EnvironmentSpec,
    Observation,
    Ruling,
    Trial,
    TrialRequest,
    Verdict,
)
from bisect_asgi.core.search import Bisection, State
from bisect_asgi.core.services import RunTrial
from bisect_asgi.session.bisection.engine import Engine, SearchSpec
from support.builders import failed, passed, probe, target
from support.services import InlineExecutor

History = Callable[[int], Observation]


NOTHING_NAMED = Expectation()


class Lab:
    """An engine for `size` releases whose answers are a pure function of their place."""

    def __init__(
        self,
        size: int,
        history: History,
        *,
        executor: Executor | None = None,
        jobs: int = 1,
        expectation: Expectation = NOTHING_NAMED,
        criteria: Criteria = Criteria(),
        run_trial: RunTrial | None = None,
        fresh: bool = False,
        stage: int = 0,
        clock: Callable[[], float] = lambda: 0.0,
        needs_build: Collection[int] = (),
    ) -> None:
        self.size = size
        self.history = history
        self.requests: list[TrialRequest] = []
        self.events: list[events.Event] = []
        spec = EnvironmentSpec(interpreter=target().interpreter, requirements=("demo",))
        specification = SearchSpec(
            candidates=tuple(
                Candidate(label=f"1.{place}", spec=spec, needs_build=place in needs_build)
                for place in range(size)
            ),
            probe=probe(),
            expectation=expectation,
            criteria=criteria,
            fresh=fresh,
            stage=stage,
        )
        self.engine = Engine(
            specification,
            run_trial=run_trial or self.run_trial,
            executor=executor or InlineExecutor(),
            jobs=jobs,
            emit=self.events.append,
            clock=clock,
        )

    def run_trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        self.requests.append(request)
        return trial(request, self.history(request.key))

    def search(self) -> State:
        return self.engine.search(self.told, is_over=never)

    def told(self, verdicts: Mapping[int, Verdict]) -> Bisection:
        return Bisection.replay(self.size, verdicts)

    @property
    def asked(self) -> list[int]:
        return [request.key for request in self.requests]


def never(_: Judgement) -> bool:
    return False


def trial(request: TrialRequest, observation: Observation) -> Trial:
    """Return the result of a trial: the same observation as often as it was requested."""
    return Trial(key=request.key, label=request.label, observations=(observation,) * request.runs)


def broke_at(first_bad: int) -> History:
    return lambda key: failed() if key >= first_bad else passed()


def rulings_of(log: Iterable[events.Event]) -> dict[int, Ruling]:
    """All rulings that a log has come to."""
    rulings: dict[int, Ruling] = {}
    for event in log:
        if isinstance(event, events.RulingsChanged):
            rulings = event.after(rulings)
    return rulings


def request_for(lab: Lab, key: int) -> TrialRequest:
    candidate = lab.engine.spec.candidates[key]
    return TrialRequest(key=key, label=candidate.label, spec=candidate.spec, probe=probe())
