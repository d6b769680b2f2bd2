"""The affected releases in the OSV format: no bound is wider than the report's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.builders import RELEASE_WORDS, run_started

from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.events import Compared, ResultKind
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.affected import AffectedStretch, ReleaseState, Status, affected
from bisect_asgi.report.document import Report
from bisect_asgi.report.osv import render

REPORT = Report(
    exit_code=ExitCode.FOUND,
    kind=ResultKind.FOUND,
    headline="demo broke in 1.2",
    hint=None,
    plan=run_started(axis=RELEASE_WORDS),
    interpreter=None,
    interpreter_reason="",
    affected=(AffectedStretch(specifier=">=1.2,<1.4", run=("1.2",), inferred=("1.3",)),),
    searched=("1.0", "1.4"),
    compared=(
        Compared(
            name="demo",
            old="1.1",
            new="1.2",
            repository="https://example.org/demo",
            comparison="https://example.org/demo/compare/1.1...1.2",
        ),
    ),
)


def entry(report: Report) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(report))
    return document


def history(states: str) -> tuple[AffectedStretch, ...]:
    """Return the stretches of releases 1.0, 1.1, …: `b` and `g` were run, `.` was not."""
    verdicts = {"b": True, "g": False, ".": None}
    return affected(
        [
            Status(
                version=f"1.{minor}",
                state=ReleaseState.RUN if state in "bg" else ReleaseState.NOT_RUN,
                is_bad=verdicts[state],
            )
            for minor, state in enumerate(states)
        ]
    )


@pytest.mark.parametrize(
    ("states", "ranges"),
    [
        ("gbbg", [[{"introduced": "1.1"}, {"fixed": "1.3"}]]),
        ("gbb", [[{"introduced": "1.1"}]]),
        ("gbb.", [[{"introduced": "1.1"}, {"last_affected": "1.2"}]]),
        (".bg", [[{"introduced": "1.1"}, {"fixed": "1.2"}]]),
        ("bg", [[{"introduced": "0"}, {"fixed": "1.1"}]]),
        ("bb", [[{"introduced": "0"}]]),
        ("gbgb", [[{"introduced": "1.1"}, {"fixed": "1.2"}], [{"introduced": "1.3"}]]),
    ],
)
def test_each_stretch_is_a_range_with_the_bounds_of_its_specifier(
    states: str, ranges: list[list[dict[str, str]]]
) -> None:
    (package,) = entry(replace(REPORT, affected=history(states)))["affected"]
    assert package["package"] == {"ecosystem": "PyPI", "name": RELEASE_WORDS.subject}
    assert [each["events"] for each in package["ranges"]] == ranges
    assert {each["type"] for each in package["ranges"]} == {"ECOSYSTEM"}


def test_only_releases_that_were_run_are_listed_as_affected() -> None:
    document = entry(REPORT)
    assert document["affected"][0]["versions"] == ["1.2"]
    assert document["database_specific"]["inferred"] == ["1.3"]
    assert document["database_specific"]["searched"] == ["1.0", "1.4"]


def test_the_entry_has_what_the_format_requires_and_the_links_of_the_report() -> None:
    document = entry(REPORT)
    assert document["id"].startswith("x_")  # the prefix of databases that the format does not list
    assert document["modified"].endswith("Z")
    assert document["summary"] == "demo broke in 1.2"
    assert document["references"] == [
        {"type": "EVIDENCE", "url": "https://example.org/demo/compare/1.1...1.2"},
        {"type": "PACKAGE", "url": "https://example.org/demo"},
    ]


def test_a_report_without_affected_releases_is_no_entry() -> None:
    with pytest.raises(UsageError, match="needs affected releases"):
        render(replace(REPORT, affected=()))
