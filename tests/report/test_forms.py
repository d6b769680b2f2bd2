"""The forms of a report: which one a file has, and that each can say every result."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from support.answer_reports import REPORTS
from support.documents import REGRESSION
from support.pictures import drawn_report

from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.records import replace
from bisect_asgi.report.folding import fold
from bisect_asgi.report.forms import Form, form_of, render, site
from bisect_asgi.report.suite import SuiteReport, row_of

SUITE = SuiteReport(
    exit_code=ExitCode.FOUND,
    elapsed_s=3.0,
    probes=tuple(row_of(f"{name}.py", report, None) for name, report in REPORTS.items()),
)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("r.md", Form.MARKDOWN),
        ("out/R.MD", Form.MARKDOWN),
        ("r.html", Form.HTML),
        ("r.json", Form.JSON),
        ("r.osv.json", Form.OSV),
        ("r.svg", Form.SVG),
        ("r.xml", Form.JUNIT),
        ("r.txt", Form.TEXT),
    ],
)
def test_a_file_has_the_form_of_its_ending(path: str, form: Form) -> None:
    assert form_of(path) is form


@pytest.mark.parametrize("path", ["r.pdf", "r", ".md/r", "md"])
def test_an_ending_of_no_form_is_refused_with_those_that_are(path: str) -> None:
    with pytest.raises(UsageError, match="has an ending of no form") as raised:
        form_of(path)
    assert ".html" in (raised.value.hint or "")


@pytest.mark.parametrize("name", REPORTS)
def test_every_result_can_be_said_in_every_form(name: str) -> None:
    report = REPORTS[name]
    assert ET.fromstring(render(report, Form.JUNIT)).tag == "testsuites"
    assert json.loads(render(report, Form.JSON))["headline"] == report.headline
    assert render(report, Form.MARKDOWN).startswith("## ")
    assert "</html>" in render(report, Form.HTML)
    assert render(report, Form.GITHUB).startswith(("::notice", "::warning", "::error"))
    assert render(report, Form.TEXT).strip() or not report.rows
    if report.affected:
        assert json.loads(render(report, Form.OSV))["affected"]


@pytest.mark.parametrize("form", [form for form in Form if form not in (Form.OSV, Form.SVG)])
def test_a_suite_can_be_said_in_every_form_but_osv_and_a_picture(form: Form) -> None:
    text = render(SUITE, form)
    assert all(row.probe in text for row in SUITE.probes)


def test_a_suite_is_no_osv_entry_and_no_picture() -> None:
    with pytest.raises(UsageError, match="is about one package"):
        render(SUITE, Form.OSV)
    with pytest.raises(UsageError, match="is about one search"):
        render(SUITE, Form.SVG)


def test_a_picture_is_the_metrics_if_one_decides_else_the_historys() -> None:
    measured = drawn_report("gb", samples={0: (1.0,), 1: (3.0,)})
    for report, class_ in ((measured, "picture metric"), (fold(REGRESSION), "picture history")):
        assert ET.fromstring(render(report, Form.SVG)).get("class") == class_


def test_a_search_without_an_order_cannot_be_drawn() -> None:
    report = fold(REGRESSION)
    axis = replace(report.plan.axis, is_ordered=False)
    with pytest.raises(UsageError, match="nothing to draw"):
        render(replace(report, plan=replace(report.plan, axis=axis)), Form.SVG)


def test_a_catalogue_has_a_page_for_each_probe_that_its_index_leads_to() -> None:
    pages = site(SUITE)
    assert len(pages) == len(REPORTS) + 1
    assert all(f'href="{name}"' in pages["index.html"] for name in pages if name != "index.html")
    assert all('href="index.html"' in text for name, text in pages.items() if name != "index.html")


def test_the_probe_is_in_what_people_paste() -> None:
    text = render(fold(REGRESSION), Form.MARKDOWN, probe="assert 1 == 2")
    assert "```python\nassert 1 == 2\n```" in text
