"""Hold documents against the JSON Schemas that docs publish."""

from __future__ import annotations

import json
from functools import cache

from jsonschema import Draft202012Validator

from bisect_asgi.report.schema import schema_of


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema_of(name))


def problems(text: str | bytes, *, name: str = "") -> list[str]:
    """Return what is wrong with a document by the schema of that name, or by the one that it names."""
    document = json.loads(text)
    found = _validator(name or document["schema"]).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]
