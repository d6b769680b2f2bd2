"""`bisect-asgi suite FILE|DIR`: many probes in one run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.core.errors import BisectError
from bisect_asgi.core.plan.options import Options, merge
from bisect_asgi.core.records import Struct

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from bisect_asgi.cli.wiring.paths import CachePaths
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
    from bisect_asgi.core.plan.planning import cores
    from bisect_asgi.report import suite as suite_report

    started, quiet = time.monotonic(), bool(options.quiet)
    # `--jobs` counts probes here; in a table, it counts the trials of one probe.
    cases = _cases(probes, Options(fresh=options.fresh, culprit=options.culprit))
    rows, is_interrupted = _run(
        cases,
        options.executor,
        jobs=options.jobs or cores(),
        is_said=options.jobs is not None,
        quiet=quiet,
    )
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


class _Case(Struct, frozen=True, kw_only=True):
    """A probe of the suite: what is to be done, or why it cannot be."""

    name: str
    plan: Plan | None = None
    error: BisectError | None = None

    @property
    def package(self) -> str:
        """What it is about, as far as that is known."""
        return self.plan.project if self.plan else ""


def _cases(path: Path, given: Options) -> list[_Case]:
    """Read every probe; what is wrong with one is its own affair.

    Raises:
        UsageError: there is no suite.
    """
    from bisect_asgi.cli.inputs import read_suite

    suite = read_suite(path)
    return [_case(merge(given, entry), suite.defaults) for entry in suite.entries]


def _case(given: Options, defaults: Options) -> _Case:
    from bisect_asgi.cli.inputs import read_plan

    name = given.probe or given.command or given.app or ""
    try:
        plan = read_plan(given, defaults=defaults)
    except BisectError as error:
        return _Case(name=name, error=error)
    return _Case(name=name, plan=plan)


def _run(
    cases: Sequence[_Case], where: str | None, *, jobs: int, is_said: bool, quiet: bool
) -> tuple[list[SuiteRow], bool]:
    """Run the sessions side by side with one set of caches and workers; rows in the order of the cases.

    A cluster has as many jobs as threads, unless somebody said how many.
    """
    from bisect_asgi.backend.executors import open_executor
    from bisect_asgi.backend.executors.dask.calls import RemoteExecutor
    from bisect_asgi.cli.output import say
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.services import open_services
    from bisect_asgi.core.records import replace
    from bisect_asgi.report.progress.plain import Board
    from bisect_asgi.report.suite import row_not_begun
    from bisect_asgi.session.batch import side_by_side

    places = CachePaths.configured()
    board = Board((lambda _: None) if quiet else say, total=len(cases))
    with (
        open_trials(places) as runner,
        open_executor(where, jobs) as executor,
        open_services(places, runner, executor) as services,
    ):
        if isinstance(executor, RemoteExecutor) and not is_said:
            jobs = executor.threads
        # Trials of several searches side by side: what is speculative in one takes a core from what is needed
        # in another. Only where there are more cores than searches has each of them some to spare.
        cases = [_sharing(case, max(1, jobs // len(cases))) for case in cases]

        def session(numbered: tuple[int, _Case], way: Executor) -> SuiteRow:
            number, case = numbered
            board.begun(case.name)
            return _session(case, number, replace(services, executor=way), places)

        done, is_interrupted = side_by_side(
            list(enumerate(cases, start=1)),
            session,
            shared=executor,
            at_once=jobs,
            ended=lambda _, row: board.ended(row),
        )
    rows = [done.get(place) or row_not_begun(case.name, case.package) for place, case in enumerate(cases)]
    return rows, is_interrupted


def _sharing(case: _Case, jobs: int) -> _Case:
    """The case with so many trials at a time, unless its options say how many."""
    from bisect_asgi.core.records import replace

    if case.plan is None or case.plan.is_width_said:
        return case
    return replace(case, plan=replace(case.plan, jobs=jobs, most_jobs=jobs))


def _session(case: _Case, number: int, services: Services, places: CachePaths) -> SuiteRow:
    """One probe's session, with a log of its own; whatever goes wrong with it is in its row."""
    import traceback

    from bisect_asgi.report.document import report_of
    from bisect_asgi.report.log import Broadcast, EventLog
    from bisect_asgi.report.projection import Projection
    from bisect_asgi.report.suite import row_of, row_of_bug, row_of_error
    from bisect_asgi.session import bisect as session

    if case.plan is None:
        return row_of_error(case.name, case.error or BisectError("nothing is known of it"))
    projection = Projection()
    # Sessions begin within the same second: the number tells their logs apart.
    path = places.new_log(f"{number}-{case.package}")
    try:
        with EventLog(path) as log, suppress(BisectError, KeyboardInterrupt):  # told as the last event
            session.bisect(case.plan, services, Broadcast([projection, log]))
    except BisectError as error:  # there is no room for its log
        return row_of_error(case.name, error, package=case.package)
    except Exception as error:  # the others go on; the exit code says that there was a bug
        traceback.print_exception(error)
        return row_of_bug(case.name, error, package=case.package)
    return row_of(case.name, report_of(projection), case.plan.claim, log=str(path))
