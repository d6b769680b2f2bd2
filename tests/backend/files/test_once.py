"""A question is asked once, whoever asks it."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from bisect_asgi.backend.files import once_each

PATIENCE_S = 30.0


def test_a_question_is_asked_once_by_all_who_ask_it_at_the_same_time() -> None:
    asked: Counter[str] = Counter()
    both = threading.Barrier(2, timeout=PATIENCE_S)

    def ask(about: str) -> str:
        asked[about] += 1
        return about.upper()

    answer = once_each(ask)

    def session() -> str:
        both.wait()
        return answer("page")

    with ThreadPoolExecutor(2) as workers:
        answers = [workers.submit(session) for _ in range(2)]
    assert [each.result() for each in answers] == ["PAGE"] * 2
    assert answer("other") == "OTHER"
    assert asked == {"page": 1, "other": 1}


def test_a_question_that_was_not_answered_is_asked_again() -> None:
    answers = iter([OSError("down"), "up"])

    def ask(_: str) -> str:
        said = next(answers)
        if isinstance(said, OSError):
            raise said
        return said

    answer = once_each(ask)
    with pytest.raises(OSError, match="down"):
        answer("page")

    assert answer("page") == "up"
