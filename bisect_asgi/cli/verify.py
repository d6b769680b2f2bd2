"""`bisect-asgi verify`: check claims of fixes and breaks by running releases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.core.errors import BisectError, UsageError
from bisect_asgi.core.plan.options import Options

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.cli.suite import Case
    from bisect_asgi.core.plan import Claim, Plan
    from bisect_asgi.report.live.board import BoardPages
    from bisect_asgi.report.suite import SuiteRow


def verify(
    options: Options,
    package: Annotated[
        str | None,
        typer.Argument(metavar="PACKAGE|DIR", help="The package; or directory of probes with claims."),
    ] = None,
) -> None:
    """Check a "fixed in" or "broken in" claim by running releases.

    In a directory, the command checks each probe that has a claim, and the exit code is that of the worst.
    """
    import time

    from bisect_asgi.cli.live import live_board
    from bisect_asgi.cli.output import OutputOptions, show_error
    from bisect_asgi.core.answers.result import INTERRUPTED
    from bisect_asgi.core.plan.suites import worst
    from bisect_asgi.report.suite import suite_report

    output, started = OutputOptions.of(options, is_suite=True), time.monotonic()
    if options.probe is None and package and Path(package).is_dir():
        cases, show = _cases_in(Path(package), options), _show
    else:
        cases, show = [_only_case(package, options)], _show_alone
    if options.dry_run:
        raise typer.Exit(_show_dry_run(cases, output))
    show = _show_nothing if output.form else show
    with live_board(output, [case.row for case in cases]) as live:
        rows, is_interrupted = _run(cases, show, output, options, live)
        if live:
            live.all_ended(rows)
        code = worst(row.exit_code for row in rows)
        report = suite_report(rows, elapsed_s=time.monotonic() - started, is_interrupted=is_interrupted)
        output.write(report, document=_document(cases, rows, int(code)))
        if is_interrupted:
            show_error(INTERRUPTED.message, INTERRUPTED.hint)
    if output.fail_on and not is_interrupted:
        from bisect_asgi.cli.gating import code_of_claims

        code = code_of_claims(rows, output.fail_on)
    raise typer.Exit(code)


def _show_dry_run(cases: Sequence[Case], output: OutputOptions) -> int:
    """Print the runs that each claim will take, and return the exit code."""
    from bisect_asgi.cli.dry_run import show_dry_run, show_suite_dry_run

    if len(cases) == 1 and not isinstance(plan := cases[0].plan, BisectError):
        return show_dry_run(plan, json=output.json, claim=plan.claim)
    planned = [(case.name, case.python, case.plan) for case in cases]
    return show_suite_dry_run(planned, json=output.json, claims=True)


def _only_case(package: str | None, given: Options) -> Case:
    """Return the case of the one probe that the user gave.

    Raises:
        UsageError: its options are invalid, or it has no claim.
    """
    from bisect_asgi.cli.probe_files import read_plan
    from bisect_asgi.cli.suite import Case
    from bisect_asgi.core.records import replace

    plan = read_plan(replace(given, package=package))
    _claim_of(plan)
    return Case(name=plan.probe_path or plan.probe.name, plan=plan)


def _cases_in(folder: Path, given: Options) -> list[Case]:
    """Return a case for each probe in the directory that has a claim, or an invalid table.

    Raises:
        UsageError: the directory has no such probe.
    """
    from bisect_asgi.cli.probe_files import with_tables
    from bisect_asgi.cli.suite import read_case
    from bisect_asgi.core.records import replace

    probes = [replace(given, probe=str(path)) for path in with_tables(folder)]
    cases = [read_case(probe, number=number) for number, probe in enumerate(probes, start=1)]
    cases = [case for case in cases if isinstance(case.plan, BisectError) or case.plan.claim]
    if not cases:
        raise _no_claim()
    return cases


def _claim_of(plan: Plan) -> Claim:
    if plan.claim is None:
        raise _no_claim()
    return plan.claim


def _no_claim() -> UsageError:
    return UsageError(
        "there is no claim to verify",
        hint="pass `--fixed-in VERSION` or `--broken-in VERSION`, or put one of them into the probe's table",
    )


def _run(
    cases: Sequence[Case],
    show: Callable[[Case, SuiteRow], None],
    output: OutputOptions,
    options: Options,
    live: BoardPages | None,
) -> tuple[list[SuiteRow], bool]:
    """Verify the claims one after the other: each has the whole machine, and shows its progress."""
    from bisect_asgi.backend.executors import open_executor, widened
    from bisect_asgi.cli.suite import run_cases
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.services import open_services
    from bisect_asgi.core.plan import Building
    from bisect_asgi.core.records import replace
    from bisect_asgi.report.folding import report_of
    from bisect_asgi.report.log import Broadcast, EventLog
    from bisect_asgi.report.projection import Projection
    from bisect_asgi.report.suite import row_of_finding
    from bisect_asgi.session import verify as verify_claim

    places = CachePaths.configured()
    plans = [case.plan for case in cases if not isinstance(case.plan, BisectError)]
    jobs = max((plan.jobs for plan in plans), default=1)
    most = max((plan.most_jobs for plan in plans), default=1)
    building = max((plan.building for plan in plans), key=lambda each: each.timeout_s, default=Building())
    with (
        open_trials(places, building=building) as runner,
        open_executor(options.executor, jobs, most=most) as executor,
    ):
        for plan in plans:
            runner.begin(plan.probe)

        def ask(case: Case, plan: Plan, way: Executor) -> SuiteRow:
            on_page = live.begun(cases.index(case)) if live else lambda _: None
            path = places.new_log(f"{case.number}-{plan.project}")
            place = f"[{cases.index(case) + 1}/{len(cases)}]"
            title = f"{place} {case.name}: {plan.claim}" if len(cases) > 1 else ""
            projection = Projection()
            with output.progress(title) as shown, EventLog(path) as log:
                emit = Broadcast([projection, log, shown, on_page])
                # Services of its own: canceled trials of the claim before must not show progress here.
                with open_services(places, replace(runner, emit=emit), executor) as services:
                    own = replace(services, executor=way)
                    finding = verify_claim(
                        widened(plan, executor),
                        _claim_of(plan),
                        own,
                        emit,
                        with_cause=bool(options.culprit),
                    )
            return row_of_finding(case.name, finding, report_of(projection), log=str(path))

        def ended(case: Case, row: SuiteRow) -> None:
            if live:
                live.ended(cases.index(case), row)
            show(case, row)

        return run_cases(cases, ask, executor, at_once=1, ended=ended)


def _show_nothing(case: Case, row: SuiteRow) -> None:
    """Print no row, because a report form has all rows at the end."""


def _document(cases: Sequence[Case], rows: Sequence[SuiteRow], code: int) -> str:
    """Return the claims as JSON."""
    from bisect_asgi.core import codec
    from bisect_asgi.report.commands import VerifyDocument, verified

    claims = [None if isinstance(case.plan, BisectError) else case.plan.claim for case in cases]
    sources = [(claim.source or None) if claim else None for claim in claims]
    document = VerifyDocument(exit_code=code, claims=tuple(map(verified, rows, sources)))
    return codec.to_json(document).decode()


def _show(case: Case, row: SuiteRow) -> None:
    """Print the row of a claim: the verdict and the releases' changes, or why there is no verdict."""
    about = [word for word in (row.package, row.claim, f"({Path(row.probe).name}):") if word]
    _print(f"{row.answer:<12} {' '.join(about)} {row.problem or row.why}")
    if row.hint:
        _print(f"{'':<12} hint: {row.hint}")
    if not isinstance(case.plan, BisectError) and case.plan.claim and case.plan.claim.source:
        _print(f"{'':<12} claimed by {case.plan.claim.source}")


def _print(line: str) -> None:
    """Print a line; where there is a width, of a terminal or in `COLUMNS`, broken below its second column."""
    import os
    import shutil
    import sys
    import textwrap

    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        width = max(shutil.get_terminal_size().columns, 40)
        line = textwrap.fill(
            line, width, subsequent_indent=" " * 13, drop_whitespace=True, break_on_hyphens=False
        )
    print(line)


def _show_alone(case: Case, row: SuiteRow) -> None:
    """Print the row of the only claim; a problem is the command's error."""
    from bisect_asgi.cli.output import show_error

    if row.problem:
        show_error(row.problem, row.hint)
    else:
        _show(case, row)
