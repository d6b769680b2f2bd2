"""The searches inside a run: each is told like a run of its own, under its number."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from bisect_asgi import __version__
from bisect_asgi.core import answers, events
from bisect_asgi.core.answers import Result
from bisect_asgi.core.errors import BisectError
from bisect_asgi.core.model import Trial
from bisect_asgi.core.plan.plan import Plan
from bisect_asgi.core.records import replace
from bisect_asgi.core.services import Emit, Services
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.axes.base import Axis, SearchSpace
from bisect_asgi.session.bisection.search import SearchResult, announce, open_engine, run_search


class Stages:
    """Numbers the searches inside a run; each tells its events under its number."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.count = 0

    def open(self) -> tuple[int, Emit]:
        """Return the next stage's number and what its events are told to."""
        self.count += 1
        stage = self.count
        return stage, lambda event: self.emit(events.StageEvent(stage=stage, event=event))

    def hunt(
        self,
        plan: Plan,
        services: Services,
        *,
        space: SearchSpace | None = None,
        context: str | None = None,
        ends: Sequence[Trial] = (),
    ) -> SearchResult:
        """Do one whole search as a stage.

        Args:
            setting: None: the plan's axis makes it, and what goes wrong there is the stage's, too.
            context: what is held, where that is not what the plan says.
            ends: what is known of the first and the last candidate.

        Raises:
            BisectError: the question cannot be asked, or the outside world failed; told as the stage's end.
        """
        stage, emit = self.open()
        emit(started(plan, context=context))
        with ending(emit) as end:
            space = space or axis_of(plan).prepare(plan, services)
            announce(space, emit)
            engine = open_engine(plan, space, services, emit, stage=stage)
            for key, trial in zip((0, len(space.candidates) - 1), ends, strict=False):
                engine.seed(key, trial)
            hunt = run_search(plan, space, engine, services)
            end(hunt.answer)
        return hunt


def started(plan: Plan, *, axis: Axis | None = None, context: str | None = None) -> events.RunStarted:
    """Return the first event of a run, or of one of its stages; `axis`: another one than the plan's."""
    axis = axis or axis_of(plan)
    words = axis.words_of(plan)
    return events.RunStarted(
        tool_version=__version__,
        started=datetime.now(UTC),
        project=plan.project,
        requirement=plan.requirement("{version}"),
        probe=plan.probe_path,
        command=plan.probe.command,
        order="upload" if plan.by_upload else "version",
        dependencies=str(plan.policy),
        held=plan.held,
        good=plan.good,
        bad=plan.bad,
        releases=str(plan.releases) or None,
        jobs=plan.jobs,
        most_jobs=plan.most_jobs,
        over=axis.option(plan),
        axis=words if context is None else replace(words, context=context),
        metric=plan.criteria.metric,
        limit=plan.criteria.limit.bound if plan.criteria.limit else "",
        served=plan.probe.served is not None,
        check_options=plan.check_options(),
        term_old=plan.term_old,
        term_new=plan.term_new,
        at_s=time.monotonic(),
    )


@contextmanager
def ending(emit: Emit) -> Iterator[Callable[[Result], None]]:
    """Have a run or a stage end with an answer, also when an error or an interrupt ends it.

    Gives what tells the answer, the first that is given; what is raised inside is told as one, and goes on.
    """
    begun = time.monotonic()
    is_open = True

    def end(answer: Result) -> None:
        nonlocal is_open
        if is_open:
            emit(answer.event(elapsed_s=time.monotonic() - begun))
        is_open = False

    try:
        yield end
    except BisectError as error:
        end(Result(kind=answers.kind_of(error), message=str(error), hint=error.hint))
        raise
    except KeyboardInterrupt:
        end(answers.INTERRUPTED)
        raise
