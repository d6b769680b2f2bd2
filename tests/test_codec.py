"""Values to JSON and back."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from builders import ASSERTION, CONFLICT, broken, day, failed, passed, probe, untestable, usable

from bisect_asgi import codec, differences
from bisect_asgi.errors import ExitCode
from bisect_asgi.events import (
    Activity,
    AnswerKind,
    AskedAnew,
    Believed,
    CandidateListed,
    CandidatesListed,
    Compared,
    Confirmed,
    EndsSampled,
    Event,
    Explained,
    InterpreterChosen,
    Judged,
    LevelsFound,
    MetricLevel,
    Noted,
    OutputSeen,
    PreparationEnded,
    PreparationStarted,
    RunFinished,
    RunStarted,
    ShownSet,
    Staged,
    TrialCancelled,
    TrialFinished,
    TrialProgressed,
    TrialStarted,
    unstaged,
)
from bisect_asgi.model import (
    BuiltEnvironment,
    CulpritKind,
    Distribution,
    EnvironmentSpec,
    Exemption,
    LeftOut,
    Measuring,
    Move,
    Outcome,
    Ruling,
    Step,
    Trial,
    TrialRequest,
    Verdict,
)
from bisect_asgi.tally import Tally

MOVED = Move(name="starlette", old="0.14.2", new="0.15.0")
WARM_UP = replace(passed(), wall_s=1.5, is_warm_up=True)
SAMPLE = replace(
    passed(),
    wall_s=1.25,
    metrics={"p95": 0.25},
    units={"p95": "s"},
    busy=0.5,
    beside={"wall": 1.2, "p95": 0.2},
)

EVENTS = [
    RunStarted(
        tool_version="0.1.0",
        started=day("2024-05-01"),
        project="fastapi",
        requirement="fastapi[all]=={version}",
        probe="probes/leak.py",
        command=None,
        order="version",
        dependencies="as-of 2022-01-10",
        held=("uvicorn==0.17.6",),
        good="0.69.0",
        bad=None,
        releases=None,
        jobs=4,
    ),
    InterpreterChosen(interpreter=usable().interpreter, reason="it installs 3 of 3 releases"),
    CandidatesListed(
        candidates=(
            CandidateListed(version="0.69.0", uploaded=day("2021-10-07"), not_after=day("2021-10-08")),
            CandidateListed(version="0.70.0", uploaded=None),
        ),
        left_out=(LeftOut(version="0.70.0rc1", uploaded=None, reason="pre-release"),),
    ),
    TrialStarted(key=3),
    TrialProgressed(key=3, activity=Activity.BUILDING),
    OutputSeen(key=3, text='ünïcode ☃\n"quoted"\x00'),
    TrialFinished(
        trial=Trial(
            key=3,
            label="fastapi 0.69.0",
            observations=(passed("ok\n"), failed(), untestable(), broken(), WARM_UP, SAMPLE),
            environment=BuiltEnvironment(
                digest="ab12", distributions=(Distribution(name="h11", version="0.9"),), step="latest"
            ),
            remembered=1,
            build_s=1.5,
            steps={Step.RESOLVE: 0.5, Step.LINK: 1.0},
            host="elsewhere",
        )
    ),
    TrialCancelled(key=4, at_s=12.5),
    PreparationStarted(key=5, at_s=1.25),
    PreparationEnded(key=5, at_s=2.5, steps={Step.LINK: 0.25}, is_cancelled=True),
    Judged(
        rulings=((0, Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=2)),),
        new_is=Outcome.FAILED,
        reference=(ASSERTION, CONFLICT),
        low=0,
        high=None,
        left=7,
    ),
    AskedAnew(),
    Believed(
        low=11,
        high=12,
        probability=0.997,
        old=Tally(passed=12).rate,
        new=Tally(passed=3, failed=9).rate,
        first=12,
        last=13,
        confidence=0.99,
    ),
    Confirmed(low=11, high=12, runs=12, luck=0.004),
    EndsSampled(
        metric="wall",
        unit="×",
        low=0,
        high=114,
        reference=0,
        old=(1.0, 1.02, 0.99),
        new=(1.31, 1.29, 1.4),
        p=0.0121,
        above=1.15,
    ),
    LevelsFound(
        metric="peak-memory",
        unit="B",
        levels=(MetricLevel(first=0, last=7, value=2.5e7), MetricLevel(first=8, last=9, value=3e7)),
        penalty=6.9,
        creep=-0.02,
        steps=((2.6e7, 2.9e7),),
    ),
    Noted(text="fastapi 0.69.1 was yanked"),
    Explained(
        package="fastapi",
        old="fastapi 0.68.2",
        new="fastapi 0.69.0",
        moves=(MOVED, Move(name="anyio", old=None, new="3.3.0")),
        kind=CulpritKind.DEPENDENCY,
        sets=(ShownSet(moved=(MOVED,), along=(MOVED,), doubtful=("starlette",), required=">=0.15,<0.16"),),
        is_all=False,
        tried_in=1,
        decisive=(0, 2),
        stages_before=2,
    ),
    Compared(
        name="starlette",
        old="0.14.2",
        new="0.15.0",
        changed=differences.WhatChanged(
            name="starlette",
            old="0.14.2",
            new="0.15.0",
            requirements=(differences.RequirementChange(project="anyio", old=None, new="<4,>=3"),),
            old_python=">=3.6",
            new_python=None,
            files=(
                differences.FileChange(
                    path="starlette/routing.py",
                    change=differences.Change.CHANGED,
                    kind=differences.Kind.TEXT,
                    diff="-old\n+new\n",
                    lines=(3,),
                ),
            ),
        ),
        links=(
            differences.Link(
                label="Notes", address="https://example.org/notes", kind=differences.LinkKind.CHANGELOG
            ),
        ),
    ),
    RunFinished(
        kind=AnswerKind.FOUND,
        elapsed_s=108.0,
        low=3,
        high=5,
        skipped=(4,),
        contradictions=(1,),
        left_between=("0.68.3",),
    ),
]

STAGED = [Staged(stage=number, event=event) for number, event in enumerate(EVENTS, start=1)]


@pytest.mark.parametrize("event", [pytest.param(event, id=type(event).__name__) for event in EVENTS])
def test_an_event_is_one_line_that_says_what_it_is_and_reads_back(event: Event) -> None:
    line = codec.event_to_json(event)

    assert line.startswith(b'{"event":"%s"' % type(event).__name__.encode())
    assert b"\n" not in line
    assert codec.event_from_json(line) == event


@pytest.mark.parametrize("event", [pytest.param(event, id=type(event.event).__name__) for event in STAGED])
def test_an_event_of_a_stage_is_written_as_it_is_with_the_stages_number(event: Staged) -> None:
    line = codec.event_to_json(event)

    start = b'{"event":"%s","stage":%d' % (type(event.event).__name__.encode(), event.stage)
    assert line.startswith(start)
    assert line.replace(b',"stage":%d' % event.stage, b"", 1) == codec.event_to_json(event.event)
    assert codec.event_from_json(line) == event


def test_an_event_is_the_same_whichever_stage_it_is_of() -> None:
    event = TrialStarted(key=3)

    assert unstaged(Staged(stage=2, event=event)) is event
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
        interpreter=usable().interpreter,
        requirements=("fastapi==0.69.0",),
        not_after=day("2021-10-08"),
        exempt=(Exemption(name="fastapi"),),
        proves=Distribution(name="fastapi", version="0.69.0"),
    )
    request = TrialRequest(
        key=3, label="fastapi 0.69.0", spec=spec, probe=probe(), measuring=Measuring(reference=spec)
    )

    assert codec.from_json(codec.to_json(request), TrialRequest) == request


def test_json_is_compact_with_the_keys_in_the_order_of_the_fields() -> None:
    assert codec.to_json(Distribution(version="0.9", name="h11")) == b'{"name":"h11","version":"0.9"}'


def test_plain_data_becomes_a_value_of_the_model() -> None:
    plain = {"name": "fastapi", "not_after": "2021-10-08T00:00:00Z"}

    assert codec.convert(plain, Exemption) == Exemption(name="fastapi", not_after=day("2021-10-08"))


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
