"""Environment folders: built once and whole, shared between processes, kept while there is room."""

from __future__ import annotations

import dataclasses
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import psutil
import pytest
from packaging.requirements import Requirement
from support.environments import ROOM_ENOUGH, THIS_PYTHON, Bench
from support.local_index import LocalIndex, metadata_text, publish_build_backend, wheel_bytes
from support.processes import PATIENCE_S, eventually, is_running

import bisect_asgi
from bisect_asgi.backend import environments, interpreters
from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.environments.resolve import Resolution
from bisect_asgi.backend.environments.templates import NotProved
from bisect_asgi.backend.files import locked
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Cancelled, NoResult, Unavailable, Unresolvable
from bisect_asgi.core.model import Distribution, EnvironmentSpec, Interpreter
from bisect_asgi.core.records import replace

PACKAGE = Path(bisect_asgi.__file__).parent


def a_spec(version: str = "1.0", *, interpreter: Interpreter = THIS_PYTHON) -> EnvironmentSpec:
    return EnvironmentSpec(
        interpreter=interpreter,
        requirements=(f"demo=={version}",),
        must_install=Distribution(name="demo", version=version),
    )


class CacheBench(Bench):
    """A bench with the index that it asks, and its environments."""

    def __init__(self, index: LocalIndex, folder: Path, *, limit_bytes: int = ROOM_ENOUGH) -> None:
        super().__init__(folder, index.url)
        self.index = index
        self.cache = self.environments(limit_bytes)

    def publish(self, version: str = "1.0") -> None:
        self.index.add_wheel(
            "demo",
            version,
            modules={"demo.py": f"def main():\n    print('this is demo {version}')\n"},
            entry_points={"greet": "demo:main"},
        )

    def build(self, version: str = "1.0") -> str:
        """Build and let go; return the digest."""
        spec = a_spec(version)
        resolution = self.resolve(spec)
        with self.cache.holding(resolution, spec, CancelToken()):
            return resolution.digest

    @contextmanager
    def holding(self, spec: EnvironmentSpec | None = None) -> Iterator[Environment]:
        spec = spec or a_spec()
        with self.cache.holding(self.resolve(spec), spec, CancelToken()) as environment:
            yield environment

    @property
    def kept(self) -> set[str]:
        return {digest for digest, _ in self.cache.sizes()}


@pytest.fixture
def bench(local_index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CacheBench:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    return CacheBench(local_index, tmp_path / "cache")


def output(*command: str | Path) -> str:
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    return done.stdout.strip()


def test_an_environment_has_what_was_resolved_and_nothing_else(bench: CacheBench) -> None:
    bench.publish()

    with bench.holding() as environment:
        assert environment.distributions == (Distribution(name="demo", version="1.0"),)
        seen = output(environment.bin / "python", "-c", "import demo; print(demo.__file__)")
        assert seen.startswith(str(environment.folder))


def test_an_environment_has_no_pip_and_no_setuptools(bench: CacheBench) -> None:
    bench.publish()

    with bench.holding() as environment:
        names = {path.name for path in environment.folder.glob("lib/python*/site-packages/*")}
        found = output(
            environment.bin / "python",
            "-c",
            "from importlib.util import find_spec; print([n for n in ('pip', 'setuptools') if find_spec(n)])",
        )

    assert found == "[]"
    assert not [name for name in names if name.startswith(("pip", "setuptools"))]


def test_an_environment_is_built_once_and_then_reused_without_asking_anybody(bench: CacheBench) -> None:
    bench.publish()
    spec = a_spec()
    resolution = bench.resolve(spec)
    with bench.cache.holding(resolution, spec, CancelToken()) as first:
        marked = first.folder.stat().st_ino
    asked = len(bench.index.requests)
    bench.index.down = True

    with bench.cache.holding(resolution, spec, CancelToken()) as second:
        assert second == first
        assert second.folder.stat().st_ino == marked

    assert len(bench.index.requests) == asked


def test_console_scripts_work_where_the_environment_ends_up(bench: CacheBench) -> None:
    bench.publish()

    with bench.holding() as environment:
        assert output(environment.bin / "greet") == "this is demo 1.0"


def test_files_are_read_only_because_they_are_shared_with_uvs_cache(bench: CacheBench) -> None:
    bench.publish()

    with bench.holding() as environment:
        files = [path for path in environment.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        writable = [path.name for path in files if path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP)]

    assert "demo.py" in {path.name for path in files}
    assert set(writable) == {"bisect-asgi.json", "bisect-asgi-files.json"}


@pytest.mark.parametrize("which", [0, -1], ids=["oldest", "newest"])
def test_the_oldest_and_the_newest_interpreter_of_this_machine_are_served(
    bench: CacheBench, interpreters_cache: Path, which: int
) -> None:
    found = interpreters.find_all(interpreters_cache)
    interpreter = sorted((target.interpreter for target in found), key=lambda i: i.minor)[which]
    bench.publish()

    with bench.holding(a_spec(interpreter=interpreter)) as environment:
        said = output(environment.bin / "python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        assert output(environment.bin / "greet") == "this is demo 1.0"

    assert said == interpreter.short
    assert environment.distributions == (Distribution(name="demo", version="1.0"),)


# Proof.


def publish_liar(index: LocalIndex) -> None:
    """A wheel whose file name says 1.0 and whose metadata says 1.1."""
    content = wheel_bytes("demo-1.0", metadata_text("demo", "1.1"), {"demo.py": ""}, {}, "py3-none-any")
    index.add_file("demo", "demo-1.0-py3-none-any.whl", content)


def test_an_environment_that_is_not_what_it_says_is_not_proved_and_not_kept(bench: CacheBench) -> None:
    bench.publish()
    spec = replace(a_spec(), must_install=Distribution(name="demo", version="2.0"))

    with pytest.raises(NotProved) as caught, bench.holding(spec):
        pass

    assert str(caught.value) == "`demo==2.0` was installed, and its metadata says 1.0"
    assert bench.kept == set()
    assert list((bench.folder / "environments").glob("*")) == []


def test_an_environment_without_the_candidate_is_not_proved(bench: CacheBench) -> None:
    bench.publish()
    spec = replace(a_spec(), must_install=Distribution(name="fastapi", version="1.0"))

    with pytest.raises(NotProved) as caught, bench.holding(spec):
        pass

    assert str(caught.value) == "`fastapi==1.0` was installed, and its Python does not see it"


@pytest.mark.parametrize(
    ("published", "wanted"),
    [
        pytest.param("1.0.0", "1.0", id="trailing-zero"),
        pytest.param("1.0rc1", "1.0.rc1", id="pre-release-spelling"),
        pytest.param("1!2.0", "1!2.0", id="epoch"),
    ],
)
def test_equal_versions_prove_each_other_however_they_are_written(
    bench: CacheBench, published: str, wanted: str
) -> None:
    bench.index.add_wheel("demo", published)
    spec = replace(a_spec(published), must_install=Distribution(name="demo", version=wanted))

    with bench.holding(spec) as environment:
        assert [distribution.name for distribution in environment.distributions] == ["demo"]


def test_a_wheel_that_lies_about_its_version_is_that_releases_fault_alone(bench: CacheBench) -> None:
    publish_liar(bench.index)

    # Not `Unavailable`, which would end a run whose other releases are sound.
    with pytest.raises((Unresolvable, BuildFailed, NotProved)), bench.holding():
        pass

    assert bench.kept == set()


def test_a_file_that_changed_on_the_index_is_not_installed(bench: CacheBench) -> None:
    bench.publish()
    spec = a_spec()
    resolution = bench.resolve(spec)
    bench.index.add_wheel("demo", "1.0", modules={"demo.py": "something_else = True\n"})

    with pytest.raises(NoResult) as caught, bench.cache.holding(resolution, spec, CancelToken()):
        pass

    assert str(caught.value) == (
        "a file did not arrive as it should be in 3 attempts: Hash mismatch for `demo==1.0`"
    )
    assert bench.kept == set()


def test_a_cancelled_build_leaves_nothing(bench: CacheBench) -> None:
    bench.publish()
    spec = a_spec()
    resolution = bench.resolve(spec)
    token = CancelToken()
    token.cancel()

    with pytest.raises(Cancelled), bench.cache.holding(resolution, spec, token):
        pass

    assert bench.kept == set()


def test_a_folder_that_cannot_be_written_is_told_with_its_path(bench: CacheBench) -> None:
    bench.publish()
    spec = a_spec()
    resolution = bench.resolve(spec)
    (bench.folder / "building").write_text("a file stands where the folder should be")

    with pytest.raises(Unavailable) as caught, bench.cache.holding(resolution, spec, CancelToken()):
        pass

    assert str(bench.folder) in str(caught.value)


# Several processes.

HOLDER = """
import sys
from pathlib import Path
from bisect_asgi.core import codec
from bisect_asgi.backend.environments import EnvironmentCache
from bisect_asgi.backend.environments.resolve import Resolution, Resolver
from bisect_asgi.backend.environments.sdists import SdistBuilder
from bisect_asgi.backend.uv import Indexes, Uv
from bisect_asgi.core.model import EnvironmentSpec
from bisect_asgi.core.cancel import CancelToken

class Telling(CancelToken):
    told = False

    def check(self):
        if not self.told:
            print("waiting", flush=True)
        self.told = True
        super().check()

folder, url, resolution, spec = sys.argv[1:]
uv = Uv(Path(folder, "uv"), Indexes(urls=(url,)))
sdists = SdistBuilder(uv, folder=Path(folder, "sdists"), recall_failure={}.get, record_failure=print)
resolver = Resolver(uv, sdists=sdists)
cache = EnvironmentCache(Path(folder, "environments"), uv=uv, resolver=resolver, limit_bytes=2**30)
resolution = codec.from_json(resolution, Resolution)
with cache.holding(resolution, codec.from_json(spec, EnvironmentSpec), Telling()) as environment:
    print(environment.folder, flush=True)
"""


def another_process(
    bench: CacheBench, resolution: Resolution, spec: EnvironmentSpec, uv_cache: Path
) -> subprocess.Popen[str]:
    """A process that holds the environment, says where it is, and ends."""
    arguments = [codec.to_json(resolution).decode(), codec.to_json(spec).decode()]
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(bench.folder), bench.index.url, *arguments],
        env={**os.environ, "UV_CACHE_DIR": str(uv_cache), "PYTHONPATH": str(PACKAGE.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once_get_one_environment_that_one_of_them_builds(
    bench: CacheBench, tmp_path: Path
) -> None:
    bench.publish()
    spec = a_spec()
    resolution = bench.resolve(spec)
    before = len(bench.index.requests)
    lock = bench.folder / "locks" / f"{resolution.digest}.lock"

    # They can look for it, see that it is not there, and then wait to build it: both of them.
    with locked(lock, shared=True, waiting=lambda: None):
        both = [another_process(bench, resolution, spec, tmp_path / f"uv-cache-{n}") for n in range(2)]
        said = [process.stdout.readline().strip() for process in both if process.stdout]
    seen = [process.communicate(timeout=PATIENCE_S)[0].strip() for process in both]

    assert said == ["waiting", "waiting"]
    assert seen == [str(bench.folder / "environments" / resolution.digest)] * 2
    # Their uv caches are empty and their own, so that a second build would have to download.
    fetched = [r.path for r in bench.index.requests[before:] if r.path.endswith(".whl")]
    assert fetched == ["/files/demo-1.0-py3-none-any.whl"]


HANGING_BACKEND = """
import os, pathlib, time

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if pathlib.Path({flag!r}).exists():
        pathlib.Path(os.environ["TMPDIR"], "building").touch()
        time.sleep(600)  # until it is killed
    import minibuild
    return minibuild.build_wheel(wheel_directory, config_settings, metadata_directory)
"""


def test_a_build_that_was_killed_leaves_no_process_and_nothing_that_is_taken_for_whole(
    bench: CacheBench, tmp_path: Path
) -> None:
    flag = tmp_path / "hang"
    flag.touch()
    publish_build_backend(bench.index, "1.0")
    backend = HANGING_BACKEND.format(flag=str(flag))
    bench.index.add_wheel("slowbuild", "1.0", requires=["minibuild"], modules={"slowbuild.py": backend})
    bench.index.add_sdist(
        "demo", "1.0", build_requires=["slowbuild"], backend="slowbuild", metadata_version="2.2"
    )
    spec = a_spec()
    resolution = bench.resolve(spec)  # metadata 2.2: nothing is built yet
    process = another_process(bench, resolution, spec, tmp_path / "uv-cache")
    eventually(lambda: any(bench.folder.glob("builds/*/box-*/tmp/building")))
    below = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
    eventually(lambda: not any(map(is_running, [helper.pid for helper in below])))
    flag.unlink()

    assert bench.kept == set()
    with bench.cache.holding(resolution, spec, CancelToken()) as environment:
        assert output(environment.bin / "python", "-c", "import demo; print(demo.__version__)") == "1.0"
    assert bench.kept == {resolution.digest}


def test_where_a_killed_command_built_is_not_free_as_long_as_its_uv_goes_on(
    bench: CacheBench, tmp_path: Path
) -> None:
    bench.publish()
    resolution = bench.resolve(a_spec())
    bench.index.faults[".whl"] = lambda answer: dataclasses.replace(answer, cut_at=10, stalls=True)
    process = another_process(bench, resolution, a_spec(), tmp_path / "uv-cache")
    building = bench.folder / "building"
    eventually(lambda: any(request.path.endswith(".whl") for request in bench.index.requests))
    left = psutil.Process(process.pid).children(recursive=True)
    (slot,) = (folder for folder in building.iterdir() if folder.is_dir())

    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    del bench.index.faults[".whl"]
    bench.publish("2.0")
    bench.build("2.0")

    try:
        assert slot.exists()  # the uv that was left would install into what another build had there
    finally:
        for helper in left:
            helper.kill()
    process.communicate(timeout=PATIENCE_S)
    psutil.wait_procs(left, timeout=PATIENCE_S)
    bench.publish("3.0")
    bench.build("3.0")
    assert not slot.exists()


def test_a_folder_without_its_marker_is_built_anew(bench: CacheBench) -> None:
    bench.publish()
    spec = a_spec()
    resolution = bench.resolve(spec)
    rest = bench.folder / "environments" / resolution.digest / "lib"
    rest.mkdir(parents=True)

    with bench.cache.holding(resolution, spec, CancelToken()) as environment:
        assert output(environment.bin / "greet") == "this is demo 1.0"


# Eviction.


@pytest.fixture
def three(bench: CacheBench) -> list[str]:
    """Three environments, the first the least recently used one; 4.0 is not built yet."""
    for version in ("1.0", "2.0", "3.0", "4.0"):
        bench.publish(version)
    return [bench.build(version) for version in ("1.0", "2.0", "3.0")]


def size_of_one(bench: CacheBench) -> int:
    sizes = [size for _, size in bench.cache.sizes()]
    assert max(sizes) < 1.1 * min(sizes)  # they differ in a version number
    return max(sizes)


def test_environments_are_listed_least_recently_used_first(bench: CacheBench, three: list[str]) -> None:
    with bench.cache.holding(bench.resolve(a_spec("1.0")), a_spec("1.0"), CancelToken()):
        pass

    assert [digest for digest, _ in bench.cache.sizes()] == [three[1], three[2], three[0]]


def test_past_the_limit_the_least_recently_used_is_removed(bench: CacheBench, three: list[str]) -> None:
    with bench.holding(a_spec("1.0")):  # now the second was not used for longest
        pass
    bench.cache = bench.environments(int(3.5 * size_of_one(bench)))

    fourth = bench.build("4.0")

    assert bench.kept == {three[0], three[2], fourth}


def test_an_environment_in_use_is_not_removed(bench: CacheBench, three: list[str]) -> None:
    with bench.holding(a_spec("1.0")) as used, bench.holding(a_spec("2.0")):
        bench.cache = bench.environments(1)
        fourth = bench.build("4.0")

        assert bench.kept == {three[0], three[1], fourth}
        assert output(used.bin / "greet") == "this is demo 1.0"


def test_the_environment_that_was_just_built_stays_whatever_the_limit(bench: CacheBench) -> None:
    bench.publish()
    bench.cache = bench.environments(1)

    digest = bench.build()

    assert bench.kept == {digest}


def test_an_environment_is_removed_when_it_is_free(bench: CacheBench) -> None:
    bench.publish()
    digest = bench.build()

    with bench.holding():
        assert bench.cache.remove(digest) is False
        assert bench.kept == {digest}
    assert bench.cache.remove(digest) is True
    assert bench.kept == set()


def test_an_environment_whose_removal_was_cut_off_is_built_anew(
    bench: CacheBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.publish()
    digest = bench.build()

    def killed(folder: Path, **_: object) -> None:
        (folder / "bin" / "greet").unlink()

    with monkeypatch.context() as patched:
        patched.setattr("bisect_asgi.backend.environments.remove", killed)
        bench.cache.remove(digest)

    with bench.holding() as environment:
        assert output(environment.bin / "greet") == "this is demo 1.0"


def test_what_was_discarded_while_it_was_in_use_goes_with_the_next_build(bench: CacheBench) -> None:
    bench.publish()
    bench.publish("2.0")
    with bench.holding() as environment:
        (environment.folder / "bisect-asgi.json").unlink()
        bench.build("2.0")
        assert environment.folder.exists()

    bench.cache.remove(bench.build("2.0"))
    kept = bench.build("2.0")

    assert [path.name for path in (bench.folder / "environments").iterdir()] == [kept]


def test_an_environment_that_another_command_removes_meanwhile_is_not_listed(
    bench: CacheBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.publish()
    digest = bench.build()
    read = environments._read_marker

    def read_and_lose(home: Path) -> object:
        marker = read(home)
        bench.cache.remove(digest)
        return marker

    monkeypatch.setattr(environments, "_read_marker", read_and_lose)

    assert bench.cache.sizes() == []


# --- What is required of one another


def test_what_each_distribution_requires_is_read_from_the_environment(bench: CacheBench) -> None:
    bench.index.add_wheel("My_Engine", "2.0")
    bench.index.add_wheel("demo", "1.0", requires=["my.engine>=1.5,<3", "nothing ; python_version < '3'"])

    required = bench.cache.requirements(bench.build())

    assert required["my-engine"] == ()
    assert [Requirement(text) for text in required["demo"]] == [
        Requirement("my.engine>=1.5,<3"),
        Requirement("nothing ; python_version < '3'"),
    ]


def test_what_was_read_once_is_known_without_reading_it_again(
    bench: CacheBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.index.add_wheel("engine", "1.0")
    bench.index.add_wheel("demo", "1.0", requires=["engine"])
    digest = bench.build()
    first = bench.cache.requirements(digest)
    monkeypatch.setattr(metadata, "distributions", lambda **_: pytest.fail("it was read again"))

    assert bench.cache.requirements(digest) == first == {"demo": ("engine",), "engine": ()}


def test_nothing_is_known_of_an_environment_that_is_not_kept(bench: CacheBench) -> None:
    assert bench.cache.requirements("0" * 64) == {}
