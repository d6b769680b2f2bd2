"""`--dry-run` of a search, a claim or a suite: show what it is going to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bisect_asgi.core.errors import BisectError, ExitCode
from bisect_asgi.core.plan import Building, Claim, Plan

if TYPE_CHECKING:
    from bisect_asgi.core.dry_run import PlannedProbe
    from bisect_asgi.core.records import Struct
    from bisect_asgi.core.services import Services

_WIDEST = 100


def show_dry_run(plan: Plan, *, json: bool, claim: Claim | None = None) -> ExitCode:
    """Print what a search, or the check of a claim, is going to do, and return the exit code."""
    from bisect_asgi.session.dry_run import dry_run

    with _services(plan.building) as services:
        found = dry_run(plan, services, claim=claim)
    if json:
        _show_json(found)
    else:
        from bisect_asgi.core.dry_run import lines
        from bisect_asgi.session.axes import axis_of

        print("\n".join(lines(found, axis_of(plan).words_of(plan), _width())))
    return ExitCode.FOUND


def show_suite_dry_run(
    cases: Sequence[tuple[str, str, Plan | BisectError]], *, json: bool, claims: bool = False
) -> ExitCode:
    """Print what a suite is going to do; the exit code is that of the worst of its probes.

    A case is the name of a probe, the version of its Python if it runs on several, and its plan. With
    `claims`, the command checks the claims of the plans instead of searching.
    """
    from bisect_asgi.core.dry_run import SuiteDryRun, lines
    from bisect_asgi.core.plan.suites import worst
    from bisect_asgi.session.axes import axis_of

    with _services(Building()) as services:
        planned = [_planned(*case, services, claims=claims) for case in cases]
    probes = [probe for probe, _ in planned]
    if json:
        _show_json(SuiteDryRun(probes=tuple(probes)))
        return worst(code for _, code in planned)
    for number, ((name, python, plan), probe) in enumerate(zip(cases, probes, strict=True)):
        print("\n" * (number > 0) + (f"{name} on Python {python}" if python else name))
        if probe.plan and isinstance(plan, Plan):
            print("\n".join(lines(probe.plan, axis_of(plan).words_of(plan), _width())))
        else:
            print(f"Problem     {probe.problem}" + (f"\nHint        {probe.hint}" if probe.hint else ""))
    return worst(code for _, code in planned)


def _planned(
    name: str, python: str, plan: Plan | BisectError, services: Services, *, claims: bool
) -> tuple[PlannedProbe, ExitCode]:
    from bisect_asgi.core.dry_run import PlannedProbe
    from bisect_asgi.session.dry_run import dry_run

    try:
        if isinstance(plan, BisectError):
            raise plan
        found = dry_run(plan, services, claim=plan.claim if claims else None)
    except BisectError as error:
        problem = PlannedProbe(probe=name, python=python, problem=str(error), hint=error.hint)
        return problem, ExitCode(error.exit_code)
    return PlannedProbe(probe=name, python=python, plan=found), ExitCode.FOUND


@contextmanager
def _services(building: Building) -> Iterator[Services]:
    from bisect_asgi.backend.executors import open_executor
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.services import open_services

    places = CachePaths.configured()
    with (
        open_trials(places, building=building) as runner,
        open_executor(None, 1) as executor,
        open_services(places, runner, executor) as services,
    ):
        yield services


def _show_json(document: Struct) -> None:
    from bisect_asgi.cli.output import show_json
    from bisect_asgi.core import codec

    show_json(codec.to_json(document).decode())


def _width() -> int:
    return min(shutil.get_terminal_size().columns, _WIDEST)
