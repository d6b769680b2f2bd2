"""Fixtures that tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import machine
from support.cached_environments import CacheBench
from support.environments import Bench
from support.local_index import LocalIndex


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A directory at the same path as those of the tests before it."""
    with machine.same_place(tmp_path) as same:
        yield same


@pytest.fixture
def bench(local_index: LocalIndex, tmp_path: Path, known_python: Path, uv_cache: Path) -> Bench:
    machine.tell_python(known_python, bench=tmp_path)
    return Bench(tmp_path, local_index.url)


@pytest.fixture
def cached(local_index: LocalIndex, tmp_path: Path, known_python: Path, uv_cache: Path) -> CacheBench:
    machine.tell_python(known_python, bench=tmp_path / "cache")
    return CacheBench(local_index, tmp_path / "cache")
