"""Read the text of an issue: its blocks of code, its paragraphs, and the fields of its form."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bisect_asgi.core.records import Struct

_MARKS = re.compile(r"[`*_~]+(?=\S)|(?<=\S)[`*_~]+|<[^<>]*>")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_TITLE_BEFORE = re.compile(r"(?m)^#{0,6}[ \t]*\S.*$")
_ISSUE = re.compile(
    r"https?://[\w.-]+/(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)/(?:-/)?(?:issues|pull|discussions|merge_requests)/\d+"
)
_SHORT = re.compile(r"(?<![\w/.-])[\w.-]+/(?P<name>[\w.-]+)(?: issue )?#(?P<number>\d+)")


class Block(Struct, frozen=True, kw_only=True):
    """A block of code with the heading above it."""

    code: str
    language: str = ""
    """The first word behind the fence, in lower case; empty without one."""
    heading: str = ""
    line: int
    """Its first line in the text, from 1."""


class Paragraph(Struct, frozen=True, kw_only=True):
    """A paragraph, a list's item or a table's cell, as plain text in one line."""

    text: str
    heading: str = ""


class Document(Struct, frozen=True, kw_only=True):
    """The parts of an issue."""

    title: str
    blocks: tuple[Block, ...]
    paragraphs: tuple[Paragraph, ...]
    """Headings among them."""
    source: str = ""
    """The address of the first issue that is linked or named; empty without one."""
    repository: str = ""
    """The name of the repository of that issue."""
    lines: tuple[str, ...] = ()
    """The text itself."""


def read(text: str) -> Document:
    """Return the parts of a text in Markdown, as trackers write it."""
    text = text.replace("\r\n", "\n").replace("\x00", "")
    heading, blocks, paragraphs = "", list[Block](), list[Paragraph]()
    is_heading = False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type in ("fence", "code_block"):
            blocks.append(_block(token, heading))
        elif token.type == "heading_open":
            is_heading = True
        elif token.type == "inline":
            plain = _plain(token.content)
            heading, is_heading = (plain if is_heading else heading), False
            paragraphs += [Paragraph(text=line, heading=heading) for line in plain.split("\n") if line]
    issue, short = _ISSUE.search(text), _SHORT.search(text)
    title = _TITLE_BEFORE.search(text)
    return Document(
        title=_plain(title[0].lstrip("# ")) if title else "",
        blocks=tuple(blocks),
        paragraphs=tuple(paragraphs),
        source=issue[0] if issue else short[0] if short else "",
        repository=(issue or short or {"name": ""})["name"],
        lines=tuple(text.split("\n")),
    )


def _block(token: Token, heading: str) -> Block:
    words = token.info.lower().split()
    return Block(
        code=token.content,
        language=words[0].strip("{}.") if words else "",
        heading=heading,
        line=(token.map[0] if token.map else 0) + 1,
    )


def _plain(text: str) -> str:
    """Return a text without the marks of Markdown and HTML."""
    return _MARKS.sub("", _LINK.sub(r"\1", text)).strip()
