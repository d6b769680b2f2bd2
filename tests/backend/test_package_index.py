"""The index of a session asks for each page once in a command, and for changelogs once for ever."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.environments import THIS_PYTHON
from support.local_index import LocalIndex
from support.pages import CachingIndex

from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.package_index import PackageIndex
from bisect_asgi.backend.uv import Indexes, Uv
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.model import Distribution

DEMO = Distribution(name="demo", version="1.0")
CHANGELOG = "## 1.0\n\n- it was made\n"


@pytest.fixture
def index(local_index: LocalIndex, tmp_path: Path, uv_cache: Path) -> Iterator[PackageIndex]:
    with closing(IndexClient(Indexes(urls=(local_index.url,)), tmp_path / "index")) as client:
        yield PackageIndex(
            client,
            Uv(tmp_path / "uv", Indexes(urls=(local_index.url,))),
            contents=tmp_path / "contents",
            answers=tmp_path / "answers",
        )


def test_a_page_is_asked_for_once_in_a_command(local_index: LocalIndex, index: PackageIndex) -> None:
    local_index.add_wheel("demo", "1.0")
    first = index.releases("demo")
    asked = len(local_index.requests)

    assert index.releases("demo") == first
    assert [release.version for release in first] == ["1.0"]
    assert len(local_index.requests) == asked


def test_changelogs_are_read_from_the_sdist_and_kept(local_index: LocalIndex, index: PackageIndex) -> None:
    modules = {"demo.py": "", "CHANGELOG.md": CHANGELOG, "CONTRIBUTING.md": "be kind\n"}
    local_index.add_wheel("demo", "1.0", modules={"demo.py": ""})
    local_index.add_sdist("demo", "1.0", modules=modules)
    local_index.add_sdist("demo", "2.0", modules={"demo.py": "", "CHANGELOG.md": "## 2.0\n"})

    first = index.changelogs(DEMO)
    local_index.down = True

    assert index.changelogs(DEMO) == first == (CHANGELOG,)


def test_a_release_without_an_sdist_has_no_changelogs(local_index: LocalIndex, index: PackageIndex) -> None:
    local_index.add_wheel("demo", "1.0")

    assert index.changelogs(DEMO) == ()
    assert index.changelogs(Distribution(name="demo", version="9")) == ()


def test_an_outage_is_no_answer_to_keep(local_index: LocalIndex, index: PackageIndex) -> None:
    local_index.add_sdist("demo", "1.0", modules={"demo.py": "", "CHANGELOG.md": CHANGELOG})
    index.releases("demo")
    local_index.down = True
    with pytest.raises(Unavailable):
        index.changelogs(DEMO)

    local_index.down = False

    assert index.changelogs(DEMO) == (CHANGELOG,)


def test_contents_are_what_the_release_installs(local_index: LocalIndex, index: PackageIndex) -> None:
    local_index.add_wheel("demo", "1.0", modules={"demo.py": "x = 1\n"})

    contents = index.contents(DEMO, THIS_PYTHON)

    assert [(file.path, file.text) for file in contents.files] == [("demo.py", "x = 1\n")]


def test_what_reads_contents_is_imported_when_they_are_wanted() -> None:
    """It takes time to import, and most commands want no contents."""
    code = "import sys; import bisect_asgi.cli.wiring.services; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "bisect_asgi.backend.package_index" in loaded.stdout.split()
    assert "bisect_asgi.backend.release_contents" not in loaded.stdout.split()


def test_a_module_is_provided_by_what_has_it_here_or_by_the_package_of_its_name(
    local_index: LocalIndex, index: PackageIndex, tmp_path: Path
) -> None:
    local_index.add_wheel("my-demo", "1.0")
    for place, name in (("a", "One"), ("b", "Two")):
        for part in ("shared", f"{name}-1.0.dist-info", f"only_{name.lower()}"):
            (tmp_path / "uv-cache" / "archive-v0" / place / part).mkdir(parents=True)

    modules = ("only_one", "shared", "my_demo", "nobody")

    assert [index.provider(module) for module in modules] == ["one", None, "my-demo", None]


# --- A page that is fresh


@pytest.fixture
def caching_index() -> Iterator[CachingIndex]:
    with CachingIndex() as index:
        index.kept_for = "max-age=600, public"
        for version in ("1.0", "1.1"):
            index.add_wheel("demo", version)
        yield index


def open_index(index: LocalIndex, folder: Path) -> PackageIndex:
    """The index of one command."""
    indexes = Indexes(urls=(index.url,))
    client = IndexClient(indexes, folder / "index")
    return PackageIndex(
        client, Uv(folder / "uv", indexes), contents=folder / "contents", answers=folder / "answers"
    )


def seen(index: PackageIndex, *having: str) -> list[str]:
    return [release.version for release in index.releases("demo", having=having)]


@pytest.mark.parametrize("named", [(), ("1.0",), ("1.1", "1.0"), ("1",), ("v1.1", "1.0.0")])
def test_a_fresh_page_with_all_that_is_named_will_do(
    caching_index: CachingIndex, tmp_path: Path, named: tuple[str, ...]
) -> None:
    open_index(caching_index, tmp_path).releases("demo")
    caching_index.down = True

    assert seen(open_index(caching_index, tmp_path), *named) == ["1.0", "1.1"]


@pytest.mark.parametrize("named", [("1.2",), ("1.0", "1.2"), ("1.2.0", "1.1")])
def test_a_version_that_is_not_on_the_fresh_page_is_asked_for(
    caching_index: CachingIndex, tmp_path: Path, named: tuple[str, ...]
) -> None:
    open_index(caching_index, tmp_path).releases("demo")
    caching_index.add_wheel("demo", "1.2")

    assert seen(open_index(caching_index, tmp_path), *named) == ["1.0", "1.1", "1.2"]


def test_who_names_nothing_sees_the_newest_release_however_fresh_the_page_is(
    caching_index: CachingIndex, tmp_path: Path
) -> None:
    open_index(caching_index, tmp_path).releases("demo")
    caching_index.add_wheel("demo", "1.2")
    index = open_index(caching_index, tmp_path)
    before = seen(index, "1.0")

    newest = [release.version for release in index.releases("demo")]

    assert before == ["1.0", "1.1"]
    assert newest == ["1.0", "1.1", "1.2"]


def test_nobody_in_the_command_is_told_less_than_was_told_before(
    caching_index: CachingIndex, tmp_path: Path
) -> None:
    open_index(caching_index, tmp_path).releases("demo")
    caching_index.add_wheel("demo", "1.2")
    index = open_index(caching_index, tmp_path)
    index.releases("demo")

    assert seen(index, "1.0") == ["1.0", "1.1", "1.2"]
