"""Compute each value once, for all threads that need it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def once_each(ask: Callable[[K], T]) -> Callable[[K], T]:
    """Return a function that calls `ask` once for each argument. Other threads wait for its result.

    If the call raises an error, the next one is made.
    """
    answers: dict[K, T] = {}
    locks: dict[K, threading.Lock] = {}

    def answer(about: K) -> T:
        with locks.setdefault(about, threading.Lock()):
            if about not in answers:
                answers[about] = ask(about)
            return answers[about]

    return answer
