"""The text of pages of every kind."""

from __future__ import annotations

import re
from functools import cache

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.report import forms, html
from bisect_asgi.report.forms import Form
from bisect_asgi.report.suite import SuiteReport, row_of
from support.answer_reports import REPORTS
from support.example_pages import PAGE
from support.pictures import drawn_report

_SHOWN = ("regression", "four-changes", "flaky-metric", "gap", "outage", "dependency")
"""Reports that differ in what their pages have."""

_SAMPLES = {0: (1.0, 1.2), 1: (1.1, 1.1), 5: (4.0, 5.0), 6: (4.5, 4.4)}


KINDS = (*_SHOWN, "metric", "all-parts", "suite")


@cache
def page(kind: str) -> str:
    """Return a page by the name of what it shows: a report, all parts that there are, or a suite."""
    match kind:
        case "metric":
            return forms.render(drawn_report("ggGsBbb", samples=_SAMPLES), Form.HTML)
        case "all-parts":
            return html.render(PAGE)
        case "suite":
            return forms.render(_suite(), Form.HTML)
        case _:
            return forms.render(REPORTS[kind], Form.HTML)


def catalogue() -> dict[str, str]:
    """Return the files of a catalogue by their names."""
    return forms.site(_suite())


def _suite() -> SuiteReport:
    rows = tuple(row_of(f"{name}.py", REPORTS[name], None) for name in _SHOWN[:3])
    return SuiteReport(exit_code=ExitCode.FOUND, elapsed_s=3.0, probes=rows)


def brightness(color: str) -> list[int]:
    """Return red, green and blue of `rgb(1, 2, 3)`."""
    return [int(number) for number in re.findall(r"\d+", color)[:3]]
