"""Ask a question once, whoever asks it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def once_each(ask: Callable[[K], T]) -> Callable[[K], T]:
    """Return a function that asks each question once; threads that ask it meanwhile wait for the answer.

    A question that raised an error is asked again.
    """
    answers: dict[K, T] = {}
    locks: dict[K, threading.Lock] = {}

    def answer(about: K) -> T:
        with locks.setdefault(about, threading.Lock()):
            if about not in answers:
                answers[about] = ask(about)
            return answers[about]

    return answer
