"""Write a report in other forms than the one on the screen: to files, and for a workflow on GitHub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import printable_json
from bisect_asgi.report import forms
from bisect_asgi.report.document import Report
from bisect_asgi.report.forms import Form
from bisect_asgi.report.script import file_of
from bisect_asgi.report.suite import SuiteReport

_MOST_PROBE = 64 * 1024


class ReportFile(Struct, frozen=True):
    """A file to write, or a directory for the pages of a suite."""

    path: Path
    form: Form | None
    """None for a directory."""


def report_files(paths: Sequence[str], *, is_suite: bool) -> tuple[ReportFile, ...]:
    """Return the files with their forms.

    Raises:
        UsageError: an ending selects no form, or the directory of a file does not exist.
    """
    return tuple(_file(path, is_suite=is_suite) for path in paths)


def _file(text: str, *, is_suite: bool) -> ReportFile:
    path = Path(text)
    if is_suite and (text.endswith("/") or path.is_dir()):
        return ReportFile(path, None)
    form = forms.form_of(text)
    if path.is_dir() or not path.parent.is_dir():
        reason = "it is a directory" if path.is_dir() else "its directory does not exist"
        raise UsageError(
            f"`{text}` cannot be written (`--output`): {reason}",
            hint="name a file in a directory that is there",
        )
    return ReportFile(path, form)


def write(report: Report | SuiteReport, files: Sequence[ReportFile], *, document: str = "") -> None:
    """Write the report to the files; `document` is as for `rendered`.

    Raises:
        UsageError: a file cannot be written, or its form cannot express this report.
    """
    for folder in (file.path for file in files if file.form is None):
        with _told(folder):
            _write_site(report, folder)
    write_texts(files, lambda form: rendered(report, form, document=document))


def write_texts(files: Sequence[ReportFile], render: Callable[[Form], str]) -> None:
    """Write the text of its form to each file; directories are not written here.

    Raises:
        UsageError: a file cannot be written.
    """
    for file in files:
        if file.form is not None:
            with _told(file.path):
                file.path.write_text(render(file.form), encoding="utf-8")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise an operating system's error as a usage error of the option.

    Raises:
        UsageError: the body raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"`{path}` cannot be written (`--output`): {error.strerror}",
            hint="write it elsewhere: `bisect-asgi report -o FILE` has the same report",
        ) from error


def _write_site(report: Report | SuiteReport, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pages = forms.site(report, probe_text) if isinstance(report, SuiteReport) else {}
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def rendered(report: Report | SuiteReport, form: Form, *, document: str = "") -> str:
    """Return the report in a form, with the text of its probe.

    `document` is the JSON of a command whose document differs from the report's.
    """
    if form is Form.JSON and document:
        return f"{printable_json(document)}\n"
    return forms.render(report, form, probe=probe_text(report) if isinstance(report, Report) else "")


def probe_text(report: Report) -> str:
    """Return the text of the probe, or "" if it has changed since the run, or is too long to be shown."""
    path = Path(file_of(report.plan))
    try:
        was_changed = path.stat().st_mtime > report.plan.started.timestamp()
        text = "" if was_changed or path.stat().st_size > _MOST_PROBE else path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return text


def annotate(report: Report | SuiteReport, environ: Mapping[str, str] = os.environ) -> str:
    """Add the report to the summary of the workflow's step and return its annotations; "" outside GitHub.

    Source: "Workflow commands" and "Variables" in GitHub's manual for Actions.
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return ""
    if summary := environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(rendered(report, Form.MARKDOWN))
        except OSError:  # The summary is a copy: the standard output has the report, too.
            pass
    return rendered(report, Form.GITHUB)
