"""The searches inside a run: each is logged like a run of its own, under its number."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from bisect_asgi import __version__
from bisect_asgi.core import events
from bisect_asgi.core.answers.result import INTERRUPTED, OUT_OF_TIME, Result, kind_of
from bisect_asgi.core.errors import BisectError, TimeIsUp
from bisect_asgi.core.model import Trial
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.plan.own_projects import GivenProject
from bisect_asgi.core.records import replace
from bisect_asgi.core.services import Emit, Services
from bisect_asgi.core.text import without_credentials
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.axes.base import Axis, SearchSpace
from bisect_asgi.session.bisection import Search, announce
from bisect_asgi.session.bisection.run import SearchResult, run_search


class Stages:
    """Runs the searches inside a run, and numbers them.

    Args:
        services: the ports, as for the run.
        emit: called with every event; those of a stage carry its number.
    """

    def __init__(self, services: Services, emit: Emit) -> None:
        self.services = services
        self.emit = emit
        self.count = 0

    def open(self) -> tuple[int, Emit]:
        """Return the number of the next stage, and what emits its events."""
        self.count += 1
        stage = self.count
        return stage, lambda event: self.emit(events.StageEvent(stage=stage, event=event))

    def search(
        self,
        plan: Plan,
        *,
        space: SearchSpace | None = None,
        context: str | None = None,
        ends: Sequence[Trial] = (),
    ) -> SearchResult:
        """Run one whole search as a stage.

        Args:
            space: the candidates; None: the plan's axis makes them, and its errors end the stage.
            context: what is the same for all candidates, if it is not the axis' own text.
            ends: what is known of the first and the last candidate.

        Raises:
            BisectError: the search that was asked for is impossible, or the index, the network or the disk
                failed; the stage's last event has the error, too.
        """
        stage, emit = self.open()
        emit(started(plan, context=context))
        with ending(emit) as end:
            space = space or axis_of(plan).prepare(plan, self.services)
            announce(space, emit)
            search = Search(plan, space, self.services, emit, stage=stage)
            for key, trial in zip((0, len(space.candidates) - 1), ends, strict=False):
                search.engine.seed(key, trial)
            result = run_search(search)
            show(result, self.services, emit)
            end(result.answer)
        return result


def show(result: SearchResult, services: Services, emit: Emit) -> None:
    """Emit what the axis has to show of the first candidate of the newer side, such as its commit."""
    found, search = result.answer.found, result.search
    if found and not found.skipped:
        shown = axis_of(search.plan).shown(search.space.candidates[found.high], services)
        if shown:
            emit(shown)


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
        limit=plan.criteria.threshold.bound if plan.criteria.threshold else "",
        threshold=plan.criteria.threshold.at if plan.criteria.threshold else None,
        served=plan.probe.served is not None,
        serving=plan.probe.served,
        timeout_s=plan.probe.timeout_s,
        check_options=plan.check_options(),
        projects={each.project.name: _for_uv(each) for each in plan.every_own},
        check_beside_table=plan.check_options_beside_table(),
        python=plan.python or "",
        check_python=(plan.by_table.python if plan.by_table else None) or "",
        term_old=plan.term_old,
        term_new=plan.term_new,
        at_s=time.monotonic(),
    )


def _for_uv(given: GivenProject) -> str:
    """Return the requirement by which uv builds a project again: of a commit, exactly that one."""
    commit = given.project.commit
    if commit is None:
        return given.given
    return replace(commit, repository=without_credentials(commit.repository)).requirement


@contextmanager
def ending(emit: Emit) -> Iterator[Callable[[Result], None]]:
    """Let a run or a stage end with a result, even if an error or an interrupt ends it.

    The context is a function that emits the result, once. An exception raised inside is emitted as the result
    if there was none before, and is raised again.
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
        end(Result(kind=kind_of(error), message=str(error), hint=error.hint))
        raise
    except KeyboardInterrupt as interrupt:
        end(OUT_OF_TIME if isinstance(interrupt, TimeIsUp) else INTERRUPTED)
        raise
