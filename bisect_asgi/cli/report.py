"""`bisect-asgi report`: show the report of an earlier run, from its event log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.core.plan.options import Options

if TYPE_CHECKING:
    pass


def report(
    options: Options,
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Its id in `bisect-asgi runs`, or a log (default: the newest)."),
    ] = None,
) -> None:
    """Show the report of an earlier run."""
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.cli.past_runs import find_log, name_of, read_report
    from bisect_asgi.cli.wiring.paths import CachePaths

    places = CachePaths(CachePaths.folder())  # not `configured`, which writes: `report` only reads
    path = places.newest_log() if run is None else find_log(run, places.past_logs())
    document = read_report(path)
    if options.diff:
        from bisect_asgi.report.text.culprit import diffs

        lines = [line for compared in document.compared for line in diffs(compared)]
        if not lines:
            from bisect_asgi.core.errors import UsageError

            raise UsageError(
                "this report has no diff: no package whose files changed was found as the cause",
                hint="pass the log of a run that names one, or drop `--diff`",
            )
        print("\n".join(lines))
        raise typer.Exit
    OutputOptions.of(options).show_report(document, name=name_of(path, places.past_logs()))
    raise typer.Exit(document.exit_code)
