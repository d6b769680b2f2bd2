"""The command line: its frame, and its commands, of which only the one that is called is imported."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperCommand, TyperGroup

from bisect_asgi import __version__
from bisect_asgi.cli.output import show_error
from bisect_asgi.cli.parameters import with_options
from bisect_asgi.cli.process import end_signals, guarded
from bisect_asgi.core.errors import BisectError, ExitCode, UsageError
from bisect_asgi.core.plan.option import Command
from bisect_asgi.core.plan.options import OPTIONS
from bisect_asgi.core.text import listing

COMMANDS: tuple[Command, ...] = get_args(Command)
DEFAULT_COMMAND: Command = "run"


class Commands(TyperGroup):
    """The commands, each the function of the name of its module; without a name, it is `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front of arguments that begin with no command."""
        own = {"--help", "-h", "--version"}
        if args and args[0] not in own and args[0] not in COMMANDS:
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (typer's signature)
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Import the command's module and return the command; None without one of that name."""
        return build(cmd_name) if cmd_name in COMMANDS else None


class CommandWithOptions(TyperCommand):
    """A command that says where an option stands which it does not have itself."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; of an unknown option that others have, say which do."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if message := _of_others(str(self.name), getattr(error, "option_name", "")):
                raise message from error
            raise


def _of_others(command: str, flag: str) -> UsageError | None:
    """Return what to do about an option that only other commands, or tables, have; None if nothing has it."""
    for option in OPTIONS.values():
        if command not in option.commands and flag in (
            option.flag,
            f"--{option.opposite}",
            f"-{option.letter}",
        ):
            tables = [f"a {place}'s table" for place in option.places]
            where = [f"`{other}`" for other in option.commands] or tables
            return UsageError(
                f"`bisect-asgi {command}` has no option `{flag}`",
                hint=f"remove it: it is an option of {listing(where, most=99)}",
            )
    return None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def build(name: Command) -> Any:
    """Return the command of that name as typer makes it of its function and its options."""
    function = getattr(import_module(f"{__package__}.{name}"), name)
    alone = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    alone.command(name, cls=CommandWithOptions)(with_options(name, function))
    return typer.main.get_command(alone)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"bisect-asgi {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Find the release of a package that broke or fixed a probe, and why.

    `bisect-asgi PACKAGE --probe FILE` is short for `bisect-asgi run PACKAGE --probe FILE`.
    """


def main() -> None:
    """Run the command and end the process with its exit code."""
    with guarded():
        try:
            try:
                app()
            finally:
                sys.stdout.flush()
        except BisectError as error:
            end_signals()
            show_error(str(error), error.hint)
            sys.exit(error.exit_code)
        except BrokenPipeError:  # The reader closed the pipe, as `| head` does.
            sys.exit(128 + signal.SIGPIPE)
        except KeyboardInterrupt:
            end_signals()
            show_error("interrupted", "the same command goes on where this one stopped")
            sys.exit(ExitCode.INTERRUPTED)
