"""Fixtures that tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cached_environments import CacheBench
from support.environments import Bench
from support.local_index import LocalIndex


@pytest.fixture
def bench(local_index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    return Bench(tmp_path, local_index.url)


@pytest.fixture
def cached(local_index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CacheBench:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    return CacheBench(local_index, tmp_path / "cache")
