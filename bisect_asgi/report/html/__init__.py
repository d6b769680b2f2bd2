"""A report as one HTML file that loads nothing: the page with its pictures, readable without scripts.

All text goes through Jinja's escaping. What is put in as it is, are pictures made by `report.picture`, which
escapes what it is given, and diffs colored by Pygments, which does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from bisect_asgi.core.text import printable
from bisect_asgi.report.html.figures import Figure
from bisect_asgi.report.page import Page, SuitePage
from bisect_asgi.report.picture.svg import Element
from bisect_asgi.report.picture.svg import render as as_text

_MOST_DIFF = 2_000


def render(page: Page, figures: Sequence[Figure] = (), *, index: str = "") -> str:
    """Return the file of a report; `index` is the address of the suite's page that it belongs to."""
    return _rendered("page.html", page=page, figures=figures, index=index)


def render_suite(page: SuitePage, figures: Mapping[str, Figure], *, of_pages: bool = False) -> str:
    """Return the file of a suite.

    Args:
        page: its table and parts.
        figures: for each anchor of a part its picture, if it has one.
        of_pages: whether each probe with a report has a page of its own beside this one.
    """
    entries = [
        {
            "part": entry,
            "figure": figures.get(entry.anchor),
            "address": f"{entry.anchor}.html" if of_pages and entry.report else f"#{entry.anchor}",
        }
        for entry in page.entries
    ]
    return _rendered("suite.html", page=page, entries=entries)


def _rendered(name: str, **values: object) -> str:
    return _environment().get_template(name).render(style=_style(), **values) + "\n"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_shown,
    )
    made.filters["diff"] = _diff
    made.filters["svg"] = _svg
    made.filters["prose"] = _prose
    return made


def _shown(value: object) -> object:
    """Return a value without what would hide or reorder the text of the page."""
    return printable(value) if type(value) is str else value


def _prose(text: str) -> Markup:
    """Return a sentence of ours, in which code stands between backticks."""
    parts = printable(text).split("`")
    if len(parts) % 2 == 0:  # One of them is part of something else.
        return escape(printable(text))
    code = Markup("<code>{}</code>").format
    return Markup("").join(code(part) if place % 2 else part for place, part in enumerate(parts))


def _svg(picture: Element) -> Markup:
    return Markup(as_text(picture))  # noqa: S704 (made by `report.picture`, which escapes)


def _diff(text: str) -> Markup:
    """Return a unified diff with its colors."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import DiffLexer

    lines = printable(text).splitlines()
    shown = "\n".join(lines[:_MOST_DIFF])
    return Markup(highlight(shown, DiffLexer(), HtmlFormatter(nowrap=True)))  # noqa: S704 (it escapes)


@cache
def _style() -> Markup:
    """Return the style sheet: the pictures' and the page's."""
    texts = [files(package).joinpath(name).read_text("utf-8") for package, name in _SHEETS]
    return Markup("\n".join(texts))  # noqa: S704 (our own files)


_SHEETS = (("bisect_asgi.report.picture", "picture.css"), (__package__, "page.css"))
