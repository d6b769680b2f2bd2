"""The forms in which a report can be written, and the form that a file's ending selects.

Each form is imported only when it is written, because a command that prints text needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import PurePath
from typing import assert_never

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.text import listing, printable_json
from bisect_asgi.report.document import Report
from bisect_asgi.report.suite import SuiteReport

WIDTH_OF_FILES = 100


class Form(StrEnum):
    """A form of a report."""

    TEXT = "text"
    MARKDOWN = "markdown"
    """To paste into an issue."""
    HTML = "html"
    """One file that loads nothing."""
    JSON = "json"
    SVG = "svg"
    """The picture of the metric if one decides, else of the history."""
    JUNIT = "junit"
    """JUnit XML, for a CI server."""
    OSV = "osv"
    """The affected releases, for an advisory."""
    GITHUB = "github"
    """Annotations of a workflow on GitHub; its summary is Markdown."""


_ENDINGS = {
    ".md": Form.MARKDOWN,
    ".markdown": Form.MARKDOWN,
    ".html": Form.HTML,
    ".htm": Form.HTML,
    ".osv.json": Form.OSV,
    ".json": Form.JSON,
    ".svg": Form.SVG,
    ".xml": Form.JUNIT,
    ".txt": Form.TEXT,
}


def form_of(path: str) -> Form:
    """Return the form that a file has by its ending.

    Raises:
        UsageError: no form has this ending.
    """
    name = PurePath(path).name.lower()
    found = next((form for ending, form in _ENDINGS.items() if name.endswith(ending)), None)
    if found is None:
        raise UsageError(
            f"`{path}` has an ending of no form (`--output`)",
            hint=f"end it with {listing(_ENDINGS, most=10)}",
        )
    return found


def render(report: Report | SuiteReport, form: Form, *, probe: str = "") -> str:
    """Return the report in a form; `probe` is the text of its probe, if it is still there.

    Raises:
        UsageError: the form cannot express this report.
    """
    match form:
        case Form.TEXT:
            return _text(report, probe)
        case Form.MARKDOWN:
            return _markdown(report, probe)
        case Form.HTML:
            return _html(report, probe)
        case Form.JSON:
            from bisect_asgi.core import codec

            return printable_json(codec.to_json(report).decode()) + "\n"
        case Form.SVG:
            return _svg(report)
        case Form.JUNIT:
            from bisect_asgi.report import junit

            return junit.render(report) + "\n"
        case Form.OSV:
            return _osv(report)
        case Form.GITHUB:
            from bisect_asgi.report import github

            return github.render(report)
        case _ as never:
            assert_never(never)


def _text(report: Report | SuiteReport, probe: str) -> str:
    from io import StringIO

    from bisect_asgi.report import text
    from bisect_asgi.report.progress.console import SafeConsole
    from bisect_asgi.report.text import suite

    out = StringIO()
    console = SafeConsole(file=out, width=WIDTH_OF_FILES)
    if isinstance(report, SuiteReport):
        suite.render(report, console)
    else:
        text.render(report, console, whole=True, probe=probe)
    return out.getvalue()


def _markdown(report: Report | SuiteReport, probe: str) -> str:
    from bisect_asgi.report import markdown
    from bisect_asgi.report.markdown import suite
    from bisect_asgi.report.page.fold import page_of
    from bisect_asgi.report.page.suite import suite_page

    if isinstance(report, SuiteReport):
        return suite.render(suite_page(report), most=markdown.MOST_OF_AN_ISSUE)
    return markdown.render(page_of(report, probe=probe))


def _html(report: Report | SuiteReport, probe: str) -> str:
    from bisect_asgi.report import html
    from bisect_asgi.report.html.figures import figures
    from bisect_asgi.report.page.fold import page_of

    if isinstance(report, SuiteReport):
        return _html_of_suite(report, of_pages=False)
    return html.render(page_of(report, probe=probe), tuple(figures(report)))


def _html_of_suite(report: SuiteReport, *, of_pages: bool) -> str:
    from bisect_asgi.report import html
    from bisect_asgi.report.html.figures import suite_figures
    from bisect_asgi.report.page.suite import suite_page

    page = suite_page(report)
    return html.render_suite(page, suite_figures(page), of_pages=of_pages)


def site(report: SuiteReport, probe_text: Callable[[Report], str] = lambda _: "") -> dict[str, str]:
    """Return the files of a catalogue: `index.html`, and a page for each probe with a report.

    `probe_text` returns the text of a report's probe, or "" if it is not known.
    """
    from bisect_asgi.report import html
    from bisect_asgi.report.html.figures import figures
    from bisect_asgi.report.page.suite import page_of_row, suite_page

    pages = {
        f"{entry.anchor}.html": html.render(
            page_of_row(row, row.report, probe=probe_text(row.report)),
            tuple(figures(row.report)),
            index="index.html",
        )
        for entry, row in zip(suite_page(report).entries, report.probes, strict=True)
        if row.report
    }
    return {"index.html": _html_of_suite(report, of_pages=True), **pages}


def _svg(report: Report | SuiteReport) -> str:
    from bisect_asgi.report.picture.history import history
    from bisect_asgi.report.picture.metric import metric
    from bisect_asgi.report.picture.svg import document

    if isinstance(report, SuiteReport):
        raise UsageError(
            "a picture is about one search, and a suite is about several",
            hint="write one of a single report: `bisect-asgi report RUN -o FILE.svg`",
        )
    made = metric(report) or history(report)
    if made is None:
        raise UsageError(
            "there is nothing to draw: no candidate of this report was measured, or has a place in an order",
            hint="write it as text: `bisect-asgi report RUN --format markdown`",
        )
    return document(made)


def _osv(report: Report | SuiteReport) -> str:
    from bisect_asgi.report import osv

    if isinstance(report, SuiteReport):
        raise UsageError(
            "an OSV entry is about one package, and a suite is about several",
            hint="write one of a single report: `bisect-asgi report RUN --format osv`",
        )
    return osv.render(report) + "\n"
