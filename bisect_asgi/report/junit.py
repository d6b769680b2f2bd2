"""The result as JUnit XML, as CI servers show it: a test case for each probe.

A case passes if the search found a change, and the change agrees with the claim, if the probe has one. It
fails if the change does not agree with the claim, or if an end is not as given. It is skipped if the result
is inconclusive, and is an error if there is no result. Source: the XML schema of Jenkins' xUnit plugin, whose
files Jenkins, GitLab and others read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from xml.etree import ElementTree as ET  # safe here: it only writes, and parses no text of others

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.plan.suites import Agreement
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import printable
from bisect_asgi.report.document import Report
from bisect_asgi.report.suite import SuiteReport, SuiteRow, row_of

_FAILURES = (ExitCode.NOT_REPRODUCED, ExitCode.GOOD_END_FAILS)


class _Status(Struct, frozen=True):
    """The status element of a case and its message; both are empty if the case passes."""

    tag: str = ""
    message: str = ""


def render(report: Report | SuiteReport, *, name: str = "bisect-asgi") -> str:
    """Return the document; `name` is that of the suite."""
    rows = report.probes if isinstance(report, SuiteReport) else (_row(report),)
    root = ET.Element("testsuites")
    root.append(_suite(rows, name=name, elapsed_s=report.elapsed_s))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False)


def _row(report: Report) -> SuiteRow:
    return row_of(report.plan.command or report.plan.probe, report, None)


def _suite(rows: tuple[SuiteRow, ...], *, name: str, elapsed_s: float) -> ET.Element:
    told = [_status(row) for row in rows]
    suite = ET.Element("testsuite", name=name, tests=str(len(rows)), time=f"{elapsed_s:.3f}")
    for tag, counter in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(counter, str(sum(status.tag == tag for status in told)))
    if started := next((row.report.plan.started for row in rows if row.report), None):
        suite.set("timestamp", f"{started.astimezone(UTC):%Y-%m-%dT%H:%M:%S}")
    suite.extend(_case(row, status) for row, status in zip(rows, told, strict=True))
    return suite


def _case(row: SuiteRow, status: _Status) -> ET.Element:
    case = ET.Element(
        "testcase", classname=_text(row.package), name=_text(row.name), time=f"{row.elapsed_s:.3f}"
    )
    if status.tag:
        ET.SubElement(case, status.tag, message=_text(status.message)).text = "\n".join(_lines(row))
    else:
        ET.SubElement(case, "system-out").text = "\n".join(_lines(row))
    return case


def _status(row: SuiteRow) -> _Status:
    if row.exit_code is ExitCode.FOUND:
        if row.agreement in (None, Agreement.AGREES):
            return _Status()
        return _Status("failure", f"{row.claim}: {row.agreement}; {row.answer}")
    told = row.problem or f"{row.claim}: {row.answer}" if row.claim else row.problem or row.answer
    if row.exit_code in _FAILURES:
        return _Status("failure", told)
    return _Status("skipped" if row.exit_code is ExitCode.INCONCLUSIVE else "error", told)


def _lines(row: SuiteRow) -> Iterator[str]:
    """Yield a line for each fact of the row."""
    if row.report:
        yield _text(row.report.headline)
    for label, value in (
        ("answer", row.answer),
        ("cause", row.why),
        ("claim", row.claim),
        ("hint", row.hint),
    ):
        if value:
            yield f"{label}: {_text(value)}"


def _text(text: str) -> str:
    """Return text without what XML 1.0 cannot hold."""
    return printable(text)
