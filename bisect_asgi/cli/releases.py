"""`bisect-asgi releases PACKAGE`: list the releases on the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.core.plan.options import Options

if TYPE_CHECKING:
    from bisect_asgi.core.releases.selection import Selection


def releases(
    options: Options,
    package: Annotated[str, typer.Argument(metavar="PACKAGE", help="Its name on the index.")],
) -> None:
    """List the releases of a package, and why some are excluded."""
    from contextlib import closing

    from bisect_asgi.backend import interpreters
    from bisect_asgi.backend.index import IndexClient
    from bisect_asgi.backend.network.configured import configured_indexes
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.core.plan.parsing import parse_project, parse_specifiers
    from bisect_asgi.core.releases.selection import ReleaseFilter, select
    from bisect_asgi.core.text import date

    places = CachePaths.configured()
    project = parse_project(package)
    wanted = ReleaseFilter(
        within=parse_specifiers(options.releases, "--releases"),
        pre=bool(options.pre),
        yanked=bool(options.yanked),
    )
    target = interpreters.find(options.python, places.root / "interpreters") if options.python else None
    with closing(IndexClient(configured_indexes(), places.root / "index")) as index:
        found = select(index.releases(project), wanted, target)
    if options.json:
        _show_json(project, target.interpreter.version if target else None, found)
        return
    for release in found.kept:
        print(f"{release.version:<16} {date(release.uploaded)}")
    for out in found.excluded:
        print(f"{out.version:<16} {date(out.uploaded):<10}  excluded: {out.reason}")


def _show_json(project: str, python: str | None, found: Selection) -> None:
    from bisect_asgi.cli.output import show_json
    from bisect_asgi.core import codec
    from bisect_asgi.report.commands import ListedRelease, ReleasesDocument

    document = ReleasesDocument(
        package=project,
        python=python,
        releases=tuple(ListedRelease(version=each.version, uploaded=each.uploaded) for each in found.kept),
        excluded=tuple(found.excluded),
    )
    show_json(codec.to_json(document).decode())
