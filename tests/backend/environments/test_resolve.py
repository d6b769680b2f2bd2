"""From a recipe to an exact set: real uv on a local index, step by step through the fall-back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.environments import Bench
from support.local_index import LocalIndex, publish_build_backend
from support.resolutions import (
    HOLDING,
    LATER,
    LONG_AGO,
    a_spec,
    day,
    names,
    publish_held_that_needs_newer,
    publish_wheels,
)

from bisect_asgi.backend.environments.resolution import Resolution, read_resolution
from bisect_asgi.backend.environments.resolve import Resolver
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Unavailable, Unresolvable
from bisect_asgi.core.model import EnvironmentSpec, ExcludeNewerPackage, Interpreter
from bisect_asgi.core.records import replace


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


@pytest.mark.parametrize("publish", [publish_too_new, publish_too_new_sdist])
def test_a_date_that_binds_is_not_dropped(
    local_index: LocalIndex, bench: Bench, publish: Callable[[LocalIndex], None]
) -> None:
    publish(local_index)

    with pytest.raises(Unresolvable):
        bench.resolve(replace(a_spec(), is_date_binding=True))


@pytest.mark.parametrize(
    ("publish", "spec", "step"),
    [
        pytest.param(publish_wheels, a_spec(), "as of the date, wheels only", id="as-of-the-date"),
        pytest.param(
            publish_held_that_needs_newer,
            HOLDING,
            "as of the date, wheels only, what held requirements need may be newer",
            id="held",
        ),
        pytest.param(publish_sdist, a_spec(), None, id="sdist"),
        pytest.param(publish_sdist_and_held, HOLDING, None, id="sdist-and-held"),
        pytest.param(publish_too_new, a_spec(), None, id="wheels-of-a-later-date"),
    ],
)
def test_where_wheels_are_wanted_nothing_is_built_and_the_date_holds(
    local_index: LocalIndex,
    bench: Bench,
    publish: Callable[[LocalIndex], None],
    spec: EnvironmentSpec,
    step: str | None,
) -> None:
    publish(local_index)

    def resolve() -> Resolution:
        return bench.resolver().resolve(spec, CancelToken(), wheels_only=True)

    if step is None:
        with pytest.raises(Unresolvable):
            resolve()
    else:
        assert resolve().step == step


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

    assert str(caught.value).startswith("the request to the package index failed after 3 attempts: ")
    assert caught.value.hint is not None
    assert bench.recorded == []


def test_an_index_that_refuses_is_no_verdict_either(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    local_index.fail_next(1000, 401)

    with pytest.raises(Unavailable) as caught:
        bench.resolve(a_spec())

    assert "the package index refused access" in str(caught.value)


def test_an_index_that_fails_for_a_moment_is_asked_again(local_index: LocalIndex, bench: Bench) -> None:
    publish_wheels(local_index)
    local_index.fail_next(3)  # uv by itself asks twice

    assert names(bench.resolve(a_spec())) == ["demo==1.0", "dep==1.0"]


def test_a_cancelled_resolution_says_so(local_index: LocalIndex, tmp_path: Path, bench: Bench) -> None:
    publish_wheels(local_index)
    token = CancelToken()
    token.cancel()
    uv = Uv(tmp_path / "uv", Indexes(urls=(local_index.url,)))
    resolver = Resolver(uv, sdists=bench.sdists())

    with pytest.raises(Cancelled):
        resolver.resolve(a_spec(), token)
