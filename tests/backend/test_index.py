"""The index client reads what indexes publish, and never takes an outage for an answer."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
import tenacity
from packaging.version import Version
from support.builders import day
from support.builders import file as listed
from support.local_index import HTML_TYPE, JSON_TYPE, Answer, LocalIndex, Request

from bisect_asgi.backend import index
from bisect_asgi.backend.index import IndexClient, Page, group, version_of
from bisect_asgi.backend.uv import Indexes
from bisect_asgi.core.errors import Unavailable, UsageError
from bisect_asgi.core.model import Release, ReleaseFile
from bisect_asgi.core.records import replace

Connect = Callable[..., IndexClient]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once; how long to wait is tenacity's business."""
    monkeypatch.setattr(index, "wait_random_exponential", lambda **_: tenacity.wait_none())


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


class CachingIndex(LocalIndex):
    """An index that says how long its pages may be kept, as the public one does."""

    kept_for: str | None = None

    def answer(self, request: Request) -> Answer | None:
        given = super().answer(request)
        if given is None or self.kept_for is None:
            return given
        return dataclasses.replace(given, headers={**given.headers, "Cache-Control": self.kept_for})


@pytest.fixture
def local_index() -> Iterator[CachingIndex]:
    with CachingIndex() as index:
        yield index


def answering(status: int, content_type: str, body: str) -> httpx.MockTransport:
    """An index that answers everything so; for what the local index cannot be brought to say."""
    headers = {"Content-Type": content_type} if content_type else {}
    return httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=body.encode()))


def versions(releases: tuple[Release, ...]) -> list[str]:
    return [release.version for release in releases]


def site(index: LocalIndex) -> str:
    """What comes before the paths of its pages and files."""
    return index.url.removesuffix("/simple")


# --- What is read


PAGE_WITH_TIMES = """<!DOCTYPE html><html><body>
<a href="../../packages/demo-1.0.tar.gz#sha256=0a" data-upload-time="2021-03-02T10:00:00Z">
  demo-1.0.tar.gz</a>
<a href="https://files.index.test/demo-2.0.tar.gz">demo-2.0.tar.gz</a>
<a data-upload-time="2021-04-01T00:00:00Z" data-requires-python="&gt;=3.6" href="/demo-3.0.tar.gz"
  >demo-3.0.tar.gz</a>
</body></html>"""


def test_an_html_page_may_have_upload_times_which_are_each_files_own(connect: Connect) -> None:
    client = connect("https://index.test/simple", transport=answering(200, HTML_TYPE, PAGE_WITH_TIMES))

    found = {release.version: release for release in client.releases("demo")}

    assert {version: release.uploaded for version, release in found.items()} == {
        "1.0": day("2021-03-02").replace(hour=10),
        "2.0": None,
        "3.0": day("2021-04-01"),
    }
    assert found["3.0"].files[0].requires_python == ">=3.6"


def test_addresses_of_files_are_whole_and_without_their_hashes(connect: Connect) -> None:
    client = connect("https://index.test/simple", transport=answering(200, HTML_TYPE, PAGE_WITH_TIMES))

    assert [release.files[0].url for release in client.releases("demo")] == [
        "https://index.test/packages/demo-1.0.tar.gz",
        "https://files.index.test/demo-2.0.tar.gz",
        "https://index.test/demo-3.0.tar.gz",
    ]


@pytest.mark.parametrize("style", ["json", "html"])
def test_a_file_is_downloaded_from_where_the_page_says(
    local_index: LocalIndex, client: IndexClient, style: Literal["json", "html"]
) -> None:
    local_index.style = style
    published = local_index.add_wheel("demo", "1.0")
    (release,) = client.releases("demo")

    assert client.download(release.files[0], at_most=len(published.content)) == published.content
    assert client.download(release.files[0], at_most=len(published.content) - 1) is None


def test_a_file_that_is_not_there_or_has_no_address_has_no_content(
    local_index: LocalIndex, client: IndexClient
) -> None:
    nowhere = listed("demo-1.0.tar.gz")
    gone = replace(nowhere, url=f"{site(local_index)}/files/demo-1.0.tar.gz")

    assert client.download(nowhere, at_most=1000) is None
    assert client.download(gone, at_most=1000) is None


def test_an_index_that_is_down_says_nothing_about_a_files_content(
    local_index: LocalIndex, client: IndexClient
) -> None:
    local_index.down = True

    with pytest.raises(Unavailable):
        client.download(
            replace(listed("demo-1.0.tar.gz"), url=f"{site(local_index)}/files/demo-1.0.tar.gz"), at_most=1000
        )


def test_json_and_html_pages_give_the_same_releases(local_index: LocalIndex, connect: Connect) -> None:
    local_index.add_wheel("demo", "1.0", requires_python=">=3.6, <4")
    local_index.add_sdist("demo", "1.0", requires_python=">=3.6, <4")
    local_index.add_wheel("demo", "1.1", yanked='loses "data" & <more>')
    local_index.add_wheel("demo", "1.2", yanked="")
    local_index.add_wheel("demo", "2.0+local.1")

    from_json = connect(local_index.url, cache="json").releases("demo")
    local_index.style = "html"
    from_html = connect(local_index.url, cache="html").releases("demo")

    assert from_json == from_html
    assert versions(from_json) == ["1.0", "1.1", "1.2", "2.0+local.1"]


def test_a_release_has_all_that_the_page_says_of_its_files(
    local_index: LocalIndex, client: IndexClient
) -> None:
    local_index.add_sdist("demo", "1.0", uploaded="2021-03-02T12:00:00+02:00", requires_python=">=3.6")
    local_index.add_wheel("demo", "1.0", uploaded="2021-03-01", yanked="loses data")

    (release,) = client.releases("demo")

    assert release == Release(
        project="demo",
        version="1.0",
        uploaded=day("2021-03-01"),
        files=(
            ReleaseFile(
                filename="demo-1.0.tar.gz",
                uploaded=day("2021-03-02").replace(hour=10),
                requires_python=">=3.6",
                yanked=None,
                url=f"{site(local_index)}/files/demo-1.0.tar.gz",
            ),
            ReleaseFile(
                filename="demo-1.0-py3-none-any.whl",
                uploaded=day("2021-03-01"),
                requires_python=None,
                yanked="loses data",
                url=f"{site(local_index)}/files/demo-1.0-py3-none-any.whl",
            ),
        ),
    )


@pytest.mark.parametrize("style", ["json", "html"])
@pytest.mark.parametrize(
    "reason", [pytest.param("loses data", id="reason"), pytest.param("", id="no-reason")]
)
def test_a_yanked_release_has_its_reason(
    local_index: LocalIndex, client: IndexClient, style: Literal["json", "html"], reason: str
) -> None:
    local_index.style = style
    local_index.add_wheel("demo", "1.0", yanked=reason)
    local_index.add_wheel("demo", "2.0")

    assert [release.yanked for release in client.releases("demo")] == [reason, None]


def test_a_page_without_upload_times_has_releases_without_dates(
    local_index: LocalIndex, client: IndexClient
) -> None:
    local_index.style = "html"
    local_index.add_wheel("demo", "1.0", uploaded="2021-03-01")

    assert [release.uploaded for release in client.releases("demo")] == [None]


@pytest.mark.parametrize("asked", ["my-demo", "My_Demo", "MY.DEMO", "my--demo"])
def test_a_project_is_found_under_any_spelling_of_its_name(
    local_index: LocalIndex, client: IndexClient, asked: str
) -> None:
    local_index.add_file("my-demo", "My_Demo-0.9.win32.exe", b"")
    local_index.add_sdist("My.Demo", "1.0")
    local_index.add_wheel("my_demo", "1.1")

    assert versions(client.releases(asked)) == ["0.9", "1.0", "1.1"]


def test_a_project_without_files_has_no_releases(connect: Connect) -> None:
    page = {"meta": {"api-version": "1.1"}, "name": "demo", "versions": [], "files": []}
    client = connect("https://index.example/simple", transport=answering(200, JSON_TYPE, json.dumps(page)))

    assert client.releases("demo") == ()


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param(f"{JSON_TYPE}; charset=utf-8", id="with-a-charset"),
        pytest.param("application/vnd.pypi.simple.v1+JSON", id="in-capitals"),
    ],
)
def test_a_json_page_is_known_by_any_spelling_of_its_type(connect: Connect, content_type: str) -> None:
    page = {
        "meta": {"api-version": "1.0"},
        "name": "demo",
        "files": [{"filename": "demo-1.0.zip", "url": ""}],
    }
    client = connect("https://index.example/simple", transport=answering(200, content_type, json.dumps(page)))

    assert versions(client.releases("demo")) == ["1.0"]


# --- Several indexes


def test_the_first_index_that_has_the_project_answers_alone(
    local_index: LocalIndex, connect: Connect
) -> None:
    with LocalIndex() as private:
        private.add_wheel("demo", "9.0")
        local_index.add_wheel("demo", "1.0")
        local_index.add_wheel("other", "2.0")
        client = connect(private.url, local_index.url)

        assert versions(client.releases("demo")) == ["9.0"]
        assert versions(client.releases("other")) == ["2.0"]


def test_an_index_that_is_down_is_not_passed_over_for_the_next(
    local_index: LocalIndex, connect: Connect
) -> None:
    with LocalIndex() as private:
        private.down = True
        local_index.add_wheel("demo", "1.0")
        client = connect(private.url, local_index.url)

        with pytest.raises(Unavailable):
            client.releases("demo")

    assert local_index.requests == []


# --- Pages that are known


def test_a_page_that_did_not_change_is_not_sent_again(local_index: LocalIndex, connect: Connect) -> None:
    local_index.etags = True
    local_index.add_wheel("demo", "1.0", uploaded="2021-03-01")

    first = connect(local_index.url).releases("demo")
    second = connect(local_index.url).releases("demo")
    etags = [request.headers.get("if-none-match") for request in local_index.requests]

    assert first == second
    assert versions(first) == ["1.0"]
    assert [etag is not None for etag in etags] == [False, True]


@pytest.mark.parametrize(
    "kept_for",
    [
        pytest.param(None, id="nothing-said"),
        pytest.param("max-age=600, public", id="ten-minutes"),
        pytest.param("no-store", id="never"),
    ],
)
@pytest.mark.parametrize(
    "etags", [pytest.param(True, id="validators"), pytest.param(False, id="no-validators")]
)
def test_a_release_uploaded_a_moment_ago_is_seen(
    local_index: CachingIndex, connect: Connect, etags: bool, kept_for: str | None
) -> None:
    local_index.etags = etags
    local_index.kept_for = kept_for
    local_index.add_wheel("demo", "1.0")
    before = connect(local_index.url).releases("demo")
    local_index.add_wheel("demo", "1.1")

    after = connect(local_index.url).releases("demo")

    assert versions(before) == ["1.0"]
    assert versions(after) == ["1.0", "1.1"]


@pytest.mark.parametrize(
    "etags", [pytest.param(True, id="validators"), pytest.param(False, id="no-validators")]
)
def test_a_page_that_was_kept_does_not_hide_that_the_index_is_down(
    local_index: LocalIndex, connect: Connect, etags: bool
) -> None:
    local_index.etags = etags
    local_index.add_wheel("demo", "1.0")
    connect(local_index.url).releases("demo")
    local_index.down = True

    with pytest.raises(Unavailable):
        connect(local_index.url).releases("demo")


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


# --- Which version a file is of


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        pytest.param("demo-1.0-py3-none-any.whl", "1.0", id="wheel"),
        pytest.param("demo-1.0-2-cp38-cp38-manylinux1_x86_64.whl", "1.0", id="wheel-with-a-build-number"),
        pytest.param("demo-1!2.0-py3-none-any.whl", "1!2.0", id="epoch"),
        pytest.param("demo-1.0+cu118-py3-none-any.whl", "1.0+cu118", id="local-version"),
        pytest.param("demo-1.0.post1.dev2-py3-none-any.whl", "1.0.post1.dev2", id="post-and-dev"),
        pytest.param("demo-1.0.tar.gz", "1.0", id="sdist"),
        pytest.param("demo-1.0.zip", "1.0", id="sdist-zip"),
        pytest.param("demo-1.0.tar.bz2", "1.0", id="sdist-bz2"),
        pytest.param("demo-1.0.tgz", "1.0", id="sdist-tgz"),
        pytest.param("demo-1.0rc1.tar.gz", "1.0rc1", id="candidate"),
        pytest.param("demo-1.0.post1.tar.gz", "1.0.post1", id="post-release"),
        pytest.param("demo-1.0-1.tar.gz", "1.0.post1", id="post-release-of-old"),
        pytest.param("demo-1.0-beta1.tar.gz", "1.0b1", id="pre-release-of-old"),
        pytest.param("demo-1!2.0.tar.gz", "1!2.0", id="sdist-with-an-epoch"),
        pytest.param("demo-1.0+local.1.tar.gz", "1.0+local.1", id="sdist-with-a-local-version"),
        pytest.param("Demo-1.0.tar.gz", "1.0", id="capitals"),
        pytest.param("demo-1.0.win32.exe", "1.0", id="exe"),
        pytest.param("demo-1.0.win-amd64-py2.7.exe", "1.0", id="exe-for-a-python"),
        pytest.param("demo-1.0.post1.win32.exe", "1.0.post1", id="exe-of-a-post-release"),
        pytest.param("demo-1.0-py2.7.egg", "1.0", id="egg"),
        pytest.param("demo-1.0.dev2-py2.7.egg", "1.0.dev2", id="egg-of-a-dev-release"),
        pytest.param("demo-1.0-py3.6-linux-x86_64.egg", "1.0", id="egg-for-a-platform"),
        pytest.param("demo-1.0-1.noarch.rpm", "1.0", id="rpm"),
        pytest.param("demo-1.0.linux-x86_64.tar.gz", "1.0", id="dumb"),
    ],
)
def test_a_file_name_says_which_version_it_is_of(filename: str, version: str) -> None:
    assert version_of("demo", filename) == Version(version)


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        pytest.param("my_demo-1.0-py3-none-any.whl", "1.0", id="wheel"),
        pytest.param("my-demo-1.0.tar.gz", "1.0", id="sdist"),
        pytest.param("my_demo-1.0.tar.gz", "1.0", id="sdist-with-underscore"),
        pytest.param("My.Demo-1.0.zip", "1.0", id="sdist-with-dot-and-capitals"),
        pytest.param("my-demo-1.0.win32.exe", "1.0", id="exe"),
        pytest.param("my_demo-1.0-py2.7.egg", "1.0", id="egg"),
    ],
)
def test_a_dash_in_the_name_is_none_before_the_version(filename: str, version: str) -> None:
    assert version_of("my-demo", filename) == Version(version)


@pytest.mark.parametrize(
    "filename",
    [
        pytest.param("demo.tar.gz", id="no-version"),
        pytest.param("demo-final.tar.gz", id="a-word"),
        pytest.param("demo-latest.win32.exe", id="a-broken-exe"),
        pytest.param("other-1.0.exe", id="another-project"),
        pytest.param("README.txt", id="something-else"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_file_name_that_cannot_be_read_says_nothing(filename: str) -> None:
    assert version_of("demo", filename) is None


def test_releases_are_in_the_order_of_versions_and_not_of_the_page() -> None:
    names = ["2.0", "10.0", "1.0", "1.0rc1", "1.0.post1", "1!0.1", "1.0.dev1"]

    releases = group("demo", [listed(f"demo-{version}.tar.gz") for version in names])

    assert versions(releases) == ["1.0.dev1", "1.0rc1", "1.0", "1.0.post1", "2.0", "10.0", "1!0.1"]


def test_files_of_one_version_are_one_release_in_the_order_of_the_page() -> None:
    files = [listed("demo-1.0.zip"), listed("demo-1.0.0-py3-none-any.whl"), listed("demo-1.0.win32.exe")]

    (release,) = group("demo", files)

    assert (release.version, release.files) == ("1.0", tuple(files))


def test_files_that_cannot_be_read_are_passed_over() -> None:
    releases = group("demo", [listed("demo-final.zip"), listed("demo-1.0.zip"), listed("README")])

    assert releases == (
        Release(project="demo", version="1.0", uploaded=None, files=(listed("demo-1.0.zip"),)),
    )


def test_a_release_was_uploaded_when_the_first_of_its_files_was(
    local_index: LocalIndex, client: IndexClient
) -> None:
    local_index.add_wheel("demo", "1.0", uploaded="2021-03-05")
    local_index.add_sdist("demo", "1.0", uploaded="2021-03-01")
    local_index.add_file("demo", "demo-1.0.win32.exe", b"")

    assert [release.uploaded for release in client.releases("demo")] == [day("2021-03-01")]


def test_a_page_is_read_once_and_anew_when_it_has_changed(
    local_index: LocalIndex, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_index.add_wheel("demo", "1.0", uploaded="2020-01-01")
    reads: list[str] = []
    read_page = index._read_page

    def counted(page: Page, project: str, *, url: str) -> tuple[Release, ...]:
        reads.append(project)
        return read_page(page, project, url=url)

    monkeypatch.setattr(index, "_read_page", counted)

    def versions() -> list[str]:
        return [release.version for release in connect(local_index.url).releases("demo")]

    assert [versions(), versions()] == [["1.0"], ["1.0"]]
    assert reads == ["demo"]
    local_index.add_wheel("demo", "2.0", uploaded="2021-01-01")
    assert versions() == ["1.0", "2.0"]
    assert reads == ["demo", "demo"]
