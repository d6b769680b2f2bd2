"""Find out what a search is going to do, without running or building anything of the probe."""

from __future__ import annotations

from bisect_asgi.core.dry_run import DryRun, PlannedCandidate, estimate, runs_to_confirm, runs_to_find
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.services import Services
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.bisection import Search


def dry_run(plan: Plan, services: Services) -> DryRun:
    """Return what the search of a plan is going to do.

    A project of the user's (`--with .`) is built as for a search, because its requirements decide which
    candidates there are.

    Raises:
        UsageError: the search is impossible as the user asked for it.
        Unavailable: the index did not answer.
    """
    space = axis_of(plan).prepare(plan, services)
    search = Search(plan, space, services, lambda _: None)
    search.recall()
    observed = search.engine.observed
    size = len(space.candidates)
    finding = size if plan.all_changes else runs_to_find(size, gallops=space.gallop)
    confirming = runs_to_confirm(plan.confirm)
    times = [run.wall_s for runs in observed.values() for run in runs if run.wall_s]
    median_s, estimated_s = estimate(finding + confirming, times)
    return DryRun(
        package=plan.project,
        probe=plan.probe_path or plan.probe.name,
        python=space.choice.interpreter.version if space.choice else None,
        python_reason=space.choice.reason if space.choice else "",
        candidates=tuple(
            PlannedCandidate(
                version=candidate.label, uploaded=candidate.uploaded, cached_runs=len(observed.get(key, ()))
            )
            for key, candidate in enumerate(space.candidates)
        ),
        excluded=tuple(space.excluded),
        notes=tuple(space.notes),
        search_runs=finding,
        confirm_runs=confirming,
        median_run_s=median_s,
        estimated_s=estimated_s,
    )
