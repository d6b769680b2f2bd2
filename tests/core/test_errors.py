"""Errors travel between processes whole, and each has its exit code."""

from __future__ import annotations

import pickle

import pytest

from bisect_asgi.core.errors import (
    BisectError,
    BuildFailed,
    ExitCode,
    NoResult,
    Unavailable,
    Unresolvable,
    Untestable,
    UsageError,
    not_asked,
)
from bisect_asgi.core.events import ResultKind


@pytest.mark.parametrize("kind", [BisectError, UsageError, Unavailable])
@pytest.mark.parametrize("hint", [pytest.param("try again", id="hint"), pytest.param(None, id="no-hint")])
def test_an_error_comes_back_from_a_worker_as_it_was(kind: type[BisectError], hint: str | None) -> None:
    error = pickle.loads(pickle.dumps(kind("the index did not answer", hint=hint)))

    assert type(error) is kind
    assert (str(error), error.hint) == ("the index did not answer", hint)


def test_a_hint_need_not_be_given() -> None:
    assert UsageError("no package given").hint is None


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        pytest.param(UsageError, 2, id="usage"),
        pytest.param(Unavailable, 6, id="unavailable"),
    ],
)
def test_an_error_has_its_exit_code(kind: type[BisectError], code: int) -> None:
    assert kind.exit_code == code


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        pytest.param(ResultKind.FOUND, 0, id="found"),
        pytest.param(ResultKind.NOT_REPRODUCED, 3, id="not-reproduced"),
        pytest.param(ResultKind.GOOD_END_FAILS, 4, id="good-end-fails"),
        pytest.param(ResultKind.INCONCLUSIVE, 5, id="inconclusive"),
        pytest.param(ResultKind.UNAVAILABLE, 6, id="unavailable"),
        pytest.param(ResultKind.INTERRUPTED, 130, id="interrupted"),
        pytest.param(ResultKind.NOT_ASKED, 2, id="not-asked"),
    ],
)
def test_each_answer_has_its_exit_code(kind: ResultKind, code: int) -> None:
    assert kind.exit_code == code


def test_no_answer_shares_pythons_exit_code_for_a_traceback() -> None:
    assert ExitCode.BUG.value == 1
    assert ExitCode.BUG not in {kind.exit_code for kind in ResultKind}


def test_a_question_without_a_result_is_asked_with_the_same_command() -> None:
    error = not_asked(NoResult("a file did not arrive"))

    assert str(error) == "a file did not arrive"
    assert error.hint == "run the same command again; `bisect-asgi doctor` checks this machine"


@pytest.mark.parametrize("kind", [Unresolvable, BuildFailed])
def test_whether_a_failure_lasts_travels_with_it_to_another_process(kind: type[Untestable]) -> None:
    error = pickle.loads(pickle.dumps(kind("no", is_lasting=False)))

    assert (type(error), str(error), error.is_lasting, error.since) == (kind, "no", False, None)
