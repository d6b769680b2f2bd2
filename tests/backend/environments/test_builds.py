"""From a commit to its wheel: real git and real uv on a repository whose build backend lies in it."""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import tenacity
from support.environments import THIS_PYTHON, Bench
from support.local_index import LocalIndex, publish_build_backend
from support.local_repository import BARE_CONFIGURATION, LocalRepository

from bisect_asgi.backend.environments import builds as tools_module
from bisect_asgi.backend.environments.builds import built_with, project_folders
from bisect_asgi.backend.network.configured import configured_indexes
from bisect_asgi.backend.repository import Repository
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Cancelled, Unavailable, UsageError
from bisect_asgi.core.model import Commit
from bisect_asgi.core.records import replace

BACKEND = '''
import os, pathlib, subprocess, time, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """A wheel of demo.py; its version is what the tags say."""
    asked = subprocess.run(["git", "describe", "--tags", "--abbrev=0"], stdout=subprocess.PIPE)
    stem = "NAME-%s" % asked.stdout.decode().strip()
    when = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    with zipfile.ZipFile(os.path.join(wheel_directory, stem + "-py3-none-any.whl"), "w") as archive:
        def add(name, text):
            archive.writestr(zipfile.ZipInfo(name, when), text)
        add("demo.py", pathlib.Path("demo.py").read_text())
        headers = "Metadata-Version: 2.1\\nName: NAME\\nVersion: "
        add(stem + ".dist-info/METADATA", headers + stem.split("-")[1])
        add(stem + ".dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        add(stem + ".dist-info/RECORD", "")
    return stem + "-py3-none-any.whl"
'''
OWN_BACKEND = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


class WheelBench(Bench):
    """A bench, and the repository of a project."""

    def __init__(self, folder: Path, *urls: str) -> None:
        super().__init__(folder, *urls)
        self.local = LocalRepository(folder / "work")

    def add_project(self, place: str = "", *, name: str = "demo", declared: bool = True) -> None:
        """Write a project that builds itself."""
        self.local.put(f"{place}backend.py", BACKEND.replace("NAME", name))
        own = f'[project]\nname = "{name}"\ndynamic = ["version"]\n' if declared else ""
        self.local.put(f"{place}pyproject.toml", OWN_BACKEND + own)
        self.local.put(f"{place}demo.py", "x = 1\n")

    def commit(self, subject: str, *tags: str, project: str = "demo") -> Commit:
        sha = self.local.commit(subject, *tags)
        where = str(self.local.folder)
        return Repository.open(where, self.folder, CancelToken()).commit(sha, project=project)

    def wheel(self, commit: Commit) -> Path:
        return self.builder().wheel(commit, THIS_PYTHON, CancelToken())


@pytest.fixture(autouse=True)
def unconfigured(uv_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bench(tmp_path: Path) -> WheelBench:
    return WheelBench(tmp_path)


@pytest.fixture
def bench_with_index(tmp_path: Path, local_index: LocalIndex) -> WheelBench:
    return WheelBench(tmp_path, local_index.url)


def inside(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name).decode()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- What is built


def test_each_commit_builds_what_it_has_with_the_version_that_tags_give(bench: WheelBench) -> None:
    bench.add_project()
    one = bench.commit("one", "1.0")
    bench.local.put("demo.py", "x = 2\n")
    two = bench.commit("two", "1.1")
    bench.local.put("demo.py", "x = 3\n")
    bench.local.put("only-written", "x")

    wheels = [bench.wheel(commit) for commit in (one, two)]

    assert [wheel.name for wheel in wheels] == ["demo-1.0-py3-none-any.whl", "demo-1.1-py3-none-any.whl"]
    assert [inside(wheel, "demo.py") for wheel in wheels] == ["x = 1\n", "x = 2\n"]
    assert [built_with(wheel) for wheel in wheels] == ["", ""]


def test_commits_that_change_nothing_in_the_package_build_the_same_bytes(bench: WheelBench) -> None:
    bench.add_project()
    one = bench.commit("one", "1.0")
    bench.local.put("README", "x")
    two = bench.commit("two")

    wheels = [bench.wheel(commit) for commit in (one, two)]

    assert wheels[0] != wheels[1]
    assert sha256(wheels[0]) == sha256(wheels[1])


def test_a_wheel_that_is_there_is_not_built_again(bench: WheelBench) -> None:
    bench.add_project()
    commit = bench.commit("one", "1.0")
    first = bench.wheel(commit)
    bench.local.folder.rename(bench.folder / "away")

    assert bench.wheel(commit) == first
    with pytest.raises(UsageError):
        bench.wheel(replace(commit, project="other"))


@pytest.mark.parametrize("size", [0, 100], ids=["empty", "cut"])
def test_a_wheel_that_a_power_cut_has_damaged_is_built_again(bench: WheelBench, size: int) -> None:
    bench.add_project()
    commit = bench.commit("one", "1.0")
    first = bench.wheel(commit)
    whole = first.read_bytes()
    os.truncate(first, size)

    assert bench.wheel(commit).read_bytes() == whole


def test_several_at_once_build_a_wheel_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.add_project()
    commit = bench.commit("one", "1.0")
    together, built = threading.Barrier(4), []
    build = bench.uv.build

    def counting(*arguments: object, **options: object) -> None:
        built.append(1)
        build(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.uv, "build", counting)

    def ask(_: int) -> Path:
        together.wait(timeout=30)
        return bench.wheel(commit)

    with ThreadPoolExecutor(4) as pool:
        wheels = set(pool.map(ask, range(4)))

    assert len(wheels) == 1
    assert built == [1]


def test_a_checkout_is_removed_when_its_wheel_is_built_or_is_not(bench: WheelBench) -> None:
    bench.add_project()
    good = bench.commit("one", "1.0")
    bench.local.put("backend.py", "raise RuntimeError('no')")
    bad = bench.commit("two")

    wheel = bench.wheel(good)
    with pytest.raises(BuildFailed):
        bench.wheel(bad)

    assert list((bench.folder / "cache" / "wheels").iterdir()) == [wheel.parent]
    assert sorted(path.name for path in wheel.parent.iterdir()) == [wheel.name, "tools.txt"]


# --- Of when the tools are


def uses_minibuild(bench: WheelBench) -> Commit:
    """A project, of January 2021 unless it is set otherwise, that is built by a package of the index."""
    bench.local.put(
        "pyproject.toml", '[build-system]\nrequires = ["minibuild"]\nbuild-backend = "minibuild"\n'
    )
    bench.local.put("PKG-INFO", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
    bench.local.put("demo.py", "x = 1\n")
    return bench.commit("one", "1.0")


@pytest.mark.parametrize(
    ("broken", "working", "tools"),
    [
        pytest.param([], "2021-01-02T11:59:59", "", id="of-a-day-after-the-commit"),
        pytest.param(["2020-01-01"], "2021-06-01", "2022-01-02", id="of-a-year-later"),
        pytest.param(["2020-01-01", "2021-06-01"], "2023-06-01", "2024-01-03", id="of-three-years-later"),
        pytest.param([], "2021-01-02T12:00:01", "2022-01-02", id="none-was-there-yet"),
    ],
)
def test_the_tools_are_of_the_commits_time_or_of_the_first_later_that_serves(
    bench_with_index: Bench, local_index: LocalIndex, broken: list[str], working: str, tools: str
) -> None:
    # A year is 365.25 days.
    commit = uses_minibuild(bench_with_index)
    for number, uploaded in enumerate(broken):
        publish_build_backend(local_index, f"1.{number}", uploaded, works=False)
    publish_build_backend(local_index, "2.0", working)

    wheel = bench_with_index.wheel(commit)

    assert wheel.name == "demo-1.0-py3-none-any.whl"
    assert built_with(wheel) == tools


def test_a_commit_of_today_is_built_with_what_there_is(
    bench_with_index: Bench, local_index: LocalIndex
) -> None:
    bench_with_index.local.now = datetime.now(UTC)
    publish_build_backend(local_index, "1.0")  # without a date, which any limit of date shuts out

    wheel = bench_with_index.wheel(uses_minibuild(bench_with_index))

    assert built_with(wheel) == ""
    assert bench_with_index.failures == {}


def test_a_failed_build_is_remembered_and_not_tried_again(
    bench_with_index: Bench, local_index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = uses_minibuild(bench_with_index)
    publish_build_backend(local_index, "1.0", "2020-01-01", works=False)
    with pytest.raises(BuildFailed) as first:
        bench_with_index.wheel(commit)
    asked = len(local_index.requests)
    bench_with_index.local.folder.rename(bench_with_index.folder / "away")

    with pytest.raises(BuildFailed) as second:
        bench_with_index.wheel(commit)

    assert bench_with_index.failures
    assert len(local_index.requests) == asked
    assert str(second.value) == str(first.value)
    assert str(first.value) == (
        f"commit {commit.sha[:12]} cannot be built: RuntimeError: minibuild is too old "
        "(Call to `minibuild.build_wheel` failed (exit status: 1))"
    )


def test_what_takes_long_to_fail_is_not_tried_with_other_tools(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([0.0, 0.1, 46.0])  # the start, before the first build, and after it
    monkeypatch.setattr(tools_module, "monotonic", lambda: next(moments))
    bench.add_project()
    bench.local.put("backend.py", "raise RuntimeError('no compiler')")

    with pytest.raises(BuildFailed, match="no compiler"):
        bench.wheel(bench.commit("one", "1.0"))

    assert len(bench.failures) == 1


def test_an_index_that_is_down_says_nothing_about_the_commit(
    bench_with_index: Bench, local_index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_none())
    bench_with_index.uv._environ["UV_HTTP_RETRIES"] = "0"
    commit = uses_minibuild(bench_with_index)
    local_index.down = True

    with pytest.raises(Unavailable):
        bench_with_index.wheel(commit)

    assert bench_with_index.failures == {}


# --- Where in the repository the project is


def a_workspace(bench: WheelBench) -> None:
    """The root is for linters; two projects lie below it."""
    bench.local.put("pyproject.toml", "[tool.linter]\nline-length = 80\n")
    bench.add_project("packages/one/", name="other")
    bench.add_project("packages/two/", name="demo")


def another_at_the_root(bench: WheelBench) -> None:
    bench.add_project(name="other")
    bench.add_project("sub/", name="demo")


def another_at_the_root_undeclared(bench: WheelBench) -> None:
    bench.add_project(name="other", declared=False)
    bench.add_project("sub/", name="demo")


def undeclared_in_a_folder_of_its_name(bench: WheelBench) -> None:
    bench.add_project("sub/demo/", declared=False)


def a_copy_below_the_root(bench: WheelBench) -> None:
    bench.add_project(declared=False)
    bench.add_project("tests/")
    bench.local.put("tests/demo.py", "x = 'wrong'\n")


@pytest.mark.parametrize(
    "make",
    [
        a_workspace,
        another_at_the_root,
        another_at_the_root_undeclared,
        undeclared_in_a_folder_of_its_name,
        a_copy_below_the_root,
    ],
)
def test_the_project_is_found_where_it_is(bench: Bench, make: Callable[[WheelBench], None]) -> None:
    make(bench)

    wheel = bench.wheel(bench.commit("one", "1.0"))

    assert wheel.name == "demo-1.0-py3-none-any.whl"
    assert inside(wheel, "demo.py") == "x = 1\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("pyproject.toml", '[project]\nname = "My.Demo"\n', id="project"),
        pytest.param(
            "pyproject.toml",
            '[build-system]\nrequires = []\n[tool.poetry]\nname = "my_demo"\n',
            id="poetry",
        ),
        pytest.param(
            "pyproject.toml",
            '[build-system]\nrequires = []\n[tool.flit.metadata]\nmodule = "my_demo"\n',
            id="flit",
        ),
        pytest.param(
            "pyproject.toml",
            '[build-system]\nrequires = []\n[tool.flit.metadata]\nmodule = "x"\ndist-name = "my-demo"\n',
            id="flit-of-another-module",
        ),
    ],
)
def test_the_name_is_read_as_each_backend_writes_it(tmp_path: Path, name: str, text: str) -> None:
    for folder in ("a/b", "a/b/c", ".hidden"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / name).write_text(text)
    (tmp_path / "setup.py").touch()
    (tmp_path / "a" / "pyproject.toml").write_text("[[[")

    assert list(project_folders(tmp_path, "my-demo")) == [tmp_path, tmp_path / "a" / "b"]


def test_a_repository_of_other_projects_is_said(bench: WheelBench) -> None:
    bench.add_project(name="other")
    declared = bench.commit("one", "1.0")
    bench.add_project(name="other", declared=False)
    undeclared = bench.commit("two", "2.0")

    with pytest.raises(BuildFailed) as first:
        bench.wheel(declared)
    with pytest.raises(BuildFailed) as second:
        bench.wheel(undeclared)

    assert str(first.value) == f"commit {declared.sha[:12]} cannot be built: nothing in it builds `demo`"
    assert str(second.value) == (
        f"commit {undeclared.sha[:12]} cannot be built: "
        "nothing in it builds `demo`, only other-2.0-py3-none-any.whl"
    )


# --- What goes wrong beside the build


def test_a_commit_that_is_not_there_is_said(bench: WheelBench) -> None:
    bench.add_project()
    commit = replace(bench.commit("one", "1.0"), sha="1" * 40)

    with pytest.raises(UsageError, match=f"has no tag, branch or commit `{'1' * 40}`"):
        bench.wheel(commit)

    assert bench.failures == {}


def test_a_folder_that_cannot_be_written_is_said(bench: WheelBench) -> None:
    bench.add_project()
    commit = bench.commit("one", "1.0")
    (bench.folder / "cache").mkdir()
    (bench.folder / "cache" / "wheels").touch()

    with pytest.raises(Unavailable) as caught:
        bench.wheel(commit)

    wheels = bench.folder / "cache" / "wheels"
    assert str(caught.value) == f"wheels cannot be written: `{wheels}` (File exists)"
    assert caught.value.hint is not None


def test_what_was_cancelled_has_no_result(bench: WheelBench) -> None:
    bench.add_project()
    commit = bench.commit("one", "1.0")
    token = CancelToken()
    token.cancel()

    with pytest.raises(Cancelled):
        bench.builder().wheel(commit, THIS_PYTHON, token)

    assert bench.failures == {}


# --- With the backends that people use


@pytest.mark.network
@pytest.mark.parametrize(
    ("files", "version"),
    [
        pytest.param(
            {
                "setup.py": "from setuptools import setup\n"
                "setup(name='demo', py_modules=['demo'], use_scm_version=True, "
                "setup_requires=['setuptools_scm'])\n"
            },
            "1.1",
            id="setuptools-of-old",
        ),
        pytest.param(
            {
                "pyproject.toml": '[build-system]\nrequires = ["flit_core>=2"]\n'
                'build-backend = "flit_core.buildapi"\n'
                '[tool.flit.metadata]\nmodule = "demo"\nauthor = "x"\nauthor-email = "a@b.c"\n'
            },
            "1.1",
            id="flit",
        ),
    ],
)
def test_backends_of_the_commits_time_build_it(tmp_path: Path, files: dict[str, str], version: str) -> None:
    bench = WheelBench(tmp_path, *configured_indexes().urls)
    for name, text in files.items():
        bench.local.put(name, text)
    bench.local.put("demo.py", '"""Demo."""\n__version__ = "1.1"\n')

    wheel = bench.wheel(bench.commit("one", "v1.1"))

    assert wheel.name.startswith(f"demo-{version}-py")
    assert built_with(wheel) == ""
