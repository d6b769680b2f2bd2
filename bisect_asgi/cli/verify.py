"""`bisect-asgi verify`: hold claims about fixes against the releases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.core.plan.options import Options

if TYPE_CHECKING:
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.core.claims import Finding
    from bisect_asgi.core.plan.plan import Plan


def verify(
    options: Options,
    package: Annotated[
        str | None,
        typer.Argument(metavar="PACKAGE|FOLDER", help="The package; or a folder of probes with claims."),
    ] = None,
) -> None:
    """Check a "fixed in" or "broken in" claim by running releases."""
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.core.errors import ExitCode

    output = OutputOptions.of(options)
    exit_code = ExitCode.FOUND
    for plan in _plans(package, options):
        finding = _verify(plan, output, options.executor)
        exit_code = max(exit_code, finding.verdict.exit_code)
        name = Path(plan.probe_path or plan.probe.name).name
        typer.echo(f"{finding.verdict:<12} {plan.project} {finding.claim} ({name}): {finding.truth}")
        if finding.claim.source:
            typer.echo(f"{'':<12} claimed by {finding.claim.source}")
    raise typer.Exit(exit_code)


def _plans(package: str | None, given: Options) -> list[Plan]:
    """The plan of the probe that is named, or of each with a claim in the folder that is.

    Raises:
        UsageError: there is no claim, or a plan cannot be made.
    """
    from bisect_asgi.cli.inputs import read_plan
    from bisect_asgi.core.errors import UsageError
    from bisect_asgi.core.records import replace

    if package and given.probe is None and Path(package).is_dir():
        plans = [read_plan(replace(given, probe=str(path))) for path in sorted(Path(package).glob("*.py"))]
        plans = [plan for plan in plans if plan.claim is not None]
    else:
        plans = [read_plan(replace(given, package=package))]
    if not plans or any(plan.claim is None for plan in plans):
        raise UsageError(
            "there is no claim to verify",
            hint="say `--fixed-in VERSION` or `--broken-in VERSION`, or put it into the probe's table",
        )
    return plans


def _verify(plan: Plan, output: OutputOptions, where: str | None) -> Finding:
    from bisect_asgi.backend.executors import open_executor, widened
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.services import open_services
    from bisect_asgi.core.plan.plan import Claim
    from bisect_asgi.report.log import Broadcast, EventLog
    from bisect_asgi.session import bisect as session

    places = CachePaths.configured()
    claim = plan.claim or Claim(version="", fixed=True)
    with output.progress() as shown, EventLog(places.new_log(plan.project)) as log:
        emit = Broadcast([log, shown])
        with (
            open_trials(places, emit) as runner,
            open_executor(where, plan.jobs, most=plan.most_jobs) as executor,
            open_services(places, runner, executor) as services,
        ):
            return session.verify(widened(plan, executor), claim, services, emit)
