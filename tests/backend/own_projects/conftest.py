"""A project in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.given_projects import PYPROJECT, put
from support.local_repository import BARE_CONFIGURATION


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a project in it."""
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "my app"
    put(folder, "pyproject.toml", PYPROJECT)
    put(folder, "app/__init__.py", "")
    return folder
