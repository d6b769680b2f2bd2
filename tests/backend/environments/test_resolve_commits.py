"""A commit's wheel in the place of a release."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.environments import Bench
from support.local_index import LocalIndex
from support.resolutions import (
    HOLDING,
    LONG_AGO,
    a_spec,
    names,
    publish_held_that_needs_newer,
    publish_wheels,
)

from bisect_asgi.backend.environments.builds import WheelBuilder
from bisect_asgi.backend.environments.resolution import read_resolution
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Commit, EnvironmentSpec, Interpreter
from bisect_asgi.core.records import replace

# A commit in the place of a release.


class Shelf(WheelBuilder):
    """Has the wheel of every commit already."""

    def __init__(self, wheel: Path) -> None:
        self._wheel = wheel

    def wheel(self, commit: Commit, interpreter: Interpreter, token: CancelToken) -> Path:
        return self._wheel


COMMIT = Commit(
    repository="https://example.org/demo.git",
    sha="5" * 40,
    project="demo",
    subject="Change it",
    committed=datetime(2020, 1, 1, tzinfo=UTC),
)


def a_wheel(
    bench: Bench, folder: str, *, version: str = "1.5+g55", tools: str = "", needs: str = "dep"
) -> Shelf:
    """A wheel of demo that the index has not."""
    with LocalIndex() as elsewhere:
        file = elsewhere.add_wheel("demo", version, requires=[needs, "more; extra == 'all'"])
    wheel = bench.folder / folder / file.filename
    wheel.parent.mkdir()
    wheel.write_bytes(file.content)
    wheel.with_name("tools.txt").write_text(tools)
    return Shelf(wheel)


def of_commit(spec: EnvironmentSpec) -> EnvironmentSpec:
    return replace(spec, commit=COMMIT)


def test_a_commits_wheel_stands_in_the_place_of_its_project(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    shelf = a_wheel(bench, "a folder")
    content = next((bench.folder / "a folder").glob("*.whl")).read_bytes()

    resolution = bench.resolve(of_commit(a_spec()), shelf)

    address = (bench.folder / "a folder").as_uri() + "/demo-1.5%2Bg55-py3-none-any.whl"
    assert resolution.pins[0] == f"demo @ {address} --hash=sha256:{hashlib.sha256(content).hexdigest()}"
    assert names(resolution) == ["demo==1.5+g55", "dep==1.0"]
    assert resolution.step == "as of the date, wheels only"


def test_what_is_resolved_of_a_commit_can_be_installed(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    spec = of_commit(a_spec())
    resolution = bench.resolve(spec, a_wheel(bench, "wheels"))

    with bench.environments().holding(resolution, spec, CancelToken()) as environment:
        assert environment.distributions == resolution.distributions


def test_others_may_require_any_version_of_what_is_built(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    local_index.add_wheel("plugin", "1.0", uploaded=LONG_AGO, requires=["demo<1.5", "demo[all]"])
    local_index.add_wheel("more", "1.0", uploaded=LONG_AGO)
    spec = a_spec("demo==1.0", "plugin", constraints=("demo<1", "dep<9"), overrides=("demo==1.0", "dep==2.0"))

    resolution = bench.resolve(of_commit(replace(spec, exclude_newer=None)), a_wheel(bench, "wheels"))

    assert [name for name in names(resolution) if not name.startswith("more")] == [
        "demo==1.5+g55",
        "dep==2.0",
        "plugin==1.0",
    ]


def test_extras_of_the_project_are_those_of_its_requirements(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    local_index.add_wheel("more", "1.0", uploaded=LONG_AGO)

    resolution = bench.resolve(of_commit(a_spec("Demo[all]==1.0")), a_wheel(bench, "wheels"))

    assert names(resolution) == ["demo==1.5+g55", "dep==1.0", "more==1.0"]


def test_held_requirements_may_need_newer_beside_a_commit(local_index: LocalIndex, bench: Bench) -> None:
    publish_held_that_needs_newer(local_index)

    resolution = bench.resolve(of_commit(HOLDING), a_wheel(bench, "wheels"))

    assert names(resolution) == ["demo==1.5+g55", "dep==1.0", "lib==2.0", "server==1.0"]


def test_commits_with_the_same_wheel_share_an_environment(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    spec = of_commit(a_spec())

    one, same = (bench.resolve(spec, a_wheel(bench, folder)) for folder in ("one", "same"))
    other = bench.resolve(spec, a_wheel(bench, "other", needs="dep>=0"))

    assert one.pins != same.pins
    assert one.digest == same.digest
    assert one.digest != other.digest
    assert names(one) == names(other)


def test_the_step_says_of_when_the_tools_are_that_built_a_commit(
    local_index: LocalIndex, bench: Bench
) -> None:
    publish_wheels(local_index)

    resolution = bench.resolve(of_commit(a_spec()), a_wheel(bench, "wheels", tools="2023-01-01"))

    assert resolution.step == "as of the date, wheels only (demo 555555555555 built with tools of 2023-01-01)"


def test_a_commit_cannot_be_resolved_without_a_builder(bench: Bench) -> None:
    with pytest.raises(ValueError, match="needs a builder of wheels"):
        bench.resolve(of_commit(a_spec()))


@pytest.mark.parametrize(
    "place",
    [
        pytest.param('url = "https://example.org/a/demo-1.5%2Bg55-py3-none-any.whl"', id="address"),
        pytest.param('path = "/srv/wheels/demo-1.5+g55-py3-none-any.whl"', id="path"),
    ],
)
def test_the_version_of_a_wheel_is_read_from_its_name(place: str) -> None:
    lock = f'[[packages]]\nname = "Demo"\narchive = {{ {place}, hashes = {{ sha256 = "00" }} }}\n'

    resolution = read_resolution(lock, a_spec(), "")

    assert names(resolution) == ["demo==1.5+g55"]
    assert resolution.pins[0].startswith("demo @ ")
    assert resolution.pins[0].endswith("/demo-1.5%2Bg55-py3-none-any.whl --hash=sha256:00")
