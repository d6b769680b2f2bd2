"""Fixtures of the tests that run whole commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.local_index import LocalIndex
from support.shell import Shell


@pytest.fixture
def shell(local_index: LocalIndex, tmp_path: Path) -> Shell:
    """A folder with a probe and an empty index beside it, and the command to run there."""
    return Shell(local_index, tmp_path)
