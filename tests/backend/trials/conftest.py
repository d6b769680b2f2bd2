"""Fixtures that tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support import machine
from support.local_index import LocalIndex
from support.trials import TrialBench

from bisect_asgi.backend.trials.store import Store

tmp_path = machine.tmp_path


@pytest.fixture
def bench(
    local_index: LocalIndex, tmp_path: Path, known_python: Path, uv_cache: Path
) -> Iterator[TrialBench]:
    machine.tell_python(known_python, bench=tmp_path / "cache")
    local_index.add_wheel("demo", "1.0", uploaded="2019-01-01", requires=["dep"])
    local_index.add_wheel("dep", "1.0", uploaded="2019-01-01")
    local_index.add_wheel("dep", "2.0", uploaded="2022-01-01")
    with closing(Store(tmp_path / "cache" / "store.db")) as store:
        yield TrialBench(local_index, tmp_path / "cache", store)
