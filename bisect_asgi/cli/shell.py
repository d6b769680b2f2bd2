"""`bisect-asgi shell PACKAGE==VERSION`: open a shell in a release's environment, next to the probe."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from bisect_asgi.core.plan.options import Options


def shell(
    options: Options,
    package: Annotated[str, typer.Argument(metavar="PACKAGE==VERSION", help="The release: fastapi==0.69.0.")],
) -> None:
    """Open a shell in a release's environment, next to the probe.

    Changes of the environment are dropped when the shell ends. The exit code is the shell's.
    """
    from bisect_asgi.cli.by_hand import open_bench
    from bisect_asgi.cli.output import say
    from bisect_asgi.core.cancel import CancelToken
    from bisect_asgi.core.errors import UsageError

    if not (os.isatty(0) and os.isatty(1)):
        raise UsageError(
            "`shell` needs a terminal, and the standard input or output is none",
            hint=f"run one command: `bisect-asgi exec {package} -- CMD`",
        )
    with open_bench(package, options) as bench:
        probe = f"; the probe: {bench.probe_line}" if bench.probe_line else ""
        say(f"a shell with {package} in {bench.work}{probe}")
        say("`exit` ends it, and drops what was changed")
        raise typer.Exit(bench.shell(package, CancelToken()))
