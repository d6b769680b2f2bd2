"""The report as one JSON document. Its `schema` changes when a field's meaning does."""

from __future__ import annotations

from bisect_asgi.core import codec
from bisect_asgi.report.document import Report


def render(report: Report) -> str:
    """Return the document as one line."""
    return codec.to_json(report).decode()
