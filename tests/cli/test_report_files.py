"""Reports as files: which are refused before anything runs, what they have, and what a workflow gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.documents import REGRESSION

from bisect_asgi.cli.report_files import annotate, rendered, report_files, write
from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.records import replace
from bisect_asgi.report.folding import fold
from bisect_asgi.report.forms import Form
from bisect_asgi.report.suite import SuiteReport, row_of

REPORT = fold(REGRESSION)
SUITE = SuiteReport(exit_code=ExitCode.FOUND, elapsed_s=1.0, probes=(row_of("leak.py", REPORT, None),))


def test_a_file_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "r.md").mkdir()
    for path, reason in [
        (tmp_path / "r.md", "it is a directory"),
        (tmp_path / "none" / "r.md", "its directory does not exist"),
        (tmp_path / "r.pdf", "has an ending of no form"),
    ]:
        with pytest.raises(UsageError, match=reason):
            report_files([str(path)], is_suite=False)


def test_each_file_gets_the_form_of_its_ending(tmp_path: Path) -> None:
    files = report_files([str(tmp_path / name) for name in ("r.md", "r.html", "r.xml")], is_suite=False)
    write(REPORT, files)
    assert (tmp_path / "r.md").read_text().startswith("## starlette broke in 0.12.1")
    assert "</html>" in (tmp_path / "r.html").read_text()
    assert "<testsuites>" in (tmp_path / "r.xml").read_text()


@pytest.mark.parametrize("exists", [True, False])
def test_a_suite_is_written_into_a_folder_as_a_catalogue(tmp_path: Path, exists: bool) -> None:
    if exists:
        (tmp_path / "site").mkdir()
    write(SUITE, report_files([f"{tmp_path}/site" + "/" * (not exists)], is_suite=True))
    assert {path.name for path in (tmp_path / "site").iterdir()} == {"index.html", "leak.html"}


def test_a_disk_that_fails_is_told_with_the_file(tmp_path: Path) -> None:
    (file,) = report_files([str(tmp_path / "r.md")], is_suite=False)
    (tmp_path / "r.md").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write(REPORT, [file])


@pytest.mark.parametrize(("changed_s", "is_shown"), [(-60, True), (60, False)])
def test_the_probe_is_shown_unless_it_was_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed_s: float, is_shown: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    probe = tmp_path / REPORT.plan.probe
    probe.parent.mkdir()
    probe.write_text("assert 'my own probe'\n")
    moment = REPORT.plan.started.timestamp() + changed_s
    os.utime(probe, (moment, moment))
    assert ("my own probe" in rendered(REPORT, Form.MARKDOWN)) is is_shown


def test_a_workflow_gets_a_summary_and_annotations(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    assert annotate(REPORT, environ).startswith("::notice ")
    assert annotate(replace(REPORT, exit_code=ExitCode.INCONCLUSIVE), environ).startswith("::warning ")
    assert summary.read_text().count("## starlette broke in 0.12.1") == 2


@pytest.mark.parametrize("environ", [{}, {"GITHUB_ACTIONS": ""}])
def test_elsewhere_there_is_nothing_to_annotate(environ: dict[str, str]) -> None:
    assert annotate(REPORT, environ) == ""


def test_a_summary_that_cannot_be_written_loses_nothing(tmp_path: Path) -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path)}
    assert annotate(REPORT, environ).startswith("::notice ")
