"""Write docs/options.md from the declarations of the options: `python -m bisect_asgi.cli.reference`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from bisect_asgi.core.plan.option import Command, Option, Section
from bisect_asgi.core.plan.options import OPTIONS

_HEAD = """\
# Options

This page is generated (`make docs`). An option stands on the command line of the commands that are named
with it. The last column says in which tables it may stand, too: `[tool.bisect-asgi]` in the inline metadata
of a *probe* (PEP 723), and `[[probe]]` and `[defaults]` in a *suite* file. A table leaves out the dashes:
`--bad-above X` is `bad-above = "X"`, `--pre` is `pre = true`, and `--with REQ` is `with = ["REQ"]`.

The command line wins over a `[[probe]]` table, that over the probe's own table, and that over `[defaults]`;
the values of a repeatable option are joined. A relative path in a file begins at the folder of that file.
"""
_TITLES = ("option", "meaning", "default", "commands", "tables")


def render() -> str:
    """Return the page, as docs/options.md has it."""
    return "\n".join([_HEAD, *(line for section in Section for line in _section(section))])


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
        f"`{_flag(option)}`",
        f"{text}.{repeatable}",
        default,
        ", ".join(f"`{command}`" for command in commands),
        "" if variant else ", ".join(option.places),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _flag(option: Option) -> str:
    """Return the option as it is written: `-j, --jobs N`; in tables alone, `source`."""
    if not option.commands:
        return option.key
    letter = f"-{option.letter}, " if option.letter else ""
    opposite = f", --{option.opposite}" if option.opposite else ""
    value = option.metavar or "|".join(map(str, get_args(option.kind)))
    return f"{letter}{option.flag}{opposite} {value}".rstrip()


if __name__ == "__main__":
    print(render(), end="")
