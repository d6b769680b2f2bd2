"""`bisect-asgi suite FILE|DIR`: run many probes into one table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.core.errors import BisectError
from bisect_asgi.core.plan.options import Options, merge

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from bisect_asgi.cli.batch import Case
    from bisect_asgi.core.plan.plan import Plan
    from bisect_asgi.core.services import Services
    from bisect_asgi.report.suite import SuiteRow


def suite(
    options: Options,
    probes: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="Suite file (TOML), or a folder of probes with tables.")
    ],
) -> None:
    """Run many probes from a file or directory into one table.

    The exit code is 0 if each probe has its result, else that of the worst.
    """
    import time

    from bisect_asgi.cli.output import say, show_error
    from bisect_asgi.core.errors import ExitCode
    from bisect_asgi.report import suite as suite_report

    started, quiet = time.monotonic(), bool(options.quiet)
    # `--jobs` counts probes here; in a table, it counts the trials of one probe.
    cases = _cases(probes, Options(fresh=options.fresh, culprit=options.culprit))
    rows, is_interrupted = _run(cases, options.executor, jobs=options.jobs, quiet=quiet)
    report = suite_report.suite_report(
        rows, elapsed_s=time.monotonic() - started, is_interrupted=is_interrupted
    )
    if options.json:
        typer.echo(suite_report.render_json(report))
    else:
        from bisect_asgi.report.text import suite as suite_text

        suite_text.render(report, timings=bool(options.timings))
    if report.exit_code is ExitCode.INTERRUPTED:
        from bisect_asgi.core.answers import INTERRUPTED

        show_error(INTERRUPTED.message, INTERRUPTED.hint)
    if not quiet and (logs := [row.log for row in rows if row.log]):
        say(f"logs: {Path(logs[0]).parent}")
    raise typer.Exit(report.exit_code)


def _cases(path: Path, given: Options) -> list[Case]:
    """Return a case for each probe of the suite; a fault in one is that case's.

    Raises:
        UsageError: there is no suite.
    """
    from bisect_asgi.cli.batch import read_case
    from bisect_asgi.cli.inputs import read_suite

    suite = read_suite(path)
    return [
        read_case(merge(given, entry), suite.defaults, number=number)
        for number, entry in enumerate(suite.entries, start=1)
    ]


def _run(
    cases: Sequence[Case], where: str | None, *, jobs: int | None, quiet: bool
) -> tuple[list[SuiteRow], bool]:
    """Run the sessions in parallel, with one set of caches and workers.

    Without `jobs`, there are as many at a time as this machine has cores, or the cluster has threads.
    """
    from bisect_asgi.backend.executors import open_executor
    from bisect_asgi.backend.executors.dask.calls import RemoteExecutor
    from bisect_asgi.cli.batch import run_cases
    from bisect_asgi.cli.output import say
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.services import open_services
    from bisect_asgi.core.plan.planning import cores
    from bisect_asgi.core.records import replace
    from bisect_asgi.report.progress.plain import Board

    places, width = CachePaths.configured(), jobs or cores()
    board = Board((lambda _: None) if quiet else say, total=len(cases))
    with (
        open_trials(places) as runner,
        open_executor(where, width) as executor,
        open_services(places, runner, executor) as services,
    ):
        if isinstance(executor, RemoteExecutor) and jobs is None:
            width = executor.threads

        def ask(case: Case, plan: Plan, way: Executor) -> SuiteRow:
            log = places.new_log(f"{case.number}-{plan.project}")
            return session(
                case.name, sharing(plan, width // len(cases)), replace(services, executor=way), log
            )

        return run_cases(
            cases,
            ask,
            executor,
            at_once=width,
            begun=lambda case: board.begun(case.name),
            ended=lambda _, row: board.ended(row),
        )


def sharing(plan: Plan, jobs: int) -> Plan:
    """Return the plan with at most so many trials at a time, but one; its own options win.

    A speculative trial of one search would take a core from a needed trial of another: only with more cores
    than searches has each of them some to spare.
    """
    from bisect_asgi.core.records import replace

    return plan if plan.is_width_said else replace(plan, jobs=max(1, jobs), most_jobs=max(1, jobs))


def session(name: str, plan: Plan, services: Services, path: Path) -> SuiteRow:
    """Search for one probe, with the event log at `path`, and return its row however the search ended.

    Raises:
        Unavailable: the log cannot be written.
    """
    from bisect_asgi.report.document import report_of
    from bisect_asgi.report.log import Broadcast, EventLog
    from bisect_asgi.report.projection import Projection
    from bisect_asgi.report.suite import row_of
    from bisect_asgi.session.bisect import bisect

    projection = Projection()
    with EventLog(path) as log:
        emit = Broadcast([projection, log])
        with suppress(BisectError, KeyboardInterrupt):  # The last event has it.
            bisect(plan, services, emit)
    return row_of(name, report_of(projection), plan.claim, log=str(path))
