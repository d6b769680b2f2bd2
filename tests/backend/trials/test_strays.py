"""A command's program that is not the environment's."""

from __future__ import annotations

from pathlib import Path

import pytest

from bisect_asgi.backend.trials.probe_run import host_script


@pytest.fixture
def path(tmp_path: Path) -> str:
    """An environment with `app`, and a machine that has `app`, `tool` and a compiled `find`."""
    for name, content in {
        "env/app": b"#!/bin/sh",
        "usr/app": b"#!/bin/sh",
        "usr/tool": b"#!/usr/bin/other",
        "usr/find": b"\x7fELF",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o755)
    return f"{tmp_path / 'env'}:{tmp_path / 'usr'}"


@pytest.mark.parametrize(
    ("command", "is_stray"),
    [
        ("tool", True),
        ("tool -q x", True),
        ("app -q", False),
        ("find . -name tool", False),
        ("cd x && tool", True),
        ("find .|tool", True),
        ("find x; (tool)", True),
        ("find x\ntool", True),
        ("PYTHONPATH=. A=1 tool", True),
        ("app > tool", False),
        ("app < tool | find x", False),
        ("./tool", False),
        ("unknown tool", False),
        ("echo 'a; tool'", False),
        ("tool 'unclosed", True),
        ("'unclosed", False),
        ("", False),
    ],
)
def test_a_script_of_the_machine_is_no_program_of_the_environment(
    command: str, is_stray: bool, path: str, tmp_path: Path
) -> None:
    found = host_script(command, path, tmp_path / "env")

    assert found == (tmp_path / "usr/tool" if is_stray else None)


def test_what_cannot_be_read_is_no_script(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not for you")

    monkeypatch.setattr(Path, "open", refuse)

    assert host_script("tool", path, tmp_path / "env") is None
