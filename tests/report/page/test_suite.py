"""The page of a suite: a row and a part for each probe, each with a name of its own."""

from __future__ import annotations

import pytest
from support.documents import REGRESSION

from bisect_asgi.core.claims import ClaimVerdict, Finding
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.plan import Claim
from bisect_asgi.core.plan.suites import Agreement
from bisect_asgi.core.records import replace
from bisect_asgi.report.folding import fold
from bisect_asgi.report.page.suite import page_of_row, suite_page
from bisect_asgi.report.suite import SuiteReport, SuiteRow, row_of, row_of_finding

FOUND = row_of("probes/leak.py", fold(REGRESSION), None)
BROKEN = SuiteRow(
    probe="x.py", exit_code=ExitCode.USAGE, answer="not run", problem="no table", hint="add one"
)


def suite_of(*rows: SuiteRow) -> SuiteReport:
    return SuiteReport(exit_code=ExitCode.FOUND, elapsed_s=61.0, probes=rows)


def test_a_page_counts_the_answers_and_has_a_part_for_each_probe() -> None:
    page = suite_page(suite_of(FOUND, BROKEN))
    assert page.title == "1 of 2 probes with a result, 1 min 1 s"
    assert [entry.name for entry in page.entries] == ["probes/leak.py", "x.py"]
    assert page.entries[0].title == "starlette broke in 0.12.1 (2019-04-05)"
    assert "First bad" in {fact.label for fact in page.entries[0].facts}
    assert [(fact.label, fact.value) for fact in page.entries[1].facts] == [
        ("Problem", "no table"),
        ("Hint", "add one"),
    ]


def test_names_of_parts_are_different_and_can_name_files() -> None:
    rows = [replace(FOUND, probe=name) for name in ("a/b.py", "a-b.py", "../a b.py", "§.py", "a/b.py")]
    anchors = [entry.anchor for entry in suite_page(suite_of(*rows)).entries]
    assert anchors == ["a-b", "a-b-2", "a-b-3", "probe", "a-b-4"]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (FOUND, "good"),
        (replace(FOUND, claim="broken in 1", agreement=Agreement.AGREES), "good"),
        (replace(FOUND, claim="broken in 1", agreement=Agreement.DISAGREES), "bad"),
        (replace(FOUND, claim="broken in 1", exit_code=ExitCode.NOT_REPRODUCED), "bad"),
        (replace(FOUND, exit_code=ExitCode.NOT_REPRODUCED), "skip"),
        (BROKEN, "skip"),
    ],
)
def test_the_color_of_a_row_says_whether_it_is_as_claimed(row: SuiteRow, kind: str) -> None:
    assert suite_page(suite_of(row)).entries[0].kind == kind


CLAIM = Claim(version="0.12.1", fixed=False, source="issue 12")


def verified(verdict: ClaimVerdict) -> SuiteRow:
    finding = Finding(claim=CLAIM, verdict=verdict, truth="broken in 0.12.1")
    return row_of_finding("probes/leak.py", finding, fold(REGRESSION))


def test_a_page_of_claims_counts_their_verdicts_and_says_who_made_them() -> None:
    rows = [verified(each) for each in (ClaimVerdict.REFUTED, ClaimVerdict.CONFIRMED, ClaimVerdict.REFUTED)]
    page = suite_page(suite_of(*rows, BROKEN))
    assert page.title == "4 claims: 1 confirmed, 2 refuted and 1 not run, 1 min 1 s"
    told = dict(zip(page.header[1:], page.entries[1].cells, strict=True))
    assert (told["Claim"], told["Verdict"], told["Releases show"], told["Source"]) == (
        "broken in 0.12.1",
        "confirmed",
        "broken in 0.12.1",
        "issue 12",
    )
    assert [(fact.label, fact.value) for fact in page.entries[0].facts[:2]] == [
        ("Claim", "starlette broken in 0.12.1 (issue 12)"),
        ("Verdict", "refuted: broken in 0.12.1"),
    ]


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        (ClaimVerdict.CONFIRMED, "good"),
        (ClaimVerdict.INCOMPLETE, "skip"),
        (ClaimVerdict.REFUTED, "bad"),
        (ClaimVerdict.INCONCLUSIVE, "skip"),
    ],
)
def test_the_color_of_a_claim_is_that_of_its_verdict(verdict: ClaimVerdict, kind: str) -> None:
    assert suite_page(suite_of(verified(verdict))).entries[0].kind == kind


def test_the_page_of_a_probe_has_its_claim_before_its_facts() -> None:
    row = row_of("probes/leak.py", fold(REGRESSION), CLAIM)
    assert row.report is not None
    page = page_of_row(row, row.report, probe="assert True")
    assert [fact.label for fact in page.facts[:3]] == ["Claim", "Verdict", "Last good"]
    assert page.facts[1].value == "agrees"
    assert page.probe is not None


def test_a_column_that_no_row_has_anything_for_is_left_out() -> None:
    assert suite_page(suite_of(FOUND)).header == ("Probe", "Package", "Result", "Runs", "Time")
    on_python = replace(FOUND, python="3.11.7", claim="broken in 0.12.1", why="by itself")
    assert {"Python", "Claim", "Cause"} < set(suite_page(suite_of(on_python)).header)


def test_a_page_says_when_it_was_made_if_anything_was_run() -> None:
    assert suite_page(suite_of(BROKEN, FOUND)).footer == "bisect-asgi 1.0, 2024-05-01 00:00 UTC"
    assert suite_page(suite_of(BROKEN)).footer == ""
