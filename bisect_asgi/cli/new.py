"""`bisect-asgi new leak.py --kind memory`: a commented probe to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bisect_asgi.cli.app import app


@app.command()
def new(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write: leak.py.")],
    kind: Annotated[
        Literal["memory", "latency", "hang", "status", "script"],
        typer.Option("--kind", help="What the probe looks at."),
    ] = "script",
) -> None:
    """Write a commented starting probe, which runs as it is."""
    from importlib.resources import files

    from bisect_asgi.core.errors import UsageError

    if path.exists():
        raise UsageError(f"`{path}` exists already", hint="name another file, or remove it")
    text = (files("bisect_asgi.cli") / "templates" / f"{kind}.py.txt").read_text(encoding="utf-8")
    try:
        path.write_text(text.replace("PROBE_FILE", path.name), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"`{path}` cannot be written: {error.strerror}", hint="name a file in a folder that is there"
        ) from error
    typer.echo(f"wrote {path}; run it: bisect-asgi --probe {path}")
