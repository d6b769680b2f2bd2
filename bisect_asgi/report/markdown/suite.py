"""A suite as Markdown: the table, and for each probe what its report says first."""

from __future__ import annotations

from collections.abc import Iterator

from bisect_asgi.report.markdown.text import code, details, plain, prose, table
from bisect_asgi.report.page import Entry, SuitePage


def render(page: SuitePage, *, most: int) -> str:
    """Return the Markdown, of at most so many characters: the last probes have no part of their own then."""
    rows = [(code(entry.name), *map(plain, entry.cells)) for entry in page.entries]
    text = f"## {plain(page.title)}\n\n{table(tuple(map(plain, page.header)), rows)}\n"
    for part in map(_part, page.entries):
        if len(text) + len(part) + 1 > most:
            return text
        text += f"\n{part}\n"
    return text


def _part(entry: Entry) -> str:
    lines = [prose(entry.title), *_facts(entry)]
    return details(entry.name, "\n\n".join(lines))


def _facts(entry: Entry) -> Iterator[str]:
    if entry.facts:
        yield table(("", ""), [(plain(fact.label), prose(fact.value)) for fact in entry.facts])
