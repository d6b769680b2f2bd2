"""Times and sizes are read alike wherever they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import make_plan, probe

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.amounts import SIZE, TIME, read_duration, read_size
from bisect_asgi.core.plan.limit_options import read_limits
from bisect_asgi.core.plan.metric_options import read_budget
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.planning import parse_history
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.core.text import duration, size


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        pytest.param(30, 30, id="a-whole-number-of-a-table"),
        pytest.param(7.5, 7.5, id="a-number-of-a-table"),
        pytest.param("30", 30, id="seconds"),
        pytest.param(" 30 s ", 30, id="with-its-unit"),
        pytest.param("30s", 30, id="close"),
        pytest.param("30 sec", 30, id="shortened"),
        pytest.param("30 Seconds", 30, id="as-a-word"),
        pytest.param("1 minute", 60, id="a-minute"),
        pytest.param("2m", 120, id="minutes-as-a-letter"),
        pytest.param("1.5 h", 5400, id="hours"),
        pytest.param("2 hours", 7200, id="hours-as-a-word"),
        pytest.param("500 ms", 0.5, id="milliseconds"),
        pytest.param("1 min 30 s", 90, id="several-units"),
        pytest.param("1h30m", 5400, id="several-units-close"),
        pytest.param("1e3", 1000, id="an-exponent"),
    ],
)
def test_a_time_is_read_as_people_write_it(said: float | str, seconds: float) -> None:
    assert read_duration(said, "--timeout") == pytest.approx(seconds)


@given(st.integers(min_value=1, max_value=10_000))
def test_a_time_is_read_as_reports_show_it(seconds: int) -> None:
    rounding = 60 if seconds >= 3600 else 1

    assert read_duration(duration(seconds), "--timeout") == pytest.approx(seconds, abs=rounding)


@pytest.mark.parametrize(
    ("said", "count"),
    [
        pytest.param("2 GiB", 2**31, id="binary"),
        pytest.param("2GiB", 2**31, id="close"),
        pytest.param("2GB", 2 * 10**9, id="decimal"),
        pytest.param("2g", 2**31, id="a-letter"),
        pytest.param("512 M", 2**29, id="a-capital-letter"),
        pytest.param("1.5 kB", 1500, id="a-fraction"),
    ],
)
def test_a_size_is_read_as_people_write_it(said: str, count: int) -> None:
    assert read_size(said, "--limit-memory") == count


@given(st.integers(min_value=1, max_value=2**50))
def test_a_size_is_read_as_reports_show_it(count: int) -> None:
    assert read_size(size(count), "--limit-disk") == pytest.approx(count, rel=0.06)


@pytest.mark.parametrize(
    "said", ["soon", "", "30 parsecs", "8 MiB", "1 min 30 MiB", "1.2.3 s", "nan", "30 s 5"]
)
def test_what_is_no_time_is_one_error(said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_duration(said, "--timeout")

    assert (str(caught.value), caught.value.hint) == (
        f"`{said}` cannot be read (`--timeout`)",
        f"pass {TIME}",
    )


@pytest.mark.parametrize("said", ["much", "", "512", "30 s", "2 GiB 1 MiB"])
def test_what_is_no_size_is_one_error(said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_size(said, "--limit-memory")

    assert (str(caught.value), caught.value.hint) == (
        f"`{said}` cannot be read (`--limit-memory`)",
        f"pass {SIZE}",
    )


@pytest.mark.parametrize("said", [0, 0.0, "-1", "0 s"])
def test_a_time_is_above_nothing(said: float | str) -> None:
    shown = f"{said:g}" if isinstance(said, float) else said

    with pytest.raises(UsageError, match=f"^`--timeout {shown}` is out of range$"):
        read_duration(said, "--timeout")


def test_no_time_is_one_where_it_may_be() -> None:
    assert read_duration(0, "--history", least=0) == 0


@pytest.mark.parametrize("said", ["90 s", "90", 90, 90.0, "1.5 min", "1 min 30 s", "1m30s"])
def test_all_options_that_take_a_time_read_it_alike(said: float | str) -> None:
    plan = make_plan(Options(package="fastapi", build_timeout=said), probe(), ProbeMetadata())
    limits = read_limits(Options(limit_cpu=said))
    text = said if isinstance(said, str) and not said.isdigit() else f"{said} s"

    assert plan.building.timeout_s == 90
    assert limits is not None
    assert limits.cpu_s == 90
    assert parse_history(said).seconds == 90
    assert read_budget(text).seconds == 90
