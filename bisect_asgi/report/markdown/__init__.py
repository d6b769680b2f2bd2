"""A report as Markdown, to paste into an issue: it fits GitHub's limits, and long parts are folded.

If the report is too long, it omits diffs first, then changelogs, excluded releases and packages; a line names
the omitted parts. If the rest is still too long, it is cut at the end of a part.
"""

from __future__ import annotations

from collections.abc import Iterator

from bisect_asgi.core.records import Struct
from bisect_asgi.report.markdown.text import block, code, details, link, plain, prose, table
from bisect_asgi.report.page import Cause, Comparison, Excerpt, Page, Reproduction, Table

MOST_OF_AN_ISSUE = 65_536
"""The most characters that GitHub accepts in the body of an issue or a comment."""
_MOST_DIFF = 200
_ROOM_FOR_NOTE = 400


class _Part(Struct, frozen=True):
    """A part of the text; if the text is too long, parts of the highest rank are omitted first."""

    text: str
    rank: int = 0
    name: str = ""


def render(page: Page, *, most: int = MOST_OF_AN_ISSUE) -> str:
    """Return the Markdown, of at most so many characters."""
    parts = list(_parts(page))
    left_out: list[str] = []
    while len(text := _joined(parts)) > most - _ROOM_FOR_NOTE:
        place = max(range(len(parts)), key=lambda at: (parts[at].rank, at))
        if parts[place].rank == 0:
            text = text[: most - _ROOM_FOR_NOTE].rpartition("\n\n")[0]
            left_out.append("the end")
            break
        left_out.append(parts.pop(place).name)
    note = f"\n\n_Omitted for its length: {', '.join(dict.fromkeys(left_out))}._" if left_out else ""
    return f"{text}{note}\n"


def _joined(parts: list[_Part]) -> str:
    return "\n\n".join(part.text for part in parts)


def _parts(page: Page) -> Iterator[_Part]:
    yield _Part(f"## {prose(page.title)}")
    if page.hint:
        yield _Part(f"> {prose(page.hint)}")
    if page.facts:
        yield _Part(table(("", ""), [(plain(fact.label), prose(fact.value)) for fact in page.facts]))
    if page.fixes:
        yield _Part("**Fix:** " + ", or ".join(map(code, page.fixes)))
    for excerpt in page.excerpts:
        output = f"\n\n{block(excerpt.text, excerpt.language or 'text')}" if excerpt.text else ""
        yield _Part(f"**{plain(excerpt.title)}**{output}")
    yield from _reproduction(page)
    yield from _behind(page)
    if page.footer:
        yield _Part(f"<sub>{plain(page.footer)}</sub>")


def _behind(page: Page) -> Iterator[_Part]:
    """Yield the folded parts."""
    if page.compatibility:
        yield _Part(details("Compatibility", _table(page.compatibility)), 1, "the compatibility")
    if page.status:
        yield _Part(details("Status by version", _table(page.status)), 2, "the status by version")
    if page.causes:
        yield _Part(details("What was run to find the cause", _causes(page.causes)), 1, "the cause")
    for comparison in page.comparisons:
        yield from _comparison(comparison)
    if page.packages:
        yield _Part(details("Packages on both sides", _table(page.packages)), 3, "packages")
    if page.excluded:
        yield _Part(details("Excluded releases", _table(page.excluded)), 4, "excluded releases")


def _reproduction(page: Page) -> Iterator[_Part]:
    if not page.reproductions and not page.check:
        return
    yield _Part("### Reproduce")
    for file in filter(None, (page.probe, page.script)):
        what = "the probe" if file is page.probe else "what runs it, and judges what it shows"
        summary = f"Save as {file.title}: {what}" if page.reproductions else f"The probe, {file.title}"
        yield _Part(details(summary, block(file.text, file.language)))
    if page.also_needed:
        yield _Part(f"It also needs, in the same directory: {', '.join(map(code, page.also_needed))}.")
    for side in page.reproductions:
        yield _Part(_side(side))
    if page.check:
        yield _Part(f"With bisect-asgi:\n\n{block(page.check, 'sh')}")


def _side(side: Reproduction) -> str:
    ways = (f"With {plain(way.label)}:\n\n{block(way.value, 'sh')}" for way in side.ways)
    return f"**{plain(side.title)}**\n\n" + "\n\n".join(ways)


def _table(made: Table) -> str:
    return table(tuple(map(plain, made.header)), [(code(row[0]), *map(_cell, row[1:])) for row in made.rows])


def _cell(text: str) -> str:
    """Return the text of a cell: what a probe wrote is code, a word or a number is text."""
    return plain(text) if text.replace(" ", "").replace("-", "").isalnum() else code(text)


def _causes(causes: tuple[Cause, ...]) -> str:
    return "\n\n".join(part for cause in causes for part in _cause(cause))


def _cause(cause: Cause) -> Iterator[str]:
    yield f"**{plain(cause.title)}**"
    if cause.sentences:
        yield "\n".join(f"- {prose(sentence)}" for sentence in cause.sentences)
    if cause.combinations:
        yield _table(cause.combinations)
    for below in cause.below:
        yield from _cause(below)


def _comparison(comparison: Comparison) -> Iterator[_Part]:
    lines = [*(f"- {plain(line)}" for line in comparison.lines)]
    lines += [f"- {link(fact.label, fact.value)}" for fact in comparison.links]
    yield _Part(details(comparison.title, "\n".join(lines)), 1, "what changed")
    if comparison.changelog:
        title = f"Changelog: {comparison.title}"
        yield _Part(details(title, block(comparison.changelog, "text")), 5, "changelogs")
    if comparison.diffs:
        text = "\n\n".join(map(_diff, comparison.diffs))
        yield _Part(details(f"Diffs: {comparison.title}", text), 6, "diffs")


def _diff(diff: Excerpt) -> str:
    lines = diff.text.splitlines()
    more = f"\n\n{len(lines) - _MOST_DIFF} more lines" if len(lines) > _MOST_DIFF else ""
    return details(diff.title, block("\n".join(lines[:_MOST_DIFF]), "diff") + more)
