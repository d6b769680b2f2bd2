"""The options of the library's functions: those of the command line, as keywords with types.

`core/plan/options` declares every option. A type checker cannot read the declarations, so the keywords are
repeated here, and a test compares names and types with the declarations.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.option import Command, Option, Section, Setting
from bisect_asgi.core.plan.options import OPTIONS, Options

PathText = str | os.PathLike[str]


class SharedOptions(TypedDict, total=False):
    """The options of all three functions."""

    deps: str | None
    python: PathText | None
    executor: str | None
    fresh: bool | None


class CheckOptions(SharedOptions, total=False):
    """The options of `check`, which `bisect` has as well."""

    command: str | None
    include: Sequence[PathText] | None
    env: Sequence[str] | None
    timeout: float | str | None
    sandbox: Literal["auto", "strong", "basic", "none"] | None
    no_network: bool | None
    limit_memory: str | None
    limit_processes: int | None
    limit_disk: str | None
    limit_cpu: float | str | None
    app: PathText | None
    load: str | None
    requests: int | None
    concurrency: int | None
    keep_alive: bool | None
    uvicorn: Mapping[str, Setting] | None
    match: str | None
    metric: str | None
    bad_above: float | str | None
    bad_below: float | str | None
    with_: Sequence[str] | None
    with_requirements: Sequence[PathText] | None
    group: Sequence[str] | None
    constraint: Sequence[PathText] | None
    override: Sequence[str] | None
    build_timeout: float | str | None


class BisectOptions(CheckOptions, total=False):
    """The options of `bisect`."""

    any_failure: bool | None
    effect: float | str | None
    term_old: str | None
    term_new: str | None
    over: str | None
    good: str | None
    bad: str | None
    releases: str | None
    pre: bool | None
    yanked: bool | None
    order: Literal["version", "upload"] | None
    history: float | str | None
    repo: PathText | None
    first_parent: bool | None
    confirm: int | None
    confidence: float | str | None
    budget: int | str | None
    culprit: bool | None
    drill: bool | None
    jobs: int | None
    time_limit: float | str | None
    if_newest_fails: bool | None
    undo: Sequence[str] | None


class VerifyOptions(SharedOptions, total=False):
    """The options of `verify`."""

    releases: str | None
    culprit: bool | None
    fixed_in: str | None
    broken_in: str | None


APART = frozenset({"probe", "ask", "dry_run", "offline"})
"""Options that are other parameters, need a terminal, return text, or set a variable of the process."""


def keywords_of(command: Command) -> dict[str, Option]:
    """Return the options of a command that the library takes: all except those for its output."""
    return {
        name: option
        for name, option in OPTIONS.items()
        if command in option.commands and option.section is not Section.OUTPUT and name not in APART
    }


def options_of(command: Command, given: Mapping[str, object]) -> Options:
    """Return keywords as options; None stands for one that is not given.

    Raises:
        TypeError: a keyword is unknown.
        UsageError: a value has the wrong type, or is out of range.
    """
    known, values = keywords_of(command), dict[str, Any]()
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise TypeError(f"unexpected keyword argument `{name}`{hint}")
        if value is not None:
            values[name] = _read(known[name], value)
    return Options(**values)


def _read(option: Option, value: object) -> object:
    try:
        read: object = codec.convert(_plain(option, value), option.kind)
    except codec.Unreadable as error:
        raise UsageError(
            f"invalid value `{value!r}` for `{option.name}`: {error}", hint=f"pass {_form(option)}"
        ) from error
    option.check(read)
    return read


def _plain(option: Option, value: Any) -> object:
    """Return a value without paths; one text stands for a sequence of it."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if option.is_settings and isinstance(value, Mapping):
        return dict(value)
    if option.is_repeatable and isinstance(value, str):
        return [value]
    if option.is_repeatable and isinstance(value, Sequence):
        return [os.fspath(each) if isinstance(each, os.PathLike) else each for each in value]
    return value


def _form(option: Option) -> str:
    return option.in_table.replace("`", "").replace(f"{option.key} = ", f"{option.name}=")
