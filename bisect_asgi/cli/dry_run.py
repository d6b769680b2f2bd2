"""`--dry-run` of a search: show what it is going to do."""

from __future__ import annotations

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.plan import Plan

_WIDEST = 100


def show_dry_run(plan: Plan, *, json: bool) -> ExitCode:
    """Print what a search is going to do, and return the exit code."""
    import shutil

    from bisect_asgi.backend.executors import open_executor
    from bisect_asgi.cli.output import show_json
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.services import open_services
    from bisect_asgi.core import codec
    from bisect_asgi.core.dry_run import lines
    from bisect_asgi.session.axes import axis_of
    from bisect_asgi.session.dry_run import dry_run

    places = CachePaths.configured()
    with (
        open_trials(places, building=plan.building) as runner,
        open_executor(None, plan.jobs) as executor,
        open_services(places, runner, executor) as services,
    ):
        found = dry_run(plan, services)
    if json:
        show_json(codec.to_json(found).decode())
    else:
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        print("\n".join(lines(found, axis_of(plan).words_of(plan), width)))
    return ExitCode.FOUND
