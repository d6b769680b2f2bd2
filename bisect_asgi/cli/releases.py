"""`bisect-asgi releases PACKAGE`: what there is to look at."""

from __future__ import annotations

from typing import Annotated

import typer

from bisect_asgi.cli import options as arguments
from bisect_asgi.cli.app import app


@app.command()
def releases(
    package: Annotated[str, typer.Argument(metavar="PACKAGE", help="Its name on the index.")],
    releases: arguments.Releases = None,
    pre: arguments.Pre = None,
    yanked: arguments.Yanked = None,
    python: arguments.Python = None,
) -> None:
    """List the releases of PACKAGE with their dates, and why some are left out."""
    from contextlib import closing

    from bisect_asgi.backend import interpreters
    from bisect_asgi.backend.index import IndexClient
    from bisect_asgi.backend.uv import configured_indexes
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.core.plan.parsing import parse_project, parse_specifiers
    from bisect_asgi.core.releases.select import ReleaseFilter, select
    from bisect_asgi.core.text import date

    places = CachePaths.configured()
    project = parse_project(package)
    wanted = ReleaseFilter(
        within=parse_specifiers(releases, "--releases"), pre=bool(pre), yanked=bool(yanked)
    )
    target = interpreters.find(python, places.root / "interpreters") if python else None
    with closing(IndexClient(configured_indexes(), places.root / "index")) as index:
        found = select(index.releases(project), wanted, target)
    for release in found.kept:
        typer.echo(f"{release.version:<16} {date(release.uploaded)}")
    for out in found.excluded:
        typer.echo(f"{out.version:<16} {date(out.uploaded):<10}  left out: {out.reason}")
