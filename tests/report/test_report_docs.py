"""docs/report.md names the fields of the JSON documents, all of them and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.dry_run import DryRun, PlannedCandidate, SuiteDryRun
from bisect_asgi.core.events import Compared, Explained, RunStarted, ShownSet
from bisect_asgi.core.model import Excluded, Observation
from bisect_asgi.core.records import Struct, fields
from bisect_asgi.report import document, suite
from bisect_asgi.report.commands import (
    CacheDocument,
    CheckDocument,
    DoctorDocument,
    Fault,
    ListedRelease,
    Machine,
    ReleasesDocument,
    VerifiedClaim,
    VerifyDocument,
)
from bisect_asgi.report.document import Fix, Report
from bisect_asgi.report.rows import Row
from bisect_asgi.report.spans import Span
from bisect_asgi.report.suite import SuiteReport, SuiteRow
from bisect_asgi.report.timings import Timings

TEXT = (Path(__file__).parents[2] / "docs" / "report.md").read_text("utf-8")

LOG_ONLY = {"at_s"}
"""Fields of `plan` that mean something beside other events alone."""


def names_in(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def tables() -> list[dict[str, str]]:
    """The tables of fields: what is said of each, by the first column's names."""
    found = []
    for body in TEXT.split("| field | meaning |\n|---|---|\n")[1:]:
        rows = [line.strip("|").split(" | ", 1) for line in body.partition("\n\n")[0].splitlines()]
        found.append({name: meaning for names, meaning in rows for name in names_in(names)})
    return found


OTHERS = (CheckDocument, VerifiedClaim, ReleasesDocument, Machine, CacheDocument)
KINDS = (Report, Fix, Row, Explained, Compared, AxisWords, Timings, SuiteRow, DryRun, *OTHERS)
"""What the tables of fields are of, in their order."""


@pytest.mark.parametrize(("place", "kind"), list(enumerate(KINDS)))
def test_each_table_names_the_fields_of_its_document(place: int, kind: type[Struct]) -> None:
    assert set(tables()[place]) == set(kind.__struct_fields__)


@pytest.mark.parametrize(
    ("document", "field", "kind"),
    [
        pytest.param(Report, "plan", RunStarted, id="plan"),
        pytest.param(Row, "observations", Observation, id="observation"),
        pytest.param(Explained, "sets", ShownSet, id="set"),
        pytest.param(Timings, "spans", Span, id="span"),
        pytest.param(DryRun, "candidates", PlannedCandidate, id="planned-candidate"),
        pytest.param(DryRun, "excluded", Excluded, id="excluded"),
        pytest.param(ReleasesDocument, "releases", ListedRelease, id="release"),
        pytest.param(ReleasesDocument, "excluded", Excluded, id="excluded-release"),
        pytest.param(Machine, "faults", Fault, id="fault"),
    ],
)
def test_what_is_listed_in_one_cell_has_all_its_fields(
    document: type[Struct], field: str, kind: type[Struct]
) -> None:
    listed = names_in(tables()[KINDS.index(document)][field])

    assert set(kind.__struct_fields__) - LOG_ONLY <= set(listed)


def test_the_schemas_are_those_that_are_written() -> None:
    assert f"`{document.SCHEMA}`" in tables()[0]["schema"]
    assert f"`{suite.SCHEMA}`" in TEXT
    assert set(SuiteReport.__struct_fields__) <= set(names_in(TEXT.partition("## The suite's document")[2]))


@pytest.mark.parametrize(
    "kind",
    [
        CheckDocument,
        VerifyDocument,
        ReleasesDocument,
        DoctorDocument,
        CacheDocument,
        DryRun,
        SuiteDryRun,
    ],
)
def test_each_document_names_its_schema(kind: type[Struct]) -> None:
    schema = next(field.default for field in fields(kind) if field.name == "schema")

    assert f"`{schema}`" in TEXT
    assert set(kind.__struct_fields__) <= set(names_in(TEXT))
