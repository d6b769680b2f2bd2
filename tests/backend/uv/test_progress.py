"""What uv says it does, and how long it took over it."""

from __future__ import annotations

import pytest

from bisect_asgi.backend.process import usage as stopwatch
from bisect_asgi.backend.process.usage import recording, spending
from bisect_asgi.backend.uv_output import UvProgress, is_progress, took
from bisect_asgi.core.model import Step


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("9 packages in 842ms", 0.842), ("1 package in 1.25s", 1.25), ("3 packages in 2m 05s", 125.0),
     ("1 package in 0.50ms", 0.0005), ("1 package in 7µs", 7e-6), ("1 package", 0.0), ("x in 1.2.3s", 0.0)],
)  # fmt: skip
def test_durations_are_read(text: str, seconds: float) -> None:
    assert took(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "line",
    ["Resolved 2 packages in 90ms", "   Building termcolor==1.0.0", "      Built termcolor==1.0.0",
     "Prepared 2 packages in 842ms", " + pyyaml==6.0.3", "Using Python 3.11.7 environment at: x"],
)  # fmt: skip
def test_lines_about_how_far_it_got_are_no_part_of_a_failure(line: str) -> None:
    assert is_progress(line)


@pytest.mark.parametrize(
    "line", ["error: Failed to fetch", "  × No solution found", "  cause: Built by nobody", "hint: x", ""]
)
def test_lines_of_a_failure_are_kept(line: str) -> None:
    assert not is_progress(line)


def test_builds_side_by_side_take_their_time_once_and_the_rest_was_for_getting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(stopwatch.time, "monotonic", lambda: now)
    watch = UvProgress()
    with recording() as steps, spending(Step.LINK):
        for at, line in [
            (1.0, "   Building one==1"),
            (2.0, "   Building two==1"),
            (4.0, "      Built one==1"),
            (6.0, "      Built two==1"),
            (8.0, "Prepared 9 packages in 7.50s"),
            (9.0, "Installed 9 packages in 12ms"),
        ]:
            now = at
            watch(line)
        watch.charge()

    assert steps == {Step.LINK: 1.5, Step.BUILD: 5.0, Step.DOWNLOAD: 2.5}


def test_a_build_that_never_ends_was_a_build(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(stopwatch.time, "monotonic", lambda: now)
    watch = UvProgress()
    with recording() as steps, spending(Step.RESOLVE):
        now = 1.0
        watch("   Building one==1")
        now = 4.0
        watch.charge()

    assert steps == {Step.RESOLVE: 1.0, Step.BUILD: 3.0, Step.DOWNLOAD: 0.0}
