"""A repository that nobody has configured."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.local_repository import BARE_CONFIGURATION, LocalRepository


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def local(tmp_path: Path) -> LocalRepository:
    return LocalRepository(tmp_path / "work")
