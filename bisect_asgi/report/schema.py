"""The JSON Schemas of the documents, made from their types: `python -m bisect_asgi.report.schema DIR`.

Source: JSON Schema, draft 2020-12, as msgspec writes it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from bisect_asgi.core.dry_run import DryRun, SuiteDryRun
from bisect_asgi.core.records import Struct, fields
from bisect_asgi.report.commands import (
    CacheDocument,
    CheckDocument,
    DoctorDocument,
    ReleasesDocument,
    VerifyDocument,
)
from bisect_asgi.report.document import Report
from bisect_asgi.report.past import PastRuns
from bisect_asgi.report.suite import SuiteReport

_TYPES: tuple[type[Struct], ...] = (
    Report,
    SuiteReport,
    PastRuns,
    DryRun,
    SuiteDryRun,
    CheckDocument,
    VerifyDocument,
    ReleasesDocument,
    DoctorDocument,
    CacheDocument,
)


def _name_of(kind: type[Struct]) -> str:
    """Return what the field `schema` of a document says."""
    return next(str(field.default) for field in fields(kind) if field.name == "schema")


DOCUMENTS: dict[str, type[Struct]] = {_name_of(kind): kind for kind in _TYPES}
"""The type of each document, by the value of its field `schema`."""


def schema_of(name: str) -> dict[str, Any]:
    """Return the schema of the documents whose field `schema` has this value."""
    made = msgspec.json.schema(DOCUMENTS[name])
    own = made["$defs"][DOCUMENTS[name].__name__]
    own["properties"]["schema"] = {"const": name}
    own["required"] = ["schema", *own.get("required", ())]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name, **made}


def file_of(name: str) -> str:
    """Return the name of a schema's file: `report-2.json` for `bisect-asgi.report/2`."""
    return f"{name.partition('.')[2].replace('/', '-')}.json"


def main() -> None:
    """Write the schemas into the directory given on the command line."""
    for name in DOCUMENTS:
        text = json.dumps(schema_of(name), indent=1, ensure_ascii=False)
        Path(sys.argv[1], file_of(name)).write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
