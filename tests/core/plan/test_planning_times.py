"""Time limits, and the moments that a policy of dependencies names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import day, make_plan, probe

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import (
    Building,
)
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.parsing import parse_moment
from bisect_asgi.core.plan.planning import parse_policy
from bisect_asgi.core.plan.tables import ProbeMetadata

END_OF_DAY = datetime(2022, 1, 10, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"), [pytest.param(None, 600.0, id="not-said"), pytest.param(7.5, 7.5, id="said")]
)
def test_building_has_a_time_limit(said: float | None, seconds: float) -> None:
    plan = make_plan(Options(package="fastapi", build_timeout=said), probe(), ProbeMetadata())

    assert plan.building == Building(timeout_s=seconds)
    assert ("--build-timeout" in plan.check_options()) == (said is not None)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        pytest.param(None, None, id="not-said"),
        pytest.param(7.5, 7.5, id="seconds"),
        pytest.param("1 min 30 s", 90.0, id="text"),
    ],
)
def test_a_search_may_have_a_time_limit(said: float | str | None, seconds: float | None) -> None:
    plan = make_plan(Options(package="fastapi", time_limit=said), probe(), ProbeMetadata())

    assert plan.time_limit_s == seconds
    assert "--time-limit" not in plan.check_options()


def test_a_time_limit_of_a_search_is_above_nothing() -> None:
    with pytest.raises(UsageError, match=r"^`--time-limit 0` is out of range$"):
        make_plan(Options(package="fastapi", time_limit=0.0), probe(), ProbeMetadata())


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param(0.0, "^`--build-timeout 0` is out of range$", id="zero"),
        pytest.param("-1 s", "^`--build-timeout -1 s` is out of range$", id="negative"),
        pytest.param(float("inf"), r"^`inf` cannot be read \(`--build-timeout`\)$", id="endless"),
    ],
)
def test_a_time_limit_of_building_is_above_nothing_and_ends(said: float | str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_plan(Options(package="fastapi", build_timeout=said), probe(), ProbeMetadata())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2022-01-10", END_OF_DAY, id="a-day-is-its-end"),
        pytest.param("20220110", END_OF_DAY, id="a-day-without-dashes"),
        pytest.param("2022-01-10T12:00", datetime(2022, 1, 10, 12, tzinfo=UTC), id="a-moment-is-in-utc"),
        pytest.param("2022-01-10 12:00:30", datetime(2022, 1, 10, 12, 0, 30, tzinfo=UTC), id="a-blank"),
        pytest.param("2022-01-10T12:00Z", datetime(2022, 1, 10, 12, tzinfo=UTC), id="utc-as-said"),
        pytest.param("2022-01-10T00:00", day("2022-01-10"), id="midnight-is-a-moment"),
        pytest.param("2022-01-10T12:00+02:00", datetime(2022, 1, 10, 10, tzinfo=UTC), id="another-time-zone"),
    ],
)
def test_a_day_stands_for_its_end_and_a_moment_for_itself(text: str, moment: datetime) -> None:
    read = parse_moment(text, "--good")

    assert read == moment
    assert read.tzinfo is not None


@settings(derandomize=True, deadline=None)
@given(st.datetimes(), st.none() | st.integers(-12, 14))
def test_a_moment_that_was_written_is_read_as_it_was(moment: datetime, hours: int | None) -> None:
    zone = None if hours is None else timezone(timedelta(hours=hours))
    written = moment.replace(tzinfo=zone)

    assert parse_moment(written.isoformat(), "--good") == written.replace(tzinfo=zone or UTC)


@given(st.datetimes(timezones=st.none() | st.just(UTC)))
def test_a_policy_keeps_the_moment_that_it_names_wherever_it_is_shown(written: datetime) -> None:
    policy = parse_policy(f"as-of {written.isoformat()}")

    assert policy.moment == written.replace(tzinfo=UTC)
    assert parse_policy(str(policy)) == policy
