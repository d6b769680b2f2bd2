"""The configuration of a uv in a box is read once, and nobody waits for a reader that does not come."""

from __future__ import annotations

from pathlib import Path

from bisect_asgi.backend.process.workshop import _handed_over


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
