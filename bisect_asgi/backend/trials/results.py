"""The result of a trial: with observations, without an environment, or without a result.

Warm-ups do not count as runs, nor do runs that were cut off before the request's time limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.core.errors import BuildFailed, Unresolvable
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Observation,
    Outcome,
    Phase,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.records import replace
from bisect_asgi.core.text import date


def asked_for(known: Sequence[Observation], request: TrialRequest) -> tuple[Observation, ...]:
    """Return the first recorded runs up to as many as are wanted; those that do not count come with them."""
    found: list[Observation] = []
    for observation in known:
        if count(found, request.limit_s) == request.runs:
            break
        found.append(observation)
    return tuple(found)


def count(observations: Sequence[Observation], limit_s: float | None = 0.0) -> int:
    """Return the number of runs without warm-ups, and without those that were cut off before `limit_s`."""
    return sum(
        not seen.is_warm_up and (seen.cut_s is None or (limit_s is not None and seen.cut_s >= limit_s))
        for seen in observations
    )


def untestable(request: TrialRequest, error: Unresolvable | BuildFailed, *, build_s: float = 0.0) -> Trial:
    """Return the trial of a candidate that has no environment."""
    phase = Phase.RESOLVE if isinstance(error, Unresolvable) else Phase.INSTALL
    note = f" (cached on {date(error.since)}; `--fresh` asks again)" if error.since else ""
    return _without_runs(request, Outcome.UNTESTABLE, phase, str(error), note, build_s=build_s)


def no_result(request: TrialRequest, error: Exception, *, build_s: float) -> Trial:
    """Return the trial of a candidate about which nothing can be learnt."""
    return _without_runs(request, Outcome.ERROR, Phase.INSTALL, str(error), "", build_s=build_s)


def _without_runs(
    request: TrialRequest, outcome: Outcome, phase: Phase, reason: str, note: str, *, build_s: float
) -> Trial:
    sign = signature.of_environment(phase, reason)
    sign = replace(sign, shown=sign.shown + note)
    return Trial(
        key=request.key,
        label=request.label,
        observations=(Observation(outcome=outcome, phase=phase, signature=sign),),
        build_s=build_s,
    )


def finished(
    request: TrialRequest,
    resolution: Resolution,
    known: tuple[Observation, ...],
    made: tuple[Observation, ...],
    *,
    build_s: float = 0.0,
    run_s: float = 0.0,
) -> Trial:
    """Return the trial of a candidate with its `known` runs, then the runs `made` now."""
    return Trial(
        key=request.key,
        label=request.label,
        observations=known + made,
        environment=BuiltEnvironment(
            digest=resolution.digest, distributions=resolution.distributions, step=resolution.step
        ),
        remembered=len(known),
        build_s=build_s,
        run_s=run_s,
    )
