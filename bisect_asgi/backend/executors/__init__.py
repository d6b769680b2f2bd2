"""Open the executor of trials: threads on this machine, or the workers of a cluster."""

from __future__ import annotations

import re
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING

from bisect_asgi.core.records import replace

if TYPE_CHECKING:
    from bisect_asgi.backend.executors.dask.calls import RemoteExecutor
    from bisect_asgi.backend.executors.dask.cluster import Cluster

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import Plan

DASK = "dask"
_SCHEDULER = re.compile(r"dask://(?P<place>(?:\[[^\]]+\]|[^/:@\[\]]+):\d+)/?")


def open_executor(where: str | None, jobs: int, *, most: int | None = None) -> Executor:
    """Return an executor that runs trials.

    Args:
        where: None for threads of this process; `dask` for `jobs` processes on this machine;
            `dask://HOST:PORT` for all workers of a cluster.
        jobs: the number of trials at a time, unless a cluster says otherwise.
        most: the number of threads of this process, if more trials are useful because they mostly wait.

    Raises:
        UsageError: `where` has another form, or the extra for dask is not installed.
        Unavailable: the cluster does not answer, or has no suitable workers.
    """
    if where is None:
        # Threads suffice, because a trial waits for other programs nearly all of its time.
        return ThreadPoolExecutor(max_workers=most or jobs, thread_name_prefix="trial")
    return open_cluster(where, jobs, suitable=True)


def open_cluster(where: str, jobs: int, *, suitable: bool) -> Cluster:
    """Return the executor of a cluster; with `suitable`, wait for a worker that is suitable.

    Raises:
        UsageError, Unavailable: as `open_executor`.
    """
    match = _SCHEDULER.fullmatch(where)
    if where != DASK and not match:
        raise UsageError(
            f"`{where}` is no executor (`--executor`)",
            hint="`dask` starts a cluster here, `dask://HOST:PORT` uses the one of that scheduler",
        )
    try:
        from bisect_asgi.backend.executors.dask.cluster import connect, start_here
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "bisect_asgi":
            raise
        raise UsageError(
            f"`--executor {where}` needs dask.distributed, which is not installed",
            hint="pip install 'bisect-asgi[dask]'",
        ) from error
    cluster = connect(match["place"]) if match else start_here(jobs)
    try:
        cluster.workers.wait(suitable=suitable)
    except BaseException:
        cluster.shutdown(wait=False)
        raise
    return cluster


def widened(plan: Plan, executor: Executor) -> Plan:
    """Return the plan with as many jobs as a cluster has threads, unless the user gave a number."""
    cluster = as_cluster(executor)
    if cluster and not plan.is_width_said:
        return replace(plan, jobs=cluster.threads, most_jobs=cluster.threads)
    return plan


def as_cluster(executor: Executor) -> RemoteExecutor | None:
    """Return the executor if it is a cluster's, else None, without importing what only a cluster needs."""
    if isinstance(executor, ThreadPoolExecutor):
        return None
    from bisect_asgi.backend.executors.dask.calls import RemoteExecutor

    return executor if isinstance(executor, RemoteExecutor) else None
