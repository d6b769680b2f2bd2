"""Many probes in one command: whatever goes wrong with one of them is in its row, and the others go on."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from bisect_asgi.cli.inputs import read_plan
from bisect_asgi.core.errors import BisectError
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.plan import Plan
from bisect_asgi.core.records import Struct
from bisect_asgi.report.suite import SuiteRow, row_interrupted, row_of_bug, row_of_error
from bisect_asgi.session.batch import side_by_side


class Case(Struct, frozen=True, kw_only=True):
    """A probe of the batch, with its plan, or with the reason why it has none."""

    name: str
    """The path of the script as it was given, or the command, or the app."""
    number: int = 1
    """Its place in the batch: logs of sessions that begin within the same second differ in it."""
    plan: Plan | BisectError

    @property
    def package(self) -> str:
        """The package, as far as it is known."""
        return self.plan.project if isinstance(self.plan, Plan) else ""

    @property
    def claim(self) -> str:
        """What the probe claims, as far as it is known."""
        return str(self.plan.claim or "") if isinstance(self.plan, Plan) else ""


Ask = Callable[[Case, Plan, Executor], SuiteRow]
"""Runs the session of a case, with its own way to the executor that all share."""


def read_case(given: Options, defaults: Options = Options(), *, number: int = 1) -> Case:  # noqa: B008 (frozen)
    """Return the case of a probe; a fault of its options is the case's own."""
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
        begun: told in the thread of the session that it begins.
        ended: told there what came of it, unless it was interrupted.

    Returns:
        The rows in the order of the cases, and whether an interrupt ended some of them.
    """

    def session(case: Case, way: Executor) -> SuiteRow:
        begun(case)
        row = _row(case, ask, way)
        if not row.is_interrupted:
            ended(case, row)
        return row

    done, is_interrupted = side_by_side(cases, session, shared=executor, at_once=at_once)
    rows = [done.get(place) or row_interrupted(case.name, case.package) for place, case in enumerate(cases)]
    return rows, is_interrupted


def _row(case: Case, ask: Ask, way: Executor) -> SuiteRow:
    """Run one session, and return its row whatever goes wrong with it."""
    if not isinstance(case.plan, Plan):
        return row_of_error(case.name, case.plan)
    try:
        return ask(case, case.plan, way)
    except KeyboardInterrupt:
        return row_interrupted(case.name, case.package)
    except BisectError as error:
        return row_of_error(case.name, error, package=case.package, claim=case.claim)
    except Exception as error:  # The others go on; the exit code tells of the bug.
        traceback.print_exception(error)
        return row_of_bug(case.name, error, package=case.package)
