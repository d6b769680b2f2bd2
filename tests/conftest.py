"""Fixtures that several test modules use, and what all tests have in common."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support import machine
from support.local_index import LocalIndex

from bisect_asgi.backend.files import locked
from bisect_asgi.core.plan.planning import cores


def pytest_configure(config: pytest.Config) -> None:
    """Set no limit to how long an example of a property takes: other tests keep the processors busy."""
    settings.register_profile("dev", deadline=None)
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("dev")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Start two workers more than there are cores: half of their time, tests wait for other programs."""
    return cores() + 2


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Have no garbage looked for among thousands of tests, neither while they are collected nor later.

    Later it is looked for less often than by default, which was a quarter of the time of some properties.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run whole commands."""
    for item in items:
        if "known_machine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def local_index() -> Iterator[LocalIndex]:
    """An empty package index, serving until the test ends."""
    with LocalIndex() as index:
        yield index


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that the tests of all workers share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def known_machine(session_folder: Path, worker_id: str) -> Path:
    """The folder of a first command: its caches know this machine, which takes seconds to find out."""
    folder = session_folder / "known-machine"
    with locked(session_folder / "known-machine.lock", waiting=lambda: None):
        if not folder.exists():
            machine.learn(aside := session_folder / f"unknown-machine-{worker_id}")
            aside.rename(folder)
    return folder


@pytest.fixture(scope="session")
def known_python(session_folder: Path, worker_id: str) -> Path:
    """The folder of a first bench: its caches know the Python of the tests."""
    folder = session_folder / "known-python"
    with locked(session_folder / "known-python.lock", waiting=lambda: None):
        if not folder.exists():
            machine.learn_python(aside := session_folder / f"unknown-python-{worker_id}")
            aside.rename(folder)
    return folder


@pytest.fixture
def uv_cache(known_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for uv that has nothing but the Python of the tests; uv uses it."""
    folder = tmp_path / "uv-cache"
    machine.tell_python(known_python, uv_cache=folder)
    monkeypatch.setenv("UV_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def interpreters_cache(session_folder: Path) -> Path:
    """A folder for `find_all`, which takes seconds if it has to ask each interpreter."""
    return session_folder / "interpreters"
