"""The files of a project's folder, and when their digest is another one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.given_projects import put, read
from support.local_repository import LocalRepository

from bisect_asgi.backend.own_projects import folders
from bisect_asgi.backend.own_projects.folders import folder_files, git_state
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError


def test_without_git_all_files_count_but_what_tools_leave_behind(project: Path) -> None:
    for name in (
        *(".git/config", ".venv/x.py", "env/pyvenv.cfg", "env/lib/x.py", "build/x.py", "dist/x.whl"),
        *(
            "app/__pycache__/x.cpython-311.pyc",
            "app/old.pyc",
            "my_app.egg-info/PKG-INFO",
            "node_modules/x.js",
        ),
        *("made/CACHEDIR.TAG", "made/x", ".ruff_cache/x"),
    ):
        put(project, name, "")
    put(project, "app/build/x.py", "")
    put(project, ".hidden", "")

    found = folder_files(project, CancelToken())

    assert found == (".hidden", "app/__init__.py", "app/build/x.py", "pyproject.toml")


def test_with_git_the_files_count_that_it_does_not_ignore(project: Path) -> None:
    shutil.copytree(project, project.parent / "copy")
    project.rename(project.parent / "aside")
    local = LocalRepository(project)
    shutil.copytree(project.parent / "copy", project, dirs_exist_ok=True)
    local.put(".gitignore", "*.log\n")
    local.put("gone.py", "")
    local.commit("first")
    (project / "gone.py").unlink()
    put(project, "new.py", "")
    put(project, "x.log", "")
    put(project, "cache/CACHEDIR.TAG", "")

    found = folder_files(project, CancelToken())

    assert found == (".gitignore", "app/__init__.py", "new.py", "pyproject.toml")


def test_a_folder_that_a_repository_ignores_is_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = LocalRepository(tmp_path / "outer")
    local.put(".gitignore", "inner\n")
    put(tmp_path / "outer" / "inner", "setup.py", "")

    assert folder_files(tmp_path / "outer" / "inner", CancelToken()) == ("setup.py",)


def test_without_git_on_the_machine_all_files_count(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert folder_files(project, CancelToken()) == ("app/__init__.py", "pyproject.toml")
    assert git_state(project, CancelToken()) is None


def changed_text(folder: Path) -> None:
    (folder / "app" / "__init__.py").write_text("x = 1\n")


def another_file(folder: Path) -> None:
    put(folder, "app/more.py", "")


def another_name(folder: Path) -> None:
    (folder / "app").rename(folder / "other")


def executable(folder: Path) -> None:
    (folder / "app" / "__init__.py").chmod(0o755)


@pytest.mark.parametrize("change", [changed_text, another_file, another_name, executable])
def test_a_change_of_the_files_is_another_project(
    project: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    before = read(project, tmp_path).project
    change(project)

    assert read(project, tmp_path).project.content != before.content


def test_a_new_date_is_the_same_project(project: Path, tmp_path: Path) -> None:
    before = read(project, tmp_path).project
    os.utime(project / "pyproject.toml", (0, 0))

    assert read(project, tmp_path).project == before


def test_a_project_that_is_too_large_is_refused(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_LARGEST_BYTES", 1000)
    put(project, "data.bin", "x" * 1000)

    with pytest.raises(UsageError, match=r"has 1\.0 KiB of files, `data\.bin` the largest of them") as caught:
        read(project, tmp_path)
    assert caught.value.hint
