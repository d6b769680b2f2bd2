"""Fixtures of the tests that run whole commands."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from support.local_index import LocalIndex
from support.shell import Shell

from bisect_asgi.backend import interpreters


@pytest.fixture
def shell(local_index: LocalIndex, tmp_path: Path) -> Shell:
    """A folder with a probe and an empty index beside it, and the command to run there."""
    return Shell(local_index, tmp_path)


@pytest.fixture(scope="session")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a first command finds out about the interpreters of this machine, in seconds."""
    folder = tmp_path_factory.mktemp("discovered") / "interpreters"
    # In a process of its own: what this one has found out before, it would not write into the folder.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(interpreters.find_all, folder).result()
    return folder
