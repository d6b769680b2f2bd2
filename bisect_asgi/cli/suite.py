"""`bisect-asgi suite FILE|DIR`: run many probes into one table.

If a probe has an error, its row shows it, and the other probes continue.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.core.errors import BisectError, ExitCode
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.plan.options import Options, merge
from bisect_asgi.core.records import Struct, replace

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.core.services import Emit, Services
    from bisect_asgi.report.live.board import BoardPages
    from bisect_asgi.report.progress.board import Board
    from bisect_asgi.report.progress.live_board import LiveBoard
    from bisect_asgi.report.suite import SuiteRow


def suite(
    options: Options,
    probes: Annotated[
        Path,
        typer.Argument(metavar="FILE|DIR", help="Suite file (TOML), or a directory of probes with tables."),
    ],
) -> None:
    """Run many probes from a file or directory into one table.

    The exit code is 0 if each probe has its result, else that of the worst.
    """
    from bisect_asgi.cli.output import OutputOptions

    # `--jobs` counts probes here; in a table, it counts the trials of one probe.
    given = Options(fresh=options.fresh, culprit=options.culprit, if_newest_fails=options.if_newest_fails)
    cases = _cases(probes, given)
    output = OutputOptions.of(options, is_suite=True)
    if options.dry_run:
        from bisect_asgi.cli.dry_run import show_suite_dry_run

        planned = [(case.name, case.python, case.plan) for case in cases]
        raise typer.Exit(show_suite_dry_run(planned, json=output.json))
    raise typer.Exit(run_all(cases, output, options.executor, jobs=options.jobs))


def run_all(cases: Sequence[Case], output: OutputOptions, where: str | None, *, jobs: int | None) -> ExitCode:
    """Run the sessions of the cases in parallel, `jobs` at a time, show their table, and return its code."""
    import time

    from bisect_asgi.cli.live import live_board
    from bisect_asgi.cli.output import say, show_error
    from bisect_asgi.report import suite as suite_report

    started = time.monotonic()
    with live_board(output, [case.row for case in cases]) as live:
        with output.board(len(cases)) as board:
            rows, is_interrupted = _run(cases, where, board, live, jobs=jobs)
        if live:
            live.all_ended(rows)
        report = suite_report.suite_report(
            rows, elapsed_s=time.monotonic() - started, is_interrupted=is_interrupted
        )
        if not output.write(report):
            from bisect_asgi.report.text import suite as suite_text

            suite_text.render(report, whole=output.full, timings=output.timings)
        if report.exit_code is ExitCode.INTERRUPTED:
            from bisect_asgi.core.answers.result import INTERRUPTED

            show_error(INTERRUPTED.message, INTERRUPTED.hint)
        if not output.quiet and (logs := [row.log for row in rows if row.log]):
            say(f"logs: {Path(logs[0]).parent}")
    return _gated(rows, output) if output.fail_on and not is_interrupted else report.exit_code


def _gated(rows: Sequence[SuiteRow], output: OutputOptions) -> ExitCode:
    from bisect_asgi.cli.gating import code_of_rows

    return code_of_rows(rows, output.fail_on)


def _cases(path: Path, given: Options) -> list[Case]:
    """Return a case for each probe of the suite; an error in a probe's options becomes that case's plan.

    Raises:
        UsageError: the suite does not exist or has no probe.
    """
    from bisect_asgi.cli.probe_files import read_suite

    suite = read_suite(path)
    return [
        case
        for number, entry in enumerate(suite.entries, start=1)
        for case in on_each_python(read_case(merge(given, entry), suite.defaults, number=number))
    ]


def on_each_python(case: Case) -> list[Case]:
    """Return a case for each Python that its plan names; a missing Python is an error of its case only."""
    if isinstance(case.plan, BisectError) or not case.plan.has_several_pythons:
        return [case]
    from bisect_asgi.backend.interpreters import LocalInterpreters
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.session.axes.pythons import each_python

    try:
        plans = each_python(case.plan, LocalInterpreters(CachePaths.configured().interpreters))
    except BisectError as error:
        return [replace(case, plan=error)]
    return [replace(case, python=version, plan=plan) for version, plan in plans]


def _run(
    cases: Sequence[Case],
    where: str | None,
    board: Board | LiveBoard,
    live: BoardPages | None,
    *,
    jobs: int | None,
) -> tuple[list[SuiteRow], bool]:
    """Run the sessions in parallel, with one set of caches and workers.

    Without `jobs`, as many run at a time as this machine has cores, or the cluster has threads.
    """
    from bisect_asgi.backend.executors import as_cluster, open_executor
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.services import open_services
    from bisect_asgi.core.plan import Building
    from bisect_asgi.core.plan.planning import cores

    places, width = CachePaths.configured(), jobs or cores()
    plans = [case.plan for case in cases if not isinstance(case.plan, BisectError)]
    building = max((plan.building for plan in plans), key=lambda each: each.timeout_s, default=Building())
    with (
        open_trials(places, building=building) as runner,
        open_executor(where, width) as executor,
        open_services(places, runner, executor) as services,
    ):
        for plan in plans:
            runner.begin(plan.probe)
        cluster = as_cluster(executor)
        if cluster and jobs is None:
            width = cluster.threads

        def ask(case: Case, plan: Plan, way: Executor) -> SuiteRow:
            log = places.new_log(
                "-".join(filter(None, [str(case.number), plan.project or plan.over, case.python]))
            )
            own, shown = replace(services, executor=way), [board.sink(case.shown)]
            if live:
                shown.append(live.begun(cases.index(case)))
            return session(case.name, sharing(plan, width // len(cases)), own, log, shown=shown)

        def ended(case: Case, row: SuiteRow) -> None:
            if live:
                live.ended(cases.index(case), row)
            board.ended(row)

        return run_cases(
            cases,
            ask,
            executor,
            at_once=width,
            begun=lambda case: board.begun(case.shown),
            ended=ended,
        )


def sharing(plan: Plan, jobs: int) -> Plan:
    """Return the plan with at most `jobs` trials at a time, and at least one; its own options win.

    Without this limit, a speculative trial of one search would take a core from a needed trial of another.
    Only if there are more cores than searches, each search has cores to spare.
    """
    return plan if plan.is_width_said else replace(plan, jobs=max(1, jobs), most_jobs=max(1, jobs))


def session(name: str, plan: Plan, services: Services, path: Path, *, shown: Sequence[Emit] = ()) -> SuiteRow:
    """Search for one probe, with the event log at `path`, and return its row however the search ended.

    `shown` are sinks that show its progress.

    Raises:
        Unavailable: the log cannot be written.
    """
    from bisect_asgi.report.folding import report_of
    from bisect_asgi.report.log import Broadcast, EventLog
    from bisect_asgi.report.projection import Projection
    from bisect_asgi.report.suite import row_of
    from bisect_asgi.session import bisect

    projection = Projection()
    with EventLog(path) as log:
        emit = Broadcast([projection, log, *shown])
        with suppress(BisectError, KeyboardInterrupt):  # The last event has the error, and so has the row.
            bisect(plan, services, emit)
    return row_of(name, report_of(projection), plan.claim, log=str(path))


class Case(Struct, frozen=True, kw_only=True):
    """A probe of the batch, with its plan, or with the reason why it has none."""

    name: str
    """The path of the script as it was given, or the command, or the app."""
    number: int = 1
    """Its place in the batch: logs of sessions that begin within the same second differ in it."""
    python: str = ""
    """The version of its Python, if its probe is run on several."""
    plan: Plan | BisectError

    @property
    def shown(self) -> str:
        """The name, with the Python if there are several."""
        return self.row.name

    @property
    def row(self) -> SuiteRow:
        """The row of a session that did not begin."""
        from bisect_asgi.report.suite import row_interrupted

        row = row_interrupted(self.name, self.package)
        return replace(row, number=self.number, python=self.python)

    @property
    def package(self) -> str:
        """The package, as far as it is known."""
        return self.plan.project if isinstance(self.plan, Plan) else ""

    @property
    def claim(self) -> str:
        """The probe's claim, if it is known."""
        return str(self.plan.claim or "") if isinstance(self.plan, Plan) else ""


if TYPE_CHECKING:
    Ask = Callable[[Case, Plan, Executor], SuiteRow]
    """Runs the session of a case, with its own way to the executor that all share."""


def read_case(given: Options, defaults: Options | None = None, *, number: int = 1) -> Case:
    """Return the case of a probe; an error in its options belongs to the case."""
    from bisect_asgi.cli.probe_files import read_plan

    name = given.probe or given.command or given.app or ""
    try:
        return Case(name=name, number=number, plan=read_plan(given, defaults=defaults))
    except BisectError as error:
        return Case(name=name, number=number, plan=error)


def run_cases(
    cases: Sequence[Case],
    ask: Ask,
    executor: Executor,
    *,
    at_once: int,
    begun: Callable[[Case], None] = lambda _: None,
    ended: Callable[[Case, SuiteRow], None] = lambda _, __: None,
) -> tuple[list[SuiteRow], bool]:
    """Run the sessions of the cases, `at_once` at a time.

    Args:
        cases: the probes.
        ask: runs one session.
        executor: runs the trials of all of them.
        at_once: how many sessions run in parallel.
        begun: called in the session's thread when the session begins.
        ended: called there with the session's row, unless the session was interrupted.

    Returns:
        The rows in the order of the cases, and whether an interrupt ended some of them.
    """
    from bisect_asgi.session.batch import side_by_side

    def session(case: Case, way: Executor) -> SuiteRow:
        begun(case)
        row = replace(_row(case, ask, way), number=case.number, python=case.python)
        if not row.is_interrupted:
            ended(case, row)
        return row

    done, is_interrupted = side_by_side(cases, session, shared=executor, at_once=at_once)
    return [done.get(place) or case.row for place, case in enumerate(cases)], is_interrupted


def _row(case: Case, ask: Ask, way: Executor) -> SuiteRow:
    """Run one session, and return its row whatever goes wrong with it."""
    from bisect_asgi.report.suite import row_interrupted, row_of_bug, row_of_error

    if not isinstance(case.plan, Plan):
        return row_of_error(case.name, case.plan)
    try:
        return ask(case, case.plan, way)
    except KeyboardInterrupt:
        return row_interrupted(case.name, case.package)
    except BisectError as error:
        return row_of_error(case.name, error, package=case.package, claim=case.claim)
    except Exception as error:  # A bug must not stop the other probes; the row and the exit code report it.
        traceback.print_exception(error)
        return row_of_bug(case.name, error, package=case.package)
