"""Determine what a command would do, without running the probe or building its environments."""

from __future__ import annotations

import math

from bisect_asgi.core.dry_run import (
    DryRun,
    PlannedCandidate,
    estimate,
    runs_to_confirm,
    runs_to_find,
    runs_to_judge,
)
from bisect_asgi.core.plan import Claim, HistoryKind, Plan
from bisect_asgi.core.services import Services
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.axes.base import SearchSpace
from bisect_asgi.session.axes.releases import prepare_claim
from bisect_asgi.session.bisection import Search
from bisect_asgi.session.bisection.run import COARSE


def dry_run(plan: Plan, services: Services, *, claim: Claim | None = None) -> DryRun:
    """Return what the search of a plan, or the check of a claim, would do.

    A project of the user's (`--with .`) is built as for a search, because its requirements decide which
    candidates there are.

    Raises:
        UsageError: what the user asked for is impossible.
        Unavailable: the index did not answer.
    """
    if claim:
        space, place = prepare_claim(plan, claim, services)
        finding, confirming = _of_claim(plan, len(space.candidates), place)
    else:
        space = axis_of(plan).prepare(plan, services)
        finding, confirming = _of_search(plan, space)
    search = Search(plan, space, services, lambda _: None)
    search.recall()
    observed = search.engine.observed
    times = [run.wall_s for runs in observed.values() for run in runs if run.wall_s]
    median_s, estimated_s = estimate(finding + confirming, times)
    later = () if claim else _later(plan)
    return DryRun(
        package=plan.project,
        probe=plan.probe_path or plan.probe.name,
        python=space.choice.interpreter.version if space.choice else None,
        python_reason=space.choice.reason if space.choice else "",
        further_pythons=() if claim else tuple(each.interpreter.version for each in search.further_pythons),
        candidates=tuple(
            PlannedCandidate(
                version=candidate.label, uploaded=candidate.uploaded, cached_runs=len(observed.get(key, ()))
            )
            for key, candidate in enumerate(space.candidates)
        ),
        excluded=tuple(space.excluded),
        notes=tuple(space.notes),
        claim=str(claim or ""),
        search_runs=finding,
        confirm_runs=confirming,
        later=later,
        beyond=_beyond(space) if "history" in later else (),
        median_run_s=median_s,
        estimated_s=estimated_s,
    )


def _of_search(plan: Plan, space: SearchSpace) -> tuple[int, int]:
    """Return the most runs that find a boundary, and those that confirm it."""
    size = len(space.candidates)
    finding = size if plan.all_changes else runs_to_find(size, gallops=space.gallop)
    if plan.confirm is not None:
        return finding, 2 * plan.confirm
    # If no end is named, a chance failure may swap good and bad, so both orders share the error.
    orders = 1 if space.expectation.named else 2
    confidence = 1 - (1 - plan.confidence) / orders
    older, newer = max(1, finding // 2), max(1, finding - finding // 2)
    return finding, runs_to_confirm(older, newer, confidence=confidence)


def _of_claim(plan: Plan, size: int, place: int) -> tuple[int, int]:
    """Return the runs that judge a claim about the candidate at `place`, and those that confirm it."""
    older, newer = runs_to_judge(size, place, shortest=math.ceil(size / COARSE))
    if plan.confirm is not None:
        return older + newer, 2 * plan.confirm
    return older + newer, runs_to_confirm(older, newer, confidence=plan.confidence, at_once=plan.repeats)


def _later(plan: Plan) -> tuple[str, ...]:
    """Return what comes after a boundary is confirmed, and takes runs of its own."""
    is_planned = {
        "cause": plan.culprit and axis_of(plan).is_explained,
        "history": plan.history.kind is not HistoryKind.NONE and not plan.all_changes,
    }
    return tuple(name for name, is_it in is_planned.items() if is_it)


def _beyond(space: SearchSpace) -> tuple[str, ...]:
    """Return the first and the last release above the range that the look at the history may run."""
    labels = [candidate.label for candidate in space.newer]
    return (labels[0], labels[-1]) if labels else ()
