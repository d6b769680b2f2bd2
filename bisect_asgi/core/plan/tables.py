"""Read options from TOML: the table in a probe's inline metadata (PEP 723), and the tables of other files.

A script that contains its package, its ends and its requirements is a complete reproduction: everybody who
has the file can run it.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.option import Option, Place
from bisect_asgi.core.plan.options import OPTIONS, Options
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import listing

T = TypeVar("T")

# The reference expression of PEP 723.
_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
_FORM = (
    "`requires-python` is text, `dependencies` is a list of texts, `[tool.bisect-asgi]` is a table of options"
)
_LONGEST_VALUE = 60


class ProbeMetadata(Struct, frozen=True, kw_only=True):
    """The inline metadata of a probe."""

    requires_python: str | None = None
    dependencies: tuple[str, ...] = ()
    options: Options = Options()


def read_probe(source: str, *, name: str) -> ProbeMetadata:
    """Return the inline metadata in the `source` of a probe; without a block, all of it is empty.

    Raises:
        UsageError: there are several blocks, the block is no TOML, or an option in it is unknown, does not
            belong there, or has a value of the wrong type.
    """
    blocks = [match for match in _BLOCK.finditer(source.replace("\r\n", "\n")) if match["type"] == "script"]
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
        document = codec.from_toml(content)
    except codec.Unreadable as error:
        raise UsageError(
            f"the metadata of `{name}` is no valid TOML: {error}",
            hint="the lines between `# /// script` and `# ///` are TOML behind `# `",
        ) from error
    return _metadata(document, f"the metadata of `{name}`", f"`[tool.bisect-asgi]` in `{name}`")


def _metadata(document: dict[str, object], where: str, table: str) -> ProbeMetadata:
    tool = read_key(document, "tool", dict[str, object], {}, where=where, form=_FORM)
    options = read_key(tool, "bisect-asgi", dict[str, object], {}, where=where, form=_FORM)
    return ProbeMetadata(
        requires_python=read_key(document, "requires-python", str, None, where=where, form=_FORM),
        dependencies=read_key(document, "dependencies", tuple[str, ...], (), where=where, form=_FORM),
        options=read_table(options, Place.PROBE, where=table),
    )


def read_key(
    table: Mapping[str, object], key: str, kind: type[T], default: T | None, *, where: str, form: str
) -> Any:
    """Return the value of a key that is no option, or `default` without it; `form` is the hint.

    Raises:
        UsageError: the value is not a `kind`.
    """
    if key not in table:
        return default
    try:
        return codec.convert(table[key], kind)
    except codec.Unreadable as error:
        raise UsageError(f"invalid value {_shown(table[key])} for `{key}` in {where}", hint=form) from error


def read_table(table: Mapping[str, object], place: Place, *, where: str) -> Options:
    """Return the options of a table that stands at `place`; `where` names the table in messages.

    Raises:
        UsageError: an option is unknown, does not belong there, or has a value of the wrong type.
    """
    known = {option.key: option for option in OPTIONS.values()}
    values = {}
    for key, value in table.items():
        option = known.get(key)
        if option is None:
            raise _unknown(key, place, where)
        if place not in option.places:
            raise UsageError(
                f"`{key}` cannot stand in {where}",
                hint=f"pass `{option.flag}` on the command line of {listing(option.commands, most=99)}",
            )
        values[option.name] = _read(option, value, where)
    return Options(**values)


def _unknown(key: str, place: Place, where: str) -> UsageError:
    names = [option.key for option in OPTIONS.values() if place in option.places]
    near = difflib.get_close_matches(key, names, n=1)
    hint = f"write `{near[0]}`" if near else f"write one of {listing(names, most=99)}"
    return UsageError(f"{where} has an unknown option: `{key}`", hint=hint)


def _read(option: Option, value: object, where: str) -> Any:
    try:
        read = codec.convert(value, option.kind)
    except codec.Unreadable as error:
        raise UsageError(
            f"invalid value {_shown(value)} for `{option.key}` in {where}", hint=f"write {option.in_table}"
        ) from error
    option.check(read)
    return read


def _shown(value: object) -> str:
    """Return a value of a TOML file in backticks, cut if it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return f"`{text}`" if len(text) <= _LONGEST_VALUE else f"`{text[:_LONGEST_VALUE]}…`"
