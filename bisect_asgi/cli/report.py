"""`bisect-asgi report`: show the report of an earlier run, from its event log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bisect_asgi.core.plan.options import Options


def report(
    options: Options,
    log: Annotated[
        Path | None, typer.Argument(metavar="[LOG]", help="An event log (default: the newest).")
    ] = None,
) -> None:
    """Show the report of an earlier run."""
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.report import log as event_log
    from bisect_asgi.report.document import fold

    path = log or CachePaths(CachePaths.folder()).newest_log()  # nothing is written
    document = fold(event_log.read(path))
    if options.diff:
        from bisect_asgi.report.text.culprit import diffs

        print("\n".join(line for compared in document.compared for line in diffs(compared)))
        raise typer.Exit
    OutputOptions.of(options).show_report(document)
    raise typer.Exit(document.exit_code)
