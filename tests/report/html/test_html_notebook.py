"""What a notebook shows of a report: parts of its page, without a style and without scripts."""

from __future__ import annotations

from xml.etree import ElementTree

from support.builders import failed, passed
from support.documents import LISTED, REGRESSION, STARTED, answered, bad, finished, good, judged

from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Signature
from bisect_asgi.core.records import replace
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.html import render_part
from bisect_asgi.report.page.fold import page_of


def parsed(report: Report) -> ElementTree.Element:
    """The markup, which a parser of XML reads if all of it is closed and escaped."""
    return ElementTree.fromstring(render_part(page_of(report)))


def text_of(found: ElementTree.Element | None) -> str:
    return "" if found is None else "".join(found.itertext())


def test_it_has_the_sentence_the_facts_and_the_table_of_the_page() -> None:
    report = fold(REGRESSION)
    page, shown = page_of(report), parsed(report)

    assert text_of(shown.find("p/strong")) == page.title
    facts, status = shown.findall("table")
    assert [text_of(name) for name in facts.findall("tbody/tr/th")] == [fact.label for fact in page.facts]
    assert page.status is not None
    cells = [tuple(map(text_of, row)) for row in status.findall("tbody/tr")]
    assert cells == list(page.status.rows)


def test_what_probes_print_is_text() -> None:
    hostile = "<script>alert('1')</script> & \x1b[31m"
    run = failed()
    assert isinstance(run.signature, Signature)
    run = replace(run, signature=replace(run.signature, shown=hostile))
    rulings = {0: good(), 4: bad(failure=run.signature)}
    report = fold([STARTED, LISTED, finished(0, passed()), finished(4, run), judged(rulings), answered()])

    shown = render_part(page_of(report))

    assert "<script" not in shown
    assert "\x1b" not in shown
    assert "<script>alert('1')</script> & " in text_of(parsed(report).findall("table")[-1])


def test_without_a_run_the_sentence_stands_alone() -> None:
    log = [STARTED, LISTED, answered(ResultKind.UNAVAILABLE, message="the index & the `disk` failed")]

    shown = parsed(fold(log))

    assert text_of(shown.find("p/strong")) == "the index & the disk failed"
    assert text_of(shown.find("p/strong/code")) == "disk"
