"""The copies of projects that are kept, and built from."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from support.given_projects import PYPROJECT, put, read
from support.local_repository import LocalRepository

from bisect_asgi.backend.own_projects import copies
from bisect_asgi.backend.own_projects.copies import copy_to_build
from bisect_asgi.backend.own_projects.folders import git_state
from bisect_asgi.core.cancel import CancelToken


def test_what_is_built_is_what_was_read(project: Path, tmp_path: Path) -> None:
    given = read(project, tmp_path)
    put(project, "app/__init__.py", "x = 1\n")
    shutil.rmtree(project / "app")

    copied = copy_to_build(given.project, tmp_path / "bench")

    assert (copied / "app" / "__init__.py").read_text() == ""
    assert copied.name == "my-app"
    dates = {path.stat().st_mtime for path in copied.rglob("*") if path.is_file()}
    assert len(dates) == 1


def test_copies_that_are_not_used_are_removed(project: Path, tmp_path: Path) -> None:
    old = read(project, tmp_path).project
    put(project, "app/__init__.py", "x = 1\n")
    long_ago = time.time() - copies._KEPT_FOR_S - 60
    os.utime(tmp_path / "projects" / old.content, (long_ago, long_ago))

    new = read(project, tmp_path).project

    assert [path.name for path in (tmp_path / "projects").iterdir()] == [new.content]


@pytest.mark.parametrize("version", ["static", "dynamic"])
def test_the_state_of_the_repository_counts_if_the_build_makes_the_version(
    tmp_path: Path, version: str
) -> None:
    local = LocalRepository(tmp_path / "repository")
    text = PYPROJECT if version == "static" else PYPROJECT.replace('version = "1.0"', 'dynamic = ["version"]')
    local.put("sub/pyproject.toml", text)
    local.put("beside.txt", "")
    local.commit("first", "v1.0")
    before = read(tmp_path / "repository" / "sub", tmp_path).project
    local.commit("second")
    after = read(tmp_path / "repository" / "sub", tmp_path).project

    assert (before.content == after.content) == (version == "static")
    copied = copy_to_build(after, tmp_path / "bench")
    assert (copied / "pyproject.toml").exists()
    assert (copied.parent / "beside.txt").exists() == (version == "dynamic")
    assert (git_state(copied, CancelToken()) is not None) == (version == "dynamic")
