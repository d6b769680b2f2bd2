"""A page that is fresh by its headers is used by those alone who know what they need of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mousebender import simple
from support.pages import CachingIndex, Connect, answering, versions

from bisect_asgi.backend.index import cached as cached_module
from bisect_asgi.backend.index import project_url
from bisect_asgi.core.errors import Unavailable, UsageError

TEN_MINUTES = "max-age=600, public"


@pytest.fixture
def local_index() -> Iterator[CachingIndex]:
    with CachingIndex() as index:
        index.kept_for = TEN_MINUTES
        index.etags = True
        index.add_wheel("demo", "1.0", uploaded="2021-03-01")
        yield index


def cached(connect: Connect, *urls: str) -> list[str] | None:
    """The versions that a later command finds without asking."""
    found = connect(*urls).cached("demo")
    return None if found is None else versions(found)


def test_a_page_that_is_fresh_is_not_asked_for(local_index: CachingIndex, connect: Connect) -> None:
    releases = connect(local_index.url).releases("demo")
    local_index.down = True

    assert connect(local_index.url).cached("Demo") == releases
    assert len(local_index.requests) == 1


def test_a_page_that_was_never_asked_for_is_not_fresh(local_index: CachingIndex, connect: Connect) -> None:
    assert cached(connect, local_index.url) is None
    assert local_index.requests == []


@pytest.mark.parametrize("kept_for", [None, "no-store", "no-cache, max-age=600", "max-age=0"])
def test_a_page_is_asked_for_where_the_index_does_not_say_how_long_it_holds(
    local_index: CachingIndex, connect: Connect, kept_for: str | None
) -> None:
    local_index.kept_for = kept_for
    connect(local_index.url).releases("demo")

    assert cached(connect, local_index.url) is None


def test_what_the_index_said_last_counts(local_index: CachingIndex, connect: Connect) -> None:
    connect(local_index.url).releases("demo")
    local_index.kept_for = None
    connect(local_index.url).releases("demo")  # answered with "not modified"

    assert cached(connect, local_index.url) is None

    local_index.kept_for = TEN_MINUTES
    connect(local_index.url).releases("demo")

    assert cached(connect, local_index.url) == ["1.0"]


def test_a_page_that_was_asked_for_again_takes_the_place_of_the_fresh_one(
    local_index: CachingIndex, connect: Connect
) -> None:
    connect(local_index.url).releases("demo")
    local_index.add_wheel("demo", "1.1")
    connect(local_index.url).releases("demo")

    assert cached(connect, local_index.url) == ["1.0", "1.1"]


def test_a_page_is_not_fresh_for_ever(
    local_index: CachingIndex, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(local_index.url).releases("demo")
    monkeypatch.setattr("bisect_asgi.backend.index.time.time", lambda: 4e9)

    assert cached(connect, local_index.url) is None


def test_another_version_of_this_tool_asks_for_itself(
    local_index: CachingIndex, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(local_index.url).releases("demo")
    monkeypatch.setattr(cached_module, "__version__", "0.0.0")

    assert cached(connect, local_index.url) is None


@pytest.mark.parametrize("is_first_fresh", [True, False])
def test_an_index_that_lacks_the_project_has_to_say_for_how_long_too(
    local_index: CachingIndex, connect: Connect, is_first_fresh: bool
) -> None:
    with CachingIndex() as private:
        private.kept_for = TEN_MINUTES if is_first_fresh else None
        connect(private.url, local_index.url).releases("demo")

        assert cached(connect, private.url, local_index.url) == (["1.0"] if is_first_fresh else None)


def test_that_there_is_no_such_project_is_never_taken_from_the_cache(
    local_index: CachingIndex, connect: Connect
) -> None:
    with pytest.raises(UsageError):
        connect(local_index.url).releases("other")

    assert connect(local_index.url).cached("other") is None


def test_a_page_that_cannot_be_parsed_is_not_fresh(connect: Connect) -> None:
    broken = answering(200, "text/html", "<p>hello</p>")
    with pytest.raises(Unavailable):
        connect("https://index.test/simple", transport=broken).releases("demo")

    assert connect("https://index.test/simple", transport=broken).cached("demo") is None


def test_files_in_a_damaged_cache_are_no_answer(
    local_index: CachingIndex, connect: Connect, tmp_path: Path
) -> None:
    connect(local_index.url).releases("demo")
    for file in (tmp_path / "pages").glob("*.json"):
        file.write_text("{}")

    assert cached(connect, local_index.url) is None


def test_a_folder_that_cannot_be_written_makes_nothing_fresh(
    local_index: CachingIndex, connect: Connect, tmp_path: Path
) -> None:
    (tmp_path / "pages").write_text("")

    assert versions(connect(local_index.url).releases("demo")) == ["1.0"]
    assert cached(connect, local_index.url) is None


def test_nothing_imports_what_asks_until_something_is_asked(connect: Connect) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise AssertionError("it was asked")

    client = connect("https://index.test/simple", transport=httpx.MockTransport(refuse))

    assert client.cached("demo") is None
    client.close()
    assert "_requests" not in client.__dict__


@pytest.mark.parametrize(
    "index",
    ["https://index.test/simple", "https://index.test/simple/", "https://index.test", "http://h:1/a/b/"],
)
@pytest.mark.parametrize("project", ["demo", "my-demo", "zope-interface"])
def test_the_address_of_a_page_is_that_of_the_standard(index: str, project: str) -> None:
    assert project_url(index, project) == simple.create_project_url(index, project)
