"""With the network off, what is cached is used, and what is not is named."""

from __future__ import annotations

import pytest
from support.homes import REACHED, Home
from support.local_index import LocalIndex
from support.uv import resolve

from bisect_asgi.backend.repository import Repository, remote_tags
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import NoResult, Unavailable

ONCE_MORE = "run the same command once without `--offline`, and without `UV_OFFLINE`"


@pytest.fixture(params=["variable", "uv.toml"])
def off(request: pytest.FixtureRequest, user: Home) -> None:
    if request.param == "variable":
        user.set(UV_OFFLINE="true")
    else:
        user.configure("offline = true\n")


def test_what_is_cached_is_used(demo: LocalIndex, user: Home) -> None:
    assert user.reach() == REACHED
    asked = len(demo.requests)
    user.set(UV_OFFLINE="1")

    assert [user.page(), resolve(user.uv(), "demo", builds=False)] == REACHED[:2]
    assert len(demo.requests) == asked


def test_it_is_used_however_old_it_is(demo: LocalIndex, user: Home) -> None:
    assert resolve(user.uv(), "demo", builds=False) == ["demo==1.0"]
    user.set(UV_OFFLINE="1")

    assert resolve(user.uv(), "demo", builds=False) == ["demo==1.0"]
    again = user.uv().run(
        *("compile", "-", "--no-header", "--only-binary", ":all:"),
        token=CancelToken(),
        stdin="demo",
        ask_again=True,
    )
    assert "demo==1.0" in again


@pytest.mark.usefixtures("off")
def test_what_is_not_cached_is_one_message(demo: LocalIndex, user: Home) -> None:
    with pytest.raises(Unavailable) as ours:
        user.page()
    with pytest.raises(NoResult) as uvs:
        resolve(user.uv(), "demo", builds=False)
    with pytest.raises(NoResult):
        resolve(user.uv(), "demo")

    assert str(ours.value) == "the releases of `demo` are not cached, and the network is off (`--offline`)"
    assert ours.value.hint == ONCE_MORE
    assert str(uvs.value) == "`demo` is not cached, and the network is off (`--offline`)"
    assert demo.requests == []


def test_a_file_that_is_not_cached_is_named(demo: LocalIndex, user: Home) -> None:
    resolve(user.uv(), "demo", builds=False)
    user.set(UV_OFFLINE="1")

    with pytest.raises(NoResult) as caught:
        user.uv().run("install", "--target", str(user.here / "t"), "demo", token=CancelToken())

    assert str(caught.value) == "`demo==1.0` is not cached, and the network is off (`--offline`)"


def test_a_page_of_files_that_is_cached_is_used(user: Home) -> None:
    with LocalIndex() as empty, LocalIndex() as beside:
        beside.add_wheel("demo", "1.0")
        user.set(UV_DEFAULT_INDEX=empty.url, UV_FIND_LINKS=beside.flat_url)
        assert user.reach() == REACHED
        asked = len(beside.requests)
        user.set(UV_OFFLINE="1")

        assert [user.page(), resolve(user.uv(), "demo", builds=False)] == REACHED[:2]
        assert len(beside.requests) == asked


def test_folders_are_no_network(user: Home, demo: LocalIndex) -> None:
    wheel = demo.add_wheel("local", "3.0")
    (user.folder / wheel.filename).write_bytes(wheel.content)
    user.set(UV_FIND_LINKS=user.folder, UV_OFFLINE="1")

    assert resolve(user.uv(), "local", builds=False) == ["local==3.0"]


@pytest.mark.usefixtures("off")
def test_an_address_of_a_repository_is_not_asked(user: Home) -> None:
    address = "https://me:hunter2@git.example/demo.git"

    for ask in (
        lambda: remote_tags(address, CancelToken()),
        lambda: Repository.open(address, user.folder / "repositories", CancelToken()),
    ):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert str(caught.value) == (
            "`https://git.example/demo.git` is not cached, and the network is off (`--offline`)"
        )
        assert caught.value.hint == ONCE_MORE


@pytest.mark.parametrize("said", ["0", "false", "no", "off"])
def test_a_switch_that_is_off_wins_over_the_files(demo: LocalIndex, user: Home, said: str) -> None:
    user.configure("offline = true\n")
    user.set(UV_OFFLINE=said)

    assert user.page() == ["1.0"]
