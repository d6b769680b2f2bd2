"""Which version each file of a page is of."""

from __future__ import annotations

import pytest
from packaging.version import Version
from support.builders import day
from support.builders import file as listed
from support.local_index import LocalIndex
from support.pages import Connect, versions

from bisect_asgi.backend.index import IndexClient, pages
from bisect_asgi.backend.index.cached import Page
from bisect_asgi.backend.index.pages import group, version_of
from bisect_asgi.core.model import Release

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
    read_page = pages.read_page

    def counted(page: Page, project: str, *, url: str) -> tuple[Release, ...]:
        reads.append(project)
        return read_page(page, project, url=url)

    monkeypatch.setattr(pages, "read_page", counted)

    def versions() -> list[str]:
        return [release.version for release in connect(local_index.url).releases("demo")]

    assert [versions(), versions()] == [["1.0"], ["1.0"]]
    assert reads == ["demo"]
    local_index.add_wheel("demo", "2.0", uploaded="2021-01-01")
    assert versions() == ["1.0", "2.0"]
    assert reads == ["demo", "demo"]
