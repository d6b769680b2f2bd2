"""The JSON Schemas in docs are those of the types, and every document is valid by its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.answer_reports import REPORTS
from support.builders import failed, passed
from support.explained_runs import BELOW, COMPARED, WHY, explained
from support.schemas import problems

from bisect_asgi.core import codec
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.model import Excluded
from bisect_asgi.core.records import Struct
from bisect_asgi.report import document
from bisect_asgi.report.commands import (
    CacheDocument,
    CheckDocument,
    Fault,
    ListedRelease,
    Machine,
    ReleasesDocument,
    VerifyDocument,
    doctor_document,
    verified,
)
from bisect_asgi.report.schema import DOCUMENTS, file_of, schema_of
from bisect_asgi.report.suite import SuiteReport, SuiteRow, row_of

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "schema"
FULL = {**REPORTS, "explained": explained(WHY, BELOW, COMPARED)}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_in_docs_is_that_of_the_type(name: str) -> None:
    own = json.loads(json.dumps(schema_of(name)))
    assert json.loads((FOLDER / file_of(name)).read_text()) == own, "run `make docs`"
    Draft202012Validator.check_schema(schema_of(name))


@pytest.mark.parametrize("name", FULL)
def test_every_report_is_valid(name: str) -> None:
    assert problems(codec.to_json(FULL[name])) == []


@pytest.mark.parametrize("name", FULL)
def test_a_report_with_a_change_names_its_two_sides(name: str) -> None:
    report = json.loads(codec.to_json(FULL[name]))
    sides = [(change["last"], change["first"]) for change in report["changes"]]
    if sides or (report["kind"] == "found" and not report["levels"]):
        assert (report["last"], report["first"]) in sides


def test_a_suite_is_valid() -> None:
    rows = (
        *(row_of(f"{name}.py", report, None) for name, report in FULL.items()),
        SuiteRow(probe="x.py", exit_code=ExitCode.USAGE, answer="not run", problem="no table"),
    )
    made = SuiteReport(exit_code=ExitCode.USAGE, elapsed_s=1.0, probes=rows)
    assert problems(codec.to_json(made)) == []


CLAIM = verified(SuiteRow(probe="x.py", exit_code=ExitCode.USAGE, answer="not run", problem="no table"), None)
OTHERS: tuple[Struct, ...] = (
    CheckDocument(
        exit_code=1,
        package="demo",
        version="1.0",
        python="3.8.18",
        verdict="bad",
        seen="check: AssertionError",
        observations=(passed(), failed()),
    ),
    VerifyDocument(exit_code=2, claims=(CLAIM,)),
    ReleasesDocument(
        package="demo",
        python=None,
        releases=(ListedRelease(version="1.0", uploaded=None),),
        excluded=(Excluded(version="1.1", uploaded=None, reason="yanked"),),
    ),
    doctor_document([Machine(name="here", faults=(Fault(text="no uv", hint=None),))]),
    CacheDocument(
        folder="/cache",
        environments=1,
        environments_bytes=2,
        limit_bytes=3,
        observations=4,
        store_bytes=5,
        logs=6,
    ),
)


@pytest.mark.parametrize("made", OTHERS, ids=lambda made: type(made).__name__)
def test_what_the_other_commands_write_is_valid(made: Struct) -> None:
    assert problems(codec.to_json(made)) == []


def test_a_document_of_another_kind_is_refused() -> None:
    suite_report = codec.to_json(SuiteReport(exit_code=ExitCode.FOUND, elapsed_s=1.0, probes=()))
    assert problems(suite_report, name=document.SCHEMA) != []
    for made in OTHERS:
        assert problems(codec.to_json(made), name=document.SCHEMA) != []
