"""The help as panels: everything of the page is there, in lines that fit."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.cells import cell_len

from bisect_asgi.core.plan.help_pages import HelpPage, panels_of
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.report.text.help import render

PAGE = HelpPage(
    usage=("bisect-asgi run [PACKAGE] [OPTIONS]", "bisect-asgi [PACKAGE]"),
    text="Find it.\n\nThe exit code is 0.",
    panels=panels_of("run"),
    examples=(("bisect-asgi demo --probe p.py", "Search for it."),),
)


def shown(page: HelpPage, width: int) -> str:
    out = StringIO()
    render(page, SafeConsole(file=out, width=200, color_system=None, _environ={}), width=width)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100])
def test_panels_are_as_wide_as_the_terminal(width: int) -> None:
    lines = shown(PAGE, width).splitlines()

    assert max(map(cell_len, lines)) == width


def test_panels_have_all_words_of_the_page() -> None:
    text = shown(PAGE, 100)

    words = set(text.split())
    wanted = [word for panel in PAGE.panels for name, _ in panel.entries for word in name.split()]
    assert words.issuperset(wanted)
    assert all(f"─ {panel.title} ─" in text for panel in PAGE.panels)
    assert "bisect-asgi demo --probe p.py" in text
    assert "The exit code is 0." in text
