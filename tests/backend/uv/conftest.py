"""Fixtures that tests of this folder share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tenacity
from support import machine
from support.local_index import LocalIndex
from support.uv import Connect

from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.uv import Uv


@pytest.fixture
def here(tmp_path: Path, known_python: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, a home and a cache that nobody configured."""
    machine.tell_python(known_python, uv_cache=tmp_path / "cache")
    for name in os.environ:
        if name.startswith(("UV_", "XDG_")):
            monkeypatch.delenv(name)
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def connect(here: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make a uv that is asked at once again; how long to wait is tenacity's business, and uv's."""
    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_none())

    def make(url: str) -> Uv:
        uv = Uv(here.parent / "state", Indexes(urls=(url,)))
        uv._environ["UV_HTTP_RETRIES"] = "0"
        return uv

    return make


@pytest.fixture
def uv(local_index: LocalIndex, connect: Connect) -> Uv:
    return connect(local_index.url)
