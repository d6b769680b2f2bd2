"""Text, tables and code in Markdown as GitHub and GitLab render it, whatever characters the text contains.

Backslashes prevent that text is read as Markdown or HTML. They do not prevent mentions (`@name`), references
(`#12`, a commit's hash) and links, because GitHub makes these from the rendered page. GitHub makes none
inside code or across a comment. So output and messages are written as code, and in other text an empty
comment splits each word that would become a link.

Sources: the GitHub Flavored Markdown specification 0.29; "Autolinked references and URLs" in GitHub's manual.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from bisect_asgi.core.text import printable

_SPECIAL = re.compile(r"[\\`*_\[\]<>~&|${}]")
_BEGINNING = re.compile(r"[#+=-]|\d+(?=[.)](?:\s|$))|(?=:)")
_BREAK = "<!-- -->"
_LINKED = re.compile(
    r"(?<=@)(?=\w)|(?<=#)(?=\d)|(?<=\bgh-)(?=\d)|(?<=://)|(?<=\bwww)(?=\.)|(?<=:)(?=[\w+-]+:)", re.IGNORECASE
)
_HASH = re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{7,40}\b", re.IGNORECASE)


def plain(text: str) -> str:
    """Return a text on one line that renders as itself."""
    line = _on_one_line(text)
    parts = _LINKED.split(_HASH.sub(lambda found: f"{found[0][:3]}\0{found[0][3:]}", line))
    escaped = _BREAK.join(_SPECIAL.sub(r"\\\g<0>", part) for part in parts).replace("\0", _BREAK)
    beginning = _BEGINNING.match(escaped)
    if beginning is None:
        return escaped
    # A heading, a list or a rule begins with a mark, or with a number and a mark: that mark is escaped.
    end = beginning.end()
    return f"{escaped[:end]}\\{escaped[end:]}" if beginning[0][:1].isdigit() else f"\\{escaped}"


def prose(text: str) -> str:
    """Return a sentence of bisect-asgi, which has code between backticks, as Markdown."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # An unpaired backtick belongs to the text, so no pairing can be trusted.
        return plain(text)
    return "".join(_inside(part) if place % 2 == 0 else code(part) for place, part in enumerate(parts))


def _inside(text: str) -> str:
    """Return text between two pieces of code, with the blanks at its ends."""
    begins, ends = text[:1].isspace(), len(text) > 1 and text[-1:].isspace()
    return f"{' ' * begins}{plain(text)}{' ' * ends}"


def code(text: str) -> str:
    """Return a text on one line as code; nothing for no text."""
    line = _on_one_line(text)
    if "|" in line:  # A `|` ends the cell of a table, even inside code.
        return f"<code>{''.join(c if c.isalnum() or c == ' ' else f'&#{ord(c)};' for c in line)}</code>"
    if not line:
        return ""
    fence = "`" * (_longest_run(line) + 1)
    blank = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{blank}{line}{blank}{fence}"


def block(text: str, language: str = "") -> str:
    """Return a text of several lines as a block of code, without blank lines around it."""
    body = "\n".join(line.rstrip() for line in printable(text).splitlines()).strip("\n")
    fence = "`" * max(_longest_run(body) + 1, 3)
    return f"{fence}{language}\n{body}\n{fence}"


def link(text: str, address: str) -> str:
    """Return a link; only its text if the address is not one of a page."""
    if not re.fullmatch(r"https?://[^\s<>\\]+", address):
        return plain(text)
    return f"[{plain(text)}](<{address}>)"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already; short rows are filled up."""
    width = len(header)
    lines = [_line(header), "|" + "---|" * width]
    lines += [_line([cell for cell, _ in zip_longest(row, range(width), fillvalue="")]) for row in rows]
    return "\n".join(lines)


def details(summary: str, body: str) -> str:
    """Return a part that is folded until it is opened; `summary` is text, `body` Markdown."""
    title = _on_one_line(summary).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _on_one_line(text: str) -> str:
    return " ".join(printable(text).split())


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
