"""Environments are kept while there is room, and removed when nobody uses them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cached_environments import CacheBench, a_spec
from support.processes import output

from bisect_asgi.backend import environments
from bisect_asgi.core.cancel import CancelToken


@pytest.fixture
def three(cached: CacheBench) -> list[str]:
    """Three environments, the first the least recently used one; 4.0 is not built yet."""
    for version in ("1.0", "2.0", "3.0", "4.0"):
        cached.publish(version)
    return [cached.build(version) for version in ("1.0", "2.0", "3.0")]


def size_of_one(cached: CacheBench) -> int:
    sizes = [size for _, size in cached.cache.sizes()]
    assert max(sizes) < 1.1 * min(sizes)  # they differ in a version number
    return max(sizes)


def test_environments_are_listed_least_recently_used_first(cached: CacheBench, three: list[str]) -> None:
    with cached.cache.holding(cached.resolve(a_spec("1.0")), a_spec("1.0"), CancelToken()):
        pass

    assert [digest for digest, _ in cached.cache.sizes()] == [three[1], three[2], three[0]]


def test_past_the_limit_the_least_recently_used_is_removed(cached: CacheBench, three: list[str]) -> None:
    with cached.holding(a_spec("1.0")):  # now the second was not used for longest
        pass
    cached.cache = cached.environments(int(3.5 * size_of_one(cached)))

    fourth = cached.build("4.0")

    assert cached.kept == {three[0], three[2], fourth}


def test_an_environment_in_use_is_not_removed(cached: CacheBench, three: list[str]) -> None:
    with cached.holding(a_spec("1.0")) as used, cached.holding(a_spec("2.0")):
        cached.cache = cached.environments(1)
        fourth = cached.build("4.0")

        assert cached.kept == {three[0], three[1], fourth}
        assert output(used.bin / "greet") == "this is demo 1.0"


def test_the_environment_that_was_just_built_stays_whatever_the_limit(cached: CacheBench) -> None:
    cached.publish()
    cached.cache = cached.environments(1)

    digest = cached.build()

    assert cached.kept == {digest}


def test_an_environment_is_removed_when_it_is_free(cached: CacheBench) -> None:
    cached.publish()
    digest = cached.build()

    with cached.holding():
        assert cached.cache.remove(digest) is False
        assert cached.kept == {digest}
    assert cached.cache.remove(digest) is True
    assert cached.kept == set()


def test_an_environment_whose_removal_was_cut_off_is_built_anew(
    cached: CacheBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached.publish()
    digest = cached.build()

    def killed(folder: Path, **_: object) -> None:
        (folder / "bin" / "greet").unlink()

    with monkeypatch.context() as patched:
        patched.setattr("bisect_asgi.backend.environments.remove", killed)
        cached.cache.remove(digest)

    with cached.holding() as environment:
        assert output(environment.bin / "greet") == "this is demo 1.0"


def test_what_was_discarded_while_it_was_in_use_goes_with_the_next_build(cached: CacheBench) -> None:
    cached.publish()
    cached.publish("2.0")
    with cached.holding() as environment:
        (environment.folder / "bisect-asgi.json").unlink()
        cached.build("2.0")
        assert environment.folder.exists()

    cached.cache.remove(cached.build("2.0"))
    kept = cached.build("2.0")

    assert [path.name for path in (cached.folder / "environments").iterdir()] == [kept]


def test_an_environment_that_another_command_removes_meanwhile_is_not_listed(
    cached: CacheBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached.publish()
    digest = cached.build()
    read = environments.read_marker

    def read_and_lose(home: Path) -> object:
        marker = read(home)
        cached.cache.remove(digest)
        return marker

    monkeypatch.setattr(environments, "read_marker", read_and_lose)

    assert cached.cache.sizes() == []
