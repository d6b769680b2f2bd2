"""Fixtures that tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import machine
from support.cached_environments import CacheBench
from support.environments import Bench
from support.local_index import LocalIndex
from support.reads import Reads

tmp_path = machine.tmp_path


@pytest.fixture
def bench(local_index: LocalIndex, tmp_path: Path, known_python: Path, uv_cache: Path) -> Bench:
    machine.tell_python(known_python, bench=tmp_path)
    return Bench(tmp_path, local_index.url)


@pytest.fixture
def cached(local_index: LocalIndex, tmp_path: Path, known_python: Path, uv_cache: Path) -> CacheBench:
    machine.tell_python(known_python, bench=tmp_path / "cache")
    return CacheBench(local_index, tmp_path / "cache")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)
