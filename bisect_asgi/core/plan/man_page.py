"""The manual page of the command, from the pages of its help (man 7 groff_man)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bisect_asgi.core.plan.help_pages import HelpPage, HelpPanel

_HEAD = """\
.\\" This page is generated (`make docs`).
.TH BISECT-ASGI 1 "" "bisect-asgi" "User Commands"
.SH NAME
bisect-asgi \\- find the release of a package that broke or fixed a probe, and why"""


def man_page(
    overview: HelpPage, commands: Mapping[str, HelpPage], exit_codes: Mapping[int, str]
) -> Iterator[str]:
    """Yield the lines of the page: the overview, each command with its options, and the exit codes."""
    yield _HEAD
    yield ".SH SYNOPSIS"
    for usage in overview.usage:
        yield f".B {_escaped(usage)}\n.br"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(overview.text)
    yield ".SH COMMANDS"
    for name, page in commands.items():
        yield f'.SS "{name}"'
        yield f".B {_escaped(page.usage[0])}"
        yield from _paragraphs(page.text)
        for panel in page.panels:
            yield from _panel(panel)
        yield from _examples(page)
    yield ".SH EXIT STATUS"
    for code, meaning in exit_codes.items():
        yield f".TP\n.B {code}\n{_escaped(meaning)}"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield f".PP\n{_escaped(' '.join(paragraph.split()))}"


def _panel(panel: HelpPanel) -> Iterator[str]:
    yield f".PP\n.I {_escaped(panel.title)}"
    for name, text in panel.entries:
        yield f".TP\n.B {_escaped(name)}\n{_escaped(text)}"


def _examples(page: HelpPage) -> Iterator[str]:
    if page.examples:
        yield ".PP\n.I Examples"
    for line, what in page.examples:
        yield f".PP\n{_escaped(what)}\n.RS\n.nf\n{_escaped(line)}\n.fi\n.RE"


def _escaped(text: str) -> str:
    """Return a line of text that roff shows as it is."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return f"\\&{plain}" if plain.startswith(".") else plain
