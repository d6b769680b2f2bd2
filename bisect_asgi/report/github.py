"""Annotations of a workflow on GitHub: a line for each result that needs attention.

Source: "Workflow commands for GitHub Actions" in GitHub's manual, also for the characters to escape.
"""

from __future__ import annotations

from collections.abc import Iterator

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.text import printable
from bisect_asgi.report.document import Report
from bisect_asgi.report.suite import SuiteReport


def render(report: Report | SuiteReport) -> str:
    """Return the lines: a result is a notice, none a warning, a problem that the user must fix an error."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report | SuiteReport) -> Iterator[str]:
    if isinstance(report, Report):
        yield _line(report.exit_code, report.plan.probe, report.headline)
        return
    for row in report.probes:
        told = row.report.headline if row.report else row.problem or f"{row.answer}: {row.why}"
        claim = f" ({row.claim}: {row.agreement or row.answer})" if row.claim else ""
        yield _line(row.exit_code, row.probe, f"{told}{claim}")


def _line(code: ExitCode, probe: str, message: str) -> str:
    levels = {ExitCode.FOUND: "notice", ExitCode.USAGE: "error", ExitCode.BUG: "error"}
    where = f" file={_property(probe)}," if probe.endswith(".py") else " "
    return f"::{levels.get(code, 'warning')}{where}title=bisect-asgi::{_data(message)}"


def _data(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
