"""`bisect-asgi locks OLD NEW --probe FILE`: find which upgrades between two lock files break the probe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bisect_asgi.core.plan.options import Options


def locks(
    options: Options,
    old: Annotated[
        Path,
        typer.Argument(
            metavar="OLD",
            help="Lock file that works: requirements.txt, pip freeze, uv.lock, poetry.lock, pylock.toml.",
        ),
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Lock file that does not.")],
) -> None:
    """Find the smallest set of upgrades that breaks the probe."""
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.cli.probe_files import read_lock_text, read_plan
    from bisect_asgi.cli.run import bisect

    files = (read_lock_text(old), read_lock_text(new))
    plan, output = read_plan(options, locks=files), OutputOptions.of(options)
    if options.dry_run:
        from bisect_asgi.cli.dry_run import show_dry_run

        raise typer.Exit(show_dry_run(plan, json=output.json))
    raise typer.Exit(bisect(plan, output, options.executor))
