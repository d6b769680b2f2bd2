"""The affected releases as an entry in the OSV format, to build an advisory on.

A range claims no more than was run. It begins at `0` only if the oldest release that exists was run and is
bad. `fixed` is a release that was run and is good; without one, `last_affected` is the last bad release. A
range without an end means that the newest release that exists is bad. Source: OSV schema 1.7.5,
https://ossf.github.io/osv-schema/.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from packaging.specifiers import SpecifierSet

from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.events import Compared
from bisect_asgi.core.releases.affected import AffectedStretch
from bisect_asgi.report.document import Report

SCHEMA_VERSION = "1.7.5"


def render(report: Report) -> str:
    """Return the entry as a JSON document.

    Raises:
        UsageError: the report names no affected releases of a package.
    """
    if not report.affected or not report.plan.project:
        raise UsageError(
            "an OSV entry needs affected releases, and this report has none",
            hint="choose another form, such as `--format json`",
        )
    return json.dumps(_entry(report), ensure_ascii=False, indent=2)


def _entry(report: Report) -> dict[str, Any]:
    finished = report.plan.started.astimezone(UTC)
    return {
        "schema_version": SCHEMA_VERSION,
        "id": f"x_bisect-asgi-{finished:%Y%m%d%H%M%S}-{report.plan.project}",
        "modified": _time(finished),
        "summary": report.headline,
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": report.plan.axis.subject or report.plan.project},
                "ranges": [{"type": "ECOSYSTEM", "events": list(_events(each))} for each in report.affected],
                "versions": [version for each in report.affected for version in each.run],
            }
        ],
        "references": [{"type": kind, "url": url} for each in report.compared for kind, url in _links(each)],
        "database_specific": {
            "specifiers": [each.specifier for each in report.affected],
            "inferred": [version for each in report.affected for version in each.inferred],
            "searched": report.searched,
            "probe": report.plan.command or report.plan.probe,
            "is_found": report.exit_code is ExitCode.FOUND,
            "tool": f"bisect-asgi {report.plan.tool_version}",
        },
    }


def _events(stretch: AffectedStretch) -> Iterator[dict[str, str]]:
    """Yield where a stretch begins and ends."""
    bounds = {each.operator: each.version for each in SpecifierSet(stretch.specifier.replace("*", ""))}
    exact = bounds.get("==")
    yield {"introduced": exact or bounds.get(">=", "0")}
    if "<" in bounds:
        yield {"fixed": bounds["<"]}
    elif exact or "<=" in bounds:
        yield {"last_affected": exact or bounds["<="]}


def _links(compared: Compared) -> Iterator[tuple[str, str]]:
    if compared.comparison:
        yield "EVIDENCE", compared.comparison
    if compared.repository:
        yield "PACKAGE", compared.repository


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
