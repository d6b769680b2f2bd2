"""The index client reads what indexes publish, and never takes an outage for an answer."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from mousebender import simple
from support.builders import day
from support.builders import file as listed
from support.local_index import HTML_TYPE, JSON_TYPE, LocalIndex
from support.pages import CachingIndex, Connect, answering, versions

from bisect_asgi.backend.index import IndexClient, requests
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.model import Release, ReleaseFile
from bisect_asgi.core.records import replace


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


@pytest.mark.parametrize("style", ["json", "html"])
def test_the_reason_of_a_yank_has_no_space_around_it_and_is_one_line(
    local_index: LocalIndex, client: IndexClient, style: Literal["json", "html"]
) -> None:
    local_index.style = style
    local_index.add_wheel("demo", "1.0", yanked=" loses data,\nand more ")

    assert [release.yanked for release in client.releases("demo")] == ["loses data, and more"]


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


def test_what_can_be_read_is_asked_for() -> None:
    assert requests.ACCEPT == simple.ACCEPT_SUPPORTED


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
