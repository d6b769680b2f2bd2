"""One release as JUnit XML and as Markdown."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from support.builders import failed, passed, untestable

from bisect_asgi.core.model import Observation
from bisect_asgi.core.records import replace
from bisect_asgi.report.check_forms import as_junit, as_markdown
from bisect_asgi.report.commands import CheckDocument


def document(code: int, verdict: str, seen: str, run: Observation) -> CheckDocument:
    return CheckDocument(
        exit_code=code,
        package="demo",
        version="1.1",
        python="3.12.1",
        verdict=verdict,
        seen=seen,
        observations=(run,),
    )


@pytest.mark.parametrize(
    ("shown", "tag"),
    [
        (document(0, "good", "", passed()), "system-out"),
        (document(1, "bad", "AssertionError", failed()), "failure"),
        (document(125, "skip", "no wheel", untestable()), "skipped"),
    ],
)
def test_a_case_passes_fails_or_is_skipped_as_the_release(shown: CheckDocument, tag: str) -> None:
    (case,) = ET.fromstring(as_junit(shown, "leak.py")).iter("testcase")
    assert [child.tag for child in case] == [tag]
    assert case[0].get("message", "") == shown.seen
    assert case.get("name") == "leak.py on Python 3.12.1"


def test_output_is_shown_of_what_did_not_pass_and_cannot_end_its_block() -> None:
    run = replace(failed(), output_tail="```\n# no heading")
    text = as_markdown(document(1, "bad", "a *bold* claim", run))
    assert text.startswith("## demo 1.1 on Python 3.12.1: bad\n")
    assert "````\n```\n# no heading\n````" in text
    assert "*bold*" not in text
    assert "no heading" not in as_markdown(
        document(0, "good", "", replace(passed(), output_tail="no heading"))
    )
