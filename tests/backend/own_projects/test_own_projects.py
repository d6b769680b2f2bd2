"""Projects that are commits of a repository."""

from __future__ import annotations

from pathlib import Path

from support.given_projects import PYPROJECT, read
from support.local_repository import LocalRepository


def test_a_commit_is_resolved_once_and_for_all(tmp_path: Path) -> None:
    local = LocalRepository(tmp_path / "repository")
    local.put("py/pyproject.toml", PYPROJECT + 'requires-python = ">=3.9"\n')
    sha = local.commit("first", "v1.0")
    local.commit("second")
    address = (tmp_path / "repository").as_uri()

    found = read("", tmp_path, f"git+{address}@v1.0#subdirectory=py")

    assert (found.project.name, found.requires_python, found.project.content) == ("my-app", ">=3.9", sha)
    assert found.project.commit
    assert found.project.commit.sha == sha


def test_the_newest_commit_is_the_default(tmp_path: Path) -> None:
    local = LocalRepository(tmp_path / "repository")
    local.put("pyproject.toml", PYPROJECT)
    local.commit("first")
    sha = local.commit("second")

    assert read("", tmp_path, f"git+{(tmp_path / 'repository').as_uri()}").project.content == sha
