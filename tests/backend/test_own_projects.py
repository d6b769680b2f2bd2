"""The user's own projects before they are built: their files, their names, their copies."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.local_repository import BARE_CONFIGURATION, LocalRepository

from bisect_asgi.backend import own_projects
from bisect_asgi.backend.own_projects import copy_to_build, folder_files, git_state, members_of, read_project
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.own_projects import GivenProject, reference_of

PYPROJECT = '[build-system]\nrequires = []\n[project]\nname = "My_App"\nversion = "1.0"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a project in it."""
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "my app"
    put(folder, "pyproject.toml", PYPROJECT)
    put(folder, "app/__init__.py", "")
    return folder


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(path: Path | str, kept: Path, text: str | None = None) -> GivenProject:
    text = text or str(path)
    reference = reference_of(text, "`--with`")
    assert reference
    return read_project(
        reference,
        given=text,
        option="`--with`",
        projects=kept / "projects",
        repositories=kept / "repositories",
        token=CancelToken(),
    )


# --- Files


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


# --- Content


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


def test_what_is_built_is_what_was_read(project: Path, tmp_path: Path) -> None:
    given = read(project, tmp_path)
    changed_text(project)
    shutil.rmtree(project / "app")

    copied = copy_to_build(given.project, tmp_path / "bench")

    assert (copied / "app" / "__init__.py").read_text() == ""
    assert copied.name == "my-app"
    dates = {path.stat().st_mtime for path in copied.rglob("*") if path.is_file()}
    assert len(dates) == 1


def test_copies_that_are_not_used_are_removed(project: Path, tmp_path: Path) -> None:
    old = read(project, tmp_path).project
    changed_text(project)
    long_ago = time.time() - own_projects._KEPT_FOR_S - 60
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


def test_a_project_that_is_too_large_is_refused(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_projects, "_LARGEST_BYTES", 1000)
    put(project, "data.bin", "x" * 1000)

    with pytest.raises(UsageError, match=r"has 1\.0 KiB of files, `data\.bin` the largest of them") as caught:
        read(project, tmp_path)
    assert caught.value.hint


# --- What the files say


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


# --- Archives


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


# --- Commits


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
