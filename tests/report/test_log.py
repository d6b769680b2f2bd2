"""The event log is read back as it was written, and what was cut off does not spoil the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.example_events import EVENTS

from bisect_asgi.core.errors import Unavailable, UsageError
from bisect_asgi.core.events import (
    Activity,
    Event,
    OutputSeen,
    RepeatsStarted,
    Stretch,
    StretchesPlanned,
    StretchStarted,
    TrialProgressed,
    TrialStarted,
)
from bisect_asgi.report.log import EventLog, read

_LIVE = (OutputSeen, RepeatsStarted, StretchesPlanned, StretchStarted, TrialProgressed)

HEADER = b'{"schema":"bisect-asgi.log/2"}\n'
ANOTHER_FILE = "pass the path that `bisect-asgi` printed, or none for the newest log"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "run.jsonl"


def write(path: Path, *events: Event) -> None:
    with EventLog(path) as log:
        for event in events:
            log(event)


def test_every_kind_of_event_is_read_back_in_order_but_what_is_only_for_watching(path: Path) -> None:
    write(path, *EVENTS)

    expected = [event for event in EVENTS if not isinstance(event, _LIVE)]
    assert list(read(path)) == expected
    assert len(expected) == len(EVENTS) - len(_LIVE)


def test_each_event_is_one_line(path: Path) -> None:
    write(path, TrialStarted(key=3), TrialStarted(key=4))

    assert path.read_bytes().splitlines(keepends=True) == [
        HEADER,
        b'{"event":"TrialStarted","key":3,"at_s":null}\n',
        b'{"event":"TrialStarted","key":4,"at_s":null}\n',
    ]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(OutputSeen(key=3, text="noise\n"), id="output"),
        pytest.param(StretchesPlanned(stretches=(Stretch.ENDS,)), id="stretches"),
        pytest.param(StretchStarted(stretch=Stretch.CAUSE), id="stretch"),
        pytest.param(RepeatsStarted(runs=((3, 1),)), id="repeats"),
        pytest.param(TrialProgressed(key=3, activity=Activity.BUILDING), id="progress"),
    ],
)
def test_what_is_only_for_watching_is_left_out(path: Path, event: Event) -> None:
    write(path, event)

    assert path.read_bytes() == b""


def test_an_event_is_in_the_file_before_the_next_one_happens(path: Path) -> None:
    with EventLog(path) as log:
        log(TrialStarted(key=3))
        seen = list(read(path))

    assert seen == [TrialStarted(key=3)]


def test_a_log_that_exists_is_gone_on_with(path: Path) -> None:
    write(path, TrialStarted(key=3))
    write(path, TrialStarted(key=4))

    assert list(read(path)) == [TrialStarted(key=3), TrialStarted(key=4)]


@pytest.mark.parametrize("kept", [pytest.param(n, id=f"{n}-bytes") for n in (1, 9, 20, 31)])
def test_a_last_line_that_was_cut_off_is_passed_over(path: Path, kept: int) -> None:
    write(path, TrialStarted(key=3), TrialStarted(key=4))
    header, first, second, _ = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([header, first, second[:kept]]))

    assert list(read(path)) == [TrialStarted(key=3)]


def test_a_last_line_that_lacks_only_its_end_counts(path: Path) -> None:
    write(path, TrialStarted(key=3), TrialStarted(key=4))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))

    assert list(read(path)) == [TrialStarted(key=3), TrialStarted(key=4)]


def test_an_empty_log_has_no_events(path: Path) -> None:
    write(path)

    assert list(read(path)) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"dear diary", "JSON is malformed: invalid character (byte 0)", id="no-json"),
        pytest.param(b'{"event":"TrialStar', "Input data was truncated", id="cut-off-in-the-middle"),
        pytest.param(b'{"event":"TrialDreamt"}', "unknown event", id="of-another-version"),
        pytest.param(
            b'{"event":"TrialStarted"}', "Object missing required field `key`", id="a-field-is-missing"
        ),
    ],
)
def test_a_line_that_is_no_event_is_an_error_with_its_number(path: Path, line: bytes, reason: str) -> None:
    write(path, TrialStarted(key=3), TrialStarted(key=4))
    header, first, second, _ = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([header, first, line, second, b""]))

    with pytest.raises(UsageError) as caught:
        list(read(path))

    assert str(caught.value) == f"line 3 of `{path}` is no event: {reason}"
    assert caught.value.hint == ANOTHER_FILE


# A log of the first version begins with its first event; there `Judged` is what is `RulingsChanged` now.
OLD = b'{"event":"RunStarted","tool_version":"0.1.0"}\n{"event":"Judged","rulings":[]}\n'


@pytest.mark.parametrize(
    ("content", "schema"),
    [
        pytest.param(OLD, "bisect-asgi.log/1", id="before-logs-had-a-schema"),
        pytest.param(b'{"schema":"bisect-asgi.log/3"}\n{"event":"Asked"}\n', "bisect-asgi.log/3", id="newer"),
    ],
)
def test_a_log_of_another_version_is_one_message(path: Path, content: bytes, schema: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(UsageError) as caught:
        list(read(path))

    assert str(caught.value) == (
        f"`{path}` is an event log of another version: its schema is `{schema}`, not `bisect-asgi.log/2`"
    )
    assert caught.value.hint == "show it with the version that wrote it, or run the same command again"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"dear diary\n\n", "JSON is malformed: invalid character (byte 0)", id="no-json"),
        pytest.param(
            b'{"schema":"bisect-asgi.report/2"}\n', "its schema is `bisect-asgi.report/2`", id="a-report"
        ),
        pytest.param(b'{"name":"demo"}\n', "its first line names no schema", id="other-json"),
    ],
)
def test_another_file_is_told_from_a_log(path: Path, content: bytes, reason: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(UsageError) as caught:
        list(read(path))

    assert str(caught.value) == f"`{path}` is no event log: {reason}"
    assert caught.value.hint == ANOTHER_FILE


@pytest.mark.parametrize("kept", [pytest.param(n, id=f"{n}-bytes") for n in (1, 9, 20, len(HEADER) - 1)])
def test_a_log_that_was_cut_off_in_its_first_line_has_no_events(path: Path, kept: int) -> None:
    path.parent.mkdir()
    path.write_bytes(HEADER[:kept])

    assert list(read(path)) == []


def test_events_before_a_bad_line_are_told_first(path: Path) -> None:
    write(path, TrialStarted(key=3))
    path.write_bytes(path.read_bytes() + b"dear diary\n\n")
    events = read(path)

    assert next(events) == TrialStarted(key=3)
    with pytest.raises(UsageError):
        next(events)


def test_a_log_that_is_not_there_cannot_be_read(path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        list(read(path))

    assert str(caught.value) == f"the event log cannot be read: `{path}` (No such file or directory)"
    assert caught.value.hint == "`bisect-asgi` prints its path"


def test_a_log_that_cannot_be_written_is_unavailable(path: Path) -> None:
    path.mkdir(parents=True)

    with pytest.raises(Unavailable) as caught:
        EventLog(path)

    assert str(caught.value) == f"the event log cannot be written: `{path}` (Is a directory)"
    assert caught.value.hint == (
        "free some disk space, make the directory writable, or set `BISECT_ASGI_CACHE_DIR` to another one"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full stands for a full disk")
def test_a_disk_that_fills_up_is_unavailable() -> None:
    with pytest.raises(Unavailable) as caught, EventLog(Path("/dev/full")) as log:
        log(TrialStarted(key=3))

    assert str(caught.value) == "the event log cannot be written: `/dev/full` (No space left on device)"
