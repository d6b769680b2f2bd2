"""Derive the options of a command from their declarations, and collect what a command line gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.option import Command, Option, Setting
from bisect_asgi.core.plan.options import OPTIONS, Options


def with_options(command: Command, function: Callable[..., None]) -> Callable[..., None]:
    """Return `function` with a parameter for each option of the command in place of its `options`.

    typer reads the signature; parameters of the function's own come first, as they are.
    """
    signature = inspect.signature(function, eval_str=True)
    taken = [name for name, option in OPTIONS.items() if command in option.commands]
    own = [parameter for name, parameter in signature.parameters.items() if name != "options"]
    derived = [_parameter(OPTIONS[name], command) for name in taken]

    def call(**arguments: Any) -> None:
        options = collect({name: arguments.pop(name) for name in taken})
        function(options, **arguments)

    call.__doc__ = function.__doc__
    call.__signature__ = signature.replace(parameters=[*own, *derived])  # type: ignore[attr-defined]
    return call


def _parameter(option: Option, command: Command) -> inspect.Parameter:
    """Return the option as a parameter that typer reads; None stands for an option that is not given."""
    flags = [f"{option.flag}/--{option.opposite}" if option.opposite else option.flag]
    flags += [f"-{option.letter}"] if option.letter else []
    info = typer.Option(*flags, metavar=option.metavar or None, help=option.summary(command))
    kind = list[str] if option.is_repeatable else _SPELLED.get(option.kind, option.kind)
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, info]
    )


_SPELLED = {float | str: str, int | str: str}
"""Types whose values are read from text only later."""


def collect(given: Mapping[str, Any]) -> Options:
    """Return the options of a command line, from the values that typer read.

    Raises:
        UsageError: a number is out of range, or a pair has no `=`.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        option = OPTIONS[name]
        if value is not None:
            option.check(value)
            values[name] = _joined(option, value) if option.is_repeatable else value
    return Options(**values)


def _joined(option: Option, values: Sequence[str]) -> object:
    return read_settings(option, values) if option.is_settings else tuple(values)


def read_settings(option: Option, pairs: Sequence[str]) -> dict[str, Setting]:
    """Read `KEY=VALUE` pairs; a value is a number, `true`, `false`, `none`, or else text.

    Raises:
        UsageError: a pair has no key, or no `=`.
    """
    found: dict[str, Setting] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(
                f"invalid value `{pair}` for `{option.flag}`", hint="pass `KEY=VALUE`, such as `http=h11`"
            )
        words: dict[str, Setting] = {"true": True, "false": False, "none": None}
        found[key] = words[value.lower()] if value.lower() in words else _number_or_text(value)
    return found


def _number_or_text(value: str) -> Setting:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
