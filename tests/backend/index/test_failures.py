"""What goes wrong with an index says nothing about a release."""

from __future__ import annotations

import pytest
from support.local_index import HTML_TYPE, JSON_TYPE, LocalIndex
from support.pages import Connect, answering, versions

from bisect_asgi.backend.index import IndexClient
from bisect_asgi.core.errors import Unavailable, UsageError

# --- What goes wrong


def test_a_project_that_no_index_has(local_index: LocalIndex, client: IndexClient) -> None:
    with pytest.raises(UsageError) as caught:
        client.releases("fastpai")

    assert str(caught.value) == "there is no package `fastpai` on the index"
    assert caught.value.hint == "check the spelling; uv's configuration says which index is asked"
    assert len(local_index.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_failure_that_passes_is_tried_again(
    local_index: LocalIndex, client: IndexClient, status: int
) -> None:
    local_index.add_wheel("demo", "1.0")
    local_index.fail_next(4, status)

    assert versions(client.releases("demo")) == ["1.0"]
    assert len(local_index.requests) == 5


def test_an_index_that_keeps_failing_is_unavailable(local_index: LocalIndex, client: IndexClient) -> None:
    local_index.add_wheel("demo", "1.0")
    local_index.fail_next(5)

    with pytest.raises(Unavailable) as caught:
        client.releases("demo")

    assert str(caught.value) == (
        f"the package index did not answer after 5 attempts: `{local_index.url}/demo/` "
        "(503 Service Unavailable)"
    )
    assert caught.value.hint == (
        "nothing was learnt about any release; run the same command again when it is back"
    )
    assert len(local_index.requests) == 5


def test_an_index_that_hangs_up_is_unavailable(local_index: LocalIndex, client: IndexClient) -> None:
    local_index.down = True

    with pytest.raises(Unavailable) as caught:
        client.releases("demo")

    assert str(caught.value) == (
        f"the package index did not answer after 5 attempts: `{local_index.url}/demo/` "
        "(Server disconnected without sending a response.)"
    )


def test_an_index_where_nobody_listens_is_unavailable(connect: Connect) -> None:
    with LocalIndex() as index:
        url = index.url

    with pytest.raises(Unavailable) as caught:
        connect(url).releases("demo")

    assert str(caught.value) == (
        f"the package index did not answer after 5 attempts: `{url}/demo/` ([Errno 111] Connection refused)"
    )


@pytest.mark.parametrize(("status", "reason"), [(401, "Unauthorized"), (403, "Forbidden"), (410, "Gone")])
def test_an_index_that_refuses_says_nothing_about_the_project(
    local_index: LocalIndex, client: IndexClient, status: int, reason: str
) -> None:
    local_index.fail_next(1, status)

    with pytest.raises(Unavailable) as caught:
        client.releases("demo")

    assert str(caught.value) == (f"the package index answered `{status} {reason}`: `{local_index.url}/demo/`")
    assert caught.value.hint == (
        "nothing was learnt about any release; check the index in uv's configuration"
    )
    assert len(local_index.requests) == 1


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        pytest.param("text/plain", "hello", "Unsupported MIME type: text/plain", id="plain-text"),
        pytest.param("application/json", "{}", "Unsupported MIME type: application/json", id="other-json"),
        pytest.param(JSON_TYPE, "<html>", "Expecting value: line 1 column 1 (char 0)", id="no-json"),
        pytest.param(JSON_TYPE, "{}", None, id="no-files"),
        pytest.param(JSON_TYPE, "[]", None, id="a-list"),
        pytest.param(JSON_TYPE, '{"files": [{"url": "x"}]}', None, id="a-file-without-a-name"),
        pytest.param(
            JSON_TYPE,
            '{"files": [{"filename": "demo-1.0.zip", "upload-time": "yesterday"}]}',
            None,
            id="a-moment-that-is-none",
        ),
        pytest.param(
            HTML_TYPE,
            '<meta name="pypi:repository-version" content="2.0"><a href="demo-1.0.zip">demo</a>',
            None,
            id="another-version-of-html",
        ),
    ],
)
def test_what_is_no_page_of_an_index_says_nothing_about_the_project(
    connect: Connect, content_type: str, body: str, reason: str | None
) -> None:
    client = connect("https://index.example/simple", transport=answering(200, content_type, body))

    with pytest.raises(Unavailable) as caught:
        client.releases("demo")

    assert str(caught.value).startswith(
        f"this is no page of a package index: `https://index.example/simple/demo/` ({reason or ''}"
    )
    assert caught.value.hint == "check the index in uv's configuration"


def test_a_web_page_without_a_file_of_the_project_is_no_page_of_an_index(connect: Connect) -> None:
    body = '<html><body><h1>Sign in</h1><a href="/login">with your account</a></body></html>'
    client = connect("https://index.example/simple", transport=answering(200, "text/html", body))

    with pytest.raises(Unavailable):
        client.releases("demo")


@pytest.mark.parametrize("url", ["ftp://index.example/simple", "file:///srv/simple", "simple"])
def test_an_address_that_is_none_of_the_webs(connect: Connect, url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(url).releases("demo")

    assert str(caught.value).startswith(f"the index's address cannot be used: `{url}/demo/` (")
    assert caught.value.hint == ("an index with an `http` or `https` address is needed in uv's configuration")


def test_credentials_are_used_and_shown_to_nobody(local_index: LocalIndex, connect: Connect) -> None:
    local_index.fail_next(1, 403)
    client = connect(local_index.url.replace("http://", "http://me:hunter2@"))

    with pytest.raises(Unavailable) as caught:
        client.releases("demo")

    assert local_index.requests[0].headers["authorization"] == "Basic bWU6aHVudGVyMg=="
    assert "hunter2" not in str(caught.value)
