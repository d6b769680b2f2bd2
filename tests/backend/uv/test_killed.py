"""A uv that somebody kills: it is asked again, and says nothing about a release."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.local_index import LocalIndex
from support.uv import DEFAULT, Connect, resolve

from bisect_asgi.backend import uv as uv_module
from bisect_asgi.backend.network import configured as configured_module
from bisect_asgi.backend.network.configured import binary, configured_indexes
from bisect_asgi.core.errors import NoResult, Unavailable

QUERY_KILLED = "error: Querying Python at `/bin/python` failed with exit status signal: 9 (SIGKILL)"


def test_a_uv_whose_query_is_killed_is_asked_again(
    local_index: LocalIndex, here: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_index.add_wheel("demo", "1.0")
    end = f"echo '{QUERY_KILLED}' >&2; exit 2"
    monkeypatch.setattr(uv_module, "binary", lambda: dying(here, times=1, end=end))

    assert resolve(connect(local_index.url), "demo") == ["demo==1.0"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_uv_that_is_killed_is_asked_again(
    local_index: LocalIndex, here: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    local_index.add_wheel("demo", "1.0")
    monkeypatch.setattr(uv_module, "binary", lambda: dying(here, times=times))

    assert resolve(connect(local_index.url), "demo") == ["demo==1.0"]


def test_a_uv_that_is_killed_each_time_gives_no_result(
    here: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv_module, "binary", lambda: dying(here, times=3))

    with pytest.raises(NoResult) as caught:
        resolve(connect(DEFAULT), "demo", builds=False)

    assert str(caught.value) == "uv was killed 3 times by SIGKILL"


ENDS = pytest.mark.parametrize(
    "end", ["kill -9 $$", f"echo '{QUERY_KILLED}' >&2; exit 2"], ids=["uv", "its-query"]
)


@ENDS
@pytest.mark.parametrize("times", [1, 2])
def test_the_configuration_is_asked_for_again_if_uv_or_its_query_was_killed(
    local_index: LocalIndex, here: Path, monkeypatch: pytest.MonkeyPatch, end: str, times: int
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", local_index.url)
    program = dying(here, times=times, end=end)
    monkeypatch.setattr(configured_module, "binary", lambda: program)

    assert configured_indexes().urls == (local_index.url,)


@ENDS
def test_a_uv_that_is_killed_each_time_has_no_fault_in_its_configuration(
    here: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    program = dying(here, times=3, end=end)
    monkeypatch.setattr(configured_module, "binary", lambda: program)

    with pytest.raises(Unavailable) as caught:
        configured_indexes()

    assert str(caught.value) == "uv was killed 3 times before it had read its configuration"
    assert caught.value.hint == "free some memory, then run the same command again"


def dying(folder: Path, *, times: int, end: str = "kill -9 $$") -> str:
    """A uv that comes to this end so many times, and then works."""
    program = folder / "dying-uv"
    once_more = " || ".join(f"mkdir {folder}/{n} 2>/dev/null" for n in range(times))
    program.write_text(f'#!/bin/sh\nif {once_more}; then {end}; fi\nexec {binary()} "$@"\n')
    program.chmod(0o755)
    return str(program)
