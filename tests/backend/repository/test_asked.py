"""Repositories are opened once in a command; the tags of an address are kept for a day, or given up soon."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.local_repository import BARE_CONFIGURATION, LocalRepository

from bisect_asgi.backend.repository import GitRepositories, ask_for_tags
from bisect_asgi.core.errors import Unavailable, UsageError

DAY_S = 24 * 3600


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRepository:
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)
    local = LocalRepository(tmp_path / "work")
    local.commit("one", "v1")
    return local


@pytest.fixture
def repositories(tmp_path: Path) -> GitRepositories:
    return GitRepositories(tmp_path / "cache" / "repositories", answers=tmp_path / "cache" / "answers")


@pytest.fixture
def silent_address() -> Iterator[str]:
    """An address at which somebody listens and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"git://127.0.0.1:{server.getsockname()[1]}/demo.git"


def test_a_repository_is_opened_once(local: LocalRepository, repositories: GitRepositories) -> None:
    where = str(local.folder)

    assert repositories.open(where) is repositories.open(where)
    assert repositories.open(where).tags() == ("v1",)


def test_what_is_no_repository_is_asked_again(tmp_path: Path, repositories: GitRepositories) -> None:
    for _ in range(2):
        with pytest.raises(UsageError):
            repositories.open(str(tmp_path / "nowhere"))


def test_tags_are_kept_for_a_day(
    local: LocalRepository, repositories: GitRepositories, tmp_path: Path
) -> None:
    address = local.folder.as_uri()
    first = repositories.tags(address)
    local.commit("two", "v2")

    same_day = repositories.tags(address)
    (kept,) = (tmp_path / "cache" / "answers").iterdir()
    long_ago = time.time() - DAY_S - 1
    os.utime(kept, (long_ago, long_ago))
    next_day = repositories.tags(address)

    assert (first, same_day, sorted(next_day)) == (("v1",), ("v1",), ["v1", "v2"])


def test_an_address_that_does_not_answer_in_time_is_unavailable(silent_address: str) -> None:
    with pytest.raises(Unavailable) as caught:
        ask_for_tags(silent_address, timeout_s=0.2)

    assert str(caught.value) == f"`{silent_address}` does not answer"
    assert caught.value.hint == "its tags are for a link alone"


def test_what_is_no_repository_has_no_tags(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        ask_for_tags((tmp_path / "nowhere").as_uri())
