"""`bisect-asgi report`: a run's report again, from its event log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bisect_asgi.cli import options as arguments
from bisect_asgi.cli.app import app


@app.command()
def report(
    log: Annotated[
        Path | None, typer.Argument(metavar="[LOG]", help="An event log (default: the newest).")
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what changed in what carries the change, whole, instead.")
    ] = False,
    json: arguments.Json = False,
    plot: arguments.Plot = False,
    timings: arguments.Timings = False,
    quiet: arguments.Quiet = False,
) -> None:
    """Show the report of an earlier run again."""
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.report import log as event_log
    from bisect_asgi.report.document import fold

    path = log or CachePaths(CachePaths.folder()).newest_log()  # nothing is written
    document = fold(event_log.read(path))
    if diff:
        from bisect_asgi.report.text.culprit import diffs

        typer.echo("\n".join(line for compared in document.compared for line in diffs(compared)))
        raise typer.Exit
    OutputOptions(json=json, quiet=quiet, plot=plot, timings=timings).show_report(document)
    raise typer.Exit(document.exit_code)
