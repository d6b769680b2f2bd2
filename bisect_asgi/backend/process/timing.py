"""Record where a trial's time goes: each second is charged to the innermost step at that moment.

Resolving may have to build, installing may have to download, and both may wait for another trial. To return
times through all of these would show in every signature. So the recording belongs to the thread, as decimal
contexts do; outside a recording, nothing is charged.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar

from bisect_asgi.core.model import Step
from bisect_asgi.core.records import Struct, field


class _Recording(Struct):
    """The seconds charged so far, and the steps that have begun, outermost first."""

    seconds: dict[Step, float] = field(default_factory=dict)
    going_on: list[Step] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def settle(self) -> None:
        """Charge the time since the last call to the innermost step."""
        now = time.monotonic()
        if self.going_on:
            self.add(self.going_on[-1], now - self.since)
        self.since = now

    def add(self, step: Step, seconds: float) -> None:
        self.seconds[step] = self.seconds.get(step, 0.0) + seconds


_recording: ContextVar[_Recording | None] = ContextVar("recording", default=None)


@contextmanager
def recording() -> Iterator[dict[Step, float]]:
    """Record what this thread spends in the context; the yielded dict fills with the seconds of each step."""
    record = _Recording()
    token = _recording.set(record)
    try:
        yield record.seconds
    finally:
        _recording.reset(token)


@contextmanager
def spending(step: Step) -> Iterator[None]:
    """Charge the time in the context to `step`, except what steps inside it take."""
    record = _recording.get()
    if record is None:
        yield
        return
    record.settle()
    record.going_on.append(step)
    try:
        yield
    finally:
        record.settle()
        record.going_on.pop()


@contextmanager
def waiting_for(lock: AbstractContextManager[object]) -> Iterator[None]:
    """Hold a lock in the context, and charge the time until it is acquired as waiting."""
    with ExitStack() as held:
        with spending(Step.WAIT):
            held.enter_context(lock)
        yield


def move(seconds: float, *, to: Step) -> None:
    """Charge `seconds` of the innermost step to another step, because a program reported what they went to.

    At most as many are moved as the innermost step was charged with.
    """
    record = _recording.get()
    if record is None or not record.going_on:
        return
    record.settle()
    inside = record.going_on[-1]
    moved = max(0.0, min(seconds, record.seconds[inside]))
    record.add(inside, -moved)
    record.add(to, moved)
