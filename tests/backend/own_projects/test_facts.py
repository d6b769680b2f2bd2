"""What the files of a project say without being run."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.given_projects import PYPROJECT, put, read

from bisect_asgi.backend.own_projects.facts import members_of
from bisect_asgi.core.errors import UsageError


@pytest.mark.parametrize(
    ("files", "name", "python", "is_built"),
    [
        ({"pyproject.toml": PYPROJECT + 'requires-python = ">=3.9"\n'}, "my-app", ">=3.9", True),
        ({"setup.cfg": "[metadata]\nname = A_B\n[options]\npython_requires = >=3.8\n"}, "a-b", ">=3.8", True),
        ({"setup.cfg": "no section\n", "setup.py": "setup(name='a')"}, "a", "", True),
        (
            {"setup.py": "import setuptools\nsetuptools.setup(name='A.B', python_requires='>=3.7', x=y)\n"},
            "a-b",
            ">=3.7",
            True,
        ),
        ({"pyproject.toml": '[tool.poetry]\nname = "a"\nversion = "1"\n[build-system]\n'}, "a", "", True),
        ({"pyproject.toml": '[project]\nname = "a"\n'}, "a", "", False),
        ({"pyproject.toml": '[project]\nname = "a"\n', "src/a.py": ""}, "a", "", True),
        ({"pyproject.toml": '[project]\nname = "a"\n[tool.uv]\npackage = true\n'}, "a", "", True),
        (
            {"pyproject.toml": '[project]\nname = "a"\n[build-system]\n[tool.uv]\npackage = false\n'},
            "a",
            "",
            False,
        ),
    ],
)
def test_what_can_be_told_without_building(
    tmp_path: Path, files: dict[str, str], name: str, python: str, is_built: bool
) -> None:
    for path, text in files.items():
        put(tmp_path / "x", path, text)

    found = read(tmp_path / "x", tmp_path)

    assert (found.project.name, found.requires_python, found.is_built) == (name, python, is_built)
    assert (found.files == ()) == is_built


@pytest.mark.parametrize("files", [{"setup.py": "setup(\n"}, {"setup.py": "setup(name=NAME)\n"}])
def test_a_name_that_only_running_tells_has_to_be_given(tmp_path: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        put(tmp_path / "x", path, text)

    with pytest.raises(UsageError, match="is not known without running it"):
        read(tmp_path / "x", tmp_path)
    assert read("", tmp_path, f"app @ {tmp_path / 'x'}").project.name == "app"


def test_a_pyproject_that_is_no_toml(tmp_path: Path) -> None:
    put(tmp_path / "x", "pyproject.toml", "no toml")

    with pytest.raises(UsageError, match=r"/x/pyproject\.toml` is no valid TOML: "):
        read(tmp_path / "x", tmp_path)


def test_the_members_of_a_workspace_are_known_from_each_of_them(tmp_path: Path) -> None:
    put(tmp_path, "pyproject.toml", '[project]\nname = "root"\n[tool.uv.workspace]\nmembers = ["libs/*"]\n')
    put(tmp_path, "libs/lib/pyproject.toml", '[project]\nname = "My_Lib"\n')
    put(tmp_path, "libs/broken/pyproject.toml", "no toml")
    put(
        tmp_path,
        "libs/app/pyproject.toml",
        PYPROJECT + 'dependencies = ["my-lib", "near"]\n'
        '[tool.uv.sources]\nmy-lib = { workspace = true }\nnear = { path = "../near" }\n',
    )

    found = read(tmp_path / "libs" / "app", tmp_path)

    assert found.sources == (f"my-lib @ {tmp_path}/libs/lib", f"near @ {tmp_path}/libs/near")
    assert members_of(tmp_path / "libs" / "app")["root"] == str(tmp_path)
    assert members_of(tmp_path.parent) == {}
