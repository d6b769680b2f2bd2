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
    from bisect_asgi.core.errors import UsageError

    if path.exists():
        raise UsageError(f"`{path}` exists already", hint="pass another file, or remove it")
    text, guesses = _drafted(options, path.name) if options.from_ else (_template(options, path.name), ())
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"`{path}` cannot be written: {error.strerror}", hint="name a file in a directory that is there"
        ) from error
    print(f"wrote {path}; run it: bisect-asgi --probe {path}")
    for guess in guesses:
        print(f"  {guess}")


def _template(options: Options, name: str) -> str:
    """Return the probe of a kind."""
    from importlib.resources import files

    template = files("bisect_asgi.cli") / "templates" / f"{options.kind or OPTIONS['kind'].default}.py.txt"
    return template.read_text(encoding="utf-8").replace("PROBE_FILE", name)


def _drafted(options: Options, name: str) -> tuple[str, tuple[str, ...]]:
    """Return the probe that an issue describes, and which parts of it are guesses.

    Raises:
        UsageError: the issue cannot be read, or describes no probe.
    """
    import sys

    from bisect_asgi.cli.files import read_bytes
    from bisect_asgi.core.errors import UsageError
    from bisect_asgi.core.issues import draft
    from bisect_asgi.core.issues.writing import write

    if options.kind:
        raise UsageError(
            f"`--kind {options.kind}` and `--from {options.from_}` are two probes", hint="drop one of them"
        )
    source = str(options.from_)
    content = sys.stdin.buffer.read() if source == "-" else read_bytes(Path(source), "--from")
    found = draft(content.decode("utf-8-sig", errors="replace"), name=source)
    return write(found, name=name), found.guesses
