"""Fixtures of the tests of the library, which call it in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import machine
from support.local_index import LocalIndex
from support.shell import Shell

tmp_path = machine.tmp_path


@pytest.fixture
def shell(
    local_index: LocalIndex, tmp_path: Path, known_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """A folder with a probe, in which this process is, and with whose caches and index it works."""
    machine.tell(known_machine, tmp_path)
    found = Shell(local_index, tmp_path)
    for name, value in found.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return found
