"""A headline that a terminal shows in the report is not said again as an error."""

from __future__ import annotations

import sys

import pytest
from support.answer_reports import REPORTS
from support.documents import STARTED

from bisect_asgi.cli.output import OutputOptions
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.records import replace
from bisect_asgi.report.document import Report

NOTHING = REPORTS["nothing"]
MISTAKE = replace(
    NOTHING, kind=ResultKind.NOT_ASKED, exit_code=ExitCode.USAGE, headline="no such metric", hint="do"
)
OF_A_METRIC = replace(MISTAKE, plan=replace(STARTED, metric="size"))


@pytest.mark.parametrize(
    ("report", "quiet"),
    [
        pytest.param(NOTHING, False, id="nothing-changes"),
        pytest.param(NOTHING, True, id="nothing-changes-quiet"),
        pytest.param(MISTAKE, False, id="a-mistake"),
        pytest.param(MISTAKE, True, id="a-mistake-quiet"),
        pytest.param(OF_A_METRIC, False, id="a-mistake-with-samples"),
        pytest.param(OF_A_METRIC, True, id="a-mistake-with-samples-quiet"),
    ],
)
def test_the_headline_is_on_the_terminal_once(
    report: Report, quiet: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")

    OutputOptions(quiet=quiet).show_report(report)

    written = capsys.readouterr()
    assert (written.out + written.err).count(report.headline) == 1
