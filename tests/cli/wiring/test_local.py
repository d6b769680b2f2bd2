"""What runs trials here: commands with different indexes on one cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.local_index import LocalIndex
from support.sandboxes import sandbox
from support.uv import resolve

from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.cli.wiring.local import open_uv
from bisect_asgi.cli.wiring.paths import CachePaths


def test_two_commands_on_one_cache_ask_each_its_own_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    with LocalIndex() as here, LocalIndex() as there:
        here.add_wheel("demo", "1.0")
        there.add_wheel("demo", "2.0")
        first = open_uv(CachePaths(tmp_path), Indexes(urls=(here.url,)), sandbox=sandbox(), building=None)
        second = open_uv(CachePaths(tmp_path), Indexes(urls=(there.url,)), sandbox=sandbox(), building=None)

        # The first had begun when the second came.
        assert resolve(second, "demo") == ["demo==2.0"]
        assert resolve(first, "demo") == ["demo==1.0"]


def test_an_index_is_the_same_with_another_password() -> None:
    mine, yours, other = (
        Indexes(urls=(f"https://{at}index.example/{path}",))
        for at, path in (("me:one@", "simple"), ("me:two@", "simple"), ("", "else"))
    )

    assert mine.identity == yours.identity
    assert mine.identity != other.identity
