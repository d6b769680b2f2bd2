"""The help of the commands as values, which the terminal, a pipe and the manual page show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bisect_asgi.core.plan.option import Command, Option, Section
from bisect_asgi.core.plan.options import OPTIONS
from bisect_asgi.core.records import Struct

_MANY = 20
"""A command with more options lists the common ones first."""
_COMMON = "Most used"
_WIDEST_NAME = 27
"""The most cells of the column of names; a longer name has a line of its own."""


class HelpPanel(Struct, frozen=True):
    """Names with their meanings under one title."""

    title: str
    entries: tuple[tuple[str, str], ...]


class HelpPage(Struct, frozen=True, kw_only=True):
    """The help of a command."""

    usage: tuple[str, ...]
    text: str
    """Paragraphs, the first one a summary."""
    panels: tuple[HelpPanel, ...]
    examples: tuple[tuple[str, str], ...] = ()
    """Command lines, each with its description."""

    @property
    def names_width(self) -> int:
        """The width of the column of names, which all panels share."""
        widths = [len(name) for panel in self.panels for name, _ in panel.entries]
        return max((width for width in widths if width <= _WIDEST_NAME), default=_WIDEST_NAME)


def panels_of(command: Command) -> tuple[HelpPanel, ...]:
    """Return the options of a command by their sections, the common ones of a command with many first."""
    own = [option for option in OPTIONS.values() if command in option.commands]
    common = [option for option in own if option.is_common] if len(own) > _MANY else []
    rest = [(section, [each for each in own if each.section is section]) for section in Section]
    named = [
        (_COMMON, common),
        *((str(title), [each for each in of if each not in common]) for title, of in rest),
    ]
    return tuple(HelpPanel(title, _entries(options, command)) for title, options in named if options)


def variables_of(command: Command) -> Iterator[HelpPanel]:
    """Yield the panel that says which options of a command have an environment variable."""
    flags = ", ".join(each.flag for each in OPTIONS.values() if each.is_habit and command in each.commands)
    if flags:
        yield HelpPanel(
            "Environment variables", (("BISECT_ASGI_OPTION", f"Default of its option: {flags}."),)
        )


def _entries(options: Sequence[Option], command: Command) -> tuple[tuple[str, str], ...]:
    return tuple((option.spelling, option.summary(command)) for option in options)


def plain_lines(page: HelpPage, width: int) -> Iterator[str]:
    """Yield the lines of a page, none wider than `width` if its words allow that."""
    for number, usage in enumerate(page.usage):
        yield f"{'Usage:' if number == 0 else '':<7}{usage}"
    for paragraph in page.text.split("\n\n"):
        yield ""
        yield from _wrapped(" ".join(paragraph.split()), width, 2)
    for panel in page.panels:
        yield ""
        yield f"{panel.title}:"
        yield from _columns(panel, width, page.names_width)
    if page.examples:
        yield ""
        yield "Examples:"
        for line, what in page.examples:
            yield from _wrapped(f"# {what}", width, 2)
            yield f"  {line}"


def _columns(panel: HelpPanel, width: int, column: int) -> Iterator[str]:
    for name, text in panel.entries:
        lines = list(_wrapped(text, width, column + 4))
        if len(name) > column:
            yield f"  {name}"
        else:
            lines[0] = f"  {name:<{column}}  {lines[0].lstrip()}"
        yield from lines


def _wrapped(text: str, width: int, indent: int) -> Iterator[str]:
    """Yield the text as lines behind an indent, broken between words."""
    line = ""
    for word in text.split(" "):
        if line and indent + len(line) + 1 + len(word) > width:
            yield " " * indent + line
            line = word
        else:
            line = f"{line} {word}".lstrip()
    yield " " * indent + line
