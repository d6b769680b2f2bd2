"""Derive the options of a command from their declarations, and collect what a command line gives."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.defaults import of_command, read_variables
from bisect_asgi.core.plan.option import Command, Option, Section, Setting
from bisect_asgi.core.plan.options import OPTIONS, Options, merge


def with_options(command: Command, function: Callable[..., None]) -> Callable[..., None]:
    """Return `function` with a parameter for each option of the command in place of its `options`.

    typer reads the signature, so it has to list all of them. The function's own parameters come first,
    unchanged.
    """
    signature = inspect.signature(function, eval_str=True)
    taken = [name for name, option in OPTIONS.items() if command in option.commands]
    own = [parameter for name, parameter in signature.parameters.items() if name != "options"]
    derived = [_parameter(OPTIONS[name], command) for name in taken]

    def call(**arguments: Any) -> None:
        options = collect({name: arguments.pop(name) for name in taken})
        options = merge(options, of_command(read_variables(os.environ), command))
        if options.offline:
            os.environ["UV_OFFLINE"] = "1"  # uv's variable, which everything that uses the network reads
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
    """Return the options of a command line from the values that typer has read.

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


_HEAD = """\
# Options

This page is generated (`make docs`). An option stands on the command line of the commands that are named
with it. The last column says in which tables it may stand, too: `[tool.bisect-asgi]` in the inline metadata
of a *probe* (PEP 723), `[[probe]]` and `[defaults]` in a *suite* file, and `[tool.bisect-asgi]` in the
`pyproject.toml` of the current directory (*project*). A table leaves out the dashes: `--bad-above X` is
`bad-above = "X"`, `--pre` is `pre = true`, and `--with REQ` is `with = ["REQ"]`.

Of one option, the first of these counts; the values of a repeatable option are joined:

1. the command line;
2. a `[[probe]]` table of a suite;
3. the probe's own table, because a reproduction has to be the same for everybody who runs it;
4. `[defaults]` of the suite;
5. an environment variable, which is a habit of yours;
6. the table in `pyproject.toml`, which is the project's.

A relative path in a file begins at the directory of that file. `--verbose` names the options that come from
the environment and from `pyproject.toml`. A variable is named like its option, and only options that
one sets once for all searches have one:

"""
_OTHER_VARIABLES = (
    ("BISECT_ASGI_CACHE_DIR", "the directory of the cache"),
    ("BISECT_ASGI_CACHE_LIMIT", "how large environments in it may grow: `20 GiB`"),
)
_TITLES = ("option", "meaning", "default", "commands", "tables")


def render() -> str:
    """Return the page, as docs/options.md has it."""
    return "\n".join([_HEAD + _variables(), *(line for section in Section for line in _section(section))])


def _variables() -> str:
    """Return the table of environment variables."""
    of_options = ((option.variable, f"`{option.flag}`") for option in OPTIONS.values() if option.is_habit)
    rows = (f"| `{name}` | {what} |" for name, what in (*sorted(of_options), *_OTHER_VARIABLES))
    return "\n".join(["| variable | is the default of |", "|---|---|", *rows, ""])


def _section(section: Section) -> Iterator[str]:
    yield f"## {section}\n"
    yield f"| {' | '.join(_TITLES)} |"
    yield "|---" * len(_TITLES) + "|"
    for option in OPTIONS.values():
        if option.section is section:
            yield from _rows(option)
    yield ""


def _rows(option: Option) -> Iterator[str]:
    """Yield a row for the commands that share the help of an option, and one for each that has its own."""
    yield _row(option, None, [command for command in option.commands if command not in option.variants])
    for command in option.variants:
        yield _row(option, command, [command])


def _row(option: Option, variant: Command | None, commands: list[Command]) -> str:
    text, default = option.words(variant)
    repeatable = " Repeatable." if option.is_repeatable else ""
    cells = (
        f"`{option.spelling}`",
        f"{text}.{repeatable}",
        default,
        ", ".join(f"`{command}`" for command in commands),
        "" if variant else ", ".join(option.places),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    print(render(), end="")
