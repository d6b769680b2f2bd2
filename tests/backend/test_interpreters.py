"""The interpreters of this machine are found, those of pyenv included, and what they can install is known."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import python_discovery
from packaging import markers, tags
from packaging.markers import Marker
from packaging.tags import parse_tag

from bisect_asgi.backend import interpreters
from bisect_asgi.backend.interpreters import find, find_all, target_python
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Interpreter
from bisect_asgi.core.releases.interpreters import markers_of

MINE = ".".join(str(part) for part in sys.version_info[:3])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is known of this machine's interpreters; asking each of them anew takes a second."""
    return tmp_path_factory.mktemp("interpreters")


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def asked_for(path: str, code: str) -> str:
    """What a Python prints."""
    return subprocess.run([path, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


# --- All of them


def test_every_interpreter_that_is_found_is_what_it_is_said_to_be(cache: Path) -> None:
    code = "import platform, sys; print(platform.python_version(), sys.prefix == sys.base_prefix)"

    found = {target.interpreter.path: target.interpreter.version for target in find_all(cache)}

    assert {path: asked_for(path, code) for path in found} == {
        path: f"{version} True" for path, version in found.items()
    }


def test_the_interpreter_that_runs_this_is_among_them_once(cache: Path) -> None:
    versions = [target.interpreter.version for target in find_all(cache)]

    assert MINE in versions
    assert len(versions) == len(set(versions))


def test_none_is_older_than_3_6_or_another_implementation(cache: Path) -> None:
    found = [target.interpreter for target in find_all(cache)]

    assert all(interpreter.minor >= (3, 6) for interpreter in found)
    assert {interpreter.implementation for interpreter in found} == {"CPython"}


def test_what_is_known_is_told_again(cache: Path) -> None:
    assert find_all(cache) == find_all(cache)


def test_those_of_pyenv_are_found_without_running_its_shims(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [target.interpreter for target in find_all(cache) if target.interpreter.version != MINE]
    root = tmp_path / "pyenv"
    ran = tmp_path / "ran"
    program(root / "shims" / "python3", f": > {ran}; exit 1")
    monkeypatch.setenv("PYENV_ROOT", str(root))
    monkeypatch.setenv("PATH", str(root / "shims"))
    before = {target.interpreter.version for target in find_all(tmp_path / "cache")}
    hidden = [interpreter for interpreter in others if interpreter.version not in before]
    if not hidden:
        pytest.skip("no interpreter is found by PATH alone")
    folder = root / "versions" / hidden[0].version / "bin"
    folder.mkdir(parents=True)
    (folder / "python3").symlink_to(hidden[0].path)

    after = {target.interpreter.version for target in find_all(tmp_path / "cache")}

    assert after - before == {hidden[0].version}
    assert not ran.exists()


def test_one_that_may_not_be_read_hides_none_that_was_found_before(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(**_: object) -> Iterator[object]:
        yield python_discovery.get_interpreter(sys.executable)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(python_discovery, "iter_interpreters", found)

    assert [target.interpreter.version for target in find_all(cache)] == [platform.python_version()]


def test_a_broken_interpreter_is_passed_over_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = program(tmp_path / "bin" / "python3.9", "echo oops >&2; exit 1")
    monkeypatch.setenv("PATH", str(broken.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))

    with caplog.at_level(logging.DEBUG):
        found = find_all(tmp_path / "cache")

    assert MINE in {target.interpreter.version for target in found}
    assert str(broken) not in {target.interpreter.path for target in found}
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# --- One of them


@pytest.mark.parametrize(
    "wish",
    [
        pytest.param(MINE, id="version"),
        pytest.param(sys.executable, id="path"),
        pytest.param(getattr(sys, "_base_executable", sys.executable), id="path-of-the-base"),
    ],
)
def test_an_interpreter_is_found_by_version_and_by_path(cache: Path, wish: str) -> None:
    found = find(wish, cache).interpreter

    assert found.version == MINE
    assert asked_for(found.path, "import sys; print(sys.prefix == sys.base_prefix)") == "True"


def test_each_minor_version_is_found_by_its_short_name(cache: Path) -> None:
    wishes = {target.interpreter.short for target in find_all(cache)}

    assert {wish: find(wish, cache).interpreter.short for wish in wishes} == {wish: wish for wish in wishes}


class Machine:
    """A path with made-up Pythons on it, and which of them were asked."""

    def __init__(self, folder: Path, real: str, version: str) -> None:
        self._folder = folder
        self._real = real
        self.version = version
        self.asked = folder / "asked"

    def add(self, name: str, *, is_broken: bool = False) -> Path:
        """A program that runs the real Python and writes down that it was asked."""
        does = "exit 1" if is_broken else f'exec {self._real} "$@"'
        return program(self._folder / name, f"echo {name} >> {self.asked}\n{does}")

    @property
    def path(self) -> str:
        return os.pathsep.join(str(each) for each in sorted(self._folder.iterdir()) if each.is_dir())

    def asks(self) -> list[str]:
        """The programs that were asked since the last time."""
        found = self.asked.read_text().split() if self.asked.exists() else []
        self.asked.unlink(missing_ok=True)
        return found


@pytest.fixture
def machine(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    others = [t.interpreter for t in find_all(cache) if not MINE.startswith(t.interpreter.short + ".")]
    if not others:
        pytest.skip("there is no other Python on this machine")
    made = Machine(tmp_path / "machine", others[0].path, others[0].version)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    return made


def test_the_one_that_has_the_version_in_its_name_is_asked_before_all_others(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ".".join(machine.version.split(".")[:2])
    machine.add("a/python3")
    machine.add(f"b/python{short}")
    monkeypatch.setenv("PATH", machine.path)

    for wish in (short, machine.version):
        assert find(wish, tmp_path / f"cache-{wish}").interpreter.version == machine.version
        assert set(machine.asks()) == {f"b/python{short}"}


def test_one_of_that_name_that_is_broken_hides_no_other(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ".".join(machine.version.split(".")[:2])
    machine.add(f"a/python{short}", is_broken=True)
    machine.add("b/python3")
    monkeypatch.setenv("PATH", machine.path)

    assert find(short, tmp_path / "cache").interpreter.version == machine.version


def test_what_was_found_is_found_again_without_looking(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.add("a/python3")
    monkeypatch.setenv("PATH", machine.path)
    first = find(machine.version, tmp_path / "cache")

    def discovery(*_: object, **__: object) -> None:
        raise AssertionError("it was looked for")

    monkeypatch.setattr(python_discovery, "get_interpreter", discovery)

    assert find(machine.version, tmp_path / "cache") == first


def test_one_that_is_named_by_its_path_is_asked_once_if_it_is_no_other_program(
    cache: Path, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(sys.executable)
    wrapper = str(machine.add("a/python3"))
    first = find(str(link), cache)
    find(wrapper, cache)
    monkeypatch.chdir(tmp_path)

    def discovery(*_: object, **__: object) -> None:
        raise AssertionError("it was looked for")

    monkeypatch.setattr(python_discovery, "get_interpreter", discovery)

    assert find(str(link), cache) == find("./link", cache) == first
    with pytest.raises(AssertionError):
        find(wrapper, cache)
    link.unlink()
    link.symlink_to(wrapper)
    with pytest.raises(AssertionError):
        find(str(link), cache)


@pytest.mark.parametrize(
    "change", ["new in a folder", "new folder", "file changed", "another PATH", "damaged"]
)
def test_it_is_looked_for_again_once_something_has_changed(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    machine.add("a/python3")
    monkeypatch.setenv("PATH", machine.path)
    copy = tmp_path / "copy"
    shutil.copy(sys.executable, copy)
    info = python_discovery.get_interpreter(str(machine.add("a/python3")))
    assert info is not None
    looked_for: list[object] = []

    def discovery(*wish: object, **_: object) -> object:
        looked_for.append(wish)
        info.system_executable = str(copy)
        return info

    monkeypatch.setattr(python_discovery, "get_interpreter", discovery)
    find(machine.version, tmp_path / "cache")
    find(machine.version, tmp_path / "cache")
    assert len(looked_for) == 1

    match change:
        case "new in a folder":
            machine.add("a/python3.99")
            os.utime(tmp_path / "machine" / "a", ns=(1, 1))
        case "new folder":
            machine.add("b/python3")
            monkeypatch.setenv("PATH", machine.path)
        case "file changed":
            os.utime(copy, ns=(1, 1))
        case "another PATH":
            monkeypatch.setenv("PATH", os.defpath)
        case "damaged":
            for kept in (tmp_path / "cache").glob("found-*"):
                kept.write_text("{")
    find(machine.version, tmp_path / "cache")

    assert len(looked_for) == 2


@pytest.mark.parametrize("wish", ["9.9", "/no/such/python", "nonsense"])
def test_an_interpreter_that_is_not_there_is_told_with_those_that_are(cache: Path, wish: str) -> None:
    have = sorted({target.interpreter.short for target in find_all(cache)}, key=lambda v: int(v[2:]))

    with pytest.raises(UsageError) as caught:
        find(wish, cache)

    assert str(caught.value) == f"there is no Python `{wish}` on this machine (`--python`)"
    assert caught.value.hint is not None
    assert caught.value.hint.replace(",", "").replace(" and", "").split()[3:] == have


@pytest.mark.parametrize("wish", ["all", "3.8,3.9"])
def test_several_are_refused_where_one_is_needed(cache: Path, wish: str) -> None:
    with pytest.raises(UsageError, match=f"`--python {wish}` names several Pythons") as caught:
        find(wish, cache)

    assert caught.value.hint == "pass one; only a search runs on several"


def test_a_program_that_is_no_python_is_not_taken_for_one(cache: Path, tmp_path: Path) -> None:
    broken = program(tmp_path / "python3.9", "exit 1")

    with pytest.raises(UsageError) as caught:
        find(str(broken), cache)

    assert f"`{broken}`" in str(caught.value)


def test_a_folder_is_no_python(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find(str(tmp_path), cache)

    assert f"`{tmp_path}`" in str(caught.value)


def test_a_python_from_before_3_6_is_too_old(cache: Path) -> None:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    old = shutil.which(
        "python2.7", path=os.pathsep.join(map(str, root.glob("versions/2.7*/bin"))) + ":/usr/bin"
    )
    if old is None:
        pytest.skip("there is no Python 2.7 on this machine")

    with pytest.raises(UsageError) as caught:
        find(old, cache)

    assert "2.7" in str(caught.value)


# --- What they can install


@pytest.mark.skipif(platform.python_implementation() != "CPython", reason="asks the running interpreter")
def test_the_running_interpreter_can_install_what_packaging_says() -> None:
    found = target_python(Interpreter(path=sys.executable, version=MINE))

    assert found.tags == frozenset(tags.sys_tags())


@pytest.mark.skipif(sys.platform != "linux", reason="the wheels are those of Linux")
@pytest.mark.parametrize(
    ("version", "tag", "installs"),
    [
        pytest.param("3.6.15", "py3-none-any", True, id="pure"),
        pytest.param("3.6.15", "cp36-cp36m-manylinux1_{machine}", True, id="3.6-with-pymalloc"),
        pytest.param("3.6.15", "cp36-cp36-manylinux1_{machine}", False, id="3.6-without"),
        pytest.param("3.7.16", "cp37-cp37m-manylinux1_{machine}", True, id="3.7-with-pymalloc"),
        pytest.param("3.8.18", "cp38-cp38-manylinux1_{machine}", True, id="3.8"),
        pytest.param("3.8.18", "cp38-cp38m-manylinux1_{machine}", False, id="3.8-knows-no-pymalloc"),
        pytest.param("3.8.18", "cp39-cp39-manylinux1_{machine}", False, id="a-newer-one"),
        pytest.param("3.8.18", "cp37-cp37m-manylinux1_{machine}", False, id="an-older-one"),
        pytest.param("3.8.18", "cp36-abi3-manylinux1_{machine}", True, id="the-stable-abi"),
        pytest.param("3.8.18", "py2.py3-none-any", True, id="both-pythons"),
        pytest.param("3.8.18", "py2-none-any", False, id="python-2"),
        pytest.param("3.8.18", "cp38-cp38-win_amd64", False, id="another-platform"),
        pytest.param("3.12.1", "cp312-cp312-linux_{machine}", True, id="two-digits"),
    ],
)
def test_an_interpreter_installs_the_wheels_of_its_kind(version: str, tag: str, installs: bool) -> None:
    found = target_python(Interpreter(path="/no/python", version=version))
    if "manylinux1" in tag and platform.machine() not in ("x86_64", "i686"):
        pytest.skip("manylinux1 is of x86 alone")

    assert found.tags.isdisjoint(parse_tag(tag.format(machine=platform.machine()))) is not installs


# --- Those that could be had


def test_what_uv_could_download_is_final_and_not_older_than_3_6() -> None:
    offered = [target.interpreter for target in interpreters.downloadable()]

    assert {interpreter.short for interpreter in offered} >= {"3.8", "3.12"}
    assert all(interpreter.minor >= (3, 6) for interpreter in offered)
    assert len({interpreter.version for interpreter in offered}) == len(offered)


# --- What markers are to hold on


def test_markers_hold_on_the_candidates_interpreter_and_on_this_machine() -> None:
    environment = markers_of(Interpreter(path="/opt/python", version="3.8.20"))

    def holds(marker: str) -> bool:
        return Marker(marker).evaluate(environment)

    assert holds("python_version == '3.8' and python_full_version == '3.8.20'")
    assert holds(f"sys_platform == '{sys.platform}' and platform_machine == '{platform.machine()}'")
    assert not holds("extra == 'test'")


def test_markers_hold_here_as_pip_would_have_it_on_the_running_interpreter() -> None:
    mine = markers_of(Interpreter(path=sys.executable, version=platform.python_version()))

    assert mine == {**markers.default_environment(), "extra": ""}
