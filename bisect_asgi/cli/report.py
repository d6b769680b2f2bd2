"""`bisect-asgi report`: show the report of an earlier run, from its event log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.options import Options

if TYPE_CHECKING:
    from bisect_asgi.report.document import Report


def report(
    options: Options,
    log: Annotated[
        Path | None, typer.Argument(metavar="[LOG]", help="An event log (default: the newest).")
    ] = None,
) -> None:
    """Show the report of an earlier run."""
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.cli.wiring.paths import CachePaths

    path = log or CachePaths(CachePaths.folder()).newest_log()  # nothing is written
    document = read_report(path)
    if options.diff:
        from bisect_asgi.report.text.culprit import diffs

        print("\n".join(line for compared in document.compared for line in diffs(compared)))
        raise typer.Exit
    OutputOptions.of(options).show_report(document)
    raise typer.Exit(document.exit_code)


def read_report(path: Path) -> Report:
    """Return the report that the events in a log come to.

    Raises:
        UsageError: the file is no event log, or its events do not belong together.
    """
    from bisect_asgi.report import log as event_log
    from bisect_asgi.report.folding import fold

    try:
        return fold(event_log.read(path))
    except (LookupError, ValueError) as error:
        # An event names a candidate that no event before it has listed, or has a text that is no form.
        raise UsageError(
            f"`{path}` is damaged: its events contradict one another",
            hint="run the same command again: it takes finished runs from the store",
        ) from error
