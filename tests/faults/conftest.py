"""The fixtures of whole commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import shell

from bisect_asgi.backend.files import remove

__all__ = ["emptied", "shell"]


@pytest.fixture(autouse=True)
def emptied(tmp_path: Path) -> Iterator[None]:
    """Leave nothing that pytest cannot remove some sessions later, such as folders nested 1,500 deep."""
    yield
    remove(tmp_path)
