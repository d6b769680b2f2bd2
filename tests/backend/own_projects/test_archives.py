"""Wheels and source distributions of the user's."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.given_projects import PYPROJECT, put, read

from bisect_asgi.backend.own_projects.copies import copy_to_build
from bisect_asgi.core.errors import UsageError


def packed(path: Path, files: dict[str, str]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return path
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize("name", ["app-1.0.tar.gz", "main.zip"])
@pytest.mark.parametrize(
    ("files", "python"),
    [
        ({"a/PKG-INFO": "Name: My_App\nRequires-Python: >=3.9\n", "a/b/PKG-INFO": "Name: other\n"}, ">=3.9"),
        ({"a/pyproject.toml": PYPROJECT}, ""),
    ],
)
def test_an_archive_says_its_name(tmp_path: Path, name: str, files: dict[str, str], python: str) -> None:
    found = read(packed(tmp_path / name, files), tmp_path)

    assert (found.project.name, found.requires_python) == ("my-app", python)
    assert copy_to_build(found.project, tmp_path / "bench").name == "a"


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip", "a-1.0-py3-none-any.whl"])
def test_an_archive_that_is_damaged(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name, "no archive")

    with pytest.raises(UsageError, match=r"cannot be read \(`--with`\)") as caught:
        read(path, tmp_path)
    assert caught.value.hint == "build or download it again"
