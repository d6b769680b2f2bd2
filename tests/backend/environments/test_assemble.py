"""How an environment is put together: exactly what was resolved, proved, and in nobody's way."""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
from support.cached_environments import CacheBench, a_spec
from support.local_index import LocalIndex, metadata_text, wheel_bytes
from support.processes import output

from bisect_asgi.backend import interpreters
from bisect_asgi.backend.environments import assemble
from bisect_asgi.backend.environments.templates import NotProved
from bisect_asgi.backend.files import locked_if_free
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Cancelled, NoResult, Unresolvable
from bisect_asgi.core.model import Distribution
from bisect_asgi.core.records import replace


def test_an_environment_has_what_was_resolved_and_nothing_else(cached: CacheBench) -> None:
    cached.publish()

    with cached.holding() as environment:
        assert environment.distributions == (Distribution(name="demo", version="1.0"),)
        seen = output(environment.bin / "python", "-c", "import demo; print(demo.__file__)")
        assert seen.startswith(str(environment.folder))


def test_an_environment_has_no_pip_and_no_setuptools(cached: CacheBench) -> None:
    cached.publish()

    with cached.holding() as environment:
        names = {path.name for path in environment.folder.glob("lib/python*/site-packages/*")}
        found = output(
            environment.bin / "python",
            "-c",
            "from importlib.util import find_spec; print([n for n in ('pip', 'setuptools') if find_spec(n)])",
        )

    assert found == "[]"
    assert not [name for name in names if name.startswith(("pip", "setuptools"))]


def test_console_scripts_work_where_the_environment_ends_up(cached: CacheBench) -> None:
    cached.publish()

    with cached.holding() as environment:
        assert output(environment.bin / "greet") == "this is demo 1.0"


def test_files_are_read_only_because_they_are_shared_with_uvs_cache(cached: CacheBench) -> None:
    cached.publish()

    with cached.holding() as environment:
        files = [path for path in environment.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        writable = [path.name for path in files if path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP)]

    assert "demo.py" in {path.name for path in files}
    assert set(writable) == {"bisect-asgi.json", "bisect-asgi-files.json"}


@pytest.mark.parametrize("is_used", [False, True])
def test_a_slot_that_cannot_be_removed_is_removed_at_the_end_unless_another_build_uses_it(
    cached: CacheBench, monkeypatch: pytest.MonkeyPatch, is_used: bool
) -> None:
    slots: list[Path] = []
    at_the_end: list[Callable[[], None]] = []

    def fails(path: Path) -> bool:
        slots.append(path)
        path.mkdir(exist_ok=True)
        return False

    monkeypatch.setattr(assemble, "remove", fails)
    monkeypatch.setattr(assemble.atexit, "register", lambda *call: at_the_end.append(partial(*call)))
    monkeypatch.setattr(assemble.Templates, "copy", lambda *_: (_ for _ in ()).throw(MemoryError))
    cached.publish()
    with pytest.raises(MemoryError), cached.holding():
        pass
    monkeypatch.undo()
    slot = slots[-1]
    there = slot.exists()
    lock = locked_if_free(slot.with_suffix(f"{slot.suffix}.lock")) if is_used else nullcontext()
    with lock:
        at_the_end[-1]()

    assert (there, slot.exists()) == (True, is_used)


@pytest.mark.parametrize("which", [0, -1], ids=["oldest", "newest"])
def test_the_oldest_and_the_newest_interpreter_of_this_machine_are_served(
    cached: CacheBench, interpreters_cache: Path, which: int
) -> None:
    found = interpreters.find_all(interpreters_cache)
    interpreter = sorted((target.interpreter for target in found), key=lambda i: i.minor)[which]
    cached.publish()

    with cached.holding(a_spec(interpreter=interpreter)) as environment:
        said = output(environment.bin / "python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        assert output(environment.bin / "greet") == "this is demo 1.0"

    assert said == interpreter.short
    assert environment.distributions == (Distribution(name="demo", version="1.0"),)


def publish_liar(index: LocalIndex) -> None:
    """A wheel whose file name says 1.0 and whose metadata says 1.1."""
    content = wheel_bytes("demo-1.0", metadata_text("demo", "1.1"), {"demo.py": ""}, {}, "py3-none-any")
    index.add_file("demo", "demo-1.0-py3-none-any.whl", content)


def test_an_environment_that_is_not_what_it_says_is_not_proved_and_not_kept(cached: CacheBench) -> None:
    cached.publish()
    spec = replace(a_spec(), must_install=Distribution(name="demo", version="2.0"))

    with pytest.raises(NotProved) as caught, cached.holding(spec):
        pass

    assert str(caught.value) == "`demo==2.0` was installed, and its metadata says 1.0"
    assert cached.kept == set()
    assert list((cached.folder / "environments").glob("*")) == []


def test_an_environment_without_the_candidate_is_not_proved(cached: CacheBench) -> None:
    cached.publish()
    spec = replace(a_spec(), must_install=Distribution(name="fastapi", version="1.0"))

    with pytest.raises(NotProved) as caught, cached.holding(spec):
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
    cached: CacheBench, published: str, wanted: str
) -> None:
    cached.index.add_wheel("demo", published)
    spec = replace(a_spec(published), must_install=Distribution(name="demo", version=wanted))

    with cached.holding(spec) as environment:
        assert [distribution.name for distribution in environment.distributions] == ["demo"]


def test_a_wheel_that_lies_about_its_version_is_that_releases_fault_alone(cached: CacheBench) -> None:
    publish_liar(cached.index)

    # Not `Unavailable`, which would end a run whose other releases are sound.
    with pytest.raises((Unresolvable, BuildFailed, NotProved)), cached.holding():
        pass

    assert cached.kept == set()


def test_a_file_that_changed_on_the_index_is_not_installed(cached: CacheBench) -> None:
    cached.publish()
    spec = a_spec()
    resolution = cached.resolve(spec)
    cached.index.add_wheel("demo", "1.0", modules={"demo.py": "something_else = True\n"})

    with pytest.raises(NoResult) as caught, cached.cache.holding(resolution, spec, CancelToken()):
        pass

    assert str(caught.value) == (
        "a file did not arrive as it should be in 3 attempts: Hash mismatch for `demo==1.0`"
    )
    assert cached.kept == set()


def test_a_cancelled_build_leaves_nothing(cached: CacheBench) -> None:
    cached.publish()
    spec = a_spec()
    resolution = cached.resolve(spec)
    token = CancelToken()
    token.cancel()

    with pytest.raises(Cancelled), cached.cache.holding(resolution, spec, token):
        pass

    assert cached.kept == set()
