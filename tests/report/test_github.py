"""Annotations on GitHub: a line for each result, which nothing in it can end."""

from __future__ import annotations

import pytest
from support.documents import REGRESSION

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.records import replace
from bisect_asgi.report.folding import fold
from bisect_asgi.report.github import render
from bisect_asgi.report.suite import SuiteReport, SuiteRow

REPORT = fold(REGRESSION)


@pytest.mark.parametrize(
    ("code", "level"),
    [
        (ExitCode.FOUND, "notice"),
        (ExitCode.NOT_REPRODUCED, "warning"),
        (ExitCode.INCONCLUSIVE, "warning"),
        (ExitCode.USAGE, "error"),
        (ExitCode.BUG, "error"),
    ],
)
def test_the_level_says_who_has_to_look(code: ExitCode, level: str) -> None:
    line = render(replace(REPORT, exit_code=code, headline="it broke"))
    assert line == f"::{level} file=probes/leak.py,title=bisect-asgi::it broke\n"


def test_what_others_wrote_stays_in_its_place() -> None:
    headline, probe = "100%\n::error::x", "a,b:c.py"
    report = replace(REPORT, headline=headline, plan=replace(REPORT.plan, probe=probe))
    assert render(report) == "::notice file=a%2Cb%3Ac.py,title=bisect-asgi::100%25%0A::error::x\n"


def test_a_suite_has_a_line_for_each_probe() -> None:
    rows = (
        SuiteRow(probe="a.py", exit_code=ExitCode.FOUND, answer="1 → 2 (bad)", report=REPORT),
        SuiteRow(probe="b", exit_code=ExitCode.USAGE, answer="not run", problem="no table"),
    )
    lines = render(SuiteReport(exit_code=ExitCode.USAGE, elapsed_s=1.0, probes=rows)).splitlines()
    assert lines == [
        f"::notice file=a.py,title=bisect-asgi::{REPORT.headline}",
        "::error title=bisect-asgi::no table",
    ]
