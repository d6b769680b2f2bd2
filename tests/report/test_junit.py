"""The result as JUnit XML: what passes, fails, is skipped or is an error; no character that is none."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import RELEASE_WORDS, run_started

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.plan.suites import Agreement
from bisect_asgi.core.records import replace
from bisect_asgi.report.document import Report
from bisect_asgi.report.junit import render
from bisect_asgi.report.suite import SuiteReport, SuiteRow

ROW = SuiteRow(
    probe="leak.py", package="demo", exit_code=ExitCode.FOUND, answer="1.1 → 1.2 (bad)", elapsed_s=2
)
CLAIMED = replace(ROW, claim="broken in 1.2")
REPORT = Report(
    exit_code=ExitCode.FOUND,
    kind=ResultKind.FOUND,
    headline="demo broke in 1.2",
    hint=None,
    plan=run_started(axis=RELEASE_WORDS),
    interpreter=None,
    interpreter_reason="",
    last="1.1",
    first="1.2",
    elapsed_s=58.0,
)


def suite_of(*rows: SuiteRow) -> ET.Element:
    report = SuiteReport(exit_code=ExitCode.FOUND, elapsed_s=3.5, probes=rows)
    (suite,) = ET.fromstring(render(report))
    return suite


@pytest.mark.parametrize(
    ("row", "tag", "message"),
    [
        (ROW, "system-out", None),
        (replace(CLAIMED, agreement=Agreement.AGREES), "system-out", None),
        (
            replace(CLAIMED, agreement=Agreement.DISAGREES),
            "failure",
            "broken in 1.2: disagrees; 1.1 → 1.2 (bad)",
        ),
        (replace(ROW, exit_code=ExitCode.NOT_REPRODUCED, problem="it passes"), "failure", "it passes"),
        (replace(ROW, exit_code=ExitCode.GOOD_END_FAILS, problem="it fails"), "failure", "it fails"),
        (
            replace(CLAIMED, exit_code=ExitCode.NOT_REPRODUCED, answer="refuted"),
            "failure",
            "broken in 1.2: refuted",
        ),
        (replace(ROW, exit_code=ExitCode.INCONCLUSIVE, answer="inconclusive"), "skipped", "inconclusive"),
        (replace(ROW, exit_code=ExitCode.USAGE, problem="no table"), "error", "no table"),
        (replace(ROW, exit_code=ExitCode.UNAVAILABLE, problem="no index"), "error", "no index"),
        (replace(ROW, exit_code=ExitCode.INTERRUPTED, answer="interrupted"), "error", "interrupted"),
        (replace(ROW, exit_code=ExitCode.BUG, problem="a bug"), "error", "a bug"),
    ],
)
def test_a_case_passes_only_with_a_result_that_agrees(row: SuiteRow, tag: str, message: str | None) -> None:
    suite = suite_of(row)
    (case,) = suite
    (status,) = case
    assert (case.get("classname"), case.get("name"), case.get("time")) == ("demo", "leak.py", "2.000")
    assert (status.tag, status.get("message")) == (tag, message)
    told = {"failure": "failures", "error": "errors", "skipped": "skipped"}.get(tag)
    counts = {name: int(suite.get(name, "")) for name in ("failures", "errors", "skipped")}
    assert counts == {name: int(name == told) for name in counts}


def test_a_suite_counts_its_cases() -> None:
    suite = suite_of(ROW, replace(ROW, exit_code=ExitCode.USAGE, problem="no table"), ROW)
    assert [suite.get(name) for name in ("tests", "errors", "failures", "skipped", "time")] == [
        "3",
        "1",
        "0",
        "0",
        "3.500",
    ]


def test_a_run_is_a_suite_of_one_case() -> None:
    (suite,) = ET.fromstring(render(REPORT))
    (case,) = suite
    assert (suite.get("tests"), case.get("name"), suite.get("timestamp")) == (
        "1",
        REPORT.plan.probe,
        f"{REPORT.plan.started:%Y-%m-%dT%H:%M:%S}",
    )
    assert case.findtext("system-out", "").splitlines()[0] == "demo broke in 1.2"


@given(st.text(alphabet=st.characters(), max_size=30))
def test_whatever_a_probe_writes_is_xml(text: str) -> None:
    suite = suite_of(replace(ROW, exit_code=ExitCode.NOT_REPRODUCED, problem=text, hint=text, probe=text))
    assert len(suite) == 1
