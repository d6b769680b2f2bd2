"""Two commands use one environment at the same time: what one of them writes is no change to the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest
from support.cached_environments import ROOM_ENOUGH, CacheBench, a_spec
from support.processes import PATIENCE_S, eventually

from bisect_asgi.backend.environments import Environment, EnvironmentCache, manifest
from bisect_asgi.backend.files import write_whole
from bisect_asgi.core.cancel import CancelToken


class Waiting(CancelToken):
    """A token that tells whether somebody has waited with it."""

    def __init__(self) -> None:
        super().__init__()
        self.has_waited = False

    def check(self) -> None:
        self.has_waited = True
        super().check()


class Pause:
    """A place where a command stands still until `end`."""

    def __init__(self) -> None:
        self._begun, self._ended = Event(), Event()

    def keep(self) -> None:
        self._begun.set()
        assert self._ended.wait(PATIENCE_S)

    def wait(self) -> None:
        assert self._begun.wait(PATIENCE_S)

    def end(self) -> None:
        self._ended.set()


@pytest.fixture
def other(cached: CacheBench) -> EnvironmentCache:
    """The environments as another command has them."""
    cached.publish()
    return cached.environments(ROOM_ENOUGH)


def use(
    cached: CacheBench,
    cache: EnvironmentCache,
    token: CancelToken,
    *,
    imports: Sequence[str] = (),
    before: Callable[[Environment], None] = lambda _: None,
) -> tuple[str, ...]:
    """Do what a run does that imports modules; return what it is said to have changed."""
    spec = a_spec()
    with cache.holding(cached.resolve(spec), spec, CancelToken()) as environment:
        before(environment)
        sites = environment.folder.glob("lib/*/site-packages")
        return cache.after_run(environment, token, [str(site / name) for site in sites for name in imports])


def test_byte_code_is_compiled_by_one_command_while_the_other_waits(
    cached: CacheBench, other: EnvironmentCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(cached, other, CancelToken())  # it knows the environment without byte-code
    use(cached, cached.cache, CancelToken(), imports=["demo.py"])
    pause, token, compile_sources = Pause(), Waiting(), manifest.compile_sources

    def compile_later(*arguments: object) -> None:
        pause.keep()
        compile_sources(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(manifest, "compile_sources", compile_later)
    with ThreadPoolExecutor(2) as pool:
        compiles = pool.submit(use, cached, other, CancelToken(), imports=["demo.py"])
        pause.wait()
        waits = pool.submit(use, cached, cached.cache, token)
        eventually(lambda: waits.done() or token.has_waited)
        pause.end()

        assert compiles.result() == waits.result() == ()


def test_a_manifest_that_another_command_is_writing_is_no_new_file(
    cached: CacheBench, other: EnvironmentCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(cached, other, CancelToken())
    pause, token = Pause(), Waiting()

    def write_later(path: Path, content: bytes) -> None:
        half = path.with_name(f"{path.name}.half")
        half.touch()
        pause.keep()
        half.unlink()
        write_whole(path, content)

    with ThreadPoolExecutor(2) as pool, ExitStack() as held:
        held.callback(pause.end)
        monkeypatch.setattr(manifest, "write_whole", write_later)
        writes = pool.submit(use, cached, cached.cache, CancelToken(), imports=["demo.py"])
        pause.wait()
        checks = pool.submit(use, cached, other, token)
        eventually(lambda: checks.done() or token.has_waited)
        pause.end()

        assert writes.result() == checks.result() == ()


def test_an_environment_that_another_command_has_built_anew_is_known_anew(
    cached: CacheBench, other: EnvironmentCache
) -> None:
    use(cached, other, CancelToken(), imports=["demo.py"])
    cached.cache.remove(cached.build())
    cached.build()

    assert use(cached, other, CancelToken()) == ()


def test_what_another_command_finds_changed_is_built_anew(
    cached: CacheBench, other: EnvironmentCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, loads = cached.build(), manifest.load
    marker = cached.folder / "environments" / digest / "bisect-asgi.json"

    def load_and_lose(folder: Path) -> object:
        loaded = loads(folder)
        monkeypatch.setattr(manifest, "load", loads)
        marker.unlink()
        return loaded

    monkeypatch.setattr(manifest, "load", load_and_lose)
    found: list[bool] = []

    assert use(cached, other, CancelToken(), before=lambda held: found.append(held.exists())) == ()
    assert found == [True]
