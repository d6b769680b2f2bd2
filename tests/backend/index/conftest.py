"""Fixtures that tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import tenacity
from support.local_index import LocalIndex
from support.pages import CachingIndex, Connect

from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.network.indexes import Indexes


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once; how long to wait is tenacity's business."""
    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_none())


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """Make clients that share one cache unless another is named, and close them."""
    clients: list[IndexClient] = []

    def make(*urls: str, cache: str = "pages", transport: httpx.BaseTransport | None = None) -> IndexClient:
        clients.append(IndexClient(Indexes(urls=urls), tmp_path / cache, transport=transport))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(local_index: LocalIndex, connect: Connect) -> IndexClient:
    return connect(local_index.url)


@pytest.fixture
def local_index() -> Iterator[CachingIndex]:
    with CachingIndex() as index:
        yield index
