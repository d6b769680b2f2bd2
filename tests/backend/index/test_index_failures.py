"""What goes wrong with an index says nothing about a release."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.local_index import HTML_TYPE, JSON_TYPE, LocalIndex
from support.pages import Connect, answering, versions

from bisect_asgi.backend.index import IndexClient, requests
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.core.errors import Unavailable, UsageError
from bisect_asgi.core.model import ReleaseFile

# --- What goes wrong


def test_a_project_that_no_index_has(local_index: LocalIndex, client: IndexClient) -> None:
    with pytest.raises(UsageError) as caught:
        client.releases("zzzz")

    assert str(caught.value) == "there is no package `zzzz` on the index"
    elsewhere = f"check the spelling, or name another index to uv: `{local_index.url}` has it not"
    assert caught.value.hint == elsewhere
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
        f"the request to the package index failed after 5 attempts: `{local_index.url}/demo/` "
        "(503 Service Unavailable)"
    )
    assert caught.value.hint == ("run the same command again when it responds")
    assert len(local_index.requests) == 5


def test_an_index_that_hangs_up_is_unavailable(local_index: LocalIndex, client: IndexClient) -> None:
    local_index.down = True

    with pytest.raises(Unavailable) as caught:
        client.releases("demo")

    assert str(caught.value) == (
        f"the request to the package index failed after 5 attempts: `{local_index.url}/demo/` "
        "(Server disconnected without sending a response.)"
    )


def test_an_index_where_nobody_listens_is_unavailable(connect: Connect) -> None:
    with LocalIndex() as index:
        url = index.url

    with pytest.raises(Unavailable) as caught:
        connect(url).releases("demo")

    assert str(caught.value) == (
        f"the request to the package index failed after 5 attempts: `{url}/demo/` "
        "([Errno 111] Connection refused)"
    )


@pytest.mark.parametrize(("status", "reason"), [(401, "Unauthorized"), (403, "Forbidden"), (410, "Gone")])
def test_an_index_that_refuses_says_nothing_about_the_project(
    local_index: LocalIndex, client: IndexClient, status: int, reason: str
) -> None:
    local_index.fail_next(1, status)

    with pytest.raises(Unavailable) as caught:
        client.releases("demo")

    said = f"`{local_index.url}/demo/` ({status} {reason})" if status < 410 else f"`{status} {reason}`"
    assert said in str(caught.value)
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


@pytest.mark.parametrize("url", ["ftp://index.example/simple", "simple"])
def test_an_address_that_is_none_of_the_webs(connect: Connect, url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(url).releases("demo")

    assert str(caught.value).startswith(f"the index's address cannot be used: `{url}/demo/` (")
    assert caught.value.hint == (
        "an index with an `http`, `https` or `file` address is needed in uv's configuration"
    )


def test_credentials_are_used_and_shown_to_nobody(local_index: LocalIndex, connect: Connect) -> None:
    local_index.fail_next(1, 403)
    client = connect(local_index.url.replace("http://", "http://me:hunter2@"))

    with pytest.raises(Unavailable) as caught:
        client.releases("demo")

    assert local_index.requests[0].headers["authorization"] == "Basic bWU6aHVudGVyMg=="
    assert "hunter2" not in str(caught.value)


# --- Answers that would take everything


def streaming(pieces: Iterator[bytes], kind: str = JSON_TYPE) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(200, headers={"Content-Type": kind}, content=pieces))


def test_a_page_of_300_megabytes_is_not_read_to_its_end(connect: Connect) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(300):
            sent += 2**20
            yield bytes(2**20)

    with pytest.raises(Unavailable) as caught:
        connect("https://index.example/simple", transport=streaming(endless())).releases("demo")

    assert str(caught.value) == (
        "the package index sent more than a page: `https://index.example/simple/demo/` (more than 64 MiB)"
    )
    assert sent < 70 * 2**20


def test_a_page_that_comes_byte_by_byte_is_not_waited_for(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    def dripping() -> Iterator[bytes]:
        nonlocal now
        while True:
            now += 5
            yield b" "

    monkeypatch.setattr(requests, "monotonic", lambda: now)

    with pytest.raises(Unavailable) as caught:
        connect("https://index.example/simple", transport=streaming(dripping())).releases("demo")

    assert str(caught.value).endswith("`https://index.example/simple/demo/` (25 B in 2 min)")


class Dripping(BaseHTTPRequestHandler):
    """Answers with a header that never ends."""

    def do_GET(self) -> None:
        with suppress(OSError):  # once nobody listens any more
            self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Wait: ")
            while not self.server.ended.wait(0.02):  # type: ignore[attr-defined]
                self.wfile.write(b".")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def dripping() -> Iterator[str]:
    """The address of an index whose headers come byte by byte."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    server.ended = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.ended.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def test_headers_that_come_byte_by_byte_are_not_waited_for(
    connect: Connect, dripping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "_REQUEST_S", 0.3)
    client = connect(dripping)

    with pytest.raises(Unavailable) as caught:
        client.releases("demo")

    assert str(caught.value) == (
        f"the request to the package index failed after 1 attempt: `{dripping}/demo/` (no answer in 0.30 s)"
    )
    where = f"{dripping}/demo.zip"
    file = ReleaseFile(filename="demo.zip", uploaded=None, requires_python=None, yanked=None, url=where)
    with pytest.raises(Unavailable):
        client.download(file, at_most=100)


def test_a_redirect_that_never_ends_is_one_message(connect: Connect) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(302, headers={"Location": "/simple/demo/"}))

    with pytest.raises(Unavailable) as caught:
        connect("https://index.example/simple", transport=transport).releases("demo")

    assert str(caught.value) == (
        "the request to the package index failed after 1 attempt: `https://index.example/simple/demo/` "
        "(Exceeded maximum allowed redirects.)"
    )


@pytest.mark.parametrize(
    "to", ["ftp://else/", "https://me:hunter2@else:port/", "//", "https://[::", "\udcff", "https://xn--/"]
)
def test_a_redirect_to_nowhere_is_one_message_without_a_password(connect: Connect, to: str) -> None:
    location = to.encode("utf-8", "surrogateescape")
    transport = httpx.MockTransport(lambda _: httpx.Response(302, headers={b"Location": location}))

    with pytest.raises(Unavailable) as caught:
        connect("https://index.example/simple", transport=transport).releases("demo")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://me:hun/ter2@index.example/simple", "https://me:hunter2@index:99999999/"]
)
def test_an_address_that_is_none_shows_no_password(connect: Connect, url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(url).releases("demo")

    assert "hun" not in str(caught.value)
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br, gzip", "identity"])
def test_an_answer_that_cannot_be_decoded_is_one_message(connect: Connect, encoding: str) -> None:
    headers = {"Content-Type": JSON_TYPE, "Content-Encoding": encoding}
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers=headers, content=iter([b"\xff\xfe no such thing"]))
    )

    with pytest.raises(Unavailable):
        connect("https://index.example/simple", transport=transport).releases("demo")


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("7", 7.0), ("0", 0.0), ("soon", 0.0), ("-3", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("²", 0.0)],
)
def test_an_index_is_asked_again_when_it_wants_to_be(asked: str, waited: float) -> None:
    response = httpx.Response(
        429, headers={b"Retry-After": asked.encode()}, request=httpx.Request("GET", "/")
    )

    error = httpx.HTTPStatusError("", request=response.request, response=response)

    assert requests._asked_wait(error) == waited


def test_a_date_to_ask_again_is_as_far_away_as_it_is() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30))
    response = httpx.Response(503, headers={"Retry-After": later}, request=httpx.Request("GET", "/"))

    assert (
        20
        < requests._asked_wait(httpx.HTTPStatusError("", request=response.request, response=response))
        <= 30
    )


def test_an_index_that_wants_more_patience_than_there_is_says_so(connect: Connect) -> None:
    asked = 0

    def busy(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(429, headers={"Retry-After": "3600"})

    with pytest.raises(Unavailable) as caught:
        connect("https://index.example/simple", transport=httpx.MockTransport(busy)).releases("demo")

    assert asked == 1
    assert str(caught.value).endswith("(429 Too Many Requests, and asks to wait 1 h)")


# --- Pages of any content


def page(**file: object) -> str:
    files = [{"filename": "demo-1.0.tar.gz", "url": "x", "hashes": {}, **file}]
    return json.dumps({"meta": {"api-version": "1.0"}, "name": "demo", "files": files})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="nested"),
        pytest.param('{"files":' * 5000, id="nested-objects"),
        pytest.param(page(**{"upload-time": "0001-01-01T00:00:00+23:59"}), id="the-first-year"),
        pytest.param(page(**{"upload-time": "9999-12-31T23:59:59-23:59"}), id="the-last-year"),
        pytest.param(page(**{"upload-time": 7}), id="a-number-as-a-date"),
        pytest.param(page(filename=7), id="a-number-as-a-name"),
        pytest.param(page(filename="\udcff.whl"), id="half-a-character"),
        pytest.param(page(url=["x"]), id="a-list-as-an-address"),
        pytest.param(page(**{"requires-python": {"a": 1}}), id="an-object-as-a-requirement"),
        pytest.param(page(url="http://[::"), id="an-address-that-is-none"),
        pytest.param("null", id="null"),
        pytest.param('{"files": {"a": 1}}', id="an-object-as-files"),
        pytest.param('{"files": [1, null]}', id="numbers-as-files"),
    ],
)
@pytest.mark.parametrize("kind", [JSON_TYPE, HTML_TYPE])
def test_a_page_of_any_content_is_one_message(connect: Connect, text: str, kind: str) -> None:
    client = connect("https://index.example/simple", transport=answering(200, kind, text))

    with pytest.raises(Unavailable) as caught:
        client.releases("demo")

    assert len(str(caught.value)) < 500


def test_a_version_of_thousands_of_digits_is_left_out(connect: Connect) -> None:
    text = page(filename=f"demo-{'9' * 5000}.tar.gz").replace(
        "]", ', {"filename": "demo-2.0.zip", "url": ""}]'
    )
    client = connect("https://index.example/simple", transport=answering(200, JSON_TYPE, text))

    assert versions(client.releases("demo")) == ["2.0"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["files", "filename", "url", "name"]), inner)
    ),
    max_leaves=20,
)


@given(
    st.text() | JSON.map(json.dumps) | st.binary().map(lambda content: content.decode("latin-1")),
    st.sampled_from(
        [JSON_TYPE, HTML_TYPE, "application/vnd.pypi.simple.v1+html", "text/html; charset=base64", ""]
    ),
)
def test_whatever_an_index_sends_is_a_list_of_releases_or_one_message(text: str, kind: str) -> None:
    with TemporaryDirectory() as folder:
        client = IndexClient(
            Indexes(urls=("https://index.example/simple",)),
            Path(folder),
            transport=answering(200, kind, text),
        )
        with suppress(Unavailable, UsageError):
            client.releases("demo")
