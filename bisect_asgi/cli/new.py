"""`bisect-asgi new leak.py --kind memory`: write a commented probe to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bisect_asgi.core.plan.options import OPTIONS, Options


def new(
    options: Options,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write: leak.py.")],
) -> None:
    """Write a commented probe to start from."""
    from importlib.resources import files

    from bisect_asgi.core.errors import UsageError

    if path.exists():
        raise UsageError(f"`{path}` exists already", hint="name another file, or remove it")
    template = files("bisect_asgi.cli") / "templates" / f"{options.kind or OPTIONS['kind'].default}.py.txt"
    text = template.read_text(encoding="utf-8")
    try:
        path.write_text(text.replace("PROBE_FILE", path.name), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"`{path}` cannot be written: {error.strerror}", hint="name a file in a folder that is there"
        ) from error
    print(f"wrote {path}; run it: bisect-asgi --probe {path}")
