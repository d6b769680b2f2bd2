"""Text, tables and code in Markdown as GitHub and GitLab render it, whatever the text has in it.

Backslashes keep text from being Markdown or HTML. They do not keep GitHub from making mentions (`@name`),
references (`#12`, a commit's hash) and links of it, because that happens in the rendered page. It does not
happen in code, nor across a comment. So output and messages go into code, and in other text an empty comment
breaks such words.

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
    # What would make a heading, a list or a rule of the line is its first mark, or the one after a number.
    end = beginning.end()
    return f"{escaped[:end]}\\{escaped[end:]}" if beginning[0][:1].isdigit() else f"\\{escaped}"


def prose(text: str) -> str:
    """Return a sentence of ours, in which code stands between backticks."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # One of them is part of something else.
        return plain(text)
    return "".join(_inside(part) if place % 2 == 0 else code(part) for place, part in enumerate(parts))


def _inside(text: str) -> str:
    """Return text between two pieces of code, with the blanks at its ends."""
    begins, ends = text[:1].isspace(), len(text) > 1 and text[-1:].isspace()
    return f"{' ' * begins}{plain(text)}{' ' * ends}"


def code(text: str) -> str:
    """Return a text on one line as code; nothing for no text."""
    line = _on_one_line(text)
    if "|" in line:  # It would end the cell of a table, even in code.
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
