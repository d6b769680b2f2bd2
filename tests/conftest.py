"""Fixtures that several test modules use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.local_index import LocalIndex


@pytest.fixture
def local_index() -> Iterator[LocalIndex]:
    """An empty package index, serving until the test ends."""
    with LocalIndex() as index:
        yield index
