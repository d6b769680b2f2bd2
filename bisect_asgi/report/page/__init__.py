"""A report as a page: its parts in the order in which people read them, for both Markdown and HTML.

A part is text without markup, because Markdown and HTML escape text differently.
"""

from __future__ import annotations

from bisect_asgi.core.records import Struct
from bisect_asgi.report.document import Report


class Fact(Struct, frozen=True):
    """A label and its value."""

    label: str
    value: str


class Excerpt(Struct, frozen=True, kw_only=True):
    """Text that something has written, with its title."""

    title: str
    text: str
    language: str = ""


class Table(Struct, frozen=True, kw_only=True):
    """A table of text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    kinds: tuple[str, ...] = ()
    """The kind of each row, which decides its color: `good`, `bad`, `skip`, `unknown` or `""`."""
    keys: tuple[tuple[int, ...], ...] = ()
    """For each row the keys of its candidates, if the rows are candidates."""
    more: tuple[tuple[Excerpt, ...], ...] = ()
    """For each row the texts that it shows when it is opened."""


class Cause(Struct, frozen=True, kw_only=True):
    """The cause of a change, and the runs for it; a cause may lead to others."""

    title: str
    sentences: tuple[str, ...] = ()
    combinations: Table | None = None
    below: tuple[Cause, ...] = ()


class Comparison(Struct, frozen=True, kw_only=True):
    """The differences in one package."""

    title: str
    lines: tuple[str, ...]
    diffs: tuple[Excerpt, ...] = ()
    changelog: str = ""
    links: tuple[Fact, ...] = ()


class Reproduction(Struct, frozen=True, kw_only=True):
    """The commands that reproduce one side of the boundary without this tool."""

    title: str
    ways: tuple[Fact, ...]
    """For `uv` and `pip` the command."""


class Page(Struct, frozen=True, kw_only=True):
    """All parts of a report."""

    title: str
    """The result as one sentence, with dates."""
    hint: str = ""
    facts: tuple[Fact, ...] = ()
    fixes: tuple[str, ...] = ()
    """The requirements to use, each as text for a requirements file."""
    excerpts: tuple[Excerpt, ...] = ()
    """The failure, and its output."""
    compatibility: Table | None = None
    """Stretches of candidates that are alike, if there are not too many of them."""
    status: Table | None = None
    """The candidates with their states."""
    causes: tuple[Cause, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    packages: Table | None = None
    """The distributions on both sides."""
    probe: Excerpt | None = None
    """The probe's own text, with its file name as title."""
    script: Excerpt | None = None
    """The script that runs the probe in the reproductions, if they need one."""
    also_needed: tuple[str, ...] = ()
    """Names of files and directories that have to lie next to the probe."""
    reproductions: tuple[Reproduction, ...] = ()
    check: str = ""
    """The command of this tool that shows the bad side again."""
    excluded: Table | None = None
    footer: str = ""
    """When, and with which version, it was made."""


class Entry(Struct, frozen=True, kw_only=True):
    """One probe on one Python."""

    name: str
    anchor: str
    """The name of its part of the page, and of its own page."""
    kind: str
    """The color of its row: `good` if its result agrees with its claim, else `bad`; `skip` without one."""
    cells: tuple[str, ...]
    """The cells of its row after its name."""
    title: str
    """The result as a sentence, or why there is none."""
    facts: tuple[Fact, ...] = ()
    """The first facts of its report, after its claim and the verdict on the claim."""
    report: Report | None = None


class SuitePage(Struct, frozen=True, kw_only=True):
    """All probes of a suite."""

    title: str
    header: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    footer: str = ""
    """When, and with which version, it was made."""


class Strip(Struct, frozen=True, kw_only=True):
    """The progress of a command that still runs."""

    stretches: tuple[str, ...] = ()
    """The stretches of the search, in order."""
    place: int = -1
    """The place of the current stretch."""
    where: str = ""
    elapsed: str = ""
    """The time since it began."""
    running: tuple[Fact, ...] = ()
    """The running trials, each with its activity."""
