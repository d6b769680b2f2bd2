"""The help of a command as panels for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bisect_asgi.core.plan.help_pages import HelpPage, HelpPanel
from bisect_asgi.report.progress.console import SafeConsole


def render(page: HelpPage, console: Console | None = None, *, width: int) -> None:
    """Print a page in `width` cells, to the standard output unless a console is given."""
    out = console or SafeConsole()
    for part in _parts(page):
        out.print(part, width=width, highlight=False)


def _parts(page: HelpPage) -> Iterator[RenderableType]:
    for number, usage in enumerate(page.usage):
        yield Text.assemble((f" {'Usage:' if number == 0 else '':<7}", "bold"), usage)
    yield ""
    for paragraph in page.text.split("\n\n"):
        yield Padding(Text(" ".join(paragraph.split())), (0, 1, 1, 1))
    for panel in page.panels:
        yield Panel(
            _entries(panel, page.names_width), title=panel.title, title_align="left", border_style="dim"
        )
    if page.examples:
        lines = [Text.assemble((f"# {what}\n", "dim"), line) for line, what in page.examples]
        yield Panel(Group(*lines), title="Examples", title_align="left", border_style="dim")


def _entries(panel: HelpPanel, column: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="cyan", width=column)
    table.add_column()
    for name, text in panel.entries:
        table.add_row(name, Text(text))
    return table
