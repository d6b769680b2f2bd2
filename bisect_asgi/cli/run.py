"""`bisect-asgi PACKAGE --probe FILE`: find the release that broke or fixed the probe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.cli.output import say_note
from bisect_asgi.core.errors import BisectError, ExitCode, UsageError
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.records import replace

if TYPE_CHECKING:
    from pathlib import Path

    from bisect_asgi.backend.trials.runs import Decider
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.core.plan import Plan
    from bisect_asgi.report.log import Sink
    from bisect_asgi.report.projection import Projection


def run(
    options: Options,
    package: Annotated[
        str | None, typer.Argument(metavar="PACKAGE", help="Package on the index: fastapi, fastapi[all].")
    ] = None,
) -> None:
    """Find the first bad or first fixed release, and its cause."""
    from bisect_asgi.cli.output import OutputOptions

    output = OutputOptions.of(options)
    probe = options.ask or options.probe or options.app or options.command
    if options.ask is not None:
        from bisect_asgi.cli.asking import check_terminal

        check_terminal()
    output.begin(f"bisecting {package}: {probe}" if package else f"bisecting with {probe}", early=True)
    from bisect_asgi.cli.wiring.prefetch import ask_for_indexes

    ask_for_indexes()
    from bisect_asgi.cli.probe_files import read_plan

    plan = read_plan(replace(options, package=package))
    if options.plot and plan.criteria.metric is None:
        raise UsageError("`--plot` has nothing to draw", hint="add `--metric wall`, for example")
    output.begin(f"bisecting {plan.project}: {plan.probe_path or plan.probe.name}", early=False)
    if options.dry_run:
        from bisect_asgi.cli.dry_run import show_dry_run

        raise typer.Exit(show_dry_run(plan, json=output.json))
    raise typer.Exit(bisect(plan, output, options.executor))


def bisect(plan: Plan, output: OutputOptions, where: str | None = None) -> ExitCode:
    """Run the search on the executor at `where`; show the report however it ended, and return its code."""
    if plan.has_several_pythons:
        return _bisect_on_each_python(plan, output, where)
    from bisect_asgi.cli.live import live_page
    from bisect_asgi.cli.process import end_signals
    from bisect_asgi.cli.wiring.paths import CachePaths

    log_path = CachePaths.configured().new_log(plan.project or plan.over)
    undone = set(plan.undone)
    title = f"Bisecting {plan.project or plan.over}: {plan.probe_path or plan.probe.name}"
    with live_page(output, title) as live:
        if plan.question:
            projection = _by_a_person(plan, output, log_path, live, undone)
        else:
            projection = _search(plan, output, log_path, live, where=where, undone=undone)
        end_signals()  # An interrupt from here on must not stop the report, which shows how the search ended.
        for label in sorted(undone.intersection(plan.undone)):
            say_note(f"`--undo {label}`: no run of it was cached")
        code = output.show(projection, log_path)
    return _gated(projection, plan, output, log_path) if output.fail_on else code


def _gated(projection: Projection, plan: Plan, output: OutputOptions, log_path: Path) -> ExitCode:
    from bisect_asgi.cli.gating import code_of_run
    from bisect_asgi.report.folding import report_of

    return code_of_run(report_of(projection), plan.claim, output.fail_on, log_path)


def _search(
    plan: Plan,
    output: OutputOptions,
    log_path: Path,
    live: Sink,
    *,
    where: str | None = None,
    decider: Decider | None = None,
    undone: set[str],
) -> Projection:
    """Run the search, and return the projection of its events however the search ended."""
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.prefetch import ImportReport, asked_ahead

    places = CachePaths.configured()
    with asked_ahead(plan, places) as begun:
        # The index answers while these are imported.
        from bisect_asgi import session
        from bisect_asgi.cli.wiring.sessions import open_session
        from bisect_asgi.report.log import Broadcast, EventLog
        from bisect_asgi.report.projection import Projection

        projection = Projection()
        with output.progress(asks=decider is not None) as shown, EventLog(log_path) as log:
            emit = Broadcast([projection, log, shown, live, ImportReport()])
            try:
                with open_session(
                    plan,
                    places,
                    emit,
                    where=where,
                    show_output=output.verbose,
                    decider=decider,
                    undone=undone,
                    begun=begun,
                ) as opened:
                    session.bisect(*opened, emit)
            except (BisectError, KeyboardInterrupt):
                if projection.run.plan is None:  # Nothing has begun that a report could show.
                    raise
    return projection


def _by_a_person(
    plan: Plan, output: OutputOptions, log_path: Path, live: Sink, undone: set[str]
) -> Projection:
    """Run the search with a person as the judge; if the person withdraws a verdict, begin again."""
    from bisect_asgi.cli.asking import Asking, StartAgain

    asking = Asking(plan)
    while True:
        try:
            return _search(plan, output, log_path, live, decider=asking, undone=undone)
        except StartAgain as again:  # the new search reads all other verdicts from the store
            undone.add(again.label)
            log_path.unlink()


def _bisect_on_each_python(plan: Plan, output: OutputOptions, where: str | None) -> ExitCode:
    """Run the search on each Python that the plan names, in parallel, into one table."""
    from bisect_asgi.cli.suite import Case, on_each_python, run_all

    for flag, is_given in (("--plot", output.plot), ("--verbose", output.verbose)):
        if is_given:
            raise UsageError(
                f"`{flag}` shows one history, and `--python {plan.python}` asks for several",
                hint=f"drop `{flag}`, or pass one `--python`",
            )
    if plan.undone:
        raise UsageError(
            f"`--undo` drops runs of one search, and `--python {plan.python}` asks for several",
            hint="pass one `--python`",
        )
    jobs = plan.jobs if plan.is_width_said else None
    # The searches on all Pythons share the same workers.
    unsaid = replace(plan, most_jobs=plan.jobs + 1)
    cases = on_each_python(Case(name=plan.probe_path or plan.probe.name, plan=unsaid))
    for case in cases:
        if isinstance(case.plan, BisectError):
            raise case.plan
    return run_all(cases, output, where, jobs=jobs)
