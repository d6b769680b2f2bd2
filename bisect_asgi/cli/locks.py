"""`bisect-asgi locks OLD NEW --probe FILE`: which upgrades between two lock files carry the change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bisect_asgi.cli import options as arguments
from bisect_asgi.cli.app import app


@app.command()
def locks(
    old: Annotated[
        Path,
        typer.Argument(
            metavar="OLD",
            help="The lock that works: requirements.txt, pip freeze, uv.lock, poetry.lock, pylock.toml.",
        ),
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The lock that does not.")],
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
    with_: arguments.With = None,
    with_requirements: arguments.WithRequirements = None,
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
    fresh: arguments.Fresh = None,
    json: arguments.Json = False,
    quiet: arguments.Quiet = False,
    verbose: arguments.Verbose = False,
) -> None:
    """Find the smallest set of upgrades between two lock files that breaks the probe."""
    said = dict(locals())
    from bisect_asgi.cli.inputs import collect_options, read_lock_text, read_plan
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.cli.run import bisect

    files = (read_lock_text(old), read_lock_text(new))
    talk = OutputOptions(json=json, quiet=quiet, verbose=verbose)
    raise typer.Exit(bisect(read_plan(collect_options(said), probe, locks=files), talk, executor))
