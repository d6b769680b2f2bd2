"""A page may be asked for ahead of its need, and is then asked for once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from support.pages import CachingIndex, Connect, versions
from support.processes import eventually

from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.core.errors import Unavailable, UsageError


@pytest.fixture(autouse=True)
def _published(local_index: CachingIndex) -> None:
    local_index.kept_for = "max-age=600, public"
    local_index.add_wheel("demo", "1.0", uploaded="2021-03-01")


def test_it_is_asked_for_before_its_releases_are_needed_and_not_again(
    local_index: CachingIndex, connect: Connect
) -> None:
    client = connect(local_index.url)

    client.begin("Demo", needs_newest=True)
    eventually(lambda: len(local_index.requests) == 1)

    assert versions(client.releases("demo")) == ["1.0"]
    assert len(local_index.requests) == 1
    client.releases("demo")
    assert len(local_index.requests) == 2  # as without `begin`: who asks again is told what is there now


@pytest.mark.parametrize(("needs_newest", "requests"), [(True, 2), (False, 1)])
def test_a_page_that_is_fresh_is_asked_for_if_the_newest_release_is_needed(
    local_index: CachingIndex, connect: Connect, needs_newest: bool, requests: int
) -> None:
    connect(local_index.url).releases("demo")
    client = connect(local_index.url)

    client.begin("demo", needs_newest=needs_newest)
    found = client.releases("demo") if needs_newest else client.cached("demo")

    assert found is not None
    assert versions(found) == ["1.0"]
    assert len(local_index.requests) == requests


def test_a_page_that_is_not_fresh_is_asked_for(local_index: CachingIndex, connect: Connect) -> None:
    client = connect(local_index.url)

    client.begin("demo", needs_newest=False)

    eventually(lambda: len(local_index.requests) == 1)


@pytest.mark.parametrize(("is_down", "error"), [(True, Unavailable), (False, UsageError)])
def test_what_goes_wrong_is_raised_where_the_releases_are_needed(
    local_index: CachingIndex, connect: Connect, is_down: bool, error: type[Exception]
) -> None:
    local_index.down = is_down
    client = connect(local_index.url)

    client.begin("nothing", needs_newest=True)

    with pytest.raises(error):
        client.releases("nothing")


def test_offline_nothing_is_asked(local_index: CachingIndex, tmp_path: Path) -> None:
    with closing(IndexClient(Indexes(urls=(local_index.url,), offline=True), tmp_path)) as client:
        client.begin("demo", needs_newest=True)

        with pytest.raises(Unavailable, match="offline"):
            client.releases("demo")
    assert local_index.requests == []


def test_a_directory_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "index.html").write_text('<a href="demo-1.0.tar.gz">demo-1.0.tar.gz</a>')
    with closing(IndexClient(Indexes(urls=(tmp_path.as_uri(),)), tmp_path / "pages")) as client:
        client.begin("demo", needs_newest=False)

        assert versions(client.releases("demo")) == ["1.0"]
