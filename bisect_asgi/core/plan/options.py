"""A probe's inline metadata: PEP 723, with the options of a bisection in `[tool.bisect-asgi]`.

A script that carries its package, its ends and its requirements is a complete reproduction: whoever has
the file can run it.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import Literal

from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.records import Struct, field, fields, replace
from bisect_asgi.core.text import listing

# The reference expression of PEP 723.
_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


class Options(Struct, frozen=True, kw_only=True):
    """Everything that the command line or a probe's table can say; None or empty: not said.

    The names are those of the command line's options, with underscores; `with_` is `--with`.
    """

    package: str | None = None
    command: str | None = None
    app: str | None = None
    load: str | None = None
    requests: int | None = None
    concurrency: int | None = None
    keep_alive: bool | None = None
    uvicorn: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    metric: str | None = None
    bad_above: float | str | None = None
    bad_below: float | str | None = None
    effect: float | str | None = None
    over: str | None = None
    repo: str | None = None
    first_parent: bool | None = None
    good: str | None = None
    bad: str | None = None
    releases: str | None = None
    pre: bool | None = None
    yanked: bool | None = None
    order: Literal["version", "upload"] | None = None
    with_: tuple[str, ...] = ()
    with_requirements: tuple[str, ...] = ()
    override: tuple[str, ...] = ()
    deps: str | None = None
    python: str | None = None
    include: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: float | None = None
    any_failure: bool | None = None
    match: str | None = None
    jobs: int | None = None
    confirm: int | None = None
    confidence: float | str | None = None
    budget: int | str | None = None
    spot_checks: int | None = None
    all: bool | None = None
    shortest: int | None = None
    culprit: bool | None = None
    drill: bool | None = None
    fixed_in: str | None = None
    broken_in: str | None = None
    source: str | None = None
    fresh: bool | None = None
    term_old: str | None = None
    term_new: str | None = None


class ProbeMetadata(Struct, frozen=True, kw_only=True):
    """What a probe says of itself."""

    requires_python: str | None = None
    dependencies: tuple[str, ...] = ()
    options: Options = Options()


def read(source: str, *, name: str) -> ProbeMetadata:
    """Read the metadata block of a probe; without one, everything is unsaid.

    Raises:
        UsageError: there are several blocks, the block is no TOML, or an option in it is unknown or of
            the wrong type.
    """
    text = source.replace("\r\n", "\n")
    blocks = [match for match in _BLOCK.finditer(text) if match["type"] == "script"]
    if not blocks:
        return ProbeMetadata()
    if len(blocks) > 1:
        raise UsageError(
            f"`{name}` has {len(blocks)} `# /// script` blocks", hint="keep one of them (PEP 723 allows one)"
        )
    content = "".join(
        line[2:] if line.startswith("# ") else line[1:]
        for line in blocks[0]["content"].splitlines(keepends=True)
    )
    try:
        document = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"the metadata of `{name}` is no valid TOML: {error}",
            hint="the lines between `# /// script` and `# ///` are TOML behind `# `",
        ) from error
    return _interpret(document, name)


def _interpret(document: dict[str, object], name: str) -> ProbeMetadata:
    try:
        tool = codec.convert(document.get("tool", {}), dict[str, object])
        table = codec.convert(tool.get("bisect-asgi", {}), dict[str, object])
        stated = {
            "requires_python": document.get("requires-python"),
            "dependencies": document.get("dependencies", []),
        }
        options = options_of(table, where=f"`[tool.bisect-asgi]` in `{name}`")
        return replace(codec.convert(stated, ProbeMetadata), options=options)
    except codec.Unreadable as error:
        raise UsageError(
            f"the metadata of `{name}` is not as expected: {in_toml(error)}", hint=_FORM
        ) from error


def in_toml(error: codec.Unreadable) -> str:
    """What is wrong with an option, by its name as it is written in a table."""
    return str(error).replace("$.", "").replace("with_", "with").replace("_", "-")


_FORM = (
    "`requires-python` is a string, `dependencies` a list of strings, `[tool.bisect-asgi]` a table of options"
)


def options_of(table: dict[str, object], *, where: str, also: tuple[str, ...] = ()) -> Options:
    """Read a table of options; `where` it is, and what it may have `also`, are for the messages.

    Raises:
        UsageError: an option is unknown.
        Unreadable: one is of the wrong type.
    """
    known = {option.name.rstrip("_").replace("_", "-"): option.name for option in fields(Options)}
    unknown = [key for key in table if key not in known]
    if unknown:
        names = [*also, *known]
        near = difflib.get_close_matches(unknown[0], names, n=1)
        raise UsageError(
            f"{where} has an unknown option: `{unknown[0]}`",
            hint=f"did you mean `{near[0]}`?" if near else f"it can have {listing(names, most=99)}",
        )
    return codec.convert({known[key]: value for key, value in table.items()}, Options)


def merge(command_line: Options, table: Options) -> Options:
    """Join both: what the command line says wins, and lists and tables are joined.

    A claim of the command line is there instead of the table's, whichever of the two kinds each of them is.
    """
    table = _without_other_claim(command_line, table)
    merged: dict[str, object] = {}
    for option in fields(Options):
        said, default = getattr(command_line, option.name), getattr(table, option.name)
        if isinstance(said, tuple):
            merged[option.name] = default + said
        elif isinstance(said, dict):
            merged[option.name] = default | said
        else:
            merged[option.name] = default if said is None else said
    return codec.convert(merged, Options)


def _without_other_claim(command_line: Options, table: Options) -> Options:
    """The table, less a claim of the other kind than the command line's, and who made that one."""
    if command_line.fixed_in is not None and table.broken_in is not None:
        return replace(table, broken_in=None, source=None)
    if command_line.broken_in is not None and table.fixed_in is not None:
        return replace(table, fixed_in=None, source=None)
    return table
