"""Values to JSON and back."""

from __future__ import annotations

from typing import get_args

import pytest
from support.builders import day, probe, target
from support.example_events import EVENTS

from bisect_asgi.core import codec
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.events import Event, StageEvent, TrialStarted, unstaged
from bisect_asgi.core.model import (
    Distribution,
    EnvironmentSpec,
    ExcludeNewerPackage,
    SamplingMode,
    TrialRequest,
)

STAGED = [StageEvent(stage=number, event=event) for number, event in enumerate(EVENTS, start=1)]


@pytest.mark.parametrize("event", [pytest.param(event, id=type(event).__name__) for event in EVENTS])
def test_an_event_is_one_line_that_says_what_it_is_and_reads_back(event: Event) -> None:
    line = codec.event_to_json(event)

    assert line.startswith(b'{"event":"%s"' % type(event).__name__.encode())
    assert b"\n" not in line
    assert codec.event_from_json(line) == event


@pytest.mark.parametrize("event", [pytest.param(event, id=type(event.event).__name__) for event in STAGED])
def test_an_event_of_a_stage_is_written_as_it_is_with_the_stages_number(event: StageEvent) -> None:
    line = codec.event_to_json(event)

    start = b'{"event":"%s","stage":%d' % (type(event.event).__name__.encode(), event.stage)
    assert line.startswith(start)
    assert line.replace(b',"stage":%d' % event.stage, b"", 1) == codec.event_to_json(event.event)
    assert codec.event_from_json(line) == event


def test_an_event_is_the_same_whichever_stage_it_is_of() -> None:
    event = TrialStarted(key=3)

    assert unstaged(StageEvent(stage=2, event=event)) is event
    assert unstaged(event) is event


def test_every_kind_of_event_is_among_the_examples_above() -> None:
    assert {type(event) for event in [*EVENTS, *STAGED]} == {*get_args(Event)}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(b'{"event":"TrialStarted","ke', "Input data was truncated", id="cut-off"),
        pytest.param(b'{"event":"TrialDreamt","key":3}', "unknown event", id="of-another-version"),
        pytest.param(b'{"key":3}', "unknown event", id="no-event"),
        pytest.param(
            b'{"event":"TrialStarted"}', "Object missing required field `key`", id="a-field-is-missing"
        ),
        pytest.param(
            b'{"event":"TrialStarted","key":"3"}',
            "Expected `int`, got `str` - at `$.key`",
            id="a-field-of-another-type",
        ),
        pytest.param(b'{"event":"Staged","stage":1,"key":3}', "unknown event", id="a-stage-is-no-event"),
        pytest.param(
            b'{"event":"TrialStarted","stage":"1","key":3}',
            "Expected `int`, got `str`",
            id="a-stage-that-is-no-number",
        ),
        pytest.param(
            b'{"event":"TrialStarted","stage":1}',
            "Object missing required field `key`",
            id="a-field-is-missing-in-a-stage",
        ),
        pytest.param(b"[3]", "Expected `object`, got `array`", id="no-object"),
    ],
)
def test_a_line_that_is_no_event_is_unreadable(line: bytes, message: str) -> None:
    with pytest.raises(codec.Unreadable) as caught:
        codec.event_from_json(line)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"name":"\xff","version":"1"}', id="not-utf-8"),
        pytest.param('{"name":"h11"}', id="incomplete"),
    ],
)
def test_text_that_is_not_the_wanted_value_is_unreadable(text: bytes | str) -> None:
    with pytest.raises(codec.Unreadable):
        codec.from_json(text, Distribution)


def test_a_trial_request_travels_as_json() -> None:
    spec = EnvironmentSpec(
        interpreter=target().interpreter,
        requirements=("fastapi==0.69.0",),
        exclude_newer=day("2021-10-08"),
        exclude_newer_package=(ExcludeNewerPackage(name="fastapi"),),
        must_install=Distribution(name="fastapi", version="0.69.0"),
    )
    request = TrialRequest(
        key=3, label="fastapi 0.69.0", spec=spec, probe=probe(), sampling=SamplingMode(reference=spec)
    )

    assert codec.from_json(codec.to_json(request), TrialRequest) == request


def test_json_is_compact_with_the_keys_in_the_order_of_the_fields() -> None:
    assert codec.to_json(Distribution(version="0.9", name="h11")) == b'{"name":"h11","version":"0.9"}'


def test_plain_data_becomes_a_value_of_the_model() -> None:
    plain = {"name": "fastapi", "exclude_newer": "2021-10-08T00:00:00Z"}

    assert codec.convert(plain, ExcludeNewerPackage) == ExcludeNewerPackage(
        name="fastapi", exclude_newer=day("2021-10-08")
    )


def test_plain_data_of_another_type_is_unreadable_and_says_where() -> None:
    with pytest.raises(codec.Unreadable) as caught:
        codec.convert([{"name": "h11", "version": 9}], tuple[Distribution, ...])

    assert str(caught.value) == "Expected `str`, got `int` - at `$[0].version`"


def test_equal_values_have_equal_names() -> None:
    one = codec.digest("probe", {"a": 1, "b": [2]}, Distribution(name="h11", version="0.9"))
    same = codec.digest("probe", {"b": [2], "a": 1}, Distribution(version="0.9", name="h11"))

    assert one == same


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(("a",), id="fewer"),
        pytest.param(("b", "a"), id="another-order"),
        pytest.param(("ab",), id="joined"),
        pytest.param(("a", ["b"]), id="nested"),
        pytest.param(("a", None), id="none"),
        pytest.param(("a", ExitCode.FOUND), id="another-type"),
    ],
)
def test_different_values_have_different_names(parts: tuple[object, ...]) -> None:
    assert codec.digest(*parts) != codec.digest("a", "b")


def test_a_name_is_32_hexadecimal_digits() -> None:
    name = codec.digest("anything")

    assert len(name) == 32
    assert set(name) <= set("0123456789abcdef")


def test_a_document_that_is_nested_too_deeply_is_unreadable() -> None:
    with pytest.raises(codec.Unreadable, match="nested too deeply"):
        codec.from_json("[" * 100_000, object)
    with pytest.raises(codec.Unreadable, match="nested too deeply"):
        codec.from_toml("a = " + "[" * 100_000)


@pytest.mark.parametrize(
    "text", ["a = ", "a = " + "9" * 5_000], ids=["no-value", "a-number-that-python-refuses"]
)
def test_what_is_no_toml_is_unreadable(text: str) -> None:
    with pytest.raises(codec.Unreadable):
        codec.from_toml(text)
