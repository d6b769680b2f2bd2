"""`bisect-asgi completion SHELL`: print the script that completes command lines in a shell."""

from __future__ import annotations

from typing import Annotated

import typer

from bisect_asgi.core.plan.options import Options


def completion(
    options: Options,  # noqa: ARG001 (it has none)
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="The shell: bash, zsh or fish.")],
) -> None:
    """Print the script that completes command lines in a shell.

    It completes commands, options and their values. Packages and versions are those that earlier commands
    have read from the index.
    """
    from importlib.resources import files

    from bisect_asgi.core.errors import UsageError
    from bisect_asgi.core.plan.completing import SHELLS

    if shell not in SHELLS:
        raise UsageError(
            f"there is no completion for `{shell}`",
            hint=f"pass {' or '.join(f'`{each}`' for each in SHELLS)}",
        )
    print((files("bisect_asgi.cli") / "completions" / f"{shell}.txt").read_text(encoding="utf-8"), end="")
