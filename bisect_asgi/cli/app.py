"""The frame of the command line, which imports only the command that is called."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from bisect_asgi import __version__
from bisect_asgi.cli.output import show_error
from bisect_asgi.cli.parameters import with_options
from bisect_asgi.cli.process import end_signals, guarded
from bisect_asgi.cli.usage import (
    COMMANDS,
    is_help,
    is_meant_as_command,
    mistake,
    near_command,
    surplus,
    unknown_command,
)
from bisect_asgi.core.errors import BisectError, ExitCode
from bisect_asgi.core.plan.option import Command

_NO_VERDICT = 128
DEFAULT_COMMAND: Command = "run"


class Commands(TyperGroup):
    """The commands: each is the function with the name of its module. `run` is the default."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front of arguments that begin with no command; `help NAME` is `NAME --help`."""
        if args[:1] == ["help"] and is_help(args[1:]):
            args = [*args[1:], "--help"]
        own = {"--help", "-h", "--version"}
        if args and args[0] not in own and args[0] not in COMMANDS:
            if is_meant_as_command(args) and (near := near_command(args[0])):
                raise unknown_command(args[0], near)
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (typer's signature)
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_help(self, ctx: Any) -> str:  # noqa: ARG002 (typer's signature)
        """Print the overview; there is nothing left to print for typer."""
        from bisect_asgi.cli.help import overview, show_help

        show_help(overview(self))
        raise typer.Exit

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Import the command's module and return the command; None without one of that name."""
        return build(cmd_name) if cmd_name in COMMANDS else None


class CommandWithOptions(TyperCommand):
    """A command that raises typer's errors as errors of bisect-asgi."""

    allow_extra_args = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; raise `UsageError` for arguments that typer cannot read or does not know."""
        given = list(args)
        try:
            extra = super().parse_args(ctx, args)
        except typer.TyperException as error:
            raise mistake(error, given) from error
        if extra:
            raise surplus(str(self.name), given, extra)
        return extra

    def get_help(self, ctx: Any) -> str:
        """Print the help; there is nothing left to print for typer."""
        from bisect_asgi.cli.help import page_of, show_help

        show_help(page_of(self, ctx.command_path))
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
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
    """Find the release of a package that broke or fixed a probe, and why."""


def _run(arguments: list[str]) -> int:
    """Run the command, flush its output and return its exit code.

    typer's own `main` is not used, because it prints errors in its own form and no message for an interrupt.
    """
    command = typer.main.get_command(app)
    try:
        with command.make_context("bisect-asgi", arguments or ["--help"]) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except typer.TyperException as error:
        raise mistake(error, arguments) from error
    finally:
        sys.stdout.flush()
    return 0


def _code(code: ExitCode, arguments: list[str]) -> int:
    """Return the exit code for an error of a command.

    `check` and `exec` use codes from 128 on. `git bisect run` and similar tools read any code of `check`
    below 128 as a verdict, and lower codes of `exec` are those of its command.
    """
    if arguments[:1] not in (["check"], ["exec"]):
        return code
    return _NO_VERDICT if code is ExitCode.USAGE else _NO_VERDICT + code


def main() -> None:
    """Run the command and end the process with its exit code."""
    with guarded() as interrupts:
        try:
            with interrupts:
                code = _run(sys.argv[1:])
            sys.exit(code)
        except BisectError as error:
            end_signals()
            show_error(str(error), error.hint)
            sys.exit(_code(error.exit_code, sys.argv[1:]))
        except BrokenPipeError:  # The reader closed the pipe, as `| head` does.
            sys.exit(128 + signal.SIGPIPE)
        except KeyboardInterrupt:
            end_signals()
            show_error("interrupted", "run the same command to continue")
            sys.exit(ExitCode.INTERRUPTED)
