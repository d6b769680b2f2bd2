"""Sinks: progress as plain lines and as a live display, and what several sinks are told."""

from __future__ import annotations

import threading

from support.progress import (
    BAD,
    GOOD,
    OPENING,
    judged,
    plain_lines,
)

from bisect_asgi.core import events
from bisect_asgi.core.records import replace
from bisect_asgi.report.log import Broadcast


def test_changes_so_far_are_those_of_all_rulings_that_hold() -> None:
    log = [
        *OPENING,
        judged(left=8, rulings=[(0, GOOD), (9, BAD)]),
        judged(left=7, rulings=[(4, BAD)]),
        replace(judged(left=8), withdrawn=(4,)),
    ]

    assert plain_lines(log)[-3:] == [
        "8 releases not run; changes so far: 1.0 → 1.9",
        "7 releases not run; changes so far: 1.0 → 1.4",
        "8 releases not run; changes so far: 1.0 → 1.9",
    ]


def test_every_sink_is_told_every_event_whole_and_one_at_a_time() -> None:
    first: list[events.Event] = []
    second: list[events.Event] = []
    emit = Broadcast([first.append, second.append])
    workers = [
        threading.Thread(target=lambda key=key: [emit(events.TrialStarted(key=key)) for _ in range(200)])
        for key in range(4)
    ]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(first) == 800
    assert first == second  # in one order
