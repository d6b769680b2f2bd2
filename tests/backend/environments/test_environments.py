"""Environment folders: built once and whole, shared between processes, kept while there is room."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import psutil
import pytest
from packaging.requirements import Requirement
from support.cached_environments import ROOM_ENOUGH, CacheBench, a_spec
from support.local_index import publish_build_backend
from support.processes import PATIENCE_S, eventually, is_running, output
from support.reads import Reads

import bisect_asgi
from bisect_asgi.backend.environments import manifest
from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.files import locked
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.model import Declared, EnvironmentSpec

PACKAGE = Path(bisect_asgi.__file__).parent


def test_an_environment_is_built_once_and_then_reused_without_asking_anybody(cached: CacheBench) -> None:
    cached.publish()
    spec = a_spec()
    resolution = cached.resolve(spec)
    with cached.cache.holding(resolution, spec, CancelToken()) as first:
        marked = first.folder.stat().st_ino
    asked = len(cached.index.requests)
    cached.index.down = True

    with cached.cache.holding(resolution, spec, CancelToken()) as second:
        assert second == first
        assert second.folder.stat().st_ino == marked

    assert len(cached.index.requests) == asked


def test_a_folder_that_cannot_be_written_is_told_with_its_path(cached: CacheBench) -> None:
    cached.publish()
    spec = a_spec()
    resolution = cached.resolve(spec)
    (cached.folder / "building").write_text("a file stands where the folder should be")

    with pytest.raises(Unavailable) as caught, cached.cache.holding(resolution, spec, CancelToken()):
        pass

    assert str(cached.folder) in str(caught.value)


HOLDER = """
import sys
from pathlib import Path
from bisect_asgi.core import codec
from bisect_asgi.backend.environments import EnvironmentCache
from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.environments.sdists import SdistBuilder
from bisect_asgi.backend.uv import Indexes, Uv
from bisect_asgi.core.model import Declared, EnvironmentSpec
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
cache = EnvironmentCache(Path(folder, "environments"), uv=uv, sdists=sdists, limit_bytes=2**30)
resolution = codec.from_json(resolution, Resolution)
with cache.holding(resolution, codec.from_json(spec, EnvironmentSpec), Telling()) as environment:
    print(environment.folder, flush=True)
"""


def another_process(
    cached: CacheBench, resolution: Resolution, spec: EnvironmentSpec, uv_cache: Path
) -> subprocess.Popen[str]:
    """A process that holds the environment, says where it is, and ends."""
    arguments = [codec.to_json(resolution).decode(), codec.to_json(spec).decode()]
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(cached.folder), cached.index.url, *arguments],
        env={**os.environ, "UV_CACHE_DIR": str(uv_cache), "PYTHONPATH": str(PACKAGE.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once_get_one_environment_that_one_of_them_builds(
    cached: CacheBench, tmp_path: Path
) -> None:
    cached.publish()
    spec = a_spec()
    resolution = cached.resolve(spec)
    before = len(cached.index.requests)
    lock = cached.folder / "locks" / f"{resolution.digest}.lock"

    # They can look for it, see that it is not there, and then wait to build it: both of them.
    with locked(lock, shared=True, waiting=lambda: None):
        both = [another_process(cached, resolution, spec, tmp_path / f"uv-cache-{n}") for n in range(2)]
        said = [process.stdout.readline().strip() for process in both if process.stdout]
    seen = [process.communicate(timeout=PATIENCE_S)[0].strip() for process in both]

    assert said == ["waiting", "waiting"]
    assert seen == [str(cached.folder / "environments" / resolution.digest)] * 2
    # Their uv caches are empty and their own, so that a second build would have to download.
    fetched = [r.path for r in cached.index.requests[before:] if r.path.endswith(".whl")]
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
    cached: CacheBench, tmp_path: Path
) -> None:
    flag = tmp_path / "hang"
    flag.touch()
    publish_build_backend(cached.index, "1.0")
    backend = HANGING_BACKEND.format(flag=str(flag))
    cached.index.add_wheel("slowbuild", "1.0", requires=["minibuild"], modules={"slowbuild.py": backend})
    cached.index.add_sdist(
        "demo", "1.0", build_requires=["slowbuild"], backend="slowbuild", metadata_version="2.2"
    )
    spec = a_spec()
    resolution = cached.resolve(spec)  # metadata 2.2: nothing is built yet
    process = another_process(cached, resolution, spec, tmp_path / "uv-cache")
    eventually(lambda: any(cached.folder.glob("builds/*/box-*/tmp/building")))
    below = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
    eventually(lambda: not any(map(is_running, [helper.pid for helper in below])))
    flag.unlink()

    assert cached.kept == set()
    with cached.cache.holding(resolution, spec, CancelToken()) as environment:
        assert output(environment.bin / "python", "-c", "import demo; print(demo.__version__)") == "1.0"
    assert cached.kept == {resolution.digest}


def test_where_a_killed_command_built_is_not_free_as_long_as_its_uv_goes_on(
    cached: CacheBench, tmp_path: Path
) -> None:
    cached.publish()
    resolution = cached.resolve(a_spec())
    cached.index.faults[".whl"] = lambda answer: dataclasses.replace(answer, cut_at=10, stalls=True)
    process = another_process(cached, resolution, a_spec(), tmp_path / "uv-cache")
    building = cached.folder / "building"
    eventually(lambda: any(request.path.endswith(".whl") for request in cached.index.requests))
    left = psutil.Process(process.pid).children(recursive=True)
    (slot,) = (folder for folder in building.iterdir() if folder.is_dir())

    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    del cached.index.faults[".whl"]
    cached.publish("2.0")
    cached.build("2.0")

    try:
        assert slot.exists()  # the uv that was left would install into what another build had there
    finally:
        for helper in left:
            helper.kill()
    process.communicate(timeout=PATIENCE_S)
    psutil.wait_procs(left, timeout=PATIENCE_S)
    cached.publish("3.0")
    cached.build("3.0")
    assert not slot.exists()


def test_a_folder_without_its_marker_is_built_anew(cached: CacheBench) -> None:
    cached.publish()
    spec = a_spec()
    resolution = cached.resolve(spec)
    rest = cached.folder / "environments" / resolution.digest / "lib"
    rest.mkdir(parents=True)

    with cached.cache.holding(resolution, spec, CancelToken()) as environment:
        assert output(environment.bin / "greet") == "this is demo 1.0"


def test_what_each_distribution_requires_is_read_from_the_environment(cached: CacheBench) -> None:
    cached.index.add_wheel("My_Engine", "2.0")
    requires = ["my.engine>=1.5,<3", "nothing ; python_version < '3'", "my.engine ; extra == 'Full'"]
    cached.index.add_wheel("demo", "1.0", requires=requires)

    declared = cached.cache.declared(cached.build())

    assert declared["my-engine"] == Declared()
    assert list(map(Requirement, declared["demo"].requires)) == list(map(Requirement, requires))
    assert declared["demo"].extras == ("full",)


def test_what_was_read_once_is_known_without_reading_it_again(
    cached: CacheBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached.index.add_wheel("engine", "1.0")
    cached.index.add_wheel("demo", "1.0", requires=["engine"])
    digest = cached.build()
    first = cached.cache.declared(digest)
    monkeypatch.setattr(metadata, "distributions", lambda **_: pytest.fail("it was read again"))

    assert cached.cache.declared(digest) == first
    assert first == {"demo": Declared(requires=("engine",)), "engine": Declared()}


def test_nothing_is_known_of_an_environment_that_is_not_kept(cached: CacheBench) -> None:
    assert cached.cache.declared("0" * 64) == {}


# --- What later builds change of earlier environments


def build_two_that_share(cached: CacheBench) -> tuple[str, str]:
    """Build two environments, of which the second links files of the first once more."""
    cached.index.add_wheel("dep", "1.0", modules={"dep.py": "shared = True\n"})
    for version in ("1.0", "2.0"):
        cached.index.add_wheel(
            "demo", version, requires=["dep"], modules={"demo.py": f"version = {version}\n"}
        )
    return cached.build("1.0"), cached.build("2.0")


@pytest.mark.parametrize("is_settled", [True, False])
def test_the_next_command_reads_no_file_again_that_a_later_build_has_linked(
    cached: CacheBench, monkeypatch: pytest.MonkeyPatch, reads: Reads, is_settled: bool
) -> None:
    build_two_that_share(cached)
    if is_settled:
        cached.cache.settle()
    monkeypatch.setattr(manifest, "_READ", {})
    reads.contents = 0

    cached.cache = cached.environments(ROOM_ENOUGH)
    cached.build("1.0")

    assert (reads.contents == 0) == is_settled


def test_the_next_command_reads_no_file_again_that_a_failed_build_has_linked_and_removed(
    cached: CacheBench, monkeypatch: pytest.MonkeyPatch, reads: Reads
) -> None:
    cached.index.add_wheel("dep", "1.0", modules={"dep.py": "shared = True\n"})
    for version in ("1.0", "2.0"):
        cached.index.add_wheel("demo", version, requires=["dep"], modules={"demo.py": ""})
    with cached.holding(a_spec("1.0")):
        cached.cache.note_use(cached.resolve(a_spec("1.0")), a_spec().interpreter)
    cached.cache.settle()
    resolution = cached.resolve(a_spec("2.0"))
    shared = next((cached.folder / "environments").glob("*/lib/*/site-packages/dep.py"))
    before = shared.stat().st_ctime_ns

    cached.cache = cached.environments(ROOM_ENOUGH)
    cached.index.down = True
    with pytest.raises(Unavailable), cached.cache.holding(resolution, a_spec("2.0"), CancelToken()):
        pass
    cached.cache.settle()
    assert shared.stat().st_ctime_ns != before
    monkeypatch.setattr(manifest, "_READ", {})
    reads.contents = 0

    cached.index.down = False
    cached.cache = cached.environments(ROOM_ENOUGH)
    cached.build("1.0")

    assert reads.contents == 0


def test_an_edit_before_the_end_of_a_command_is_found_by_the_next(cached: CacheBench) -> None:
    first, _ = build_two_that_share(cached)
    edited = next((cached.folder / "environments" / first).glob("lib/*/site-packages/dep.py"))
    edited.chmod(0o644)
    edited.write_text("shared = None\n")
    cached.cache.settle()

    cached.cache = cached.environments(ROOM_ENOUGH)
    with cached.holding(a_spec("1.0")) as held:
        found = next(held.folder.glob("lib/*/site-packages/dep.py"))
        assert found.read_text() == "shared = True\n"


def test_an_environment_that_is_in_use_elsewhere_or_gone_is_left(cached: CacheBench) -> None:
    first, second = build_two_that_share(cached)
    with locked(cached.folder / "locks" / f"{first}.lock", waiting=lambda: None):
        cached.cache.remove(second)

        cached.cache.settle()

    assert cached.kept == {first}
