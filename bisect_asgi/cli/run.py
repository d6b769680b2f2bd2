"""`bisect-asgi PACKAGE --probe FILE`: find the release that broke or fixed the probe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.core.errors import BisectError, ExitCode, UsageError
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.records import replace

if TYPE_CHECKING:
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.core.plan import Plan


def run(
    options: Options,
    package: Annotated[
        str | None, typer.Argument(metavar="PACKAGE", help="Package on the index: fastapi, fastapi[all].")
    ] = None,
) -> None:
    """Find the first bad or first fixed release, and its cause."""
    from bisect_asgi.cli.output import OutputOptions

    output = OutputOptions.of(options)
    probe = options.probe or options.app or options.command
    output.begin(f"bisecting {package}: {probe}" if package else f"bisecting with {probe}", early=True)
    from bisect_asgi.cli.wiring.prefetch import ask_for_indexes

    ask_for_indexes()
    from bisect_asgi.cli.probe_files import read_plan

    plan = read_plan(replace(options, package=package))
    if options.plot and plan.criteria.metric is None:
        raise UsageError("`--plot` has nothing to draw", hint="name what is measured: `--metric wall`")
    output.begin(f"bisecting {plan.project}: {plan.probe_path or plan.probe.name}", early=False)
    if options.dry_run:
        from bisect_asgi.cli.dry_run import show_dry_run

        raise typer.Exit(show_dry_run(plan, json=output.json))
    raise typer.Exit(bisect(plan, output, options.executor))


def bisect(plan: Plan, output: OutputOptions, where: str | None = None) -> ExitCode:
    """Run the search on the executor at `where`; show the report however it ended, and return its code."""
    if plan.has_several_pythons:
        return _bisect_on_each_python(plan, output, where)
    from bisect_asgi import session
    from bisect_asgi.backend.executors import open_executor, widened
    from bisect_asgi.cli.process import end_signals
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.prefetch import ImportReport
    from bisect_asgi.cli.wiring.services import open_services
    from bisect_asgi.report.log import Broadcast, EventLog
    from bisect_asgi.report.projection import Projection

    places = CachePaths.configured()
    projection = Projection()
    log_path = places.new_log(plan.project or plan.over)
    with output.progress() as shown, EventLog(log_path) as log:
        emit = Broadcast([projection, log, shown, ImportReport()])
        with (
            open_trials(places, emit, show_output=output.verbose, building=plan.building) as runner,
            open_executor(where, plan.jobs, most=plan.most_jobs) as executor,
        ):
            try:
                with open_services(places, runner, executor) as services:
                    session.bisect(widened(plan, executor), services, emit)
            except (BisectError, KeyboardInterrupt):
                if projection.run.plan is None:  # There is nothing yet that a report could show.
                    raise
    end_signals()  # The last event has how it ended, and the report shows it.
    return output.show(projection, log_path)


def _bisect_on_each_python(plan: Plan, output: OutputOptions, where: str | None) -> ExitCode:
    """Run the search on each Python that the plan names, in parallel, into one table."""
    from bisect_asgi.cli.suite import Case, on_each_python, run_all

    for flag, is_given in (("--plot", output.plot), ("--verbose", output.verbose)):
        if is_given:
            raise UsageError(
                f"`{flag}` shows one history, and `--python {plan.python}` asks for several",
                hint=f"drop `{flag}`, or pass one `--python`",
            )
    jobs = plan.jobs if plan.is_width_said else None
    # The histories share the places that there are.
    unsaid = replace(plan, most_jobs=plan.jobs + 1)
    cases = on_each_python(Case(name=plan.probe_path or plan.probe.name, plan=unsaid))
    for case in cases:
        if isinstance(case.plan, BisectError):
            raise case.plan
    return run_all(cases, output, where, jobs=jobs)
