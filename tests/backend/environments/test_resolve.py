"""From a recipe to an exact set: real uv on a local index, step by step through the fall-back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.environments import THIS_PYTHON, Bench
from support.local_index import LocalIndex, publish_build_backend

from bisect_asgi.backend.environments.builds import WheelBuilder
from bisect_asgi.backend.environments.cache import EnvironmentCache
from bisect_asgi.backend.environments.resolve import Resolution, Resolver, read_resolution
from bisect_asgi.backend.uv import Indexes, Uv
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Cancelled, Unavailable, Unresolvable
from bisect_asgi.core.model import Commit, EnvironmentSpec, ExcludeNewerPackage, Interpreter
from bisect_asgi.core.records import replace

LONG_AGO, LATER = "2019-01-01", "2022-01-01"


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_spec(
    *requirements: str,
    exclude_newer: str | None = "2020-01-01",
    exclude_newer_package: Sequence[str] = ("demo",),
    held: tuple[str, ...] = (),
    held_exclude_newer: str | None = None,
    constraints: tuple[str, ...] = (),
    overrides: tuple[str, ...] = (),
) -> EnvironmentSpec:
    """demo 1.0 with what it needs as of 2020, and what is held."""
    return EnvironmentSpec(
        interpreter=THIS_PYTHON,
        requirements=(*(requirements or ("demo==1.0",)), *held),
        constraints=constraints,
        overrides=overrides,
        exclude_newer=day(exclude_newer) if exclude_newer else None,
        exclude_newer_package=tuple(ExcludeNewerPackage(name=name) for name in exclude_newer_package)
        if exclude_newer
        else (),
        held=held,
        held_exclude_newer=day(held_exclude_newer) if held_exclude_newer else None,
    )


@pytest.fixture
def bench(local_index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    return Bench(tmp_path, local_index.url)


def names(resolution: Resolution) -> list[str]:
    return [str(distribution) for distribution in resolution.distributions]


def publish_wheels(index: LocalIndex) -> None:
    """dep 1.0 was there in time, dep 2.0 came later."""
    index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["dep"])
    index.add_wheel("dep", "1.0", uploaded=LONG_AGO)
    index.add_wheel("dep", "2.0", uploaded=LATER)


def publish_held_that_needs_newer(index: LocalIndex) -> None:
    """server is held; the lib that it needs came after demo and, in a third release, after server."""
    publish_wheels(index)
    index.add_wheel("server", "1.0", uploaded=LATER, requires=["lib>=2"])
    for version, uploaded in [("1.0", LONG_AGO), ("2.0", "2021-06-01"), ("3.0", "2024-01-01")]:
        index.add_wheel("lib", version, uploaded=uploaded)


def publish_sdist(index: LocalIndex) -> None:
    """dep has no wheel, and the tool of its time builds it."""
    publish_build_backend(index, "1.0", LONG_AGO)
    index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["dep"])
    index.add_sdist("dep", "1.0", uploaded=LONG_AGO)


def publish_sdist_and_held(index: LocalIndex) -> None:
    """Both at once."""
    publish_held_that_needs_newer(index)
    index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["old"])
    index.add_sdist("old", "1.0", uploaded=LONG_AGO)
    publish_build_backend(index, "1.0", LONG_AGO)


def publish_too_new(index: LocalIndex) -> None:
    """demo needs what was uploaded after it."""
    index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["dep>=2"])
    index.add_wheel("dep", "1.0", uploaded=LONG_AGO)
    index.add_wheel("dep", "2.0", uploaded=LATER)


def publish_too_new_sdist(index: LocalIndex) -> None:
    """demo needs what was uploaded after it, and that has no wheel."""
    publish_build_backend(index, "1.0", LONG_AGO)
    index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["dep>=2"])
    index.add_wheel("dep", "1.0", uploaded=LONG_AGO)
    index.add_sdist("dep", "2.0", uploaded=LATER)


HOLDING = a_spec(
    exclude_newer_package=("demo", "server"), held=("server==1.0",), held_exclude_newer="2022-01-02"
)


@pytest.mark.parametrize(
    ("publish", "spec", "installed", "step"),
    [
        pytest.param(
            publish_wheels,
            a_spec(),
            ["demo==1.0", "dep==1.0"],
            "as of the date, wheels only",
            id="as-of-the-date",
        ),
        pytest.param(
            publish_held_that_needs_newer,
            HOLDING,
            ["demo==1.0", "dep==1.0", "lib==2.0", "server==1.0"],
            "as of the date, wheels only, what held requirements need may be newer",
            id="held",
        ),
        pytest.param(
            publish_sdist,
            a_spec(),
            ["demo==1.0", "dep==1.0"],
            "as of the date, building source distributions",
            id="sdist",
        ),
        pytest.param(
            publish_sdist_and_held,
            HOLDING,
            ["demo==1.0", "lib==2.0", "old==1.0", "server==1.0"],
            "as of the date, building source distributions, what held requirements need may be newer",
            id="sdist-and-held",
        ),
        pytest.param(
            publish_too_new,
            a_spec(),
            ["demo==1.0", "dep==2.0"],
            "without the date, wheels only",
            id="without-the-date",
        ),
        pytest.param(
            publish_too_new_sdist,
            a_spec(),
            ["demo==1.0", "dep==2.0"],
            "without the date, building source distributions",
            id="without-the-date-sdist",
        ),
        pytest.param(
            publish_wheels,
            a_spec(exclude_newer=None),
            ["demo==1.0", "dep==2.0"],
            "latest, wheels only",
            id="latest",
        ),
        pytest.param(
            publish_sdist,
            a_spec(exclude_newer=None),
            ["demo==1.0", "dep==1.0"],
            "latest, building source distributions",
            id="latest-sdist",
        ),
    ],
)
def test_the_first_step_that_serves_is_taken_and_named(
    local_index: LocalIndex,
    bench: Bench,
    publish: Callable[[LocalIndex], None],
    spec: EnvironmentSpec,
    installed: list[str],
    step: str,
) -> None:
    publish(local_index)

    resolution = bench.resolve(spec)

    assert names(resolution) == installed
    assert resolution.step == step


def test_wheels_are_preferred_to_a_newer_sdist(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    local_index.add_sdist("dep", "1.5", uploaded=LONG_AGO)

    resolution = bench.resolve(a_spec())

    assert names(resolution) == ["demo==1.0", "dep==1.0"]


@pytest.mark.parametrize(
    ("limit", "version"),
    [
        pytest.param("2022-01-01T12:00:00", "1.0", id="the-second-of-the-upload"),
        pytest.param("2022-01-01T12:00:01", "2.0", id="a-second-later"),
    ],
)
def test_the_limit_of_date_counts_to_the_second(
    local_index: LocalIndex, bench: Bench, limit: str, version: str
) -> None:
    publish_wheels(local_index)
    local_index.add_wheel("dep", "2.0", uploaded="2022-01-01T12:00:00")

    assert f"dep=={version}" in names(bench.resolve(a_spec(exclude_newer=limit)))


def test_the_candidate_and_pinned_projects_are_outside_the_limit(
    local_index: LocalIndex, bench: Bench
) -> None:
    local_index.add_wheel("demo", "1.0", uploaded=LATER, requires=["dep"])
    local_index.add_wheel("server", "3.0", uploaded=LATER)
    local_index.add_wheel("dep", "1.0", uploaded=LONG_AGO)
    local_index.add_wheel("dep", "2.0", uploaded=LATER)

    resolution = bench.resolve(a_spec(exclude_newer_package=("demo", "server"), held=("server==3.0",)))

    assert names(resolution) == ["demo==1.0", "dep==1.0", "server==3.0"]
    assert resolution.step == "as of the date, wheels only"


def test_an_exemption_may_have_a_limit_of_its_own(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    local_index.add_wheel("dep", "3.0", uploaded="2024-01-01")
    exclude_newer_package = (
        ExcludeNewerPackage(name="demo"),
        ExcludeNewerPackage(name="dep", exclude_newer=day("2023-01-01")),
    )

    resolution = bench.resolve(replace(a_spec(), exclude_newer_package=exclude_newer_package))

    assert names(resolution) == ["demo==1.0", "dep==2.0"]


def test_what_held_requirements_share_with_the_candidate_stays_of_the_date_where_it_can(
    local_index: LocalIndex, bench: Bench
) -> None:
    publish_wheels(local_index)
    local_index.add_wheel("server", "1.0", uploaded=LATER, requires=["dep"])

    resolution = bench.resolve(HOLDING)

    assert names(resolution) == ["demo==1.0", "dep==1.0", "server==1.0"]
    assert resolution.step == "as of the date, wheels only"


def test_constraints_overrides_and_extras_are_followed(local_index: LocalIndex, bench: Bench) -> None:
    local_index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["dep==1.0", "more; extra == 'all'"])
    for version in ("1.0", "2.0"):
        local_index.add_wheel("dep", version, uploaded=LONG_AGO)
        local_index.add_wheel("more", version, uploaded=LONG_AGO)

    resolution = bench.resolve(a_spec("demo[all]==1.0", constraints=("more<2",), overrides=("dep==2.0",)))

    assert names(resolution) == ["demo==1.0", "dep==2.0", "more==1.0"]


def test_a_yanked_candidate_can_be_resolved_when_it_is_named(local_index: LocalIndex, bench: Bench) -> None:
    local_index.add_wheel("demo", "1.0", uploaded=LONG_AGO, yanked="loses data")

    assert names(bench.resolve(a_spec())) == ["demo==1.0"]


def test_every_pin_carries_the_hashes_of_its_files(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)

    resolution = bench.resolve(a_spec())

    assert [pin.split(" --hash=sha256:")[0] for pin in resolution.pins] == ["demo==1.0", "dep==1.0"]
    assert all(len(pin.split(" --hash=sha256:")[1]) == 64 for pin in resolution.pins)


def test_the_digest_names_the_files_and_the_interpreter(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    spec = a_spec()

    first = bench.resolve(spec)
    again = bench.resolve(replace(spec, exclude_newer=day("2020-03-03")))
    other = bench.resolve(a_spec(exclude_newer="2023-01-01"))

    assert first.digest == again.digest
    assert first.digest != other.digest
    lock = '[[packages]]\nname = "demo"\nversion = "1.0"\n'
    python_38 = replace(spec, interpreter=Interpreter(path="/opt/python3.8", version="3.8.1"))
    assert read_resolution(lock, spec, "").digest != read_resolution(lock, python_38, "").digest


def test_a_release_that_was_uploaded_a_moment_ago_is_seen(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    bench.resolve(a_spec(exclude_newer=None))
    local_index.add_wheel("demo", "2.0", uploaded="2024-01-01")  # uv keeps pages for ten minutes

    assert names(bench.resolve(a_spec("demo==2.0", exclude_newer=None))) == ["demo==2.0"]


# Source distributions and the tools that build them.


def publish_sdist_that_needs_later_tools(index: LocalIndex) -> None:
    """The tool of dep's time cannot build it; one that came in June 2021 can."""
    index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["dep"])
    index.add_sdist("dep", "1.0", uploaded=LONG_AGO)
    publish_build_backend(index, "1.0", LONG_AGO, works=False)
    publish_build_backend(index, "2.0", "2021-06-01")


def test_an_sdist_is_built_with_later_tools_and_the_step_says_of_when(
    local_index: LocalIndex, bench: Bench
) -> None:
    publish_sdist_that_needs_later_tools(local_index)

    resolution = bench.resolve(a_spec())

    # A year after the date the tool still is the old one; two years are 730.5 days.
    assert resolution.step == (
        "as of the date, building source distributions (dep==1.0 built with tools of 2021-12-31)"
    )
    assert names(resolution) == ["demo==1.0", "dep==1.0"]
    assert len(bench.recorded) == 1


def test_tools_of_today_are_the_last_that_are_tried(local_index: LocalIndex, bench: Bench) -> None:
    publish_sdist_that_needs_later_tools(local_index)
    publish_build_backend(local_index, "1.5", "2021-01-02", works=False)
    spec = a_spec(exclude_newer="2020-01-01")
    yesterday = datetime.now(UTC).replace(tzinfo=None).isoformat()
    publish_build_backend(local_index, "2.0", "2021-06-01", works=False)
    publish_build_backend(local_index, "3.0", yesterday)

    resolution = bench.resolve(spec)

    assert resolution.step == (
        "as of the date, building source distributions (dep==1.0 built with tools of today)"
    )


def publish_sdist_that_nothing_builds(index: LocalIndex) -> None:
    index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["dep"])
    index.add_sdist("dep", "1.0", uploaded=LONG_AGO)
    publish_build_backend(index, "1.0", LONG_AGO, works=False)


def test_an_sdist_that_no_tools_build_fails_with_a_readable_reason(
    local_index: LocalIndex, bench: Bench
) -> None:
    publish_sdist_that_nothing_builds(local_index)

    with pytest.raises(BuildFailed) as caught:
        bench.resolve(a_spec())

    message = str(caught.value)
    assert message.startswith("`dep==1.0` has no wheel for this Python and cannot be built: ")
    assert "minibuild" in message
    assert "\n" not in message


def test_the_reason_of_a_failed_build_is_what_the_backend_said(local_index: LocalIndex, bench: Bench) -> None:
    publish_sdist_that_nothing_builds(local_index)

    with pytest.raises(BuildFailed, match="RuntimeError: minibuild is too old"):
        bench.resolve(a_spec())


def test_a_failed_build_is_remembered_and_not_tried_again(local_index: LocalIndex, bench: Bench) -> None:
    publish_sdist_that_nothing_builds(local_index)
    with pytest.raises(BuildFailed) as first:
        bench.resolve(a_spec())
    recorded = list(bench.recorded)

    with pytest.raises(BuildFailed) as second:
        bench.resolve(a_spec())

    assert recorded
    assert len(set(recorded)) == len(recorded)  # the step without the date did not repeat any
    assert bench.recorded == recorded
    assert str(second.value) == str(first.value)


# What cannot be had.


def test_requirements_that_conflict_are_unresolvable_with_uvs_reason_on_one_line(
    local_index: LocalIndex, bench: Bench
) -> None:
    local_index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["dep>=5"])
    local_index.add_wheel("dep", "1.0", uploaded=LONG_AGO)

    with pytest.raises(Unresolvable) as caught:
        bench.resolve(a_spec())

    message = str(caught.value)
    assert message.startswith("Because only dep==1.0 is available")
    assert "dep>=5" in message
    assert "\n" not in message
    assert "  " not in message


def test_a_dependency_that_does_not_exist_is_named_in_the_reason(
    local_index: LocalIndex, bench: Bench
) -> None:
    local_index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["nowhere"])

    with pytest.raises(Unresolvable, match="nowhere was not found in the package registry"):
        bench.resolve(a_spec())


def test_an_index_that_is_down_is_no_verdict(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    local_index.down = True

    with pytest.raises(Unavailable) as caught:
        bench.resolve(a_spec())

    assert str(caught.value).startswith("the package index did not answer after 3 attempts: ")
    assert caught.value.hint is not None
    assert bench.recorded == []


def test_an_index_that_refuses_is_no_verdict_either(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    local_index.fail_next(1000, 401)

    with pytest.raises(Unavailable) as caught:
        bench.resolve(a_spec())

    assert "the package index refused an answer" in str(caught.value)


def test_an_index_that_fails_for_a_moment_is_asked_again(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    local_index.fail_next(3)  # uv by itself asks twice

    assert names(bench.resolve(a_spec())) == ["demo==1.0", "dep==1.0"]


def test_a_cancelled_resolution_says_so(local_index: LocalIndex, tmp_path: Path, bench: Bench) -> None:
    publish_wheels(local_index)
    token = CancelToken()
    token.cancel()
    uv = Uv(tmp_path / "uv", Indexes(urls=(local_index.url,)))
    resolver = Resolver(uv, recall_failure=bench.failures.get, record_failure=bench.record)

    with pytest.raises(Cancelled):
        resolver.resolve(a_spec(), token)


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
    cache = EnvironmentCache(
        bench.folder / "environments", uv=bench.uv, resolver=bench.resolver(), limit_bytes=2**30
    )

    with cache.holding(resolution, spec, CancelToken()) as environment:
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
