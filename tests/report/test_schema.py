"""The JSON Schemas in docs are those of the types, and every document is valid by its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.answer_reports import REPORTS
from support.explained_runs import BELOW, COMPARED, WHY, explained

from bisect_asgi.core import codec
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.records import Struct
from bisect_asgi.report import document, suite
from bisect_asgi.report.schema import DOCUMENTS, file_of, schema_of
from bisect_asgi.report.suite import SuiteReport, SuiteRow, row_of

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "schema"
FULL = {**REPORTS, "explained": explained(WHY, BELOW, COMPARED)}


def problems(name: str, made: Struct) -> list[str]:
    """Return what is wrong with a document by the schema of that name."""
    validator = Draft202012Validator(schema_of(name))
    return [error.message for error in validator.iter_errors(json.loads(codec.to_json(made)))]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_in_docs_is_that_of_the_type(name: str) -> None:
    own = json.loads(json.dumps(schema_of(name)))
    assert json.loads((FOLDER / file_of(name)).read_text()) == own, "run `make docs`"
    Draft202012Validator.check_schema(schema_of(name))


@pytest.mark.parametrize("name", FULL)
def test_every_report_is_valid(name: str) -> None:
    assert problems(document.SCHEMA, FULL[name]) == []


def test_a_suite_is_valid() -> None:
    rows = (
        *(row_of(f"{name}.py", report, None) for name, report in FULL.items()),
        SuiteRow(probe="x.py", exit_code=ExitCode.USAGE, answer="not run", problem="no table"),
    )
    made = SuiteReport(exit_code=ExitCode.USAGE, elapsed_s=1.0, probes=rows)
    assert problems(suite.SCHEMA, made) == []


def test_what_is_no_report_is_refused() -> None:
    assert problems(document.SCHEMA, SuiteReport(exit_code=ExitCode.FOUND, elapsed_s=1.0, probes=())) != []
