"""Make a call in a thread that nothing waits for when the command ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_background(call: Callable[[], T], *, name: str, future: Future[T] | None = None) -> Future[T]:
    """Start a call in a thread of its own; the future gets what it returns or raises.

    `future`: one that others know already, so that they can cancel it if the thread never starts.
    """
    promised: Future[T] = Future() if future is None else future

    def run() -> None:
        if not promised.set_running_or_notify_cancel():
            return
        try:
            promised.set_result(call())
        except BaseException as error:
            promised.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return promised
