"""One search that still runs: its report so far, and its present activity."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bisect_asgi.core import events
from bisect_asgi.core.records import replace
from bisect_asgi.core.text import elapsed
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import report_of
from bisect_asgi.report.page import Fact, Strip
from bisect_asgi.report.progress.status import place
from bisect_asgi.report.progress.wording import Progress
from bisect_asgi.report.projection import Work

_MOST_RUNNING = 12
_SEEN_IN_STRIP = (
    events.TrialStarted,
    events.TrialProgressed,
    events.OutputSeen,
    events.PreparationStarted,
    events.StretchesPlanned,
    events.StretchStarted,
    events.RepeatsStarted,
)
"""Events that change nothing in a report."""


class LiveSearch:
    """A sink that returns the report so far at any time, in any thread; `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._progress = Progress()
        self._begun_s = clock()
        self._ended_s: float | None = None
        self._cut_off = "still running"
        self._since: dict[tuple[int, int], float] = {}
        """The moments when trials began their present activity, by stage and key."""
        self.version = 0
        """The number of events that the report has; it changes with the report."""

    def __call__(self, event: events.Event) -> None:
        """Take in one event."""
        inner = events.unstaged(event)
        with self._lock:
            if isinstance(event, events.RunStarted) and self._progress.run.plan is not None:
                self._progress = Progress()  # A person withdrew a verdict, so the search begins again.
            self._progress.take(event)
            if isinstance(inner, (events.TrialStarted, events.TrialProgressed)):
                stage = event.stage if isinstance(event, events.StageEvent) else 0
                self._since[stage, inner.key] = self._clock()
            if isinstance(event, events.RunFinished):
                self._ended_s = self._clock()
            if not isinstance(inner, _SEEN_IN_STRIP):
                self.version += 1

    def report(self) -> Report | None:
        """Return the report as far as it is known; None before the search has begun."""
        with self._lock:
            if self._progress.run.plan is None:
                return None
            report = report_of(self._progress.projection, cut_off=self._cut_off)
        return report if self.is_over else replace(report, elapsed_s=self.elapsed_s)

    def stop(self) -> None:
        """Take in that no more events come."""
        with self._lock:
            if self._ended_s is None:
                self._ended_s, self._cut_off = self._clock(), "the command ended before the search did"
                self.version += 1

    @property
    def is_over(self) -> bool:
        """Whether no more events come."""
        return self._ended_s is not None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the search began, up to its end."""
        return (self._clock() if self._ended_s is None else self._ended_s) - self._begun_s

    @property
    def at(self) -> str:
        """The state of the search in a few words."""
        progress = self._progress
        if self.is_over:
            return "ended"
        return str(progress.stretches.current) if progress.shown.candidates else "asking the index"

    def strip(self) -> Strip:
        """Return the present activity of the search."""
        with self._lock:
            progress, planned = self._progress, self._progress.stretches.planned
            current, is_over = progress.stretches.current, self.is_over
            where = "".join(text for text, _ in place(progress, progress.shown, 0))
            return Strip(
                stretches=tuple(map(str, planned)),
                place=len(planned) if is_over or current not in planned else planned.index(current),
                where="" if is_over else (where if progress.shown.candidates else "asking the index"),
                elapsed=elapsed(self.elapsed_s),
                running=() if is_over else tuple(map(self._doing, progress.running()[:_MOST_RUNNING])),
            )

    def _doing(self, work: Work) -> Fact:
        took_s = self._clock() - self._since[work.stage, work.key]
        return Fact(work.label, f"{work.activity or 'waiting'} {elapsed(took_s)}")
