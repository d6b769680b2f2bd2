"""Mistakes on a command line in the form of all other errors: what happened, and what to type.

typer would print them in its own form: after the usage of the command, and without near names.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import typer

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.option import Command, Option
from bisect_asgi.core.plan.options import OPTIONS
from bisect_asgi.core.text import listing

COMMANDS: tuple[Command, ...] = get_args(Command)
_PROBES = ("--probe", "--command", "--app")
_ARGUMENTS = {"locks": ("OLD", "NEW")}
"""The arguments of commands that have several."""
_FORMS = {int: "a whole number", float: "a number"}


def mistake(error: typer.TyperException, arguments: Sequence[str]) -> UsageError:
    """Return bisect-asgi's error for one of typer's."""
    context = getattr(error, "ctx", None)
    command = context.info_name if context else COMMANDS[0]
    name = getattr(error, "option_name", "")
    if hasattr(error, "possibilities"):
        return _unknown_option(command, name)
    if name:
        return _without_value(name, arguments)
    parameter = getattr(error, "param", None)
    if parameter is None:
        return UsageError(f"{error}", hint=f"`bisect-asgi {command} --help` lists what it takes")
    if parameter.param_type_name == "argument":
        return _without_argument(command, parameter)
    return _wrong_value(OPTIONS[parameter.name], arguments)


def surplus(command: str, arguments: Sequence[str], extra: Sequence[str]) -> UsageError:
    """Return the error about arguments that a command does not take."""
    first, package = extra[0], next((each for each in arguments if not each.startswith("-")), "")
    if command == COMMANDS[0] and (near := near_command(package)):
        return unknown_command(package, near)
    if first[:1].isdigit() and package and not Path(first).is_file():
        release = f"{package}=={first}"
        return UsageError(f"unexpected argument `{first}`", hint=f"write a release as `{release}`")
    if Path(first).suffix or Path(first).is_file():
        return UsageError(
            f"unexpected argument `{first}`", hint=f"pass the probe as an option: `--probe {first}`"
        )
    return UsageError(
        f"unexpected argument `{first}`",
        hint=f"remove it; `bisect-asgi help {command}` lists what the command takes",
    )


def near_command(word: str) -> Command | None:
    """Return the command that `word` may have been meant for."""
    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.75)
    return next((command for command in COMMANDS if command in near), None)


def is_meant_as_command(arguments: Sequence[str]) -> bool:
    """Return whether the first argument is meant as a command: no option names a probe for a package."""
    return not any(each.partition("=")[0] in _PROBES for each in arguments)


def is_help(words: Sequence[str]) -> bool:
    """Return whether these words ask for help, rather than name a package called `help`.

    Raises:
        UsageError: they ask for the help of a command that does not exist.
    """
    if not words or words[0] in COMMANDS:
        return len(words) < 2
    if words[0].startswith("-"):
        return False
    near = near_command(words[0])
    hint = f"run `bisect-asgi help {near}`" if near else "run `bisect-asgi help`, which lists the commands"
    raise UsageError(f"there is no command `{words[0]}`", hint=hint)


def unknown_command(word: str, near: Command) -> UsageError:
    """Return the error about a word that is nearly a command."""
    return UsageError(
        f"there is no command `{word}`",
        hint=f"run `bisect-asgi {near}`, or for a package of that name `bisect-asgi {word} --probe FILE`",
    )


def _unknown_option(command: str, flag: str) -> UsageError:
    """Return the hint for an unknown option: other commands or tables that have it, or a near name."""
    message = f"`bisect-asgi {command}` has no option `{flag}`"
    own: list[str] = []
    for option in OPTIONS.values():
        flags = [option.flag, *([f"--{option.opposite}"] if option.opposite else [])]
        if command in option.commands:
            own += flags
        elif flag in (*flags, f"-{option.letter}"):
            return UsageError(message, hint=_belonging(option, command))
    near = difflib.get_close_matches(flag, own, n=2, cutoff=0.7)
    names = " or ".join(f"`{each}`" for each in near)
    hint = f"write {names}" if near else f"remove it; `bisect-asgi help {command}` lists the options"
    return UsageError(message, hint=hint)


def _belonging(option: Option, command: str) -> str:
    """Return the hint for an option that `command` does not have."""
    if not option.commands:
        tables = " or ".join(f"a {place}'s table" for place in option.places)
        return f"write it as `{option.key}` in {tables}"
    where = listing((f"`{other}`" for other in option.commands), most=99)
    return f"remove it, as `{command}` does without; it is an option of {where}"


def _without_value(flag: str, arguments: Sequence[str]) -> UsageError:
    option = next((each for each in OPTIONS.values() if flag in (each.flag, f"-{each.letter}")), None)
    if option and option.is_switch:
        given = next((each for each in arguments if each.startswith(f"{flag}=")), flag)
        return UsageError(f"`{flag}` takes no value: `{given}`", hint=f"write it as `{flag}`")
    form = f"{flag} {_values(option)}" if option else f"{flag} VALUE"
    return UsageError(f"`{flag}` has no value", hint=f"write it as `{form}`")


def _without_argument(command: str, parameter: Any) -> UsageError:
    name = parameter.metavar or parameter.name.upper()
    words = " ".join(["bisect-asgi", command, *_ARGUMENTS.get(command, (name,))])
    return UsageError(
        f"no {name} given", hint=f"write it as `{words} …`; `bisect-asgi help {command}` has the rest"
    )


def _wrong_value(option: Option, arguments: Sequence[str]) -> UsageError:
    kinds = get_args(option.kind) or (option.kind,)
    form = " or ".join(_FORMS.get(kind, f"`{kind}`") for kind in kinds)
    return UsageError(f"invalid value `{_given(option, arguments)}` for `{option.flag}`", hint=f"pass {form}")


def _given(option: Option, arguments: Sequence[str]) -> str:
    """Return the last value that the command line gives an option."""
    found = ""
    for place, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if flag == option.flag or argument == f"-{option.letter}":
            found = value if equals else " ".join(arguments[place + 1 : place + 2])
        elif option.letter and argument.startswith(f"-{option.letter}") and not argument.startswith("--"):
            found = argument[2:]
    return found


def _values(option: Option) -> str:
    return option.metavar or "|".join(map(str, get_args(option.kind)))
