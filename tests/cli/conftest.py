"""Fixtures of the tests that run whole commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import machine
from support.local_index import LocalIndex
from support.local_repository import BARE_CONFIGURATION
from support.shell import Command, Shell

tmp_path = machine.tmp_path


@pytest.fixture
def shell(local_index: LocalIndex, tmp_path: Path, known_machine: Path) -> Shell:
    """A folder with a probe and an empty index beside it, and the command to run there."""
    machine.tell(known_machine, tmp_path)
    return Shell(local_index, tmp_path)


@pytest.fixture
def command(local_index: LocalIndex, tmp_path: Path, known_machine: Path) -> Command:
    """The same for tests that say of each command what it bisects."""
    machine.tell(known_machine, tmp_path)
    found = Command(local_index, tmp_path)
    found.environ |= BARE_CONFIGURATION
    return found


@pytest.fixture(scope="session")
def network_cache(session_folder: Path) -> Path:
    """One cache for all tests of real packages: they share what they observe."""
    return session_folder / "network-cache"


@pytest.fixture
def real(local_index: LocalIndex, tmp_path: Path, network_cache: Path) -> Command:
    """The command on the index that the user has configured, whose answers take longer."""
    found = Command(local_index, tmp_path, patience_s=900.0)
    found.environ = {
        **os.environ,
        "BISECT_ASGI_CACHE_DIR": str(network_cache),
        "PYTHONPATH": found.environ["PYTHONPATH"],
    }
    return found
