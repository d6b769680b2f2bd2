"""Limits of a run are read from sizes and times, and written as they can be read again."""

from __future__ import annotations

import pytest

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Limits
from bisect_asgi.core.plan.limit_options import read_limits, written_limits
from bisect_asgi.core.plan.options import Options

ALL = Limits(memory_bytes=512 * 2**20, processes=64, disk_bytes=2**30, cpu_s=90.5)


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        pytest.param(Options(), None, id="none"),
        pytest.param(Options(limit_memory="512 MiB"), Limits(memory_bytes=512 * 2**20), id="memory"),
        pytest.param(Options(limit_disk="1.5 kB"), Limits(disk_bytes=1500), id="disk"),
        pytest.param(Options(limit_cpu="2 min"), Limits(cpu_s=120.0), id="processor-time"),
        pytest.param(Options(limit_processes=8), Limits(processes=8), id="processes"),
    ],
)
def test_limits_are_read(options: Options, limits: Limits | None) -> None:
    assert read_limits(options) == limits


def test_what_is_written_is_read_back() -> None:
    assert read_limits(written_limits(ALL, Options())) == ALL
    assert written_limits(Limits(), Options()) == Options()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(Options(limit_disk="much"), "`much` cannot be read (`--limit-disk`)", id="no-number"),
        pytest.param(Options(limit_memory="512"), "`512` cannot be read (`--limit-memory`)", id="no-unit"),
        pytest.param(Options(limit_disk="3 s"), "`3 s` cannot be read (`--limit-disk`)", id="a-time"),
        pytest.param(Options(limit_cpu="3 MiB"), "`3 MiB` cannot be read (`--limit-cpu`)", id="a-size"),
        pytest.param(Options(limit_cpu="0 s"), "`--limit-cpu 0 s` is out of range", id="zero"),
        pytest.param(Options(limit_disk="-1 B"), "`--limit-disk -1 B` is out of range", id="negative"),
    ],
)
def test_what_is_no_limit_is_an_error_that_shows_it(options: Options, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_limits(options)

    assert str(caught.value) == message
    assert "such as" in str(caught.value.hint)
