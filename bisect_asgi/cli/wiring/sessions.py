"""Open all services of one session, for a command or for a call of the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bisect_asgi.backend.executors import open_executor, widened
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.trials.runs import Decider
from bisect_asgi.cli.output import say_note
from bisect_asgi.cli.wiring.local import open_trials
from bisect_asgi.cli.wiring.paths import CachePaths
from bisect_asgi.cli.wiring.services import open_services
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.services import Emit, Services

if TYPE_CHECKING:
    from bisect_asgi.backend.index import IndexClient


@contextmanager
def open_session(
    plan: Plan,
    places: CachePaths,
    emit: Emit,
    *,
    where: str | None = None,
    show_output: bool = False,
    decider: Decider | None = None,
    keeps_runs: bool = True,
    undone: set[str] | None = None,
    own: Indexes | None = None,
    begun: IndexClient | None = None,
    note: Callable[[str], None] = say_note,
) -> Iterator[tuple[Plan, Services]]:
    """Open the services of a session; yield them with the plan, which gets the jobs of a cluster.

    Args:
        plan: the plan of the session.
        places: the directories of the cache.
        emit: receives the progress of trials.
        where: the executor, as a value of `--executor`.
        show_output: emit the probes' output, too.
        decider: decides on each run in place of the probe's exit code.
        keeps_runs: whether runs are cached for later commands.
        undone: labels of candidates whose cached runs are dropped; each label is removed once that is done.
        own: indexes other than those that the user's configuration gave this process.
        begun: what asks the indexes already, and stays open.
        note: receives remarks about the cache.

    Raises:
        UsageError: the executor does not exist.
        Unavailable: the store or a cluster cannot be used, or uv could not read its configuration.
    """
    with (
        open_trials(
            places,
            emit,
            show_output=show_output,
            own=own,
            building=plan.building,
            decider=decider,
            keeps_runs=keeps_runs,
            undone=undone,
            note=note,
        ) as runner,
        open_executor(where, plan.jobs, most=plan.most_jobs) as executor,
        open_services(places, runner, executor, own, begun) as services,
    ):
        runner.begin(plan.probe)
        yield widened(plan, executor), services
