"""The command's frame, to which each module of this package adds its commands."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bisect_asgi import __version__

DEFAULT_COMMAND = "run"


class DefaultGroup(TyperGroup):
    """`bisect-asgi PACKAGE …` is `bisect-asgi run PACKAGE …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version", "--install-completion", "--show-completion"}
        if args and args[0] not in own and args[0] not in self.commands:
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=DefaultGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Find the release of a package at which a reproduction script's answer changes.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bisect-asgi {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Find the release of a package at which a reproduction script's answer changes.

    `bisect-asgi PACKAGE --probe FILE` is short for `bisect-asgi run PACKAGE --probe FILE`.
    """
