"""Fixtures that tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import environment as make_environment

from bisect_asgi.backend.environments import Environment


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return make_environment(tmp_path_factory.mktemp("environments") / "one")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"
