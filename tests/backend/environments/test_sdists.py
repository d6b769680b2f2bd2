"""Wheels of source distributions: each built in a box of its own, and kept."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.environments import THIS_PYTHON, Bench
from support.local_index import LocalIndex, publish_build_backend
from support.resolutions import LONG_AGO, a_spec, names

from bisect_asgi.backend.environments.lock_file import LockFiles
from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.environments.resolve_building import Building
from bisect_asgi.backend.environments.sdists import Sdist, SdistBuilder, Wheel
from bisect_asgi.backend.environments.templates import site_packages
from bisect_asgi.backend.uv_output import SdistBuildFailed
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed
from bisect_asgi.core.model import EnvironmentSpec


def publish(index: LocalIndex, **how: Any) -> None:
    """demo needs dep, which has no wheel."""
    index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["dep"])
    index.add_sdist("dep", "1.0", uploaded=LONG_AGO, **how)
    publish_build_backend(index, "1.0", LONG_AGO)


def build_no_more(index: LocalIndex) -> None:
    """From now on, a build fails."""
    publish_build_backend(index, "1.0", LONG_AGO, works=False)


def installed(bench: Bench, resolution: Resolution, spec: EnvironmentSpec) -> set[str]:
    """Build the environment of a resolution in a new command; return the modules in it."""
    with bench.environments().holding(resolution, spec, CancelToken()) as environment:
        return {path.name for path in site_packages(environment.folder).glob("[a-z]*.py")}


def kept(bench: Bench) -> dict[str, bytes]:
    """The wheels that are kept, by their names."""
    return {path.name: path.read_bytes() for path in bench.folder.glob("sdists/*/*.whl")}


# --- Built once


def test_what_was_built_to_resolve_is_installed_and_serves_later_commands(
    local_index: LocalIndex, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(local_index)
    spec = a_spec()
    first = bench.resolve(spec)
    build_no_more(local_index)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another-cache"))
    later = Bench(tmp_path, local_index.url)

    again = later.resolver().resolve(spec, CancelToken(), likely=first.sdists)
    from_nothing = later.resolve(spec)

    assert names(first) == ["demo==1.0", "dep==1.0"]
    assert [str(sdist) for sdist in first.sdists] == ["dep==1.0"]
    assert first == again == from_nothing
    assert installed(later, first, spec) >= {"demo.py", "dep.py"}
    assert list(kept(bench)) == ["dep-1.0-py3-none-any.whl"]


def test_where_uv_cannot_be_kept_from_starting_processes_it_resolves_in_a_box(
    local_index: LocalIndex, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("no filter of system calls is known for this machine")

    monkeypatch.setattr(bench.uv._workshop, "run_alone", refused)
    publish(local_index)
    spec = a_spec()
    first = bench.resolve(spec)
    assert installed(bench, first, spec) >= {"demo.py", "dep.py"}
    build_no_more(local_index)

    again = bench.resolver().resolve(spec, CancelToken(), likely=first.sdists)

    assert first == again


def test_uv_alone_builds_nothing_and_names_what_needs_it(local_index: LocalIndex, bench: Bench) -> None:
    publish(local_index)
    run = partial(bench.uv.run, "compile", "-", "--python", THIS_PYTHON.path, token=CancelToken())
    run("--only-binary", ":all:", stdin="minibuild")  # alone, it could not ask the interpreter what it is

    with pytest.raises(SdistBuildFailed, match="Operation not permitted") as caught:
        run(stdin="demo", alone=True)

    assert (caught.value.name, caught.value.version) == ("dep", "1.0")
    assert not any(bench.folder.glob("**/dep-1.0*.whl"))


def test_a_wheel_that_came_later_takes_the_place_of_what_was_built(
    local_index: LocalIndex, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(local_index)
    first = bench.resolve(a_spec())
    local_index.add_wheel("dep", "1.0", uploaded=LONG_AGO, requires=["more"])
    local_index.add_wheel("more", "1.0", uploaded=LONG_AGO)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another-cache"))  # without the pages of before
    again = Bench(tmp_path, local_index.url)

    building = Building(LockFiles(again.uv), again.sdists(), a_spec(), "building", CancelToken())
    found = building.resolution(first.sdists)

    assert names(found) == ["demo==1.0", "dep==1.0", "more==1.0"]
    assert found.sdists == ()


METADATA_ALONE = """
import pathlib
def get_requires_for_build_wheel(*_):
    return []
def prepare_metadata_for_build_wheel(folder, *_):
    info = pathlib.Path(folder, "dep-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_bytes(pathlib.Path("PKG-INFO").read_bytes())
    (info / "WHEEL").write_text("Wheel-Version: 1.0\\n")
    return info.name
def build_wheel(*_):
    raise RuntimeError("there is no compiler")
"""


def test_metadata_of_what_does_not_build_is_enough_to_resolve(local_index: LocalIndex, bench: Bench) -> None:
    publish(local_index)
    local_index.add_wheel("minibuild", "1.0", uploaded=LONG_AGO, modules={"minibuild.py": METADATA_ALONE})
    spec = a_spec()

    resolution = bench.resolve(spec)

    assert names(resolution) == ["demo==1.0", "dep==1.0"]
    with pytest.raises(BuildFailed, match="cannot be built: RuntimeError: there is no compiler"):
        installed(bench, resolution, spec)


def test_a_requirement_that_only_uv_understands_is_left_to_uv(local_index: LocalIndex, bench: Bench) -> None:
    publish(local_index, requires=["lib>=1.0.*"])
    local_index.add_wheel("lib", "1.0", uploaded=LONG_AGO)

    resolution = bench.resolve(a_spec())

    assert names(resolution) == ["demo==1.0", "dep==1.0", "lib==1.0"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="emptied"),
        pytest.param(lambda path: path.unlink(), id="removed"),
        pytest.param(lambda path: path.with_name("wheel.json").write_bytes(b"{"), id="note"),
    ],
)
def test_a_wheel_that_is_not_what_was_built_is_built_again(
    local_index: LocalIndex, bench: Bench, damage: Callable[[Path], object]
) -> None:
    publish(local_index)
    spec = a_spec()
    resolution = bench.resolve(spec)
    (wheel,) = bench.folder.glob("sdists/*/*.whl")
    damage(wheel)

    assert installed(bench, resolution, spec) >= {"demo.py", "dep.py"}

    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None


# --- Kept apart

HOSTILE = '''
import glob, os, sys
sys.path.insert(0, os.path.dirname(__file__))
from honest import build_wheel as build, get_requires_for_build_wheel

def build_wheel(*arguments):
    """Write into all that is there, and leave a wheel of another name."""
    for folder in {folders!r}:
        for path in filter(os.path.isfile, glob.glob(folder + "/**/dep*.*", recursive=True)):
            try:
                os.chmod(path, 0o666)
                open(path, "wb").write(b"changed")
            except OSError:
                pass
        for place in [folder, *glob.glob(folder + "/**/", recursive=True)]:
            try:
                open(place + "/dep-1.0-py3-none-any.whl", "wb").write(b"changed")
            except OSError:
                pass
    return build(*arguments)
'''


def test_the_build_of_one_changes_no_wheel_of_another(local_index: LocalIndex, bench: Bench) -> None:
    publish(local_index)
    bench.resolve(a_spec())
    before = kept(bench)
    honest = local_index._projects["minibuild"]["minibuild-1.0-py3-none-any.whl"]
    (bench.folder / "honest.whl").write_bytes(honest.content)
    with zipfile.ZipFile(bench.folder / "honest.whl") as archive:
        source = archive.read("minibuild.py").decode()
    folders = [str(bench.folder / name) for name in ("sdists", "builds", "uv-cache", "uv")]
    modules = {"hostile.py": HOSTILE.replace("{folders!r}", repr(folders)), "honest.py": source}
    local_index.add_wheel("hostile", "1.0", uploaded=LONG_AGO, modules=modules)
    local_index.add_sdist("evil", "1.0", uploaded=LONG_AGO, build_requires=["hostile"], backend="hostile")

    assert names(bench.resolve(a_spec("evil==1.0", exclude_newer_package=()))) == ["evil==1.0"]

    assert {name: content for name, content in kept(bench).items() if name.startswith("dep")} == before
    assert len(kept(bench)) == 2
    assert not any(bench.folder.glob("uv-cache/**/dep-1.0-py3-none-any.whl"))


DEP = Sdist(name="dep", version="1.0", hashes=("sha256:0",))


class MadeUpUv:
    """Builds nothing; a function leaves what a build might."""

    def __init__(self, folder: Path, leave: Callable[[Path], object]) -> None:
        self.folder = folder
        self.leave = leave

    @contextmanager
    def built(self, *_: str, token: CancelToken) -> Iterator[Path]:
        box = self.folder / "box"
        box.mkdir()
        self.leave(box / "dep-1.0-py3-none-any.whl")
        yield box


def a_wheel(path: Path, *, name: str = "dep", version: str = "1.0", info: str = "dep-1.0.dist-info") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def linked(path: Path) -> None:
    a_wheel(path.parent.parent / "elsewhere.whl")
    path.symlink_to(path.parent.parent / "elsewhere.whl")


def cut(path: Path) -> None:
    a_wheel(path)
    path.write_bytes(path.read_bytes()[:-30])


def made(folder: Path, leave: Callable[[Path], object]) -> Wheel:
    uv: Any = MadeUpUv(folder, leave)
    builder = SdistBuilder(
        uv, folder=folder / "sdists", recall_failure=lambda _: None, record_failure=lambda *_: None
    )
    return builder.wheel(DEP, THIS_PYTHON, [None], CancelToken(), own=None)


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(lambda _: None, id="nothing"),
        pytest.param(linked, id="a-link"),
        pytest.param(os.mkfifo, id="a-pipe"),
        pytest.param(os.mkdir, id="a-folder"),
        pytest.param(cut, id="cut"),
        pytest.param(lambda path: a_wheel(path, name="other"), id="another-name"),
        pytest.param(lambda path: a_wheel(path, version="2.0"), id="another-version"),
        pytest.param(lambda path: a_wheel(path, version="what"), id="no-version"),
        pytest.param(lambda path: a_wheel(path, info="dep"), id="no-metadata"),
        pytest.param(lambda path: a_wheel(path.with_name("dep-2.0-py3-none-any.whl")), id="another-file"),
        pytest.param(lambda path: a_wheel(path.with_name("dep-1.0.whl")), id="no-wheels-name"),
    ],
)
def test_what_is_no_wheel_of_the_release_is_not_kept(tmp_path: Path, leave: Callable[[Path], object]) -> None:
    with pytest.raises(BuildFailed, match=r"^its build left no wheel of `dep==1\.0`$") as caught:
        made(tmp_path, leave)

    assert not caught.value.is_lasting
    assert not any(tmp_path.glob("sdists/*/*"))


def test_what_is_one_is_kept_with_its_hash(tmp_path: Path) -> None:
    wheel = made(tmp_path, a_wheel)

    assert wheel.metadata is not None
    assert (wheel.metadata.name, wheel.metadata.version) == ("dep", "1.0")
    assert wheel.pin == f"dep==1.0 --hash=sha256:{wheel.digest}"
    assert (Path(wheel.folder) / wheel.file).is_file()
