"""The configuration of a uv in a box is read once, and nobody waits for its reader or for a build."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.backend.process.workshop import BuildTimedOut, Workshop, _handed_over
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.plan import Building


def test_the_first_reader_gets_the_configuration_and_nobody_after_it(tmp_path: Path) -> None:
    with _handed_over(tmp_path / "config.toml", "password = 'hunter2'\n") as path:
        said = path.read_text()
        is_there = path.exists()

    assert said == "password = 'hunter2'\n"
    assert not is_there


def test_without_a_reader_it_ends_all_the_same(tmp_path: Path) -> None:
    for number in range(50):
        with _handed_over(tmp_path / f"config-{number}.toml", "nothing"):
            pass

    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("program", "has_started"),
    [
        pytest.param("exec sleep 600", False, id="by-itself"),
        pytest.param("sleep 600 & wait", True, id="with-what-it-started"),
    ],
)
def test_who_takes_too_long_by_itself_builds_nothing(tmp_path: Path, program: str, has_started: bool) -> None:
    state = tmp_path / "state"
    state.mkdir()
    workshop = Workshop(tmp_path / "builds", Sandbox(state), Building(timeout_s=5.0))

    with pytest.raises(subprocess.TimeoutExpired) as caught:
        workshop.run(
            ["/bin/sh", "-c", program],
            config="",
            environ={"PATH": os.defpath},
            token=CancelToken(),
            stdin="",
            on_stderr=lambda _: None,
        )

    assert isinstance(caught.value, BuildTimedOut) is has_started
