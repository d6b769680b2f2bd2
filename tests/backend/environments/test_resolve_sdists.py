"""Source distributions, and the tools that build them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.environments import Bench
from support.local_index import LocalIndex, publish_build_backend
from support.resolutions import (
    LONG_AGO,
    a_spec,
    names,
)

from bisect_asgi.core.errors import BuildFailed

# Source distributions and the tools that build them.


def publish_sdist_that_needs_later_tools(index: LocalIndex, since: str = "2021-06-01") -> None:
    """The tool of dep's time cannot build it; one that came later can."""
    index.add_wheel("demo", "1.0", uploaded=LONG_AGO, requires=["dep"])
    index.add_sdist("dep", "1.0", uploaded=LONG_AGO)
    publish_build_backend(index, "1.0", LONG_AGO, works=False)
    publish_build_backend(index, "2.0", since)


# Years have 365.25 days.
@pytest.mark.parametrize(
    ("since", "tried", "said"), [("2020-06-01", 1, "2020-12-31"), ("2021-06-01", 2, "2021-12-31")]
)
def test_an_sdist_is_built_with_later_tools_and_the_step_says_of_when(
    local_index: LocalIndex, bench: Bench, since: str, tried: int, said: str
) -> None:
    publish_sdist_that_needs_later_tools(local_index, since)

    resolution = bench.resolve(a_spec())

    assert resolution.step == (
        f"as of the date, building source distributions (dep==1.0 built with tools of {said})"
    )
    assert names(resolution) == ["demo==1.0", "dep==1.0"]
    assert len(bench.recorded) == tried


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
