"""The page of a suite: a row and a part for each probe, each with a name of its own."""

from __future__ import annotations

import pytest
from support.documents import REGRESSION

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.plan.suites import Agreement
from bisect_asgi.core.records import replace
from bisect_asgi.report.folding import fold
from bisect_asgi.report.page.suite import suite_page
from bisect_asgi.report.suite import SuiteReport, SuiteRow, row_of

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
