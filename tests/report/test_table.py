"""The report as a table of HTML."""

from __future__ import annotations

from xml.etree import ElementTree

from support.builders import failed, passed
from support.documents import LISTED, REGRESSION, STARTED, answered, bad, finished, good, judged

from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Signature
from bisect_asgi.core.records import replace
from bisect_asgi.report.folding import fold
from bisect_asgi.report.table import html_table


def parsed(markup: str) -> ElementTree.Element:
    """The markup, which a parser of XML reads if all of it is closed and escaped."""
    return ElementTree.fromstring(f"<div>{markup}</div>")


def cells(markup: str) -> list[list[str]]:
    """The texts of the rows, without that of the titles."""
    return [[cell.text or "" for cell in row] for row in parsed(markup).findall("table/tbody/tr")]


def test_each_release_that_was_run_is_a_row() -> None:
    report = fold(REGRESSION)

    shown = html_table(report)

    run = [row for row in report.rows if row.was_run]
    assert [row[0] for row in cells(shown)] == [row.version for row in run]
    assert [row[2] for row in cells(shown)] == [row.verdict for row in run]
    headline = parsed(shown).find("p/strong")
    assert headline is not None
    assert headline.text == report.headline


def test_what_probes_print_is_text() -> None:
    hostile = "<script>alert('1')</script> & \x1b[31m"
    run = failed()
    assert isinstance(run.signature, Signature)
    run = replace(run, signature=replace(run.signature, shown=hostile))
    rulings = {0: good(), 4: bad(failure=run.signature)}
    log = [STARTED, LISTED, finished(0, passed()), finished(4, run), judged(rulings), answered()]

    shown = html_table(fold(log))

    assert "<script" not in shown
    assert "\x1b" not in shown
    assert cells(shown)[1][5].startswith("<script>alert('1')</script> & ")


def test_without_a_run_the_headline_stands_alone() -> None:
    log = [STARTED, LISTED, answered(ResultKind.UNAVAILABLE, message="the index & the disk failed")]

    assert html_table(fold(log)) == "<p>the index &amp; the disk failed</p>"
