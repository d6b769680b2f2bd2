"""`bisect-asgi exec PACKAGE==VERSION -- CMD`: run one command in a release's environment."""

from __future__ import annotations

from typing import Annotated

import typer

from bisect_asgi.core.plan.options import Options


def exec(  # noqa: A001 (the command's name)
    options: Options,
    package: Annotated[str, typer.Argument(metavar="PACKAGE==VERSION", help="The release: fastapi==0.69.0.")],
    words: Annotated[list[str], typer.Argument(metavar="-- CMD…", help="The command and its arguments.")],
) -> None:
    """Run one command in a release's environment.

    The command runs in a copy of the environment, in a new directory with the files of --probe and --include.
    The exit code is the command's, 125 if the release is untestable, and 128 or above for an error.
    """
    from bisect_asgi.cli.by_hand import open_bench
    from bisect_asgi.core.cancel import CancelToken

    with open_bench(package, options) as bench:
        raise typer.Exit(bench.run(words, CancelToken()))
