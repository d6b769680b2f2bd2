"""`bisect-asgi PACKAGE --probe FILE`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bisect_asgi.cli import options as arguments
from bisect_asgi.cli.app import app
from bisect_asgi.core.errors import BisectError, ExitCode, UsageError

if TYPE_CHECKING:
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.core.plan.plan import Plan


@app.command()
def run(
    package: Annotated[
        str | None, typer.Argument(metavar="PACKAGE", help="Its name on the index: fastapi, fastapi[all].")
    ] = None,
    probe: arguments.Probe = None,
    command: arguments.Command = None,
    app_file: arguments.App = None,
    load: arguments.Load = None,
    requests: arguments.Requests = None,
    concurrency: arguments.Concurrency = None,
    keep_alive: arguments.KeepAlive = None,
    uvicorn: arguments.Uvicorn = None,
    metric: arguments.Metric = None,
    bad_above: arguments.BadAbove = None,
    bad_below: arguments.BadBelow = None,
    effect: arguments.Effect = None,
    over: Annotated[
        str | None,
        typer.Option(
            "--over",
            metavar="AXIS",
            help="What moves instead of the package: a dependency's NAME, date, python or commits.",
        ),
    ] = None,
    repo: Annotated[
        str | None,
        typer.Option("--repo", metavar="PATH|URL", help="The repository of --over commits or --drill."),
    ] = None,
    first_parent: Annotated[
        bool | None,
        typer.Option(
            "--first-parent/--every-commit", help="Take a merge as one commit (default), or go into it."
        ),
    ] = None,
    good: Annotated[
        str | None,
        typer.Option(
            "--good",
            metavar="VERSION",
            help="A release (or day, or commit) known to pass; older or newer than --bad.",
        ),
    ] = None,
    bad: Annotated[
        str | None,
        typer.Option(
            "--bad",
            metavar="VERSION",
            help="A release known to fail. Without both ends, older and older releases are tried.",
        ),
    ] = None,
    releases: arguments.Releases = None,
    pre: arguments.Pre = None,
    yanked: arguments.Yanked = None,
    order: Annotated[
        Literal["version", "upload"] | None,
        typer.Option("--order", help="What makes a release older: its version (default) or its upload."),
    ] = None,
    with_: arguments.With = None,
    with_requirements: arguments.WithRequirements = None,
    override: arguments.Override = None,
    deps: arguments.Deps = None,
    python: arguments.Python = None,
    include: arguments.Include = None,
    env: arguments.Env = None,
    timeout: arguments.Timeout = None,
    any_failure: arguments.AnyFailure = None,
    match: arguments.Match = None,
    jobs: arguments.Jobs = None,
    executor: arguments.Executor = None,
    confirm: arguments.Confirm = None,
    confidence: arguments.Confidence = None,
    budget: arguments.Budget = None,
    spot_checks: Annotated[
        int | None,
        typer.Option("--spot-checks", metavar="N", help="Runs that look for other changes (default: 4)."),
    ] = None,
    all_: Annotated[bool | None, typer.Option("--all", help="Find every change in the range.")] = None,
    shortest: Annotated[
        int | None,
        typer.Option("--shortest", metavar="N", help="With --all: do not miss what lasted N releases (1)."),
    ] = None,
    culprit: Annotated[
        bool | None,
        typer.Option("--culprit/--no-culprit", help="Find out what carries the change (default), or not."),
    ] = None,
    drill: Annotated[
        bool | None,
        typer.Option("--drill", help="Go on into the commits of what carries the change."),
    ] = None,
    fresh: arguments.Fresh = None,
    term_old: Annotated[
        str | None, typer.Option("--term-old", metavar="WORD", help="The word for passing (default: good).")
    ] = None,
    term_new: Annotated[
        str | None, typer.Option("--term-new", metavar="WORD", help="The word for failing (default: bad).")
    ] = None,
    json: arguments.Json = False,
    plot: arguments.Plot = False,
    timings: arguments.Timings = False,
    quiet: arguments.Quiet = False,
    verbose: arguments.Verbose = False,
) -> None:
    """Find the first bad, or the first fixed, release of PACKAGE."""
    said = dict(locals())
    from bisect_asgi.cli.output import OutputOptions

    talk = OutputOptions(json=json, quiet=quiet, verbose=verbose, plot=plot, timings=timings)
    talk.begin(
        f"bisecting {package or 'what the probe is about'}: {probe or app_file or command}", early=True
    )
    from bisect_asgi.cli.wiring.prefetch import ask_for_indexes

    ask_for_indexes()
    from bisect_asgi.cli.inputs import collect_options, read_plan

    made = read_plan(collect_options(said), probe)
    if plot and made.criteria.metric is None:
        raise UsageError("`--plot` has nothing to draw", hint="name what is measured: `--metric wall`")
    talk.begin(f"bisecting {made.project}: {made.probe_path or made.probe.name}", early=False)
    raise typer.Exit(bisect(made, talk, executor))


def bisect(plan: Plan, talk: OutputOptions, where: str | None = None) -> ExitCode:
    """Run the session with its sinks, on the executor at `where`; show the report however it ended."""
    from bisect_asgi.backend.executors import open_executor, widened
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.prefetch import ImportReport
    from bisect_asgi.cli.wiring.services import open_services
    from bisect_asgi.report.log import Broadcast, EventLog
    from bisect_asgi.report.projection import Projection
    from bisect_asgi.session import bisect as session

    places = CachePaths.configured()
    projection = Projection()
    log_path = places.new_log(plan.project or plan.over)
    with talk.progress() as shown, EventLog(log_path) as log:
        emit = Broadcast([projection, log, shown, ImportReport()])
        with (
            open_trials(places, emit, show_output=talk.verbose) as runner,
            open_executor(where, plan.jobs, most=plan.most_jobs) as executor,
        ):
            try:
                with open_services(places, runner, executor) as services:
                    session.bisect(widened(plan, executor), services, emit)
            except (BisectError, KeyboardInterrupt):
                pass  # told as the last event, and shown from there
    return talk.show(projection, log_path)
