"""Several indexes, lists of files and folders are read by uv's rules."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from support.homes import Home
from support.local_index import LocalIndex

from bisect_asgi.backend.network.configured import configured_indexes
from bisect_asgi.backend.network.indexes import FIRST_INDEX, Traits
from bisect_asgi.core.errors import Unavailable, UsageError


@pytest.fixture
def wheels(user: Home, demo: LocalIndex) -> Path:
    """A folder with the wheels of two releases that no index has."""
    folder = user.folder / "wheels"
    folder.mkdir()
    with LocalIndex() as maker:
        files = [maker.add_wheel("demo", "2.0"), maker.add_wheel("demo-tools", "7.0")]
        files += [maker.add_sdist("demo", "1.5"), maker.add_wheel("other", "9.0")]
        for file in files:
            (folder / file.filename).write_bytes(file.content)
    (folder / "README.md").write_text("not a file of a release\n")
    return folder


# --- Several indexes


def test_the_first_index_that_has_a_package_is_the_only_one(demo: LocalIndex, user: Home) -> None:
    with LocalIndex() as first:
        first.add_wheel("demo", "0.5")
        user.set(UV_INDEX=first.url)

        assert user.reach() == [["0.5"], ["demo==0.5"], ["demo==0.5"]]


def test_an_index_that_does_not_have_it_is_passed_over(demo: LocalIndex, user: Home) -> None:
    with LocalIndex() as first:
        user.set(UV_EXTRA_INDEX_URL=first.url)

        assert user.reach() == [["1.0"], ["demo==1.0"], ["demo==1.0"]]


@pytest.mark.parametrize("strategy", ["unsafe-best-match", "unsafe-first-match"])
@pytest.mark.parametrize("where", ["variable", "file", "pip"])
def test_with_another_strategy_all_indexes_count(
    demo: LocalIndex, user: Home, strategy: str, where: str
) -> None:
    if where == "variable":
        user.set(UV_INDEX_STRATEGY=strategy)
    else:
        user.configure(f'{"[pip]" if where == "pip" else ""}\nindex-strategy = "{strategy}"\n')
    with LocalIndex() as first:
        first.add_wheel("demo", "0.5")
        user.set(UV_INDEX=first.url)

        best = "1.0" if strategy == "unsafe-best-match" else "0.5"
        assert user.reach() == [["0.5", "1.0"], [f"demo=={best}"], [f"demo=={best}"]]


def test_an_index_for_some_packages_alone_is_not_asked(demo: LocalIndex, user: Home) -> None:
    with LocalIndex() as pinned:
        pinned.add_wheel("demo", "3.0")
        user.configure(f'[[index]]\nname = "pinned"\nurl = "{pinned.url}"\nexplicit = true\n')

        assert user.reach() == [["1.0"], ["demo==1.0"], ["demo==1.0"]]
        assert pinned.requests == []


def test_a_refusal_that_is_to_be_ignored_leads_to_the_next_index(demo: LocalIndex, user: Home) -> None:
    with LocalIndex(credentials=("me", "hunter2")) as first:
        user.configure(f'[[index]]\nurl = "{first.url}"\nignore-error-codes = [401]\n')

        assert user.reach() == [["1.0"], ["demo==1.0"], ["demo==1.0"]]


def test_a_refusal_of_the_first_index_ends_the_search_otherwise(demo: LocalIndex, user: Home) -> None:
    with LocalIndex(credentials=("me", "hunter2")) as first:
        user.set(UV_INDEX=first.url)

        with pytest.raises(Unavailable):
            user.page()
    assert demo.requests == []


# --- Lists of files


@pytest.mark.parametrize("form", ["folder", "file:", "relative"])
def test_files_of_a_folder_count_with_those_of_the_index(
    demo: LocalIndex, user: Home, wheels: Path, form: str
) -> None:
    forms = {"folder": str(wheels), "file:": wheels.as_uri(), "relative": "../wheels"}
    user.set(UV_FIND_LINKS=forms[form])

    assert user.reach() == [["1.0", "1.5", "2.0"], ["demo==2.0"], ["demo==2.0"]]


def test_a_relative_folder_is_beside_the_file_that_names_it(
    demo: LocalIndex, user: Home, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.configure('find-links = ["../wheels"]\n')
    (user.here / "below").mkdir()
    monkeypatch.chdir(user.here / "below")

    assert user.reach() == [["1.0", "1.5", "2.0"], ["demo==2.0"], ["demo==2.0"]]


def test_a_page_of_files_counts_with_those_of_the_index(demo: LocalIndex, user: Home) -> None:
    with LocalIndex() as beside:
        beside.add_wheel("demo", "2.0")
        beside.add_wheel("other", "9.0")
        user.set(UV_FIND_LINKS=beside.flat_url)

        assert user.reach() == [["1.0", "2.0"], ["demo==2.0"], ["demo==2.0"]]


def test_a_list_of_files_may_be_an_index(demo: LocalIndex, user: Home, wheels: Path) -> None:
    user.configure('[[index]]\nurl = "../wheels"\nformat = "flat"\n')

    assert user.reach() == [["1.5", "2.0"], ["demo==2.0"], ["demo==2.0"]]


def test_such_an_index_without_the_package_is_passed_over(demo: LocalIndex, user: Home) -> None:
    with LocalIndex() as first:
        first.add_wheel("other", "9.0")
        user.configure(f'[[index]]\nurl = "{first.flat_url}"\nformat = "flat"\n')

        assert user.reach() == [["1.0"], ["demo==1.0"], ["demo==1.0"]]


def test_no_index_but_a_folder_is_enough(user: Home, wheels: Path) -> None:
    os.environ.pop("UV_DEFAULT_INDEX")
    user.configure('no-index = true\nfind-links = ["../wheels"]\n')

    assert user.reach() == [["1.5", "2.0"], ["demo==2.0"], ["demo==2.0"]]


@pytest.mark.parametrize("form", ["{origin}/nowhere/", "/nonexistent"])
def test_a_list_that_is_not_there_is_unavailable(demo: LocalIndex, user: Home, form: str) -> None:
    user.set(UV_FIND_LINKS=form.format(origin=demo.origin))

    with pytest.raises(Unavailable) as caught:
        user.page()

    assert str(caught.value).startswith("a list of files cannot be read: ")
    assert caught.value.hint == "check `find-links` in uv's configuration, and `UV_FIND_LINKS`"


@pytest.mark.parametrize("form", ["{origin}/nowhere/", "/nonexistent"])
def test_nor_is_an_index_that_is_one(demo: LocalIndex, user: Home, form: str) -> None:
    url = form.format(origin=demo.origin)
    user.configure(f'[[index]]\nurl = "{url}"\nformat = "flat"\n')

    with pytest.raises(Unavailable) as caught:
        user.page()

    assert str(caught.value).startswith("there is no list of files at `")
    assert caught.value.hint == "check `find-links`, or the index that is `flat`, in uv's configuration"


# --- Indexes in folders


@pytest.mark.parametrize("form", ["folder", "file:"])
def test_an_index_may_be_a_folder(user: Home, wheels: Path, form: str) -> None:
    index = user.folder / "simple"
    (index / "demo").mkdir(parents=True)
    names = [path.name for path in wheels.iterdir() if path.name.startswith("demo-")]
    links = "".join(f'<a href="../../wheels/{name}">{name}</a>' for name in names)
    (index / "demo" / "index.html").write_text(f"<html><body>{links}</body></html>")
    user.set(UV_DEFAULT_INDEX=str(index) if form == "folder" else index.as_uri())

    assert user.reach() == [["1.5", "2.0"], ["demo==2.0"], ["demo==2.0"]]
    with closing(user.client()) as client, pytest.raises(UsageError):
        client.releases("other")


def test_a_folder_that_is_not_there_is_unavailable(user: Home) -> None:
    user.set(UV_DEFAULT_INDEX=(user.folder / "nowhere").as_uri())

    with pytest.raises(Unavailable) as caught:
        user.page()

    assert str(caught.value).startswith("the directory of the index cannot be read: `file:///")


def test_a_file_of_a_folder_can_be_downloaded(user: Home, wheels: Path) -> None:
    user.set(UV_FIND_LINKS=wheels)
    with closing(user.client()) as client:
        sdist = next(release for release in client.releases("demo") if release.version == "1.5").files[0]

        assert client.download(sdist, at_most=10**6) == (wheels / "demo-1.5.tar.gz").read_bytes()
        assert client.download(sdist, at_most=3) is None


# --- What is known of each


def test_what_is_beside_an_address_is_known(user: Home) -> None:
    user.configure(
        '[[index]]\nname = "corp"\nurl = "http://one/simple"\nauthenticate = "always"\n'
        "ignore-error-codes = [403]\n"
        '[[index]]\nurl = "http://two/flat/"\nformat = "flat"\n'
    )
    user.set(UV_DEFAULT_INDEX="http://three/simple")

    found = configured_indexes()

    assert found.urls == ("http://one/simple", "http://two/flat/", "http://three/simple")
    assert found.traits == (
        Traits(name="corp", authenticate="always", ignored=(403,)),
        Traits(is_flat=True),
        Traits(),
    )
    assert found.strategy == FIRST_INDEX


def test_another_strategy_or_form_is_another_index_to_what_is_remembered(user: Home) -> None:
    user.set(UV_INDEX="http://one/simple http://two/simple")
    first = configured_indexes().identity
    user.set(UV_INDEX_STRATEGY="unsafe-best-match")

    assert configured_indexes().identity != first
