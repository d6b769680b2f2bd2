"""Defaults of options: from the user's shell, and from the `pyproject.toml` of the directory.

An environment variable is a habit of the user. It is named like its option, `BISECT_ASGI_JOBS` for `--jobs`.
Only options that a user sets once for all searches have one. The table belongs to the project.

A probe's own table wins over both: it belongs to the reproduction, which has to be the same for everybody who
runs it. A variable wins over the `pyproject.toml`, as for uv.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.option import Command, Option, Place
from bisect_asgi.core.plan.options import OPTIONS, Options
from bisect_asgi.core.plan.parsing import malformed
from bisect_asgi.core.plan.tables import read_key, read_table

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
PROJECT_FILE = "pyproject.toml"
"""Its table has defaults for commands in its directory."""
_TABLE = "tool.bisect-asgi"


def read_variables(environ: Mapping[str, str]) -> Options:
    """Return the options that environment variables give; an empty one gives none.

    Raises:
        UsageError: one of them cannot be read.
    """
    given = {
        name: _read(option, text)
        for name, option in OPTIONS.items()
        if option.is_habit and (text := environ.get(option.variable, "").strip())
    }
    return Options(**given)


def _read(option: Option, text: str) -> Any:
    if option.is_switch:
        if text.lower() not in (*_YES, *_NO):
            raise malformed(option.variable, text, "`1` or `0`")
        return text.lower() in _YES
    if get_origin(option.kind) is Literal:
        if text not in (words := get_args(option.kind)):
            raise malformed(option.variable, text, " or ".join(f"`{word}`" for word in words))
        return text
    if option.kind is str or str in get_args(option.kind):
        return text
    try:
        value = int(text)
    except ValueError as error:
        raise malformed(option.variable, text, "a whole number") from error
    if option.least is not None and value < option.least:
        raise UsageError(
            f"`{option.variable}={text}` is out of range", hint=f"set it to {option.least} or more"
        )
    return value


def of_command(variables: Options, command: Command) -> Options:
    """Return the variables for options that only the command line has: no table may have them.

    They also count for commands that do not plan a probe.
    """
    makes_no_plan = command in ("suite", "releases")
    kept = {
        name: getattr(variables, name)
        for name, option in OPTIONS.items()
        if option.is_habit and command in option.commands and (makes_no_plan or not option.places)
    }
    return Options(**kept)


def read_project_table(text: str) -> Options:
    """Return the options in the `[tool.bisect-asgi]` table of a `pyproject.toml`, if it has one.

    Raises:
        UsageError: an option in it is unknown, does not belong there, or has a value of the wrong type.
    """
    try:
        document = codec.from_toml(text)
    except codec.Unreadable as error:
        if _TABLE not in text:  # an error elsewhere in the file does not concern bisect-asgi
            return Options()
        raise UsageError(
            f"`{PROJECT_FILE}` is no valid TOML: {error}",
            hint=f"mend it: its `[{_TABLE}]` has defaults of options",
        ) from error
    where, form = f"`{PROJECT_FILE}`", f"`[{_TABLE}]` is a table of options"
    tool = read_key(document, "tool", dict[str, object], {}, where=where, form=form)
    table = read_key(tool, "bisect-asgi", dict[str, object], {}, where=where, form=form)
    return read_table(table, Place.PROJECT, where=f"`[{_TABLE}]` in `{PROJECT_FILE}`")


def used(defaults: Options, *stronger: Options) -> tuple[str, ...]:
    """Return the flags of the options in `defaults` that count, because nothing stronger says them."""
    unset = Options()
    found = []
    for name, option in OPTIONS.items():
        values = [getattr(each, name) for each in stronger]
        is_said = any(value != getattr(unset, name) for value in values)
        if getattr(defaults, name) != getattr(unset, name) and (option.is_repeatable or not is_said):
            found.append(option.flag)
    return tuple(found)
