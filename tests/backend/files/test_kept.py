"""Answers that are kept for a while: who is asked again, and when."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.backend.files import kept

DAY = timedelta(days=1)


class Outside:
    """Answers with the next of some answers, and counts how often it was asked."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.left = list(answers)
        self.asked = 0

    def __call__(self) -> tuple[str, ...]:
        self.asked += 1
        return self.left.pop(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers" / "tags.json"


def age(path: Path, by: timedelta) -> None:
    moment = time.time() - by.total_seconds()
    os.utime(path, (moment, moment))


def test_the_outside_is_asked_once(path: Path) -> None:
    outside = Outside(("1.0", "2.0"))

    assert [kept(path, outside), kept(path, outside)] == [("1.0", "2.0")] * 2
    assert outside.asked == 1


@pytest.mark.parametrize(
    ("at_most", "by", "expected"),
    [
        pytest.param(DAY, timedelta(hours=23), "first", id="young-enough"),
        pytest.param(DAY, timedelta(hours=25), "second", id="too-old"),
        pytest.param(None, timedelta(days=4000), "first", id="any-age"),
    ],
)
def test_an_answer_is_good_for_as_long_as_is_said(
    path: Path, at_most: timedelta | None, by: timedelta, expected: str
) -> None:
    outside = Outside(("first",), ("second",))
    kept(path, outside, at_most=at_most)

    age(path, by)

    assert kept(path, outside, at_most=at_most) == (expected,)


def test_an_answer_that_was_renewed_is_young_again(path: Path) -> None:
    outside = Outside(("first",), ("second",))
    kept(path, outside, at_most=DAY)
    age(path, 2 * DAY)
    kept(path, outside, at_most=DAY)

    assert kept(path, outside, at_most=DAY) == ("second",)
    assert outside.asked == 2


def test_that_there_is_nothing_is_an_answer_as_well(path: Path) -> None:
    outside = Outside((), ("1.0",))

    assert [kept(path, outside, at_most=DAY) for _ in range(2)] == [(), ()]
    age(path, 2 * DAY)
    assert kept(path, outside, at_most=DAY) == ("1.0",)


@pytest.mark.parametrize("content", [b"", b'["1.0"', b'{"1.0": 2}', b"[1]", b"\xff\xfe"])
def test_what_cannot_be_read_is_asked_again_and_replaced(path: Path, content: bytes) -> None:
    outside = Outside(("1.0",))
    path.parent.mkdir()
    path.write_bytes(content)

    assert [kept(path, outside), kept(path, outside)] == [("1.0",)] * 2


def test_what_the_outside_raises_goes_on_and_leaves_nothing(path: Path) -> None:
    def fails() -> tuple[str, ...]:
        raise TimeoutError("it does not answer")

    with pytest.raises(TimeoutError, match="it does not answer"):
        kept(path, fails)

    assert list(path.parent.parent.rglob("*")) == []


def test_nothing_is_left_beside_the_answer(path: Path) -> None:
    kept(path, Outside(("1.0",)))

    assert list(path.parent.iterdir()) == [path]


def test_an_answer_that_cannot_be_kept_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("in the way")

    assert kept(tmp_path / "answers" / "tags.json", Outside(("1.0",))) == ("1.0",)


# Git and archives give text with replacement characters, never surrogates.
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple))
def test_what_is_kept_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, answer: tuple[str, ...]
) -> None:
    path = tmp_path_factory.mktemp("kept") / "answer.json"

    assert kept(path, Outside(answer)) == answer
    assert kept(path, Outside()) == answer
