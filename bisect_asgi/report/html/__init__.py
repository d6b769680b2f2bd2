"""A report as one HTML file that loads nothing: the page with its pictures, readable without scripts.

Jinja escapes all text. Only two things are inserted unescaped: pictures from `report.picture`, and diffs
colored by Pygments. Both makers escape the text that they are given.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from bisect_asgi.core.text import printable
from bisect_asgi.report.html.figures import Figure
from bisect_asgi.report.page import Page, Strip, SuitePage
from bisect_asgi.report.picture.svg import Element
from bisect_asgi.report.picture.svg import render as as_text

_MOST_DIFF = 2_000


def render(page: Page, figures: Sequence[Figure] = (), *, index: str = "", live: bool = False) -> str:
    """Return the file of a report.

    Args:
        page: its parts.
        figures: its pictures.
        index: the address of the suite's page, if the report belongs to a suite; else "".
        live: whether the page updates itself from the running command that serves it.
    """
    return _rendered("page.html", live=live, page=page, figures=figures, index=index)


def render_part(page: Page) -> str:
    """Return what a notebook shows of a report: its sentence, its facts and its table, without a style."""
    return _environment().get_template("notebook.html").render(page=page)


def render_suite(
    page: SuitePage, figures: Mapping[str, Figure], *, of_pages: bool = False, live: bool = False
) -> str:
    """Return the file of a suite.

    Args:
        page: its table and parts.
        figures: the pictures of parts, by the part's anchor; a part may have none.
        of_pages: whether each probe with a report has its own page next to this one.
        live: as for `render`.
    """
    entries = [
        {
            "part": entry,
            "figure": figures.get(entry.anchor),
            "address": f"{entry.anchor}.html" if of_pages and entry.report else f"#{entry.anchor}",
        }
        for entry in page.entries
    ]
    return _rendered("suite.html", live=live, page=page, entries=entries)


def render_strip(strip: Strip) -> str:
    """Return the part of a live page above the report: the progress of the command."""
    return _environment().get_template("strip.html").render(strip=strip)


def _rendered(name: str, *, live: bool, **values: object) -> str:
    shell, scripts = ("live.html", ("page.js", "live.js")) if live else ("shell.html", ("page.js",))
    values |= {"shell": shell, "style": _style(live=live), "scripts": [_script(each) for each in scripts]}
    return _environment().get_template(name).render(**values) + "\n"


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
    made.filters["hashes"] = _hashes
    made.filters["svg"] = _svg
    made.filters["prose"] = _prose
    return made


def _shown(value: object) -> object:
    """Return a value without characters that would hide or reorder the text of the page."""
    return printable(value) if type(value) is str else value


def _prose(text: str) -> Markup:
    """Return a sentence of bisect-asgi, which has code between backticks, as HTML."""
    parts = printable(text).split("`")
    if len(parts) % 2 == 0:  # An unpaired backtick belongs to the text, so no pairing can be trusted.
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


def _hashes(scripts: Sequence[str]) -> Markup:
    """Return the content security policy's hashes of these scripts, so that the browser runs no other script.

    Source: "Content Security Policy Level 3", W3C, 2.3.1.
    """
    hashed = (b64encode(sha256(script.encode()).digest()).decode() for script in scripts)
    return Markup(" ".join(f"'sha256-{each}'" for each in hashed))  # noqa: S704 (base64)


@cache
def _script(name: str) -> Markup:
    return Markup(_own(__package__, name))  # noqa: S704 (our own files)


@cache
def _style(*, live: bool) -> Markup:
    """Return the style sheet: the pictures', the page's, and the live page's."""
    sheets = _SHEETS if live else _SHEETS[:-1]
    return Markup("\n".join(_own(*sheet) for sheet in sheets))  # noqa: S704 (our own files)


def _own(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text("utf-8")


_SHEETS = (
    ("bisect_asgi.report.picture", "picture.css"),
    (__package__, "page.css"),
    (__package__, "live.css"),
)
